"""Operations of an installed package, ``tests/operations_package``, in processes of their own."""

import dataclasses
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from textwrap import indent

import jsonschema
import pytest

from irc.ops import api
from tests.docs.pages import ERRORS, fences, sections
from tests.irc.installing import SOURCE, Site

FLOW = """\
version: "1.0"
metadata: {name: visits}
context: {requires: [address]}
nodes:
  geocode:
    inputs: [{name: address, type: string}]
    outputs: [{name: latitude, type: number}, {name: longitude, type: number}]
    transform:
      mode: declarative
      spec:
        op: acme.geocode
        args: {service: "${env.ACME_URL}", address: "${address}", country: DE}
  tell:
    inputs: [{name: address, type: string}]
    outputs: [{name: sent, type: boolean}]
    transform:
      mode: declarative
      spec:
        op: acme.notify
        args: {service: "${env.ACME_URL}", text: "A visit to ${address}"}
edges:
  - {from: _input.address, to: geocode.address}
  - {from: _input.address, to: tell.address}
  - {from: geocode.latitude, to: _output.latitude}
  - {from: geocode.longitude, to: _output.longitude}
deployment: {kserve: {env: {ACME_URL: "http://acme.example.com"}}}
"""
"""No edge reads what ``tell`` gives."""

PLAIN = """\
version: "1.0"
metadata: {name: plain}
context: {requires: [address]}
nodes:
  shout:
    inputs: [{name: address, type: string}]
    outputs: [{name: text, type: string}]
    transform: {mode: declarative, spec: {op: io.format_response, args: {template: "${address}!"}}}
edges:
  - {from: _input.address, to: shout}
  - {from: shout, to: _output}
"""

OFFERS = {
    "acme.geocode": "acme_ops.compiling:GEOCODE",
    "acme.notify": "acme_ops.compiling:NOTIFY",
}

PAGE = Path("docs/operations.md").resolve()

ASK = """\
import asyncio
import json

import agent

served = agent.VisitsAgent()
served.load()
print(json.dumps(asyncio.run(served.predict({"address": "Unter den Linden 1"}))))
"""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    found = Site(tmp_path / "site", tmp_path / "work")
    found.packages.mkdir()
    found.work.mkdir()
    (found.work / "flow.yaml").write_text(FLOW)
    (found.work / "plain.flow.yaml").write_text(PLAIN)
    return found


@contextmanager
def acme() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """Acme's services: their address, and the paths and bodies of the requests so far."""
    seen: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(b'[{"latitude": 52.5, "longitude": 13.4}]')

        def do_POST(self) -> None:
            self.answer(b"{}")

        def answer(self, content: bytes) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            seen.append((self.path, body))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_agent_runs_what_the_package_brings(site: Site) -> None:
    site.install()
    compiled = site.irc("compile", "flow.yaml")
    assert (compiled.returncode, compiled.stderr) == (0, "")  # no W301: an effect keeps its node
    with acme() as (address, seen):
        done = site.run("-c", ASK, ACME_URL=address)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"latitude": 52.5, "longitude": 13.4}
    assert sorted(seen) == [
        ("/v1/messages", b'{"text":"A visit to Unter den Linden 1"}'),
        ("/v1/places?q=Unter+den+Linden+1&country=DE", b""),
    ]


def test_agent_imports_what_it_runs_and_not_the_compiler(site: Site) -> None:
    site.install()
    assert site.irc("compile", "flow.yaml").returncode == 0
    # A node is called as the package's function is, which hence has another name here.
    agent = (site.work / "agent.py").read_text()
    assert "from acme_ops.services import geocode as acme_ops_geocode, notify\n" in agent
    assert "acme_ops.services" in json.loads((site.work / "agent.json").read_text())["imports"]
    done = site.run("-c", "import agent, sys; print([m for m in sys.modules if m[:4] == 'irc.'])")
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_context_requires_the_distribution(site: Site) -> None:
    site.install()
    done = site.irc("compile", "flow.yaml", "--package")
    assert done.returncode == 0, done.stderr
    assert "acme-ops" in (site.work / "context/requirements.txt").read_text().split()


