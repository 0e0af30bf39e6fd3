"""A packed PEX of requirements, as pex lays it out, made of texts."""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

WHEEL_TAG = "py3-none-any"

# ``name-version`` → path below site-packages → content.
Distributions = Mapping[str, Mapping[str, str | bytes]]


def write_packed_pex(folder: Path, distributions: Distributions) -> Path:
    """Write a PEX without a loader, enough to make layers of; files in a ``bin`` are programs."""
    (folder / ".deps").mkdir(parents=True)
    wheels = {}
    for name, files in distributions.items():
        wheel = f"{name}-{WHEEL_TAG}.whl"
        wheels[wheel] = "0" * 64
        with zipfile.ZipFile(folder / ".deps" / wheel, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(".layout.json", json.dumps({"stash_dir": ".prefix"}))
            archive.writestr(".prefix/bin/tool", "#!python\n")
            archive.writestr(f"{name}.dist-info/METADATA", f"Name: {name}\n")
            archive.writestr(f"{name}.dist-info/RECORD", "")
            archive.writestr(f"{name}.pex-info/original-whl-info.json", "{}")
            for path, content in files.items():
                member = zipfile.ZipInfo(path)
                member.external_attr = (0o755 if "/bin/" in path else 0o644) << 16
                archive.writestr(member, content, zipfile.ZIP_DEFLATED)
    info = {"distributions": wheels, "deps_are_wheel_files": False, "pex_hash": "a" * 40}
    (folder / "PEX-INFO").write_text(json.dumps(info))
    return folder
