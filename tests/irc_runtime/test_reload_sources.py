"""What is refused of a version before anything of it runs: folders and layouts on disk."""

import gzip
import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from irc_runtime.reloading import code_copy
from irc_runtime.reloading.oci_layout import ImageLayout
from irc_runtime.reloading.sources import CodeFolder
from irc_runtime.reloading.version import Facts, Version, VersionError, own_facts
from irc_runtime.reloading.watcher import Watcher
from tests.irc_runtime.versions import Packages, flow_of, put_link


@pytest.fixture
def packages(tmp_path: Path) -> Packages:
    return Packages(tmp_path / "packages")


@pytest.fixture
def own(packages: Packages) -> Facts:
    """What runs."""
    found = own_facts([str(packages.package(flow_of("first")) / "context/app")])
    assert found is not None
    return found[1]


@pytest.fixture
def second(packages: Packages) -> Path:
    return packages.package(flow_of("second"))


@pytest.fixture
def copies(tmp_path: Path) -> Path:
    (tmp_path / "copies").mkdir()
    return tmp_path / "copies"


def texts(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}


def test_folder_and_layout_are_the_same_version(second: Path, own: Facts, copies: Path) -> None:
    by_folder = CodeFolder(second / "context/app").fetch(copies, own)
    by_layout = ImageLayout(second / "image").fetch(copies, own)
    assert by_folder.digest == by_layout.digest != own.digest
    assert texts(by_folder.folder) == texts(by_layout.folder) == texts(second / "context/app")
    assert by_folder.module == "shop.agent"


def test_code_of_several_layers_is_put_together(
    packages: Packages, own: Facts, copies: Path
) -> None:
    root = packages.package(flow_of("second"), shared={"common/words.py": "WORD = 1\n"})
    layers = json.loads((root / "image.json").read_text())["layers"]
    assert [layer["role"] for layer in layers][-2:] == ["first-party", "flow"]
    version = ImageLayout(root / "image").fetch(copies, own)
    assert texts(version.folder) == texts(root / "context/app")


