"""A worker runs every process of a flow; and it dies."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.remote.repository import TARGET, Run
from tests.remote.shared import Farm
from tests.remote.worker import Worker

WAIT_S = 120.0


def test_every_process_runs_on_the_worker(farm: Farm) -> None:
    counters = farm.run.counters
    assert counters["local_execution_requests"] == 0
    assert counters["local_cache_requests_cached"] == 0
    assert counters["remote_cache_requests"] == 0
    # What Pants cancels may have ended on the worker all the same.
    assert farm.exit_codes.count(0) >= counters["remote_execution_success"] > 20
    for process in ("Make the base image", "Make image layers", "Write the bill of materials"):
        assert f"Completed: {process}" in farm.run.log
    assert f"{TARGET} succeeded" in farm.run.log


def test_package_of_a_worker_is_the_same_bytes(farm: Farm) -> None:
    assert set(farm.remote) == set(farm.local)
    assert [name for name in farm.local if farm.remote[name] != farm.local[name]] == []
    assert {"image/index.json", "inferenceservice.yaml", "sbom.cdx.json"} <= set(farm.remote)


def test_dead_worker(farm: Farm) -> None:
    farm.repository.greet("Dead worker")
    with nothing_written(farm), restarted(farm.worker):
        farm.worker.kill()
        run = farm.repository.run(farm.option, "package", TARGET)
        assert_failed(run)
        assert run.counters["local_execution_requests"] == 0
    assert_same_without_farm(farm)


def test_worker_killed_amid_a_build(farm: Farm) -> None:
    farm.repository.greet("Killed worker")
    with nothing_written(farm), restarted(farm.worker):
        begun = farm.worker.begun()
        process = farm.repository.start(farm.option, "package", TARGET)
        wait_until(lambda: farm.worker.begun() > begun)
        farm.worker.kill()
        assert_failed(farm.repository.finish(process))
        wait_until(lambda: not farm.worker.running_processes())
    assert_same_without_farm(farm)


def wait_until(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def assert_failed(run: Run) -> None:
    """The build has ended with an error that says why, and without a package."""
    assert run.exit_code == 1
    assert "error trying to connect: tcp connect error: Connection refused" in run.log
    assert "Wrote dist" not in run.log


@contextmanager
def nothing_written(farm: Farm) -> Iterator[None]:
    """What lies in `dist` stays as it is."""
    dist = farm.repository.root / "dist"
    paths, package = sorted(dist.rglob("*")), farm.repository.packaged()
    yield
    assert sorted(dist.rglob("*")) == paths
    assert farm.repository.packaged() == package


@contextmanager
def restarted(worker: Worker) -> Iterator[None]:
    """Whatever became of the worker, the next build has a whole one."""
    try:
        yield
    finally:
        worker.kill()
        worker.start()


def assert_same_without_farm(farm: Farm) -> None:
    """The way back packages here, and the worker does so again once it is there, with the same bytes."""
    local = farm.repository.run(farm.option, "--no-remote-execution", "package", TARGET).must_pass()
    assert local.counters["remote_execution_requests"] == 0
    assert local.counters["local_execution_requests"] > 0
    package = farm.repository.packaged()
    remote = farm.repository.run(farm.option, "package", TARGET).must_pass()
    assert remote.counters["local_execution_requests"] == 0
    assert remote.counters["remote_execution_success"] > 0
    assert farm.repository.packaged() == package
