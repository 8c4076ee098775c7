"""
Where evaluations run: in this process, in processes of this machine, or in a pool of others.

`optimize` submits as many evaluations as there are workers, and waits for those that end. Whatever
an evaluation does, to the death of its process, is an outcome.
"""

from __future__ import annotations

import concurrent.futures
import importlib
import multiprocessing
import os
import pickle
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Any, Protocol

from headrace.autotune.trial import Function, Outcome, evaluate
from headrace.storage.errors import InputError

Ended = list[tuple[int, Outcome]]
"""The numbers of trials that ended, with their outcomes."""


class Executor(Protocol):
    """Runs evaluations."""

    @property
    def workers(self) -> int:
        """Evaluations that run at the same time."""
        ...

    def submit(
        self,
        function: Function,
        number: int,
        configuration: Mapping[str, Any],
        timeout: float | None,
    ) -> None:
        """Start the evaluation of a trial, which may take `timeout` seconds."""
        ...

    def wait(self) -> Ended:
        """Wait until at least one of the evaluations has ended."""
        ...

    def close(self) -> None:
        """Stop and forget what runs."""
        ...


class InProcess:
    """One evaluation at a time, in this process; there is nobody who could stop it."""

    workers = 1

    def __init__(self) -> None:
        self._ended: Ended = []

    def submit(
        self,
        function: Function,
        number: int,
        configuration: Mapping[str, Any],
        timeout: float | None,
    ) -> None:
        if timeout is not None:
            raise InputError(
                "an evaluation in this process cannot be stopped after a time; "
                "use local processes for a time-out"
            )
        self._ended.append((number, evaluate(function, configuration)))

    def wait(self) -> Ended:
        ended, self._ended = self._ended, []
        return ended

    def close(self) -> None:
        self._ended = []


@dataclass
class _Worker:
    """A process that evaluates what it is sent."""

    process: Any
    pipe: Any
    has_started: bool = False
    """Whether it has answered; one that never does is not able to run the function."""
    number: int = -1
    timeout: float | None = None
    deadline: float | None = None


class LocalProcesses:
    """
    Processes of this machine, each with one evaluation at a time.

    They are new interpreters ("spawn"): the function must be one of a module, and a script that
    searches must do so under `if __name__ == "__main__"`. An evaluation that takes too long is
    killed with its process and all that this has started.
    """

    def __init__(self, workers: int):
        self.workers = workers
        self._context = multiprocessing.get_context("spawn")
        self._idle: list[_Worker] = []
        self._busy: list[_Worker] = []

    def submit(
        self,
        function: Function,
        number: int,
        configuration: Mapping[str, Any],
        timeout: float | None,
    ) -> None:
        try:
            work = pickle.dumps((function, dict(configuration)))
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise InputError(
                f"the function cannot be sent to another process ({error}); define it at the top "
                "level of a module"
            ) from error
        worker = self._idle.pop() if self._idle else self._start()
        worker.number, worker.timeout, worker.deadline = number, timeout, None
        self._busy.append(worker)
        worker.pipe.send_bytes(work)

    def wait(self) -> Ended:
        ended: Ended = []
        while not ended:
            now = time.monotonic()
            deadlines = [one.deadline for one in self._busy if one.deadline is not None]
            left = max(0.0, min(deadlines) - now) if deadlines else None
            ready = wait([one.pipe for one in self._busy], left)
            for worker in list(self._busy):
                outcome = self._receive(worker) if worker.pipe in ready else self._expire(worker)
                if outcome is not None:
                    ended.append((worker.number, outcome))
                    self._busy.remove(worker)
                    if worker.process.is_alive():
                        self._idle.append(worker)
        return ended

    def close(self) -> None:
        for worker in (*self._busy, *self._idle):
            _kill(worker)
        self._busy, self._idle = [], []

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_work, args=(theirs,), daemon=True)
        process.start()
        theirs.close()
        return _Worker(process, ours)

    def _receive(self, worker: _Worker) -> Outcome | None:
        """What a worker says; None if that is only that it begins."""
        try:
            found = worker.pipe.recv()
        except (EOFError, OSError):
            return self._died(worker)
        worker.has_started = True
        if isinstance(found, Outcome):
            return found
        if isinstance(found, str):
            raise InputError(
                f"a worker process cannot use the function: {found}; define it at the top level "
                "of a module that other processes can import"
            )
        if worker.timeout is not None:
            worker.deadline = time.monotonic() + worker.timeout
        return None

    def _died(self, worker: _Worker) -> Outcome:
        worker.process.join()
        worker.pipe.close()
        code = worker.process.exitcode
        if not worker.has_started:
            raise InputError(
                f"a worker process ended with status {code} before it could evaluate anything; a "
                'script that searches must do so under `if __name__ == "__main__"`'
            )
        if code == -signal.SIGKILL:
            # Nobody here sent it: this is how Linux ends a process when memory runs out.
            return Outcome(failure="memory", message="the process of the evaluation was killed")
        ended = f"by signal {-code}" if code < 0 else f"with status {code}"
        return Outcome(failure="run", message=f"the process of the evaluation ended {ended}")

    def _expire(self, worker: _Worker) -> Outcome | None:
        if worker.deadline is None or time.monotonic() < worker.deadline:
            return None
        _kill(worker)
        message = f"it took longer than {worker.timeout:g} s"
        return Outcome(failure="timeout", message=message, cost=worker.timeout)


