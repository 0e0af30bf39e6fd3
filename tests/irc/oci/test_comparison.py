"""What differs between two images: fields, layers, files; wherever they lie and however packed."""

import io
import json
import shutil
import subprocess
import tarfile
import tracemalloc
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from irc.cli.image import image
from irc.oci.base import Platform
from irc.oci.blobs import Layer, blob_path, new_blob
from irc.oci.compression import MEDIA_TYPES, CompressedWriter, Compression
from irc.oci.image import Image, ImageLayer, Role
from irc.oci.layer import bytes_file, disk_file, write_layer
from tests.irc.oci.single_image import write_single_image

AMD64 = Platform("linux", "amd64")
SETTINGS = {"Env": ["PATH=/bin", "LANG=C"], "User": "1:1"}
FLOW = {"opt/agent.py": "a = 1\n", "opt/prompt.j2": "Hello"}
LAYERS: Mapping[Role, Mapping[str, str]] = {
    "base": {"etc/name": "debian"},
    "third-party": {"lib/alpha.py": "alpha"},
    "flow": FLOW,
}


def write(
    root: Path,
    layers: Sequence[tuple[Role, Mapping[str, str]]] = tuple(LAYERS.items()),
    *,
    settings: Mapping[str, Any] = SETTINGS,
    annotations: Mapping[str, str] | None = None,
    compression: Compression = "gzip",
    platform: Platform = AMD64,
) -> Image:
    written = [
        ImageLayer(
            write_layer(
                root, [bytes_file(path, text.encode()) for path, text in files.items()], compression
            ),
            role,
        )
        for role, files in layers
    ]
    return write_single_image(root, platform, written, settings, annotations or {})


def changed(**roles: Mapping[str, str]) -> Sequence[tuple[Role, Mapping[str, str]]]:
    """The example's layers, with others in some places."""
    return [(role, roles.get(role.replace("-", "_"), files)) for role, files in LAYERS.items()]


def diff(old: Path | str, new: Path | str, *options: str) -> Result:
    return CliRunner().invoke(image, ["diff", str(old), str(new), *options])


def lines(result: Result) -> list[str]:
    """What was found, without the line that names the two images."""
    assert result.exit_code == 1, result.output
    first, *rest = result.output.splitlines()
    assert first.startswith("~ image for linux/amd64: sha256:")
    return rest


def test_nothing_differs_in_two_folders(tmp_path: Path) -> None:
    write(tmp_path / "a")
    write(tmp_path / "b")
    result = diff(tmp_path / "a", tmp_path / "b")
    assert (result.exit_code, result.output) == (0, "")
    result = diff(tmp_path / "a", tmp_path / "b", "--format", "json")
    assert result.exit_code == 0
    assert json.loads(result.output) == {"equal": True, "images": [], "others": []}


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_files_of_a_layer_one_by_one(tmp_path: Path, compression: Compression) -> None:
    write(tmp_path / "a", compression=compression)
    flow = {"opt/agent.py": "a = 22\n", "opt/new.py": ""}
    write(tmp_path / "b", changed(flow=flow), compression=compression)
    title, layer, *files = lines(diff(tmp_path / "a", tmp_path / "b"))
    assert title == "  layers"
    assert layer.startswith("    ~ flow: sha256:")
    assert files == [
        "      ~ opt/agent.py: content, size 6 -> 7",
        "      + opt/new.py",
        "      - opt/prompt.j2",
    ]


def test_fields_of_configuration_and_annotations_with_variables_by_name(tmp_path: Path) -> None:
    write(tmp_path / "a", annotations={"title": "support"})
    settings = {"Env": ["LANG=C.UTF-8", "PATH=/bin", "NEW=1"]}
    write(tmp_path / "b", settings=settings, annotations={"title": "churn"})
    assert lines(diff(tmp_path / "a", tmp_path / "b")) == [
        "  config",
        "    ~ config.Env.LANG: C -> C.UTF-8",
        "    + config.Env.NEW: 1",
        "    - config.User: 1:1",
        "  annotations",
        "    ~ title: support -> churn",
    ]


