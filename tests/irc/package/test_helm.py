"""The Helm chart, rendered by the real Helm."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from irc.files import write_files
from irc.manifests.helm import chart
from irc.manifests.image import with_image
from irc.manifests.inference_service import inference_service
from tests.irc.package.agent_files import KSERVE
from tests.irc.package.test_inference_service import EVERYTHING, IMAGE, NOTHING

VERSION = "0.1.0+0123456789ab"


def helm(*arguments: str) -> str:
    command = shutil.which("helm")
    if command is None:
        pytest.skip("no helm")
    run = subprocess.run([command, *arguments], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


def written(folder: Path, kserve: dict[str, Any]) -> Any:
    """Write the chart; the manifest it is made of, its environment in the order of the names."""
    manifest = with_image(inference_service(kserve), IMAGE)
    write_files(folder, chart(manifest, "Shows: how #1", VERSION))
    (container,) = manifest["spec"]["predictor"]["containers"]
    if "env" in container:
        container["env"].sort(key=lambda item: ("valueFrom" in item, item["name"]))
    return manifest


@pytest.mark.parametrize("kserve", [KSERVE, EVERYTHING, NOTHING], ids=["some", "all", "none"])
def test_release_is_the_manifest(tmp_path: Path, kserve: dict[str, Any]) -> None:
    manifest = written(tmp_path, kserve)
    rendered = yaml.safe_load(helm("template", "release", str(tmp_path), "--namespace", "agents"))
    manifest["metadata"]["namespace"] = "agents"
    assert rendered == manifest


def test_values_change_the_release(tmp_path: Path) -> None:
    written(tmp_path, KSERVE)
    changes = ("predictor.minReplicas=2", "env.LOG_LEVEL=debug", "container.resources.limits.cpu=8")
    options = [option for change in changes for option in ("--set", change)]
    rendered = yaml.safe_load(helm("template", "release", str(tmp_path), *options))
    predictor = rendered["spec"]["predictor"]
    assert predictor["minReplicas"] == 2
    (container,) = predictor["containers"]
    assert {"name": "LOG_LEVEL", "value": "debug"} in container["env"]
    assert container["resources"]["limits"]["cpu"] == 8


def test_helm_finds_nothing_wrong(tmp_path: Path) -> None:
    folder = tmp_path / "demo-agent"  # Helm wants it to be called as the chart
    written(folder, KSERVE)
    report = helm("lint", "--strict", str(folder))
    assert "0 chart(s) failed" in report
    about = yaml.safe_load(helm("show", "chart", str(folder)))
    assert (about["name"], about["version"]) == ("demo-agent", VERSION)
