"""The supervisor as a program, which ``serve`` starts where ``--reload_from`` is given."""

import argparse
import logging
import os
import socket
import sys
import tempfile
from pathlib import Path

from irc_runtime.events import JsonLines
from irc_runtime.metrics_folder import shared_folder
from irc_runtime.reloading.child import Child
from irc_runtime.reloading.starting import LINK, source_of
from irc_runtime.reloading.supervisor import Settings, Supervisor
from irc_runtime.reloading.version import Version, own_facts
from irc_runtime.reloading.watcher import Watcher

#: For ``irc serve``, which also sends SIGHUP after each compilation.
DEVELOPMENT = Settings(look_s=0.25, checks_contract=False)


def main(arguments: list[str]) -> int:
    """Serve until a signal; the result is the exit status."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--http_fd", type=int, required=True)
    parser.add_argument("--reload_from", required=True)
    parser.add_argument("--module", required=True)
    parser.add_argument("--reload_timeout_s", type=float, default=Settings.load_timeout_s)
    command, _ = parser.parse_known_args(arguments)
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(handlers=[handler], level=logging.INFO)
    listener = socket.socket(fileno=command.http_fd)
    development = command.reload_from.startswith(LINK)
    settings = DEVELOPMENT if development else Settings(load_timeout_s=command.reload_timeout_s)
    own, facts, folder = None, None, command.reload_from.removeprefix(LINK)
    if not development and (found := own_facts(sys.path)) is not None:
        folder, facts = found
        own = Version(facts.digest, folder, facts.module, is_copy=False)
    # Without the folder that was started: what a version has done away with would be found there.
    used = (entry for entry in sys.path if os.path.realpath(entry) != os.path.realpath(folder))
    search_path = [entry for entry in used if entry]
    flags = [*arguments, *(["--traceback"] if development else [])]

    def start(version: Version) -> Child:
        return Child(version, search_path, listener, flags)

    source = source_of(command.reload_from, command.module)
    watcher = Watcher(source, Path(tempfile.gettempdir()), facts)
    with shared_folder():  # or what the last version counts after the switch would be lost
        return Supervisor(watcher, own, listener, start, settings).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
