"""
Who evaluates a trial, and whether that process still lives.

A worker is named `MACHINE/PROCESS/START`, where MACHINE is the boot and the name space of process
numbers, so that equal names are the same process and a process of the same machine can be looked
up. Where the system does not tell (no /proc), only heartbeats say that a worker lives.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path


def this_worker() -> str:
    """The name of this process."""
    return f"{_machine()}/{os.getpid()}/{_start(os.getpid()) or 0}"


def is_alive(worker: str) -> bool | None:
    """Whether the process of a worker lives; None if it cannot be known here."""
    machine, process, start = worker.rsplit("/", 2)
    if machine != _machine() or not _has_proc():
        return None
    return _start(int(process)) == int(start)


def _has_proc() -> bool:
    return Path("/proc/self/stat").exists()


def _machine() -> str:
    if not _has_proc():
        return socket.gethostname()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{socket.gethostname()}:{boot}:{os.stat('/proc/self/ns/pid').st_ino}"


def _start(process: int) -> int | None:
    """When a process started, in ticks since boot; None for one that is gone or has ended."""
    try:
        text = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return None
    # The name of the program, in parentheses, may have spaces and parentheses itself.
    fields = text.rpartition(")")[2].split()
    state, start = fields[0], fields[19]
    return None if state in "ZX" else int(start)
