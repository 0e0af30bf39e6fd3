"""``irc compile``: one file, tests, nothing at all, or a build context."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.irc.cli.calling import environment, status
from tests.irc.compiling import BASE, code_node

FLOW = (
    BASE.replace(", optional: [locale]", "")
    + "nodes:\n"
    + code_node("a", "{name: query, type: string}", "{name: text, type: string}", "", "").replace(
        "spec: |\n", "spec: {file: saying.py}\n"
    )
    + "edges: [{from: _input.query, to: a}, {from: a, to: _output}]\n"
)
CODE = "from shop.words import shout\n\n\ndef transform(i, c, s):\n    return shout(i['query'])\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IRC_CACHE_DIR", str(tmp_path / "cache"))
    for name, text in (
        ("flows/flow.yaml", FLOW),
        ("flows/saying.py", CODE),
        ("shop/__init__.py", ""),
        ("shop/words.py", "import jinja2\n\n\ndef shout(text):\n    return text.upper()\n"),
        ("shop/unused.py", "import nothing_of_the_kind\n"),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def below(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


def test_one_agent_and_its_map(folder: Path) -> None:
    assert status("compile", "flows/flow.yaml", "-o", "out/talker.py") == 0
    assert below(folder / "out") == ["talker.map.json", "talker.py"]


def test_tests_beside_it_pass(folder: Path) -> None:
    assert status("compile", "flows/flow.yaml", "-o", "out/talker.py", "--generate-tests") == 0
    assert below(folder / "out") == ["talker.map.json", "talker.py", "test_talker.py"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "out/test_talker.py"],
        env=environment({"PYTHONPATH": f"{folder}:{environment()['PYTHONPATH']}"}),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_validate_only_writes_nothing(folder: Path) -> None:
    assert status("compile", "flows/flow.yaml", "-o", "out/agent.py", "--validate-only") == 0
    assert not (folder / "out").exists()
    (folder / "flows/flow.yaml").write_text(FLOW.replace("from: a,", "from: b,"))
    assert status("compile", "flows/flow.yaml", "--validate-only") == 1


def test_context_holds_what_the_agent_imports(folder: Path) -> None:
    assert status("compile", "flows/flow.yaml", "--output-dir", "out", "--package") == 0
    context = folder / "out/flows/context"
    files = below(context)
    assert {"Dockerfile", "config.yaml", "requirements.txt"} <= set(files)
    assert {"app/flows/agent.py", "app/flows/saying.py", "app/shop/__init__.py", "app/shop/words.py",
            "app/irc_runtime/serving/__init__.py", "app/irc_runtime/__init__.py"} <= set(files)  # fmt: skip
    assert not {"app/shop/unused.py", "app/irc_runtime/features/__init__.py"} & set(files)
    requirements = (context / "requirements.txt").read_text().split()
    assert {"jinja2", "kserve"} <= set(requirements)
    assert not {"irc", "pyyaml", "pytest"} & set(requirements)
    docker = (context / "Dockerfile").read_text()
    assert "--require-hashes" not in docker
    assert 'ENTRYPOINT ["python3.11", "-m", "flows.agent"]' in docker


def test_context_runs_by_itself(folder: Path) -> None:
    assert status("compile", "flows/flow.yaml", "--output-dir", "out", "--package") == 0
    outside = [entry for entry in sys.path if "site-packages" in entry]
    done = subprocess.run(
        [sys.executable, "-S", "-m", "flows.agent", "--help"],
        cwd=folder / "out/flows/context/app",
        env=environment({"PYTHONPATH": ":".join([str(folder / "out/flows/context/app"), *outside])}),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Serve sample" in done.stdout


LOCK = """\
jinja2==3.1.6 \\
    --hash=sha256:00
markupsafe==3.0.3 \\
    --hash=sha256:01
unused==1.0 \\
    --hash=sha256:02
"""


def test_lock_pins_all_that_is_required(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "irc.package.standalone.distributions_of", lambda modules: ("jinja2",)
    )  # kserve has too many of its own
    (folder / "lock.txt").write_text(LOCK)
    arguments = ("compile", "flows/flow.yaml", "-o", "out/agent.py", "--package", "--lock")
    assert status(*arguments, "lock.txt") == 0
    context = folder / "out/context"
    assert (context / "requirements.txt").read_text() == LOCK.partition("unused")[0]
    docker = (context / "Dockerfile").read_text()
    assert '"pip", "install", "--no-cache-dir", "--require-hashes", "--target' in docker


def test_lock_that_lacks_something_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "lock.txt").write_text(LOCK)
    assert (
        status("compile", "flows/flow.yaml", "-o", "out/a.py", "--package", "--lock", "lock.txt")
        == 1
    )
    assert "lock.txt does not have '" in capsys.readouterr().err
    assert not (folder / "out").exists()


def test_lambda_function_has_no_context(capsys: pytest.CaptureFixture[str]) -> None:
    Path("flows/flow.yaml").write_text(FLOW + "deployment: {target: lambda}\n")
    assert status("compile", "flows/flow.yaml", "-o", "out/agent.py", "--package") == 1
    assert "takes no Dockerfile" in capsys.readouterr().err


def test_former_context_is_not_overwritten(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "out/context").mkdir(parents=True)
    assert status("compile", "flows/flow.yaml", "-o", "out/agent.py", "--package") == 1
    assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["-o", "out/agent.py", "--output-dir", "out"],
        ["-o", "out/agent.txt"],
        ["-o", "out/my-agent.py"],
        ["--generate-tests"],
        ["--lock", "lock.txt"],
        ["shop/other.yaml", "-o", "out/agent.py"],
        ["shop/other.yaml", "--package"],
    ],
)
def test_options_that_do_not_go_together(arguments: list[str]) -> None:
    assert status("compile", "flows/flow.yaml", *arguments) == 2


def test_each_flow_is_compiled_as_if_it_were_alone(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    warned = FLOW.replace("[query]", "[query, unread]")
    for name, flow in (("odd", warned), ("broken", FLOW.replace("to: a}", "to: b}"))):
        (folder / f"flows/{name}.flow.yaml").write_text(flow)
    flows = [f"flows/{name}flow.yaml" for name in ("", "odd.", "broken.")]
    assert status("compile", *flows, "--each", "--output-dir", "each") == 0
    assert capsys.readouterr() == ("", "")
    for flow in flows:
        wanted = 1 if "broken" in flow else 0
        assert status("compile", flow, "--output-dir", f"alone/{flow}") == wanted
        findings = folder / "each" / flow / "findings.txt"
        assert capsys.readouterr().err == (findings.read_text() if findings.exists() else "")
        alone, each = folder / "alone" / flow, folder / "each" / flow / "generated"
        assert below(each) == below(alone)
        assert all((each / name).read_bytes() == (alone / name).read_bytes() for name in below(alone))
    assert "warning[W" in (folder / "each" / flows[1] / "findings.txt").read_text()
    assert "error[E" in (folder / "each" / flows[2] / "findings.txt").read_text()
