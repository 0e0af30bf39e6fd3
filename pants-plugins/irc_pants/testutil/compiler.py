"""A stand-in for the compiler: it keeps to the compiler's command line, and writes what a test can recognise.

What the compiler itself makes of flows is tested with the compiler.
"""

_MAIN = """\
import sys
from importlib import import_module

command = import_module(f"irc.cli.{sys.argv[1]}")
sys.exit(command.main(sys.argv[2:]))
"""

_COMPILE = """\
import json, os, sys

CODE = {
    "serves": "import json, sys\\nif __name__ == '__main__': print(json.dumps(sys.argv[1:]))\\n",
    "mistyped": "NUMBER: int = FLOW\\n",
    "imports shop": "from shop import price\\nNUMBER: int = price.TAX\\n",
}

def main(argv):
    flags = [argument for argument in argv if argument.startswith("--")]
    *flows, source_root, output = [argument for argument in argv if not argument.startswith("--")]
    if any("crash" in open(flow).read() for flow in flows):
        print("error[E901]: irc crashed", file=sys.stderr)
        return 70
    for flow in flows:
        folder = f"{output}/{flow}" if "--each" in flags else output
        findings, files = compiled(flow, source_root, flags)
        if "--each" in flags:
            files = {f"generated/{name}": text for name, text in files.items()}
            files["findings.txt"] = findings
        else:
            print(findings, file=sys.stderr)
        for name, text in files.items():
            os.makedirs(os.path.dirname(f"{folder}/{name}"), exist_ok=True)
            with open(f"{folder}/{name}", "w") as file:
                file.write(text)
        if not files:
            return 1

def compiled(flow, source_root, flags):
    text = open(flow).read()
    if "odd" in text and "--error=W101" in flags:
        return f"{flow}:1:1: error[W101]: it is odd", {}
    if "broken" in text:
        return f"{flow}:1:1: error[E101]: it is broken", {}
    findings = f"{flow}:1:1: warning[W101]: it is odd" if "odd" in text else ""
    folder = os.path.normpath(os.path.relpath(os.path.dirname(flow), source_root))
    agent = os.path.basename(flow).rpartition("flow.")[0].replace(".", "_") + "agent"
    module = folder.replace("/", ".") + f".{agent}"
    test = f"from {module} import FLOW\\n\\nassert 'unreadable' not in FLOW\\n\\n"
    test += "def test_flow():\\n    assert 'fail' not in FLOW\\n"
    here = [os.path.join(at, name) for at, _, names in os.walk(source_root) for name in names]
    code = [f"FLOW = {text!r}\\n", *(code for word, code in CODE.items() if word in text)]
    return findings, {
        f"{folder}/{agent}.py": "".join(code),
        f"{folder}/test_{agent}.py": test,
        f"{folder}/{agent}.map.json": "{}",
        f"{folder}/{agent}.json": json.dumps(
            {
                "module": module,
                "files": sorted(map(os.path.normpath, here)),
                "deployment": {"target": "kserve", "kserve": {"service_name": "greeter"}},
            }
        ),
    }
"""

_FMT = """\
import sys

def main(flows):
    refused = False
    for flow in flows:
        text = open(flow).read()
        if "broken" in text:
            print(f"{flow}:1:1: error[E101]: it is broken", file=sys.stderr)
            refused = True
        else:
            with open(flow, "w") as file:
                file.write(text.strip() + "\\n")
    return int(refused)
"""

_IMAGE = """\
import json, os, re, sys

def main(argv):
    if argv[0] == "fetch":
        _, reference, _, into = argv
        os.makedirs(into, exist_ok=True)
        if "elsewhere" in reference:
            return 0
        with open(f"{into}/{reference.rpartition(':')[2]}", "w") as file:
            json.dump(dict(os.environ), file)
        print(f"fetched to {os.path.realpath(into)}")
        return 1 if "refused" in reference else 0
    kind, *rest, output = argv
    if kind == "requirements":
        return requirements(dict(item[2:].split("=", 1) for item in rest if "=" in item), output)
    fetched = None
    if "--fetched" in rest:
        fetched = rest[rest.index("--fetched") + 1] + "/" + rest[1].rpartition(":")[2]
        if not os.path.exists(fetched):
            print(f"Error: it has no blob {fetched}", file=sys.stderr)
            return 1
        fetched = os.path.realpath(fetched)
    if "fail" in str(rest):
        print("Error: no such image", file=sys.stderr)
        return 1
    name = rest[0].partition("=")[2] if kind == "lock" else f"{kind}.json"
    os.makedirs(f"{output}/blobs/sha256")
    open(f"{output}/blobs/sha256/{kind}", "w").close()
    with open(f"{output}/{name}", "w") as file:
        json.dump(
            {
                "argv": rest,
                "files": sorted(os.listdir(".")),
                "sources": sorted(
                    os.path.relpath(os.path.join(folder, name), "sources")
                    for folder, _, names in os.walk("sources")
                    for name in names
                ),
                "env": dict(os.environ),
                "fetched": fetched,
            },
            file,
        )

def requirements(options, output):
    # One of the lock's is wanted from the start, the others once a PEX for the platform is there.
    tags = [f"cp311-{abi}-manylinux_2_17_aarch64" for abi in ("cp311", "abi3")] + ["py3-none-any"]
    markers = {
        "implementation_name": "cpython", "implementation_version": "3.11.2", "os_name": "posix",
        "platform_machine": "aarch64", "platform_python_implementation": "CPython",
        "platform_release": "", "platform_system": "Linux", "platform_version": "",
        "python_full_version": "3.11.2", "python_version": "3.11", "sys_platform": "linux",
    }
    items = re.split(r"(?m)^(?=[a-z])", open(options["lock"]).read())[1:]
    is_foreign = any("aarch64" in name for name in os.listdir(options["pex"] + "/.deps"))
    os.makedirs(output)
    with open(f"{output}/platform.json", "w") as file:
        json.dump({"marker_environment": markers, "compatible_tags": tags}, file)
    with open(f"{output}/requirements.txt", "w") as file:
        file.write("".join(items if is_foreign else items[:1]))
"""

