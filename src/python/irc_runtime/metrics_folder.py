"""The folder in which several processes of one agent keep their numbers; ``serving.metrics`` reads it."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

#: The variable of Prometheus' client that names the folder.
FOLDER = "PROMETHEUS_MULTIPROC_DIR"

#: Where a folder is made: in memory, where the container has it.
SHARED_MEMORY = "/dev/shm"


@contextmanager
def shared_folder() -> Iterator[None]:
    """Have the processes that are started in the block share their numbers."""
    if os.environ.get(FOLDER):
        yield
        return
    memory = SHARED_MEMORY if os.access(SHARED_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="irc-metrics-", dir=memory) as folder:
        os.environ[FOLDER] = folder
        try:
            yield
        finally:
            del os.environ[FOLDER]
