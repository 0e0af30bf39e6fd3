"""Options of the compiler's tests."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--update`` rewrites the golden files."""
    parser.addoption("--update", action="store_true", help="rewrite the golden files")


@pytest.fixture
def update(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be rewritten."""
    return bool(request.config.getoption("--update"))


@pytest.fixture(autouse=True)
def cache_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """No test reads what another kept, or writes into the user's cache."""
    monkeypatch.setenv("IRC_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
