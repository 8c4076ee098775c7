"""Damaged modules and netlists give one sentence, or run; nothing else is raised, nothing hangs."""

from collections.abc import Sequence
from math import prod
from pathlib import Path
from random import Random

import numpy as np
import pytest
from xdsl.utils.exceptions import DiagnosticException, ParseError

from headrace.backends.step_function import StepFunction
from headrace.cli.driver import lower_step, make_context
from headrace.cli.parsing import expect_order, parse_text
from headrace.cli.replay_netlists import replay_netlist
from headrace.simulators.stream.errors import ProgramError, SimulationError
from headrace.storage.errors import InputError
from headrace.tests.reference import reference_path
from headrace.tests.step_mutations import broken_json, broken_text, limited

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*ROOT.glob("tests/filecheck/**/step/*.mlir"), *ROOT.glob("examples/step/*.mlir")])
PASSES = (
    "",
    "step-simplify",
    "step-tile{rows=2}",
    "step-dynamic-tile",
    "step-reload{dispatch=2}",
    "step-time-multiplex{regions=1}",
    "step-parallelize{mode=coarse regions=2}",
    "canonicalize",
    "cse",
)
REASONS = (InputError, ProgramError, SimulationError)
BATCH, BATCHES, BATCHES_SLOW = 20, 12, 250
MOST_ELEMENTS = 10**6


def arguments(function: StepFunction, random: Random) -> Sequence[object] | None:
    """Small numbers for every argument; None if there are too many of them."""
    rng = np.random.default_rng(random.randrange(2**32))
    found: list[object] = []
    for spec in function.arguments:
        shape = [size if isinstance(size, int) else 3 for size in spec.shape]
        if prod(shape) > MOST_ELEMENTS:
            return None
        kind = np.dtype(spec.dtype).kind
        values = rng.random(shape) if kind == "f" else rng.integers(0, 2 + 2 * (kind != "b"), shape)
        found.append(values.astype(spec.dtype))
    return found


def reason(source: Path, seed: int) -> str | None:
    """Why a damaged module does not run, if it does not."""
    random = Random(seed)
    text = broken_text(random, random.choice(source.read_text().split("// -----")))
    try:
        module = parse_text(make_context(), text, source.name)
        expect_order(module)
        module.verify()
        str(module)
        function = lower_step(module, random.choice(PASSES) or None)
        given = arguments(function, random)
        if given is not None:
            function.run(*given, depth=random.choice((None, 1, 2, 8)))
    except ParseError as error:
        return error.msg
    except (*REASONS, DiagnosticException) as error:
        return str(error)
    return None


def netlist_reason(source: Path, path: Path, seed: int) -> str | None:
    """Why a damaged netlist does not run, if it does not."""
    random = Random(seed)
    path.write_text(broken_json(random, source.read_text()))
    try:
        replay_netlist(path, random.choice((None, 1, 2, 8)))
    except REASONS as error:
        return str(error)
    return None


def check_modules(batch: int) -> None:
    reasons: list[str | None] = []
    for seed in range(batch * BATCH, (batch + 1) * BATCH):
        source = SOURCES[seed % len(SOURCES)]
        with limited(30):
            reasons.append(reason(source, seed))
    assert any(reasons)
    assert "" not in reasons


def check_netlists(batch: int, folder: Path) -> None:
    sources = sorted(reference_path("step/golden/micro").glob("*.json"))
    reasons: list[str | None] = []
    for seed in range(batch * BATCH, (batch + 1) * BATCH):
        with limited(30):
            found = netlist_reason(sources[seed % len(sources)], folder / "broken.json", seed)
        reasons.append(found)
    assert any(reasons)
    assert "" not in reasons
    assert not any("\n" in found for found in reasons if found)


@pytest.mark.parametrize("batch", range(BATCHES))
def test_damaged_modules_are_refused_or_run(batch: int) -> None:
    check_modules(batch)


@pytest.mark.parametrize("batch", range(BATCHES))
def test_damaged_netlists_are_refused_or_run(batch: int, tmp_path: Path) -> None:
    check_netlists(batch, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(BATCHES, BATCHES_SLOW))
def test_damaged_modules_are_refused_or_run_at_length(batch: int) -> None:
    check_modules(batch)


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(BATCHES, BATCHES_SLOW))
def test_damaged_netlists_are_refused_or_run_at_length(batch: int, tmp_path: Path) -> None:
    check_netlists(batch, tmp_path)