def test_generated_tests_pass(site: Site) -> None:
    site.install()
    done = site.irc("test", "flow.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_without_its_effect_the_node_would_be_dead(site: Site) -> None:
    site.install()
    compiling = site.packages / "acme_ops/compiling.py"
    compiling.write_text(compiling.read_text().replace(", effectful=True", ""))
    assert "warning[W301]: 'tell' does not run" in site.irc("check", "flow.yaml").stderr


@pytest.mark.parametrize(
    ("given", "written", "told"),
    [
        ("country: DE", "contry: DE", "flow.yaml:12:67: error[E205]: unknown key 'contry'"),
        ("country: DE", "country: de", "flow.yaml:12:76: error[E205]: 'country' is two capital letters"),
        ("${address}\", country", "${adress}\", country", "flow.yaml:12:54: error[E408]: 'geocode' has no input"),
        ("acme.geocode", "acme.geocod", "hint: did you mean 'acme.geocode'?"),
        ("acme.geocode", "send", "hint: operations: acme.geocode, acme.notify, hopsworks.get_model"),
        ("{name: sent, type: boolean}", "", "error[E205]: 'acme.notify' gives one value"),
    ],
)  # fmt: skip
def test_mistakes_are_told_at_their_place(site: Site, given: str, written: str, told: str) -> None:
    site.install()
    assert given in FLOW
    (site.work / "flow.yaml").write_text(FLOW.replace(given, written))
    done = site.irc("check", "flow.yaml")
    assert done.returncode == 1
    assert told in done.stderr


def test_schema_knows_its_arguments(site: Site) -> None:
    site.install()
    # A shape of the package may be called as one of irc's is.
    compiling = site.packages / "acme_ops/compiling.py"
    compiling.write_text(compiling.read_text().replace("Notify", "Flow"))
    validator = jsonschema.Draft202012Validator(json.loads(site.irc("schema").stdout))
    args = {"service": "s", "address": "a"}
    spec = {"op": "acme.geocode", "args": args}
    node = {"transform": {"mode": "declarative", "spec": spec}}
    flow = {"version": "1.0", "metadata": {"name": "a"}, "nodes": {"find": node}}
    assert validator.is_valid(flow)
    args["city"] = "c"
    assert not validator.is_valid(flow)


def test_other_commands_do_not_import_the_package(site: Site) -> None:
    site.install()
    (site.packages / "acme_ops/__init__.py").write_text("raise RuntimeError('imported')\n")
    for command in (["--help"], ["explain", "E204"], ["check", "plain.flow.yaml"]):
        done = site.irc(*command)
        assert (done.returncode, done.stderr) == (0, ""), command


GOOD = "from irc.ops.api import OperationType, Shape\n\n\nclass Args(Shape):\n    service: str\n    address: str\n\n\n"


def offered(lowering: str, name: str = "acme.geocode") -> str:
    """A module whose operation is lowered by an expression over ``lowering``."""
    return (
        f"{GOOD}GEOCODE = OperationType({name!r}, Args, lambda lowering, arguments: {lowering})\n"
    )


@pytest.mark.parametrize(
    ("module", "told"),
    [
        ("import acme_geography\n",
         "cannot be loaded: ModuleNotFoundError: No module named 'acme_geography'"),
        ("raise SystemExit('no licence\\nsecond line')\n", "cannot be loaded: SystemExit: no licence\n"),
        ("def GEOCODE(): pass\n",
         "is no operation: broken:GEOCODE is of the type 'function', not OperationType"),
        (offered("None", "acme.geo"), "calls itself 'acme.geo'"),
        (offered("1 / 0"), "failed: ZeroDivisionError: division by zero"),
        (offered("lowering.value('${', ('a',))"), "failed: KeyError: 'a'"),
        (offered("None"), "refuses the node and does not say why"),
        (offered("'return 1'"), "is lowered to something of the type 'str', not Body"),
        ("from irc.ir.lowered import Body, Line\n" + offered("Body([Line('return (')])"),
         "is lowered to statements that are not Python"),
        ("from irc.ir.lowered import Body\n" + offered("Body()"),
         "is lowered to statements that are not Python"),
    ],
)  # fmt: skip
def test_broken_package_is_told_by_its_name(site: Site, module: str, told: str) -> None:
    site.module("broken", module)
    site.describe("acme-ops", "1.0", {"acme.geocode": "broken:GEOCODE"})
    (site.work / "flow.yaml").write_text(
        PLAIN.replace("io.format_response, args: {template: ", "acme.geocode, args: {service: a, address: ")
    )  # fmt: skip
    done = site.irc("check", "flow.yaml")
    assert done.returncode == 1
    first, *_ = done.stderr.split("\n", 1)
    message = f"error[E208]: 'acme.geocode' of acme-ops 1.0 {told}"
    assert message in done.stderr, done.stderr
    assert first.startswith("flow.yaml:8:")
    assert "Traceback" not in done.stderr
    assert str(site.packages) not in done.stderr
    assert site.irc("check", "plain.flow.yaml").returncode == 0


def test_failure_says_where_in_the_package(site: Site) -> None:
    module = "from irc.ops.api import quoted\n" + offered("quoted(3)")
    site.module("broken", module)  # what raises is irc's, and not what is wrong
    site.describe("acme-ops", "1.0", {"acme.geocode": "broken:GEOCODE"})
    (site.work / "flow.yaml").write_text(
        PLAIN.replace("io.format_response, args: {template: ", "acme.geocode, args: {service: a, address: ")
    )  # fmt: skip
    assert "hint: it was raised in broken, line 10\n" in site.irc("check", "flow.yaml").stderr


def test_validator_of_the_package_says_what_is_wrong(site: Site) -> None:
    site.install()
    compiling = site.packages / "acme_ops/compiling.py"
    source = compiling.read_text().replace("import Field", "import Field, field_validator")
    validator = """

    @field_validator("address")
    def check_address(cls, address):
        raise ValueError("Nobody lives there")
"""
    compiling.write_text(source.replace('such as DE")\n', f'such as DE"){validator}'))
    told = "error[E205]: 'nodes.geocode.transform.spec.args.address': nobody lives there\n"
    assert told in site.irc("check", "flow.yaml").stderr


def test_attempts_of_an_effect_are_warned_of(site: Site) -> None:
    site.install()
    flow = FLOW.replace("  tell:\n", "  tell:\n    runtime: {retries: 3}\n")
    (site.work / "flow.yaml").write_text(flow)
    told = site.irc("check", "flow.yaml").stderr
    assert "warning[W311]: 'tell' is tried 3 times, and 'acme.notify' may take effect" in told
    assert "hint: leave 'retries' at 1\n" in told  # there is no header to send


def test_page_shows_what_a_broken_package_is_told(site: Site) -> None:
    section = next(section for section in sections(ERRORS) if section.title == "E208")
    site.module("broken", "import acme_geography\n")
    site.describe("acme-ops", "1.0", {"acme.geocode": "broken:GEOCODE"})
    (site.work / "flow.yaml").write_text(section.fence("yaml").text)
    assert site.irc("check", "flow.yaml").stderr == section.fence("text").text


def test_name_of_another_operation_is_refused_where_it_is_used(site: Site) -> None:
    site.module("broken", offered("None", "io.format_response"))
    site.describe("acme-ops", "1.0", {"io.format_response": "broken:GEOCODE"})
    told = "'io.format_response' of acme-ops 1.0 has the name of an operation of irc"
    assert told in site.irc("check", "plain.flow.yaml").stderr
    done = site.irc("schema")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"Error: {told}; uninstall acme-ops 1.0\n"


def test_two_packages_with_one_name_are_told(site: Site) -> None:
    site.install()
    site.describe("other-ops", "2.1", {"acme.notify": "broken:NOTIFY"})
    done = site.irc("check", "flow.yaml")
    assert done.returncode == 1
    assert "'acme.notify' of acme-ops 1.0 is offered by other-ops 2.1 as well" in done.stderr
    assert "'acme.geocode'" not in done.stderr


@pytest.mark.parametrize("name", ["geocode", "Acme.Geocode", "acme.geo code"])
def test_name_that_is_none_of_an_operation_is_refused(site: Site, name: str) -> None:
    site.module("broken", offered("None", name))
    site.describe("acme-ops", "1.0", {name: "broken:GEOCODE"})
    (site.work / "flow.yaml").write_text(PLAIN.replace("op: io.format_response", f"op: {name}"))
    told = f"'{name}' of acme-ops 1.0 is not called as operations are: <family>.<operation>"
    assert told in site.irc("check", "flow.yaml").stderr


def test_kept_nodes_are_compiled_again_when_the_package_changes(site: Site) -> None:
    site.install()
    compiling = ("compile", "flow.yaml", "-v")
    assert "the compiler changed" not in site.irc(*compiling).stderr
    assert site.irc(*compiling).stderr.count("from the cache") == 2
    site.describe("acme-ops", "1.1", OFFERS)
    assert "the compiler changed" in site.irc(*compiling).stderr
    source = site.packages / "acme_ops/compiling.py"
    source.write_text(
        source.read_text().replace("place = await", "found = await").replace('"place"', '"found"')
    )
    assert "the compiler changed" in site.irc(*compiling).stderr
    assert "found = await" in (site.work / "agent.py").read_text()


@pytest.mark.parametrize(
    "name", ["acme_ops/services.py", "acme_ops/compiling.py", "pyproject.toml"]
)
def test_page_shows_the_package(name: str) -> None:
    text = (SOURCE / name).read_text()
    assert text in {
        fence.text for fence in fences(PAGE.read_text()) if name.endswith(fence.info.split()[-1])
    }


def test_page_shows_the_agent(site: Site) -> None:
    site.install()
    assert site.irc("compile", "flow.yaml").returncode == 0
    shown = {fence.info: fence.text for fence in fences(PAGE.read_text())}["python agent.py"]
    assert indent(shown, "    ") in (site.work / "agent.py").read_text()


def test_page_tells_of_all_that_a_package_imports() -> None:
    page = PAGE.read_text()
    members = [name for name in vars(api.OperationLowering) if not name.startswith("_")]
    fields = [field.name for field in dataclasses.fields(api.OperationType)]
    assert [name for name in (*members, *fields) if not re.search(rf"`{name}[`(]", page)] == []
