"""The repositories that benchmarks and tests generate."""

from pathlib import Path

from monorepo import write_monorepo


def files(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }


def test_the_same_arguments_give_the_same_files(tmp_path: Path) -> None:
    one = write_monorepo(tmp_path / "one", 12, second_resolve=True)
    other = write_monorepo(tmp_path / "other", 12, second_resolve=True)
    assert files(one.root) == files(other.root)
    assert one.addresses == other.addresses


def test_a_flow_is_the_same_however_many_there_are(tmp_path: Path) -> None:
    few = files(write_monorepo(tmp_path / "few", 1).root)
    many = files(write_monorepo(tmp_path / "many", 11).root)
    assert few.items() <= many.items()
    assert len([path for path in many if path.endswith("/flow.yaml")]) == 11
