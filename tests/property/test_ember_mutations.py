"""Damaged loops of an access unit give one sentence; what verifies has queues that match."""

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest
from xdsl.dialects import arith, func
from xdsl.dialects.builtin import IntegerAttr, MemRefType, ModuleOp
from xdsl.ir import Attribute
from xdsl.utils.exceptions import DiagnosticException, ParseError

from headrace.cli.driver import make_context
from headrace.cli.parsing import expect_order, parse_text
from headrace.dialects.dlc import AccessOp
from headrace.interpreters.dlc import run_function
from headrace.interpreters.nest_scalars import exact_dtype
from headrace.passes.registry import get_all_passes, parse_passes
from headrace.storage.errors import InputError
from headrace.tests.step_mutations import broken_text, limited

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path
    for folder in ("filecheck/dialects/slc", "filecheck/dialects/dlc", "filecheck/passes/ember")
    for path in (ROOT / "tests" / folder).glob("*.mlir")
)
PASSES = (
    "ember-to-dlc",
    "ember-store-stream,ember-to-dlc",
    "ember-vectorize{lanes=2},ember-to-dlc",
    "ember-hints{level=L2},ember-to-dlc",
    "ember-vectorize{lanes=2},ember-buffer,ember-align,ember-to-dlc",
)
BATCH, BATCHES, BATCHES_SLOW = 40, 4, 250
MOST = 8
"""The largest number of programs that are run, so that loops are short."""


def passed(source: Path, seed: int) -> str | ModuleOp:
    """A damaged module behind passes, or why it is refused."""
    random = Random(seed)
    text = broken_text(random, random.choice(source.read_text().split("// -----")))
    context = make_context()
    try:
        module = parse_text(context, text, source.name)
        expect_order(module)
        module.verify()
        if "slc.for" in text:
            parse_passes(random.choice(PASSES), get_all_passes()).apply(context, module)
            module.verify()
        again = parse_text(context, str(module), source.name)
        again.verify()
        assert str(again) == str(module)
    except ParseError as error:
        return error.msg
    except (InputError, DiagnosticException) as error:
        return str(error)
    return module


def buffers(
    function: func.FuncOp, random: np.random.Generator
) -> Sequence[npt.NDArray[Any]] | None:
    """Zeros and ones for every argument; None if one is no small memory."""
    found: list[npt.NDArray[Any]] = []
    for type in function.function_type.inputs:
        if not isinstance(type, MemRefType):
            return None
        type = cast("MemRefType[Attribute]", type)
        shape = [3 if size < 0 else size for size in type.get_shape()]
        if any(size > MOST for size in shape):
            return None
        found.append(random.integers(0, 2, shape).astype(exact_dtype(type.element_type)))
    return found


def check_queues(module: ModuleOp, seed: int) -> int:
    """Run what has two programs; how many did."""
    count = 0
    for function in [op for op in module.walk() if isinstance(op, func.FuncOp)]:
        numbers = [op.value for op in function.walk() if isinstance(op, arith.ConstantOp)]
        small = all(abs(n.value.data) <= MOST for n in numbers if isinstance(n, IntegerAttr))
        given = buffers(function, np.random.default_rng(seed))
        if given is None or not small or not any(isinstance(o, AccessOp) for o in function.walk()):
            continue
        assert not any(word in run(function, given) for word in ("pops", "popped", "token"))
        count += 1
    return count


def run(function: func.FuncOp, given: Sequence[npt.NDArray[Any]]) -> str:
    """Why a program stops, "" if it does not: a place outside of a memory, perhaps."""
    try:
        run_function(function, given)
    except InputError as error:
        return str(error)
    return ""


def check(batch: int) -> None:
    refused = ran = 0
    for seed in range(batch * BATCH, (batch + 1) * BATCH):
        with limited(30):
            found = passed(SOURCES[seed % len(SOURCES)], seed)
            if isinstance(found, ModuleOp):
                ran += check_queues(found, seed)
            else:
                assert found
                refused += 1
    assert refused
    assert ran


@pytest.mark.parametrize("batch", range(BATCHES))
def test_damaged_programs_are_refused_or_have_queues_that_match(batch: int) -> None:
    check(batch)


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(BATCHES, BATCHES_SLOW))
def test_damaged_programs_are_refused_or_have_queues_that_match_at_length(batch: int) -> None:
    check(batch)
