"""What the service does with a flow before its first request: `python load.py FOLDER`."""

import sys
from pathlib import Path

from promptflow.executor import FlowExecutor

FlowExecutor.create(Path(sys.argv[1]).resolve() / "flow.dag.yaml", connections={})
