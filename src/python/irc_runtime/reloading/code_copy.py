"""A private copy of a version's code: what has been checked is what runs, whatever becomes of it."""

import hashlib
import shutil
import tempfile
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import IO, Self

from irc_runtime.reloading.version import (
    VERSION_FILE,
    Facts,
    Version,
    VersionError,
    code_digest,
    is_code,
    read_facts,
)

#: What the code of an agent may take, unpacked; more is a mistake or an attack.
MAX_CODE_BYTES = 256 * 1024 * 1024
CHUNK_BYTES = 1 << 20


class CodeCopy:
    """Files that are copied into a new folder, which goes away unless ``checked`` is passed."""

    def __init__(self, parent: Path) -> None:
        """Make the folder.

        Raises:
            VersionError: there is no place for it.
        """
        try:
            self.folder = Path(tempfile.mkdtemp(prefix="version-", dir=parent))
        except OSError as error:
            raise VersionError(
                f"no folder for the new version: {error.strerror}",
                "reloading needs a folder for temporary files that can be written: set TMPDIR",
            ) from None
        self._hashes: dict[str, str] = {}
        self._size_bytes = 0
        self._is_whole = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._is_whole:
            shutil.rmtree(self.folder, ignore_errors=True)

    def add(self, name: str, source: IO[bytes]) -> None:
        """Copy a file to its path from the root; byte code is passed over.

        Raises:
            VersionError: the path leads out of the folder, or the code is too large.
        """
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            raise VersionError(f"the code has a file outside of its folder: {name}")
        if not is_code(name):
            return
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        with target.open("wb") as file:
            while chunk := source.read(CHUNK_BYTES):
                self._size_bytes += len(chunk)
                if self._size_bytes > MAX_CODE_BYTES:
                    raise VersionError(f"the code is larger than {MAX_CODE_BYTES} bytes")
                digest.update(chunk)
                file.write(chunk)
        self._hashes[str(path)] = digest.hexdigest()

    def facts(self) -> Facts:
        """What the copied version file says.

        Raises:
            VersionError: it is missing or damaged.
        """
        path = self.folder / VERSION_FILE
        if not path.is_file():
            raise VersionError(f"there is no {VERSION_FILE}", "take a version that irc packaged")
        return read_facts(path.read_bytes())

    def checked(self, facts: Facts) -> Version:
        """Keep the folder as a version, once the code is known to be what the facts name.

        Raises:
            VersionError: the code is incomplete or changed.
        """
        hashes = {name: digest for name, digest in self._hashes.items() if name != VERSION_FILE}
        if code_digest(hashes) != facts.code_digest:
            raise VersionError(
                f"the code is incomplete or changed: it is not what {VERSION_FILE} says"
            )
        self._is_whole = True
        return Version(facts.digest, self.folder, facts.module, is_copy=True)
