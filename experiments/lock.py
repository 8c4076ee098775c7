"""One run at a time in a folder: two would measure the same rows and write the same files."""

import fcntl
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import headrace


@contextmanager
def alone(folder: Path) -> Generator[None]:
    """
    Hold the lock of a folder, which is made; raises `InputError` if another run holds it.

    The system releases the lock with the process, however that ends. Workers do not inherit it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / "lock").open("ab")
    except OSError as error:
        reason = f"folder '{folder}' cannot be locked: {error.strerror}"
        raise headrace.InputError(f"{reason}; give another folder with --out") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            remedy = "wait for it, stop it, or give another folder with --out"
            raise headrace.InputError(
                f"another run is measuring in folder '{folder}'; {remedy}"
            ) from None
        yield
