"""What compiling one flow costs, in this process; `compile.py` runs it and reads its JSON.

    python compile_cost.py FLOW MODE FOLDER

Modes: `yaml` parses the file with libyaml into plain values; `compile` checks and compiles the agent, as
`irc compile -o` does, without a cache, and `tests` its generated tests as well; `cold` does that with an
empty cache in FOLDER, and `edit` compiles again after the text of one node has changed. It prints the
seconds of CPU and the most memory in MB.
"""

import json
import resource
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path


def main() -> None:
    """Measure, and print the figures."""
    flow, mode, folder = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    run = {
        "yaml": load_yaml,
        "compile": compile_agent,
        "tests": compile_whole,
        "cold": compile_cold,
        "edit": compile_edited,
    }
    work = run[mode](flow, folder)
    started = time.process_time()
    work()
    cpu_s = time.process_time() - started
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"cpu_s": cpu_s, "memory_mb": memory_mb}))


def load_yaml(flow: Path, folder: Path) -> Callable[[], object]:
    """What any reader of the file pays: libyaml's parser, and plain values."""
    import yaml

    return lambda: yaml.load(flow.read_bytes(), Loader=yaml.CSafeLoader)


def compile_whole(flow: Path, folder: Path) -> Callable[[], object]:
    """Check and compile, tests included, nothing kept."""
    return compile_agent(flow, folder, with_tests=True)


def compile_agent(flow: Path, folder: Path, *, with_tests: bool = False) -> Callable[[], object]:
    """Check and compile the agent, nothing kept."""
    import jinja2.compiler  # noqa: F401  (what compiling a first node imports is not its cost)
    import jsonschema.validators  # noqa: F401

    from irc.pipeline import check, generate

    def work() -> None:
        result = check("flow.yaml", lambda name: flow.read_bytes(), with_tests=with_tests)
        assert result.compiled is not None
        generate(result.compiled)

    return work


def compile_cold(flow: Path, folder: Path) -> Callable[[], object]:
    """The same with a cache that is empty."""
    shutil.rmtree(folder, ignore_errors=True)
    return _with_cache(flow, folder)


def compile_edited(flow: Path, folder: Path) -> Callable[[], object]:
    """After a cold run in this folder, with another description of the node in the middle."""
    lines = flow.read_bytes().split(b"\n")
    keys = [at for at, line in enumerate(lines) if line == b"    inputs:"]
    at = keys[len(keys) // 2]
    has_one = lines[at - 1].startswith(b"    description:")
    lines[at - has_one : at] = [b"    description: Edited."]
    edited = flow.with_suffix(".edited.yaml")
    edited.write_bytes(b"\n".join(lines))
    return _with_cache(edited, folder, compiled=1)


def _with_cache(flow: Path, folder: Path, compiled: int | None = None) -> Callable[[], object]:
    compile_whole(flow, folder)
    from irc.cache import Cache
    from irc.fingerprint import fingerprint
    from irc.pipeline import check, generate

    fingerprint()  # once a process
    cache = Cache(folder)

    def work() -> None:
        result = check("flow.yaml", lambda name: flow.read_bytes(), cache=cache)
        assert result.compiled is not None
        generate(result.compiled)
        new = sum(outcome.reason is not None for outcome in result.outcomes)
        assert compiled in (None, new), f"{new} nodes were compiled"

    return work


if __name__ == "__main__":
    main()