_MANIFEST = """\
import json, os, sys

def main(argv):
    output = argv.pop()
    options = dict(item.removeprefix("--").split("=", 1) for item in argv if "=" in item)
    inputs = {name: json.load(open(path)) for name, path in options.items()}
    os.makedirs(output)
    with open(f"{output}/manifest.json", "w") as file:
        json.dump(inputs, file)
"""

_SBOM = """\
import json, os, sys

def main(argv):
    output = argv.pop()
    options = dict(item.removeprefix("--").split("=", 1) for item in argv if "=" in item)
    blobs = {name: os.listdir(f"{os.path.dirname(path)}/blobs/sha256") for name, path in options.items()}
    report = {"blobs": blobs, "beside": sorted(os.listdir(".")), "run": os.urandom(8).hex()}
    os.makedirs(output)
    with open(f"{output}/libraries.cdx.json", "w") as file:
        json.dump(report, file)
"""

_PACKAGE = """\
import json, os, sys

def files(root):
    found = [os.path.join(folder, name) for folder, _, names in os.walk(root) for name in names]
    return sorted(os.path.relpath(path, root) for path in found)

def main(argv):
    output = argv.pop()
    options = dict(item.removeprefix("--").split("=", 1) for item in argv if "=" in item)
    inputs = {name: files(options[name]) for name in ("generated", "sources", "deps-pex")}
    if "base" not in options:
        os.makedirs(output)
        with open(f"{output}/lambda.zip", "w") as file:
            json.dump({"options": options, "inputs": inputs}, file)
        return
    pex = f"{output}/agent.pex"
    os.makedirs(f"{pex}/__pex__")
    os.makedirs(f"{output}/image/blobs/sha256")
    open(f"{output}/image/blobs/sha256/flow", "w").close()
    for name in ("PEX-INFO", "__main__.py", "__pex__/__init__.py"):
        with open(os.path.join(options["deps-pex"], name)) as source, open(f"{pex}/{name}", "w") as target:
            target.write(source.read() + "\\n# rewritten")
    report = {
        "reference": f"{options.get('repository', 'here')}@sha256:0",
        "argv": argv,
        "options": options,
        "bases": [json.load(open(item[7:])) for item in argv if item.startswith("--base=")],
        "inputs": inputs,
        "present": {name: os.path.isfile(options[name]) for name in ("agent", "base", "deps", "lock")},
        "code": json.load(open(options["code"])),
        "manifest": json.load(open(options["manifest"])),
        "libraries": json.load(open(options["libraries"])),
        "run": os.urandom(8).hex(),
    }
    with open(f"{output}/image.json", "w") as file:
        json.dump(report, file)
    service = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService"}
    service["metadata"] = {"name": "greeter", "annotations": {"image": report["reference"]}}
    with open(f"{output}/inferenceservice.yaml", "w") as file:
        json.dump(service, file)
"""

RUNTIME_MODULES = (
    *(
        "agent",
        "aws_lambda",
        "branches",
        "cache",
        "context",
        "delivery",
        "edge",
        "environment",
        "errors",
    ),
    *("features", "http", "models", "node", "openai_chat", "prompt", "registry", "schema"),
    *("serving/__init__", "state/__init__", "state/redis", "testing", "tools"),
)

STAND_IN = {
    "src/irc/BUILD": "python_sources()",
    "src/irc/__main__.py": _MAIN,
    "src/irc/cli/BUILD": "python_sources()",
    "src/irc/cli/compile.py": _COMPILE,
    "src/irc/cli/fmt.py": _FMT,
    "src/irc/cli/image.py": _IMAGE,
    "src/irc/cli/manifest.py": _MANIFEST,
    "src/irc/cli/package.py": _PACKAGE,
    "src/irc/cli/publish.py": "",
    "src/irc/cli/sbom.py": _SBOM,
    "src/irc_runtime/BUILD": "python_sources()",
    "src/irc_runtime/serving/BUILD": "python_sources()",
    "src/irc_runtime/state/BUILD": "python_sources()",
    **{f"src/irc_runtime/{module}.py": "import pex\n" for module in RUNTIME_MODULES},
    "BUILD": "python_requirement(name='pex', requirements=['pex'])",
}