def test_layers_that_were_added_and_removed(tmp_path: Path) -> None:
    write(tmp_path / "a")
    layers: list[tuple[Role, Mapping[str, str]]] = [
        *changed(third_party={"lib/beta.py": "beta", "lib/beta.txt": "beta"})[:2],
        ("first-party", {"opt/shared.py": ""}),
        ("flow", FLOW),
    ]
    write(tmp_path / "b", layers)
    found = [line for line in lines(diff(tmp_path / "a", tmp_path / "b")) if "sha256" in line]
    assert [(line.split(":")[0].strip(), line.rpartition(", ")[2]) for line in found] == [
        ("- third-party", "1 files"),
        ("+ third-party", "2 files"),
        ("+ first-party", "1 files"),
    ]


def test_layers_are_paired_by_role_and_by_the_paths_that_they_share(tmp_path: Path) -> None:
    one, two = {"lib/one.py": "1", "lib/x.py": "1"}, {"lib/two.py": "2", "lib/y.py": "1"}
    base: tuple[Role, Mapping[str, str]] = ("base", {"lib/one.py": "0", "lib/two.py": "0"})
    write(tmp_path / "a", [base, ("third-party", one), ("third-party", two)])
    two_now, one_now = {**two, "lib/two.py": "22"}, {**one, "lib/one.py": "11"}
    base_now: tuple[Role, Mapping[str, str]] = ("base", {"lib/one.py": "9", "lib/two.py": "0"})
    write(tmp_path / "b", [base_now, ("third-party", two_now), ("third-party", one_now)])
    document = json.loads(diff(tmp_path / "a", tmp_path / "b", "--format", "json").output)
    pairs = [
        (layer["old"]["role"], [file["path"] for file in layer["files"]])
        for layer in document["images"][0]["layers"]
    ]
    assert pairs == [
        ("base", ["lib/one.py"]),
        ("third-party", ["lib/two.py"]),
        ("third-party", ["lib/one.py"]),
    ]


