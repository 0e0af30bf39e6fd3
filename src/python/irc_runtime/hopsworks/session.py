"""One session with Hopsworks for the whole process, since the client's state is the process's own.

The client is told everything through its own environment variables (``HOPSWORKS_HOST`` and so on).
What it would ask a person for is checked first; what it prints, logs and sets is undone.
"""

import io
import logging
import os
import shutil
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from typing import Any, TypeVar

from irc_runtime.errors import LoadError
from irc_runtime.hopsworks.failures import explain
from irc_runtime.hopsworks.threads import Threads

Result = TypeVar("Result")

REQUIRED = ("HOPSWORKS_HOST", "HOPSWORKS_PROJECT", "HOPSWORKS_API_KEY")

#: Top-level packages of the client, for their loggers and warnings.
PACKAGES = ("hopsworks", "hopsworks_common", "hsfs", "hsml")

#: Online reads that are under way at most; further ones wait.
MAX_CONNECTIONS = 16

#: Seconds for the login, and for all look-ups of an agent. The client itself sets no limit.
LOAD_TIMEOUT_S = 60.0


class Session:
    """A session that is open. The client's calls block, and most are not safe side by side.

    Attributes:
        project: the client's project.
        reads: threads for reads, which may run side by side.
        worker: the one thread for everything else.
    """

    def __init__(self) -> None:
        self._keys = temporary_folder("hopsworks-")
        self.worker = Threads(1, "hopsworks")
        self.reads = Threads(MAX_CONNECTIONS, "hopsworks-read")
        self.users = 0
        try:
            self.project: Any = self.load(lambda: _log_in(self._keys))
        except BaseException:
            self._end()
            raise

    def load(self, call: Callable[[], Result], timeout_s: float | None = None) -> Result:
        """The result of a call while an agent loads, with nothing printed.

        Args:
            call: runs on the worker thread.
            timeout_s: None is ``LOAD_TIMEOUT_S``.
        Raises:
            LoadError: it fails, or takes too long.
        """
        limit_s = LOAD_TIMEOUT_S if timeout_s is None else timeout_s
        with quiet():
            try:
                return self.worker.wait(call, limit_s)
            except LoadError:
                raise
            except Exception as error:  # the client raises a great many types
                if type(error) is TimeoutError:  # the client's own are of other classes
                    raise LoadError(f"Hopsworks: no answer within {limit_s:g} s") from None
                raise LoadError(f"Hopsworks: {explain(error)}") from error

    def close(self) -> None:
        """Log out, and remove the keys."""
        try:
            self.load(_log_out)
        except LoadError:
            pass  # the session ends all the same
        finally:
            self._end()

    def _end(self) -> None:
        self.worker.stop()
        self.reads.stop()
        shutil.rmtree(self._keys, ignore_errors=True)


_lock = threading.Lock()
_sessions: list[Session] = []


def open_session() -> Session:
    """The process's session; each call goes with one of ``close_session``.

    Raises:
        LoadError: something is not set, or the login fails.
    """
    with _lock:
        if not _sessions:
            check_environment(os.environ)
            _sessions.append(Session())
        _sessions[0].users += 1
        return _sessions[0]


def close_session(session: Session) -> None:
    """Give up a session; the last that does so ends it."""
    with _lock:
        session.users -= 1
        if session.users == 0:
            _sessions.remove(session)
            session.close()


def check_environment(environment: Mapping[str, str]) -> None:
    """Raise LoadError, which names all of them, where variables are missing or malformed."""
    if "REST_ENDPOINT" in environment:  # within Hopsworks, which sets what the client needs
        return
    missing = [name for name in REQUIRED if not environment.get(name)]
    if missing:
        raise LoadError(f"the Hopsworks client needs {', '.join(missing)}, not set")
    port = environment.get("HOPSWORKS_PORT", "443")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise LoadError("HOPSWORKS_PORT is not a port number")
    trusted = environment.get("HOPSWORKS_TRUST_STORE_PATH")
    if trusted and not os.path.exists(trusted):
        raise LoadError(f"HOPSWORKS_TRUST_STORE_PATH: there is no file {trusted}")


def temporary_folder(prefix: str) -> str:
    """A new folder of the process's own.

    Raises:
        LoadError: there is no place for one, as in a container whose root is read-only.
    """
    try:
        return tempfile.mkdtemp(prefix=prefix)
    except OSError as error:
        raise LoadError(
            f"the Hopsworks client needs a folder that it can write to: {error.strerror}; mount one "
            "at /tmp, or name one with TMPDIR"
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Undo what the client does to logging, warnings and standard output, while it is imported too.

    Its progress bars are left out for good, and so are its log lines, which quote what stores say;
    failures are the runtime's own to tell.
    """
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    if not handlers:
        root.addHandler(logging.NullHandler())  # or logging.basicConfig would add one that writes
    os.environ.setdefault("TQDM_DISABLE", "1")
    for package in PACKAGES:
        logging.getLogger(package).setLevel(logging.CRITICAL + 1)
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        format_warning = warnings.formatwarning
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            warnings.formatwarning = format_warning
            root.handlers[:] = handlers
            root.setLevel(level)
    for package in PACKAGES:
        warnings.filterwarnings("ignore", module=rf"{package}(\..+)?$")


def _log_in(keys: str) -> Any:
    import hopsworks  # type: ignore[import-untyped]  # it has no stubs

    inside = "REST_ENDPOINT" in os.environ
    with _user_name():
        return hopsworks.login(
            engine="python",
            api_key_value=None if inside else os.environ["HOPSWORKS_API_KEY"],
            hostname_verification=True,
            cert_folder=keys,
        )


def _log_out() -> None:
    import hopsworks

    hopsworks.logout()


@contextmanager
def _user_name() -> Iterator[None]:
    """A name for the user where the system has none, as in a container: the client asks for it."""
    if any(os.environ.get(name) for name in ("LOGNAME", "USER", "LNAME", "USERNAME")):
        yield
        return
    os.environ["LOGNAME"] = "agent"
    try:
        yield
    finally:
        del os.environ["LOGNAME"]
