"""Compile at a level, run, compare the values: what every row of these experiments goes through."""

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

import headrace
from headrace.experiments.experiment import Cell, WrongValueError
from headrace.models.example import Example

TOLERANCE = 1e-5
"""How far a float32 may be from PyTorch's, relative to the largest of the result."""

Machine = headrace.DaeMachine | Path | None


def measured(
    examples: Sequence[Example],
    *,
    opt: int | None = None,
    pipeline: str | None = None,
    machine: Machine = None,
) -> tuple[dict[str, Cell], list[headrace.DaeRun]]:
    """
    The cycles and traffic of models one after the other, and the runs.

    Raises `WrongValueError` if a result is not PyTorch's.
    """
    start = time.perf_counter()
    runs: list[headrace.DaeRun] = []
    errors: list[float] = []
    for model, arguments in examples:
        function = compiled((model, arguments), opt=opt, pipeline=pipeline)
        run = function.run(*arguments, machine=machine)
        with torch.no_grad():
            errors.append(difference(run.outputs[0], model(*arguments)))
        runs.append(run)
    operations = [operation for run in runs for operation in run.operations]
    lines = [sum(level) for level in zip(*(one.timing.lines for one in operations), strict=True)]
    return {
        "cycles": sum(run.cycles for run in runs),
        "core alone": sum(run.core_alone_cycles for run in runs),
        "tokens": sum(run.tokens for run in runs),
        "words": sum(run.words for run in runs),
        **dict(zip(("lines of L2", "lines of LLC", "lines of memory"), lines, strict=True)),
        "bound by": ", ".join(dict.fromkeys(one.timing.bound_by for one in operations)),
        "values": digest(runs),
        "error": max(errors),
        "seconds": time.perf_counter() - start,
    }, runs


def compiled(
    example: Example, *, opt: int | None = None, pipeline: str | None = None
) -> headrace.DaeFunction:
    """The program of a model, at a level or by passes."""
    model, arguments = example
    return headrace.compile(model, arguments, target="dae", opt=opt, pipeline=pipeline)


def difference(found: Any, expected: torch.Tensor) -> float:
    """The largest error; raises `WrongValueError` if it is more than `TOLERANCE`."""
    if found.shape != expected.shape:
        shapes = f"{tuple(found.shape)}, but must have {tuple(expected.shape)}"
        raise WrongValueError(f"the result has shape {shapes}")
    largest = max(1.0, float(expected.abs().max()))
    error = float((found.double() - expected.double()).abs().max()) / largest
    # A value that is no number is wrong too, and compares with nothing.
    if not error <= TOLERANCE:
        raise WrongValueError(f"a value is wrong by {error:.3g}, of which {TOLERANCE:g} is allowed")
    return error


def digest(runs: Sequence[headrace.DaeRun]) -> str:
    """Equal for results that are equal bit for bit."""
    bits = hashlib.sha256()
    for run in runs:
        for output in run.outputs:
            bits.update(output.numpy().tobytes())
    return bits.hexdigest()[:16]