def write_tar(root: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Layer:
    """A layer of entries as they are given."""
    with new_blob(root) as blob:
        writer = CompressedWriter(blob, "gzip")
        with tarfile.open(fileobj=writer, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for info, data in members:
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        writer.close()
    return Layer(MEDIA_TYPES["gzip"], blob.digest, writer.diff_id, blob.size)


def member(name: str, **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, b""


def test_every_property_of_an_entry_is_told(tmp_path: Path) -> None:
    old = [
        member("file"),
        member("link", type=tarfile.SYMTYPE, linkname="one"),
        member("kind"),
        member("time", mtime=1),
        member("owner"),
        member("more"),
    ]
    new = [
        member("file", mode=0o755),
        member("link", type=tarfile.SYMTYPE, linkname="two"),
        member("kind", type=tarfile.DIRTYPE),
        member("time", mtime=2),
        member("owner", uid=1, gid=2, uname="me", gname="us"),
        member("more", pax_headers={"SCHILY.xattr.user.x": "1"}),
    ]
    for name, members in (("a", old), ("b", new)):
        layer = ImageLayer(write_tar(tmp_path / name, *members), "flow")
        write_single_image(tmp_path / name, AMD64, [layer], SETTINGS, {})
    assert lines(diff(tmp_path / "a", tmp_path / "b"))[2:] == [
        "      ~ file: mode 0644 -> 0755",
        "      ~ kind: kind file -> folder, content",
        "      ~ link: link one -> two",
        '      ~ more: attributes [] -> [["SCHILY.xattr.user.x", "1"]]',
        "      ~ owner: owner 0:0 -> 1:2 (me:us)",
        "      ~ time: mtime 1 -> 2",
    ]


def test_entries_in_another_order_are_told_apart_from_other_files(tmp_path: Path) -> None:
    for name, names in (("a", "xy"), ("b", "yx")):
        layer = ImageLayer(write_tar(tmp_path / name, *map(member, names)), "flow")
        write_single_image(tmp_path / name, AMD64, [layer], SETTINGS, {})
    _, line = lines(diff(tmp_path / "a", tmp_path / "b"))
    assert line.endswith("; the same entries in another order or encoding")


def test_compression_alone_is_told(tmp_path: Path) -> None:
    write(tmp_path / "a")
    write(tmp_path / "b", compression="zstd")
    found = lines(diff(tmp_path / "a", tmp_path / "b"))[1:]
    assert len(found) == 3
    assert all(line.endswith("; the same archive, compressed otherwise") for line in found)


def test_layers_in_another_order_are_told(tmp_path: Path) -> None:
    layers = list(LAYERS.items())
    write(tmp_path / "a", layers)
    write(tmp_path / "b", [layers[1], layers[0], layers[2]])
    found = lines(diff(tmp_path / "a", tmp_path / "b"))
    assert found[-1].endswith("; layers in another order")


def test_archives_and_layouts_of_one_image_are_equal(tmp_path: Path) -> None:
    write(tmp_path / "a")
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(tmp_path / "a", arcname=".")
    assert diff(f"oci:{tmp_path / 'a'}", f"oci-archive:{tmp_path / 'a.tar'}").exit_code == 0
    (tmp_path / "package").mkdir()
    shutil.copytree(tmp_path / "a", tmp_path / "package" / "image")
    assert diff(tmp_path / "a.tar", tmp_path / "package").exit_code == 0


def test_archives_of_docker_are_compared_by_their_layers(tmp_path: Path) -> None:
    if shutil.which("skopeo") is None:
        pytest.skip("not installed: skopeo")
    write(tmp_path / "a")
    write(tmp_path / "b", changed(flow={**FLOW, "opt/prompt.j2": "Good day"}))
    for name in ("a", "b"):
        target = f"docker-archive:{tmp_path / name}.tar:example:1"
        command = ["skopeo", "copy", "--quiet", f"oci:{tmp_path / name}", target]
        subprocess.run(command, check=True)
    assert diff(tmp_path / "a.tar", tmp_path / "a.tar").exit_code == 0
    found = lines(diff(tmp_path / "a.tar", tmp_path / "b.tar"))
    assert found[-1] == "      ~ opt/prompt.j2: content, size 5 -> 8"


def test_images_are_compared_by_platform(tmp_path: Path) -> None:
    write(tmp_path / "a")
    first = json.loads((tmp_path / "a" / "index.json").read_text())["manifests"]
    write(tmp_path / "a", platform=Platform("linux", "arm64"))
    second = json.loads((tmp_path / "a" / "index.json").read_text())["manifests"]
    index = {"schemaVersion": 2, "manifests": [*first, *second]}
    (tmp_path / "a" / "index.json").write_text(json.dumps(index))
    write(tmp_path / "b")
    result = diff(tmp_path / "a", tmp_path / "b")
    assert result.exit_code == 1
    assert result.output.splitlines()[0] == f"- image for linux/arm64: {second[0]['digest']}"
    (found,) = first
    assert diff(f"{tmp_path / 'a'}@{found['digest']}", tmp_path / "b").exit_code == 0


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("/nowhere/image", "/nowhere/image: no such file or folder"),
        ("python:3.11", "must be given by its digest"),
        (".", "not an OCI image layout"),
    ],
)
def test_what_cannot_be_read_is_trouble_and_no_difference(
    tmp_path: Path, place: str, message: str
) -> None:
    write(tmp_path / "a")
    result = diff(tmp_path / "a", place)
    assert result.exit_code == 2
    assert message in result.output
    assert len(result.output.splitlines()) == 1


def test_a_layer_that_is_damaged_is_trouble(tmp_path: Path) -> None:
    write(tmp_path / "a")
    written = write(tmp_path / "b", changed(flow={"opt/agent.py": "x" * 50_000}))
    blob = blob_path(tmp_path / "b", written.layers[-1].layer.digest)
    blob.write_bytes(blob.read_bytes()[:-20])
    result = diff(tmp_path / "a", tmp_path / "b")
    assert result.exit_code == 2
    assert "is damaged" in result.output
    blob.unlink()
    assert "has no blob" in diff(tmp_path / "a", tmp_path / "b").output


def test_large_files_are_streamed(tmp_path: Path) -> None:
    for name, size in (("a", 100_000_000), ("b", 100_000_001)):
        with (tmp_path / f"{name}.bin").open("wb") as file:
            file.truncate(size)
        layer = write_layer(tmp_path / name, [disk_file("big", tmp_path / f"{name}.bin")])
        write_single_image(tmp_path / name, AMD64, [ImageLayer(layer, "flow")], SETTINGS, {})
    tracemalloc.start()
    try:
        result = diff(tmp_path / "a", tmp_path / "b")
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
    assert lines(result)[-1] == "      ~ big: content, size 100000000 -> 100000001"
