"""Checkouts that share a remote cache and nothing else."""

import json

from tests.remote.repository import TARGET
from tests.remote.shared import Shared


def test_second_checkout_takes_every_process_from_the_cache(shared: Shared) -> None:
    first, second = shared.first_run.counters, shared.second_run.counters
    assert first["remote_cache_requests_cached"] == 0
    assert first["remote_cache_write_successes"] == first["remote_cache_requests"] > 10
    assert second["remote_cache_requests"] == first["remote_cache_requests"]
    assert second["remote_cache_requests_cached"] == second["remote_cache_requests"]
    # Nothing that ran there was worth keeping for others.
    assert second["remote_cache_write_attempts"] == 0
    assert f"{TARGET} succeeded" in shared.second_run.log
    assert "(cached remotely)" in shared.second_run.log


def test_package_from_the_cache_is_the_same_bytes(shared: Shared) -> None:
    first, second = shared.first.packaged(), shared.second.packaged()
    assert set(first) == set(second)
    assert [name for name in first if first[name] != second[name]] == []
    assert {"image/index.json", "inferenceservice.yaml", "sbom.cdx.json"} <= set(first)
    assert "agent.pex/PEX-INFO" in first
    reference = json.loads(first["image.json"])["reference"]
    assert reference in shared.first_run.log
    assert reference in shared.second_run.log
