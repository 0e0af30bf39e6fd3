"""A remote cache that fails in every way: the build passes, and its result is right.

The first checkout edits the flow and writes to the cache; then something happens to the cache, and the
second checkout makes the same edit.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest

from tests.remote.proxy import meddling_proxy
from tests.remote.repository import TARGET, Run
from tests.remote.shared import Shared

WAIT_S = 120.0


def edit(shared: Shared, greeting: str) -> set[Path]:
    """Make an edit in both checkouts, and build it in the first; gives the blobs that it wrote."""
    before = blobs(shared)
    shared.first.greet(greeting)
    shared.second.greet(greeting)
    written = shared.first.run(*shared.cache.options, "package", TARGET).must_pass().counters
    assert written["remote_cache_write_successes"] > 0
    return blobs(shared) - before


def blobs(shared: Shared) -> set[Path]:
    return {path for path in shared.cache.blobs.rglob("*") if path.is_file()}


def build_second(shared: Shared, *options: str) -> Run:
    return shared.second.run(*(options or shared.cache.options), "package", TARGET).must_pass()


def assert_equal_packages(shared: Shared) -> None:
    first, second = shared.first.packaged(), shared.second.packaged()
    assert set(first) == set(second)
    assert [name for name in first if first[name] != second[name]] == []


@contextmanager
def restarted(shared: Shared) -> Iterator[None]:
    """Whatever became of the server, the next test has a whole one."""
    try:
        yield
    finally:
        shared.cache.kill()
        shared.cache.start()


def test_dead_cache(shared: Shared) -> None:
    edit(shared, "Dead")
    with restarted(shared):
        shared.cache.kill()
        run = build_second(shared)
    assert "[WARN] Failed to read from remote cache" in run.log
    assert run.counters["remote_cache_requests_cached"] == 0
    assert_equal_packages(shared)


def test_cache_killed_amid_a_build(shared: Shared) -> None:
    with restarted(shared):
        before = blobs(shared)
        shared.second.greet("Killed")
        process = shared.second.start(*shared.cache.options, "package", TARGET)
        deadline = time.monotonic() + WAIT_S
        while blobs(shared) == before:  # until it writes what it has made
            assert time.monotonic() < deadline
            time.sleep(0.01)
        shared.cache.kill()
        run = shared.second.finish(process).must_pass()
    # Pants warns of some of them, and counts each.
    errors = ("remote_cache_read_errors", "remote_cache_write_errors")
    assert sum(run.counters[name] for name in errors) > 0
    shared.first.greet("Killed")
    shared.first.run("package", TARGET).must_pass()
    assert_equal_packages(shared)


def test_hung_cache(shared: Shared) -> None:
    edit(shared, "Hung")
    with restarted(shared):
        shared.cache.pause()
        run = build_second(shared)
    counters = run.counters
    assert counters["remote_cache_requests_cached"] == 0
    assert counters["remote_cache_write_successes"] == 0 < counters["remote_cache_write_attempts"]
    assert_equal_packages(shared)


def altered(content: bytes) -> bytes:
    return bytes(byte ^ 0xFF for byte in content)


def cut_short(content: bytes) -> bytes:
    return content[: len(content) // 2]


def test_cache_whose_disk_is_damaged(shared: Shared) -> None:
    for path in edit(shared, "Damaged"):
        damage(path, altered)
    run = build_second(shared)
    assert "[WARN] Failed to read from remote cache" in run.log
    assert run.counters["remote_cache_requests_cached"] == 0
    assert_equal_packages(shared)


@pytest.mark.parametrize("how", [altered, cut_short, None])
def test_damaged_files_of_a_package(shared: Shared, how: Callable[[bytes], bytes] | None) -> None:
    written = edit(shared, f"Damaged, {how and how.__name__}")
    of_package = {sha256(content).hexdigest() for content in shared.first.packaged().values()}
    damaged = [path for path in written if f"{path.parent.name}{path.name}" in of_package]
    assert damaged
    for path in damaged:
        damage(path, how)
    run = build_second(shared)
    assert run.counters["remote_cache_requests_cached"] < run.counters["remote_cache_requests"]
    assert_equal_packages(shared)


def damage(blob: Path, how: Callable[[bytes], bytes] | None) -> None:
    content = blob.read_bytes()
    blob.unlink()
    if how is not None:
        blob.write_bytes(how(content))


def test_wrong_bytes_on_the_way(shared: Shared) -> None:
    edit(shared, "Wrong")

    def spoil(answer: bytes) -> bytes:
        return answer[:-1] + altered(answer[-1:])

    with meddling_proxy(shared.cache.port, spoil) as (port, forwarding):
        run = build_second(shared, *shared.cache.options_at(port))
    assert forwarding.count > 0
    assert run.counters["remote_cache_requests_cached"] < run.counters["remote_cache_requests"]
    assert_equal_packages(shared)


def test_cache_that_hangs_amid_blobs(shared: Shared) -> None:
    edit(shared, "Endless")
    ended = threading.Event()

    def stall(answer: bytes) -> bytes:
        ended.wait()
        return answer

    with meddling_proxy(shared.cache.port, stall) as (port, forwarding):
        try:
            run = build_second(shared, *shared.cache.options_at(port))
        finally:
            ended.set()
    assert forwarding.count > 0
    assert run.counters["remote_cache_requests_cached"] < run.counters["remote_cache_requests"]
    assert_equal_packages(shared)
