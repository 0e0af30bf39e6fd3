"""What `experimental-deploy` applies, by the real kubectl, to a stand-in for an API server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pants.core.goals.deploy import DeployProcess
from pants.engine.addresses import Address
from pants.engine.internals.scheduler import ExecutionError
from pants.engine.rules import QueryRule
from pants.testutil.rule_runner import RuleRunner, mock_console

from irc_pants.goals.deploy import DeployAgentFlowFieldSet
from irc_pants.testutil.rule_runner import FLOW, make_rule_runner, set_options

SERVICES = "/apis/serving.kserve.io/v1beta1/namespaces/agents/inferenceservices"


class ApiServer(BaseHTTPRequestHandler):
    """What `kubectl apply` asks of a server that knows inference services, and no schema of them."""

    objects: dict[str, Any]

    def do_GET(self) -> None:
        group = {"groupVersion": "serving.kserve.io/v1beta1", "version": "v1beta1"}
        resource = {"name": "inferenceservices", "namespaced": True, "kind": "InferenceService"}
        known: dict[str, Any] = {
            "/api": {"kind": "APIVersions", "versions": []},
            "/apis": {
                "kind": "APIGroupList",
                "groups": [
                    {"name": "serving.kserve.io", "versions": [group], "preferredVersion": group}
                ],
            },
            "/apis/serving.kserve.io/v1beta1": {
                "kind": "APIResourceList",
                "groupVersion": group["groupVersion"],
                "resources": [{**resource, "verbs": ["get", "create", "patch"]}],
            },
            **self.objects,
        }
        path = self.path.partition("?")[0]
        missing = {"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404}
        self.answer(200 if path in known else 404, known.get(path, missing))

    def do_POST(self) -> None:
        created = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        path = self.path.partition("?")[0]
        self.objects[f"{path}/{created['metadata']['name']}"] = created
        self.answer(201, created)

    def answer(self, status: int, body: Any) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@pytest.fixture
def api_server() -> Iterator[ThreadingHTTPServer]:
    ApiServer.objects = {}
    with ThreadingHTTPServer(("127.0.0.1", 0), ApiServer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def kubeconfig(api_server: ThreadingHTTPServer, tmp_path: Path) -> Path:
    address = f"http://127.0.0.1:{api_server.server_address[1]}"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "elsewhere",
        "clusters": [
            {"name": "here", "cluster": {"server": address}},
            {"name": "elsewhere", "cluster": {"server": "http://127.0.0.1:9"}},
        ],
        "contexts": [
            {"name": "here", "context": {"cluster": "here", "namespace": "agents"}},
            {"name": "elsewhere", "context": {"cluster": "elsewhere"}},
        ],
    }
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(config))
    return path


@pytest.fixture(scope="module")
def rule_runner() -> RuleRunner:
    rule_runner = make_rule_runner([QueryRule(DeployProcess, [DeployAgentFlowFieldSet])])
    rule_runner.write_files(
        {
            "flows/BUILD": (
                "python_sources()\n"
                "agent_flow(name='agent', image_repositories=['registry.example.com/greeter'])\n"
                "agent_flow(name='nowhere', source='nowhere.flow.yaml')\n"
                "agent_flow(name='local', source='local.flow.yaml', image_repositories=['one'])\n"
                "agent_flow(name='function', source='f.flow.yaml', image_repositories=['one'])\n"
            ),
            "flows/flow.yaml": FLOW,
            "flows/nowhere.flow.yaml": FLOW,
            "flows/local.flow.yaml": "deployment: {target: local}",
            "flows/f.flow.yaml": "deployment: {target: lambda}",
            "flows/greet.py": "",
        }
    )
    return rule_runner


def deployment(rule_runner: RuleRunner, name: str = "agent") -> DeployProcess:
    target = rule_runner.get_target(Address("flows", target_name=name))
    return rule_runner.request(DeployProcess, [DeployAgentFlowFieldSet.create(target)])


def test_the_image_is_published_and_the_manifest_applied(
    rule_runner: RuleRunner, kubeconfig: Path
) -> None:
    options = {
        "irc-kubectl-args": "['--context=here', '--validate=false']",
        "irc-deploy-env-vars": f"['HOME', 'PATH', 'KUBECONFIG={kubeconfig}']",
    }
    set_options(rule_runner, options)
    deploy = deployment(rule_runner)
    assert [target.address.spec for target in deploy.publish_dependencies] == ["flows:agent"]
    assert deploy.process is not None
    with mock_console(rule_runner.options_bootstrapper) as (_, stdio):
        result = rule_runner.run_interactive_process(deploy.process)
        assert result.exit_code == 0, stdio.get_stderr()
        said = stdio.get_stdout()
    assert said == "inferenceservice.serving.kserve.io/greeter created\n"
    applied = ApiServer.objects[f"{SERVICES}/greeter"]
    assert applied["metadata"]["annotations"]["image"] == "registry.example.com/greeter@sha256:0"
    set_options(rule_runner)


def test_a_cluster_that_is_not_there_fails_the_deployment(
    rule_runner: RuleRunner, kubeconfig: Path
) -> None:
    set_options(rule_runner, {"irc-deploy-env-vars": f"['PATH', 'KUBECONFIG={kubeconfig}']"})
    deploy = deployment(rule_runner)
    assert deploy.process is not None
    with mock_console(rule_runner.options_bootstrapper) as (_, stdio):
        assert rule_runner.run_interactive_process(deploy.process).exit_code == 1
        assert "127.0.0.1:9" in stdio.get_stderr()
    assert ApiServer.objects == {}
    set_options(rule_runner)


def test_kubectl_that_is_missing_is_named(rule_runner: RuleRunner) -> None:
    set_options(rule_runner, {"irc-deploy-env-vars": "['PATH=/nowhere']"})
    with pytest.raises(ExecutionError, match="Cannot find `kubectl` on.*apply manifests"):
        deployment(rule_runner)
    set_options(rule_runner)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nowhere", "(no `image_repositories` on flows:nowhere to take the image from)"),
        ("local", "(`local` is no deployment target of a cluster)"),
        ("function", "(`lambda` is no deployment target of a cluster)"),
    ],
)
def test_what_is_not_deployed_says_why(rule_runner: RuleRunner, name: str, reason: str) -> None:
    deploy = deployment(rule_runner, name)
    assert (deploy.process, deploy.publish_dependencies) == (None, ())
    assert deploy.description == reason
