"""Compile, simulate, compare the values: what every simulated row of an experiment goes through."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

import headrace
from headrace.experiments.experiment import Cell, Row, WrongValueError

TOLERANCE = 1e-9
"""How far a value may be from dense float64 arithmetic, where values are of the order of 1."""


def simulated(
    compile: Callable[[], headrace.Program],
    arguments: Sequence[object] | Mapping[str, object],
    expected: object,
    *,
    operations: bool = False,
) -> dict[str, Cell]:
    """
    Cycles, tokens, bytes, the largest error and the wall times of one compiled program.

    `arguments` are those of the program in their order, or by name. `operations` asks for `flops`,
    which takes a further run.

    Channels are unbounded and memory answers at once, as in the published figures. `error` is
    relative to the largest expected value, where that is above 1.

    Raises `WrongValueError` if the program does not give the `expected` values.
    """
    start = time.perf_counter()
    program = compile()
    compiled = time.perf_counter()
    if isinstance(arguments, Mapping):
        arguments = [arguments[argument.name] for argument in program.arguments]
    result = program.run(*arguments)
    error = difference(result.outputs[0], expected)
    return {
        "cycles": result.cycles,
        "tokens": result.tokens,
        **({"flops": result.flops} if operations else {}),
        "bytes": result.bytes,
        "graphs": len(result.graphs),
        "primitives": len(result.nodes),
        "error": error,
        "compile_seconds": compiled - start,
        "simulate_seconds": time.perf_counter() - compiled,
    }


def difference(found: Any, expected: Any) -> float:
    """The largest error; raises `WrongValueError` if it is more than `TOLERANCE`."""
    one, other = np.asarray(found), np.asarray(expected)
    if one.shape != other.shape:
        raise WrongValueError(f"the result has shape {one.shape}, but must have {other.shape}")
    error = float(np.abs(one - other).max() / max(1.0, np.abs(other).max()))
    # A value that is no number is wrong too, and compares with nothing.
    if not error <= TOLERANCE:
        raise WrongValueError(f"a value is wrong by {error:.3g}, of which {TOLERANCE:g} is allowed")
    return error


def unfused_cycles(rows: Sequence[Row], place: Sequence[str]) -> dict[tuple[Cell, ...], float]:
    """Cycles of the unfused schedule, by the settings `place` that say what is computed."""
    return {
        tuple(row[name] for name in place): row.number("cycles")
        for row in rows
        if row["schedule"] == "unfused"
    }
