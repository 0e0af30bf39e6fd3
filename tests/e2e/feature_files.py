"""Feature stores made from the flows' sample data by the real command."""

import os
import subprocess
import sys
from pathlib import Path

from tests.e2e.running import SEARCH_PATH


def load_features(csv: str, folder: Path, *, name: str, version: int, key: str) -> str:
    """Load a CSV file with ``irc features load``; returns the store's address."""
    store = f"sqlite:///{folder / 'features.db'}"
    subprocess.run(
        [
            *(sys.executable, "-m", "irc", "features", "load", csv, "--store", store),
            *("--name", name, "--version", str(version)),
            *("--key", key, "--event-time", "event_time"),
        ],
        env={"PATH": SEARCH_PATH, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
    )
    return store
