"""Writing files so that nobody sees half of one."""

import errno
import os
import threading
from pathlib import Path


def replace_file(path: str | Path, content: bytes) -> None:
    """
    Write a file at once: a reader sees the old file or the whole new one.

    A link is followed. What exists and is no regular file (a device, a pipe) is written to, since
    replacing it would break it for others. Raises `OSError`; nothing is left behind then.
    """
    path = Path(path).resolve()
    if path.exists() and not path.is_file():
        path.write_bytes(content)
        return
    partial = _partial(path)
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def check_replaceable(path: str | Path) -> None:
    """
    Raise the `OSError` that `replace_file` would raise, as far as it can be known beforehand.

    It makes the file that would become the new one, and removes it: whether that succeeds no
    permission alone tells (a file system may be read-only, a name too long).
    """
    path = Path(path).resolve()
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if path.exists() and not path.is_file():
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return
    partial = _partial(path)
    try:
        partial.touch()
    finally:
        partial.unlink(missing_ok=True)


def _partial(path: Path) -> Path:
    """Where a new file stands until it is whole."""
    return path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
