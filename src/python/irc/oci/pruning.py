"""What of an installed distribution an image does without."""

from pathlib import PurePosixPath

# Sources and headers for a compiler that the image does not have, type stubs, static libraries,
# installers for another system, and byte code that is made anew.
_SUFFIXES = frozenset(
    {
        ".a",
        ".c",
        ".cc",
        ".cpp",
        ".cu",
        ".cuh",
        ".exe",
        ".h",
        ".hpp",
        ".lib",
        ".pxd",
        ".pxi",
        ".pyc",
        ".pyi",
        ".pyo",
        ".pyx",
    }
)

# RECORD lists files and hashes that are not true any more; the others speak to installers.
_METADATA = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"})


def is_needed(path: str) -> bool:
    """Whether a file, by its path below ``site-packages``, is of use to a running agent.

    Licences and the metadata that ``importlib.metadata`` reads always are.
    """
    *folders, name = PurePosixPath(path).parts
    if folders and folders[0].endswith(".dist-info"):
        return name not in _METADATA
    if folders and folders[0].endswith(".pex-info"):
        return False
    if "tests" in folders:
        return False
    return PurePosixPath(name).suffix not in _SUFFIXES
