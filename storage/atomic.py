"""Writing files so that nobody sees half of one."""

import errno
import os
import secrets
import stat
from pathlib import Path


def replace_file(path: str | Path, content: bytes) -> None:
    """
    Write a file at once: a reader sees the old file or the whole new one.

    A link is followed. What exists and is no regular file (a device, a pipe) is written to, since
    replacing it would break it for others. Raises `OSError`; nothing is left behind then.
    """
    path = Path(path)
    if _is_special(path):
        path.write_bytes(content)
        return
    partial, path = _partial(path), path.resolve()
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
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if _is_special(path):
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return
    partial = _partial(path)
    try:
        partial.touch()
    finally:
        partial.unlink(missing_ok=True)


def _is_special(path: Path) -> bool:
    """
    Whether something exists that is no regular file.

    The path must be as it was given: a link of /proc to a pipe resolves to a name that is no file.
    Raises `OSError` for a name that no file can have.
    """
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return False


def _partial(path: Path) -> Path:
    """Where a new file stands until it is whole; no longer name than any file may have."""
    return path.resolve().with_name(f".{secrets.token_hex(8)}.partial")