def test_an_index_has_the_version_for_each_platform(
    packages: Packages, own: Facts, copies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = packages.package(flow_of("second"), two_platforms=True)
    found = ImageLayout(root / "image").fetch(copies, own)
    assert texts(found.folder) == texts(root / "context/app")
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    there = own_facts([str(packages.package(flow_of("first"), two_platforms=True) / "context/app")])
    assert there is not None
    assert ImageLayout(root / "image").fetch(copies, there[1]).digest == found.digest
    with pytest.raises(VersionError, match="are not those of the running image"):
        ImageLayout(root / "image").fetch(copies, own)
    monkeypatch.setattr(platform, "machine", lambda: "s390x")
    with pytest.raises(VersionError, match="the layout has no image for linux/s390x"):
        ImageLayout(root / "image").fetch(copies, None)


Damage = Callable[[Path], object]

FOLDERS: dict[str, Damage] = {
    "there is no irc-version.json": lambda app: (app / "irc-version.json").unlink(),
    "irc-version.json is incomplete": lambda app: cut(app / "irc-version.json"),
    "the code is incomplete or changed": lambda app: (app / "shop/agent.py").unlink(),
    "the code is incomplete or changed: it": lambda app: cut(app / "shop/agent.py"),
    "the code is incomplete or changed: it is": lambda app: (app / "json.py").write_text(""),
    "has schema_version 3, expected 2": lambda app: edit(
        app / "irc-version.json", schema_version=3
    ),
    "it is the agent 'other', this is 'sample'": lambda app: edit(
        app / "irc-version.json", name="other"
    ),
}


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize("reason", FOLDERS)
def test_a_damaged_folder_is_refused(reason: str, second: Path, own: Facts, copies: Path) -> None:
    FOLDERS[reason](second / "context/app")
    with pytest.raises(VersionError) as caught:
        CodeFolder(second / "context/app").fetch(copies, own)
    assert reason in str(caught.value)
    assert not list(copies.iterdir())


def test_byte_code_beside_the_sources_is_neither_checked_nor_taken(
    second: Path, own: Facts, copies: Path
) -> None:
    cached = second / "context/app/shop/__pycache__/agent.cpython-311.pyc"
    cached.parent.mkdir()
    cached.write_bytes(b"not checked")
    version = CodeFolder(second / "context/app").fetch(copies, own)
    assert not list(version.folder.rglob("*.pyc"))


def blob(image: Path, digest: str) -> Path:
    return image / "blobs/sha256" / digest.removeprefix("sha256:")


def store(image: Path, data: bytes) -> str:
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    blob(image, digest).write_bytes(data)
    return digest


def manifest_of(image: Path) -> dict[str, Any]:
    entry = json.loads((image / "index.json").read_text())["manifests"][0]
    return dict(json.loads(blob(image, entry["digest"]).read_text()))


def with_manifest(image: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the manifest, and have the index name it, as one would who makes layouts."""
    manifest = manifest_of(image)
    change(manifest)
    data = json.dumps(manifest).encode()
    index = json.loads((image / "index.json").read_text())
    index["manifests"][0] |= {"digest": store(image, data), "size": len(data)}
    (image / "index.json").write_text(json.dumps(index))


def top(image: Path) -> Path:
    return blob(image, manifest_of(image)["layers"][-1]["digest"])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def other_layer(image: Path) -> None:
    """A top layer that is whole by its own digest, but is not the archive that the image names."""
    data = gzip.compress(gzip.decompress(top(image).read_bytes()) + bytes(512))
    with_manifest(image, lambda m: m["layers"][-1].update(digest=store(image, data)))


def escape(image: Path) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        member = tarfile.TarInfo("opt/agent/app/../../../etc/passwd")
        tar.addfile(member)
    data = gzip.compress(archive.getvalue())
    with_manifest(image, lambda m: m["layers"][-1].update(digest=store(image, data)))


def other_platform(image: Path) -> None:
    index = json.loads((image / "index.json").read_text())
    index["manifests"][0]["platform"] = {"os": "linux", "architecture": "s390x"}
    (image / "index.json").write_text(json.dumps(index))


LAYOUTS: dict[str, Damage] = {
    "it has no file oci-layout": lambda image: (image / "oci-layout").unlink(),
    "a document is not what OCI has it be": lambda image: cut(image / "index.json"),
    "a document is not what OCI has it": lambda image: (image / "index.json").write_text("[]"),
    "the layout has no image for linux/": other_platform,
    "it has no blob sha256:": lambda image: top(image).unlink(),
    "is cut short or changed": lambda image: cut(top(image)),
    "cut short or changed": lambda image: flip(top(image)),
    "short or changed": lambda image: flip(blob(image, manifest_of(image)["config"]["digest"])),
    "or changed": other_layer,
    "not a sha256 digest": lambda image: with_manifest(
        image, lambda m: m["layers"][-1].update(digest="sha256:../../x")
    ),
    "a layer of code has the type application/x, expected": lambda image: with_manifest(
        image, lambda m: m["layers"][-1].update(mediaType="application/x")
    ),
    "a file outside of its folder": escape,
    "the layout is damaged": lambda image: with_manifest(image, lambda m: m["layers"].pop()),
}


@pytest.mark.parametrize("reason", LAYOUTS)
def test_a_damaged_layout_is_refused(reason: str, second: Path, own: Facts, copies: Path) -> None:
    LAYOUTS[reason](second / "image")
    with pytest.raises(VersionError) as caught:
        ImageLayout(second / "image").fetch(copies, own)
    assert reason in str(caught.value)
    assert not list(copies.iterdir())


@pytest.mark.parametrize("kind", ["folder", "layout"])
def test_other_layers_below_the_code_need_a_new_image(
    kind: str, packages: Packages, own: Facts, copies: Path
) -> None:
    root = packages.package(flow_of("second"), other_base=True)
    source = CodeFolder(root / "context/app") if kind == "folder" else ImageLayout(root / "image")
    with pytest.raises(VersionError, match="are not those of the running image") as caught:
        source.fetch(copies, own)
    assert caught.value.hint == "roll out a new image"


def test_layers_below_the_code_need_not_be_there(second: Path, own: Facts, copies: Path) -> None:
    below = [layer["digest"] for layer in manifest_of(second / "image")["layers"][:-1]]
    assert below
    assert not [digest for digest in below if blob(second / "image", digest).exists()]
    ImageLayout(second / "image").fetch(copies, own)


def test_code_that_is_too_large_is_refused(
    second: Path, own: Facts, copies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code_copy, "MAX_CODE_BYTES", 100)
    for source in (CodeFolder(second / "context/app"), ImageLayout(second / "image")):
        with pytest.raises(VersionError, match="the code is larger than 100 bytes"):
            source.fetch(copies, own)
    assert not list(copies.iterdir())


def test_without_a_folder_for_copies_a_hint_says_what_to_set(
    second: Path, own: Facts, tmp_path: Path
) -> None:
    with pytest.raises(VersionError) as caught:
        CodeFolder(second / "context/app").fetch(tmp_path / "nowhere", own)
    assert "TMPDIR" in str(caught.value.hint)


def test_a_version_is_offered_once_two_looks_agree(
    packages: Packages, second: Path, own: Facts, copies: Path, tmp_path: Path
) -> None:
    place = tmp_path / "place"
    watcher = Watcher(CodeFolder(place), copies, own)
    assert watcher.look(at_once=False) is None
    place.symlink_to(second / "context/app")
    assert watcher.look(at_once=False) is None
    assert isinstance(watcher.look(at_once=False), Version)
    watcher.take()
    assert watcher.look(at_once=False) is None
    put_link(place, packages.package(flow_of("third")) / "context/app")
    assert watcher.look(at_once=False) is None
    put_link(place, packages.package(flow_of("fourth")) / "context/app")
    assert watcher.look(at_once=False) is None
    version = watcher.look(at_once=False)
    assert version is not None
    assert "fourth" in (version.folder / "shop/saying.py").read_text()


@pytest.mark.parametrize("another_comes_to_serve", [False, True])
def test_a_refused_version_is_offered_again_when_it_has_changed(
    another_comes_to_serve: bool, second: Path, own: Facts, copies: Path
) -> None:
    place = second / "context/app"
    text = (place / "shop/agent.py").read_text()
    cut(place / "shop/agent.py")
    watcher = Watcher(CodeFolder(place), copies, own)
    with pytest.raises(VersionError):
        watcher.look(at_once=True)
    if another_comes_to_serve:
        watcher.take()
    assert [watcher.look(at_once=False) for _ in range(3)] == [None] * 3
    (place / "shop/agent.py").write_text(text)
    assert watcher.look(at_once=False) is None
    assert isinstance(watcher.look(at_once=False), Version)


def test_a_mounted_volume_is_switched_by_the_link_in_it(
    packages: Packages, own: Facts, copies: Path, tmp_path: Path
) -> None:
    """As the kubelet writes volumes: all files are links through ``..data``, a link itself."""
    volume = tmp_path / "volume"
    volume.mkdir()
    first, second = (packages.package(flow_of(name)) for name in ("one", "two"))
    put_link(volume / "..data", first / "context/app")
    for name in ("shop", "irc-version.json"):
        (volume / name).symlink_to(f"..data/{name}")
    watcher = Watcher(CodeFolder(volume), copies, own)
    version = watcher.look(at_once=True)
    assert version is not None
    watcher.take()
    put_link(volume / "..data", second / "context/app")
    watcher.look(at_once=False)
    newer = watcher.look(at_once=False)
    assert newer is not None
    assert newer.digest != version.digest