class Pool:
    """
    An executor of `concurrent.futures`, such as that of a Dask cluster; see `dask`.

    What a pool runs cannot be stopped: an evaluation that takes too long, counted from when it was
    submitted, fails with class `timeout` but holds its place in the pool until it ends.
    """

    def __init__(self, pool: concurrent.futures.Executor, workers: int):
        self.workers = workers
        self._pool = pool
        self._running: dict[concurrent.futures.Future[Outcome], tuple[int, float | None]] = {}

    def submit(
        self,
        function: Function,
        number: int,
        configuration: Mapping[str, Any],
        timeout: float | None,
    ) -> None:
        future = self._pool.submit(evaluate, function, dict(configuration))
        deadline = None if timeout is None else time.monotonic() + timeout
        self._running[future] = number, deadline

    def wait(self) -> Ended:
        ended: Ended = []
        while not ended:
            deadlines = [one for _, one in self._running.values() if one is not None]
            left = max(0.0, min(deadlines) - time.monotonic()) if deadlines else None
            first = concurrent.futures.FIRST_COMPLETED
            done, _ = concurrent.futures.wait(self._running, left, first)
            now = time.monotonic()
            for future, (number, deadline) in list(self._running.items()):
                if future in done:
                    ended.append((number, _result(future)))
                elif deadline is not None and now >= deadline:
                    future.cancel()
                    message = "it took longer than its time-out"
                    ended.append((number, Outcome(failure="timeout", message=message)))
                else:
                    continue
                del self._running[future]
        return ended

    def close(self) -> None:
        for future in self._running:
            future.cancel()
        self._running = {}


def dask(scheduler: str) -> Pool:
    """
    The workers of a Dask cluster, by the address of its scheduler ("tcp://host:8786").

    Raises `InputError` if `distributed` is not installed or the cluster cannot be reached.
    """
    try:
        # Not among the dependencies: by name, as there may be nothing to look at.
        client_of = importlib.import_module("distributed").Client
    except ImportError as error:
        raise InputError(
            "evaluations on a cluster need Dask; install it with pip install 'dask[distributed]'"
        ) from error
    try:
        client = client_of(scheduler)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot reach a Dask scheduler at {scheduler}: {error}") from error
    threads = sum(client.nthreads().values())
    if not threads:
        raise InputError(f"the Dask cluster at {scheduler} has no workers; start some")
    return Pool(client.get_executor(pure=False), threads)


def _result(future: concurrent.futures.Future[Outcome]) -> Outcome:
    """The outcome of an evaluation; that of one whose worker died is a failure."""
    error = future.exception()
    if error is None:
        return future.result()
    return Outcome(failure="run", message=f"{type(error).__name__}: {error}")


def _kill(worker: _Worker) -> None:
    """Kill a process and all that it has started."""
    try:
        # It leads a group of its own once it has answered.
        if worker.has_started:
            os.killpg(worker.process.pid, signal.SIGKILL)
        else:
            worker.process.kill()
    except ProcessLookupError:
        pass
    worker.process.join()
    worker.pipe.close()


def _work(pipe: Any) -> None:
    """What a worker process does: evaluate what it is sent until the pipe is closed."""
    os.setsid()
    while True:
        try:
            work = pipe.recv_bytes()
        except EOFError:
            return
        try:
            function, configuration = pickle.loads(work)
        except Exception as error:
            pipe.send(f"{type(error).__name__}: {error}")
            continue
        pipe.send(None)
        pipe.send(evaluate(function, configuration))
