"""Writing files so that nobody sees half of one."""

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
    partial = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
