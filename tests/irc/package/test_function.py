"""``lambda.zip`` and its template."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3  # type: ignore[import-untyped]  # it says nothing of its types
import pytest
import yaml
import zstandard
from click.testing import CliRunner

import irc.cli.package
from irc.package import function
from irc.package.build import Inputs, package
from tests.irc.oci.packed_pex import write_packed_pex
from tests.irc.package.agent_files import KSERVE, LOADER, arguments, summary, write_inputs
from tests.standins.lambda_api import lambda_api

HANDLER = """\
import alpha, shared.code

def handler(event, context):
    return {"alpha": alpha.VALUE, "name": shared.code.NAME, "event": event, "file": __file__}
"""


def lambda_inputs(folder: Path, kserve: dict[str, Any] = KSERVE) -> Inputs:
    inputs = write_inputs(folder)
    deployment = {"target": "lambda", "kserve": kserve}
    inputs.agent.write_text(json.dumps(summary(deployment=deployment)))
    (inputs.generated / "flows/demo/agent.py").write_text(HANDLER)
    return Inputs(inputs.agent, inputs.generated, inputs.sources, inputs.deps_pex)


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def template(folder: Path, kserve: dict[str, Any] = KSERVE) -> Any:
    package(lambda_inputs(folder, kserve), folder / "out")
    return yaml.safe_load((folder / "out/template.yaml").read_text())


def properties(document: Any) -> Any:
    return document["Resources"]["Function"]["Properties"]


def test_outputs(tmp_path: Path) -> None:
    package(lambda_inputs(tmp_path), tmp_path / "out")
    assert names(tmp_path / "out") == {
        "agent/agent.json",
        "agent/agent.map.json",
        "agent/agent.py",
        "agent/flow.yaml",
        "agent/test_agent.py",
        "lambda.zip",
        "template.yaml",
    }


def test_archive_has_code_and_requirements_at_its_root(tmp_path: Path) -> None:
    package(lambda_inputs(tmp_path), tmp_path / "out")
    with zipfile.ZipFile(tmp_path / "out/lambda.zip") as archive:
        entries = archive.infolist()
    assert [entry.filename for entry in entries if not entry.filename.endswith(".pyc")] == [
        "flows/demo/agent.map.json",
        "flows/demo/agent.py",
        "flows/demo/prompts/answer.j2",
        "shared/code.py",
        "alpha-1.0.dist-info/METADATA",
        "alpha.py",
        "beta_b-2.0.dist-info/METADATA",
        "beta.py",
    ]
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {entry.external_attr >> 16 for entry in entries} == {0o100644}
    assert len([entry for entry in entries if entry.filename.endswith(".pyc")]) == 4


def test_libraries_lack_symbols(tmp_path: Path) -> None:
    (library,) = Path(zstandard.__file__).parent.glob("backend_c.*.so")
    inputs = lambda_inputs(tmp_path)
    shutil.rmtree(inputs.deps_pex)
    pex = write_packed_pex(
        inputs.deps_pex, {"alpha-1.0": {"alpha/native.so": library.read_bytes()}}
    )
    (pex / "__main__.py").write_text(LOADER.format(pex_hash="a" * 40))
    package(inputs, tmp_path / "out")
    with zipfile.ZipFile(tmp_path / "out/lambda.zip") as archive:
        assert archive.getinfo("alpha/native.so").file_size < library.stat().st_size / 5


def test_a_program_within_a_package_can_be_run(tmp_path: Path) -> None:
    inputs = lambda_inputs(tmp_path)
    shutil.rmtree(inputs.deps_pex)
    pex = write_packed_pex(inputs.deps_pex, {"alpha-1.0": {"alpha/bin/encode": b"\x7fELF"}})
    (pex / "__main__.py").write_text(LOADER.format(pex_hash="a" * 40))
    package(inputs, tmp_path / "out")
    with zipfile.ZipFile(tmp_path / "out/lambda.zip") as archive:
        assert archive.getinfo("alpha/bin/encode").external_attr >> 16 == 0o100755


def test_two_folders_give_the_same_bytes(tmp_path: Path) -> None:
    for folder in (tmp_path / "one", tmp_path / "a/longer/one"):
        package(lambda_inputs(folder), folder / "out")
    for name in ("lambda.zip", "template.yaml"):
        one, other = (tmp_path / folder / "out" / name for folder in ("one", "a/longer/one"))
        assert one.read_bytes() == other.read_bytes()


def test_lambda_runs_what_is_unpacked(tmp_path: Path) -> None:
    document = template(tmp_path)
    with zipfile.ZipFile(tmp_path / "out/lambda.zip") as archive:
        archive.extractall(tmp_path / "task")
    with lambda_api() as api:
        process = subprocess.Popen(
            [sys.executable, "-m", "awslambdaric", properties(document)["Handler"]],
            cwd=tmp_path / "task",
            env={**os.environ, "AWS_LAMBDA_RUNTIME_API": api.address, "PYTHONPATH": ""},
        )
        try:
            outcome = api.invoke({"a": 1})
        finally:
            process.kill()
            process.wait()
    assert outcome.kind == "response"
    file = str(tmp_path / "task/flows/demo/agent.py")
    assert outcome.document == {"alpha": 1, "name": "demo", "event": {"a": 1}, "file": file}


def test_template_is_what_the_api_takes(tmp_path: Path) -> None:
    """CloudFormation hands the properties on to CreateFunction, whose form boto3 checks itself."""
    client = boto3.client("lambda", region_name="eu-north-1")
    made = SimpleNamespace(status_code=201)
    client.meta.events.register("before-call.lambda.CreateFunction", lambda **_: (made, {}))
    role = "arn:aws:iam::123456789012:role/demo"
    found = {**properties(template(tmp_path)), "Role": role, "Code": {"ZipFile": b""}}
    assert client.create_function(**found) == {}
    with pytest.raises(Exception, match='Unknown parameter in input: "Memory"'):
        client.create_function(**found, Memory=1)


def test_template_has_variables_secrets_and_memory(tmp_path: Path) -> None:
    kserve = {**KSERVE, "env": {"FLAG": True, "COUNT": 3}, "resources": {"memory": "2Gi"}}
    assert properties(template(tmp_path, kserve)) == {
        "FunctionName": "demo-agent",
        "Runtime": "python3.11",
        "Handler": "flows.demo.agent.handler",
        "Architectures": ["x86_64"],
        "Code": "lambda.zip",
        "Role": {"Fn::GetAtt": ["Role", "Arn"]},
        "Timeout": 30,
        "MemorySize": 2048,
        "Environment": {
            "Variables": {
                "COUNT": "3",
                "FLAG": "true",
                "OPENAI_API_KEY": "{{resolve:secretsmanager:openai:SecretString:api-key}}",
            }
        },
    }


def test_too_large_an_archive_is_told_with_sizes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = lambda_inputs(tmp_path)
    monkeypatch.setattr(function, "MAX_UNZIPPED_BYTES", 2**20)
    (inputs.sources / "shared/large.bin").write_bytes(bytes(2**21))
    result = CliRunner().invoke(irc.cli.package.package, arguments(inputs, tmp_path / "out"))
    assert result.exit_code == 1
    assert result.output == (
        "Error: lambda.zip unpacks to 2.0 MB, and AWS Lambda takes 1.0 MB; "
        "the largest: the agent 2.0 MB, alpha 0.0 MB, beta-b 0.0 MB\n"
    )
    assert not (tmp_path / "out/lambda.zip").exists()


@pytest.mark.parametrize(
    ("platforms", "architecture"),
    [
        ("any", "x86_64"),
        ("manylinux_2_17_x86_64.manylinux2014_x86_64", "x86_64"),
        ("manylinux2014_aarch64.manylinux_2_28_aarch64", "arm64"),
        ("manylinux_2_26_aarch64", "arm64"),
        ("manylinux_2_28_x86_64", None),
        ("musllinux_1_2_x86_64", None),
        ("linux_x86_64", None),
    ],
)
def test_wheels_must_run_on_the_c_library_of_lambda(
    tmp_path: Path, platforms: str, architecture: str | None
) -> None:
    inputs = lambda_inputs(tmp_path)
    (wheel,) = (inputs.deps_pex / ".deps").glob("alpha-*")
    renamed = f"alpha-1.0-cp311-cp311-{platforms}.whl"
    wheel.rename(wheel.with_name(renamed))
    info = json.loads((inputs.deps_pex / "PEX-INFO").read_bytes())
    info["distributions"] = {renamed: "0"}
    (inputs.deps_pex / "PEX-INFO").write_text(json.dumps(info))
    result = CliRunner().invoke(irc.cli.package.package, arguments(inputs, tmp_path / "out"))
    if architecture is None:
        assert result.exit_code == 1
        assert f"{renamed} does not run on AWS Lambda" in result.output
    else:
        assert result.exit_code == 0, result.output
        document = yaml.safe_load((tmp_path / "out/template.yaml").read_text())
        assert properties(document)["Architectures"] == [architecture]


def test_an_image_needs_what_it_is_made_of(tmp_path: Path) -> None:
    inputs = write_inputs(tmp_path)
    short = Inputs(inputs.agent, inputs.generated, inputs.sources, inputs.deps_pex)
    result = CliRunner().invoke(irc.cli.package.package, arguments(short, tmp_path / "out"))
    assert result.exit_code == 1
    assert (
        result.output
        == "Error: the target 'kserve' needs --base, --deps, --code, --lock and --libraries\n"
    )
