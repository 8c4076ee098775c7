"""Worker processes that do not outlive the run that started them."""

import multiprocessing
import os
import signal
import threading


def end_with_parent() -> None:
    """A worker whose run was killed would go on for minutes, and nobody would keep its row."""
    # An interrupt from the keyboard goes to the workers too; the run ends them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
