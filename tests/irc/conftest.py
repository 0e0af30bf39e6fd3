"""Options of the compiler's tests."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--update`` rewrites the golden files."""
    parser.addoption("--update", action="store_true", help="rewrite the golden files")


@pytest.fixture
def update(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be rewritten."""
    return bool(request.config.getoption("--update"))
