"""
Random programs in index notation give the values of dense float64 arithmetic.

Expressions of 2 to 6 operands, formats, densities (empty rows, empty tensors), sizes known at
compile time or not, cuts, orders of axes, blocks, axes in lanes and depths of channels are drawn
from a seed; nothing may be wrong and nothing may crash. The time without values is the time with
them, and with lanes that of the plain reference.
"""

import re
from itertools import chain
from random import Random

import numpy as np
import pytest
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import PassPipeline
from xdsl.utils.exceptions import PassFailedException

from headrace.backends.compiled import Program
from headrace.backends.graph import GraphStep
from headrace.cli.driver import lower, make_context
from headrace.dialects import sam
from headrace.dialects.functions import main_function
from headrace.frontends.einsum import import_einsum
from headrace.passes.registry import get_all_passes, parse_passes
from headrace.passes.sam.region_expression import read_region
from headrace.passes.sam.sam_fuse import is_fusible
from headrace.storage.errors import InputError
from headrace.storage.levels import Format, Level, Storage
from headrace.tests.random_programs import RandomProgram, RandomPrograms, TilePrograms
from headrace.tests.simulators import ENGINE, REFERENCE

REFUSALS = re.compile(
    r"axis i\d+ cannot have lanes, because ("
    r"it comes out of the accumulator over i\d+(_reduced)?, "
    r"|balance=nonzeros counts the entries of a compressed level right inside it, )"
)
"""Why a program may be refused lanes; each sentence goes on with the remedy."""

BATCH = 25
BATCHES, BATCHES_SLOW = 12, 400
LANE_BATCHES, LANE_BATCHES_SLOW = 3, 40
TILE_BATCHES, TILE_BATCHES_SLOW = 4, 100
DENSE = 60


def schedule(draw: Random, operations: int) -> str:
    """A pass spec that groups operations: each alone, all together, or cut at random."""
    regions = draw.choice(["none", "all", "all"])
    cuts = [str(n) for n in range(1, operations) if regions == "all" and draw.random() < 0.3]
    return f"sam-fuse{{regions={regions}{' cuts=' + ','.join(cuts) if cuts else ''}}}"


def order(draw: Random, region: sam.RegionOp, number: int) -> str:
    """A pass spec that chooses an order of the axes of a region."""
    axes = list(range(len(read_region(region).order)))
    draw.shuffle(axes)
    copies = draw.choice(["none", "any"])
    priority = ",".join(str(axis) for axis in axes)
    return f"sam-order{{priority={priority} region={number} copies={copies}}}"


def lanes(draw: Random, region: sam.RegionOp, number: int) -> list[str]:
    """Pass specs that give lanes to up to two axes of a region."""
    axes = list(range(len(read_region(region).order)))
    draw.shuffle(axes)
    return [
        f"sam-parallelize{{axis={axis} factor={draw.choice([1, 2, 3, 5])} region={number} "
        f"balance={draw.choice(['turns', 'turns', 'nonzeros'])}}}"
        for axis in axes[: draw.choice([0, 1, 1, 2])]
    ]


def possible(module: ModuleOp, specs: list[str], draw: Random) -> str:
    """The passes that lower `module`, without the lanes that are refused; blocks may still be."""
    while True:
        spec = ",".join([*specs, "sam-lower"])
        try:
            passes(spec).apply(make_context(), module.clone())
            break
        except PassFailedException as error:
            if "blocks were asked for" in str(error):
                break
            if not REFUSALS.search(str(error)):
                raise
            specs.remove(draw.choice([one for one in specs if one.startswith("sam-parallelize")]))
    return spec


def blocking(draw: Random, region: sam.RegionOp, number: int) -> str:
    """A pass spec that gives blocks to one or two axes of a region."""
    axes = range(len(read_region(region).order))
    chosen = draw.sample(axes, min(len(axes), draw.choice([1, 2, 2, 3])))
    sizes = ",".join(str(draw.randint(2, 4)) for _ in chosen)
    return f"sam-block{{axes={','.join(map(str, chosen))} sizes={sizes} region={number}}}"


def unless_refused(module: ModuleOp, spec: str) -> Program | None:
    """The program; None where blocks that were asked for are refused."""
    try:
        return lower(module, spec)
    except InputError as refusal:
        if "blocks were asked for" not in str(refusal):
            raise
        return None


def passes(spec: str) -> PassPipeline:
    return parse_passes(spec, get_all_passes())


def with_shapes(program: RandomProgram) -> dict[str, tuple[Format, tuple[int, ...]]]:
    """The formats, with sizes that are then known at compile time."""
    shapes = {name: value.shape for name, value in program.inputs.items()}
    shapes["Y"] = program.expected.shape
    return {name: (format, shapes[name]) for name, format in program.formats.items()}


def check(seed: int, programs: RandomPrograms, *, in_lanes: bool = False) -> None:
    draw = Random(seed)
    program = programs.program()
    known = draw.random() < 0.5
    module = import_einsum(program.text, program.formats if not known else with_shapes(program))
    fuse = schedule(draw, sum(is_fusible(op) for op in main_function(module).body.block.ops))
    passes(fuse).apply(make_context(), module)
    regions = [op for op in module.walk() if isinstance(op, sam.RegionOp)]
    orders = [
        order(draw, region, number)
        for number, region in enumerate(regions)
        if draw.random() < 0.5 and read_region(region).order
    ]
    blocks = [
        blocking(draw, region, number)
        for number, region in enumerate(regions)
        if isinstance(programs, TilePrograms) and draw.random() < 0.5
    ]
    spec = ",".join([*orders, *blocks, "sam-lower"])
    if in_lanes:
        chosen = [lanes(draw, region, number) for number, region in enumerate(regions)]
        spec = possible(module, [*orders, *blocks, *chain(*chosen)], draw)
    what = f"seed {seed}: {program.text} {program.formats}, {fuse},{spec}"
    compiled = unless_refused(module, spec)
    if compiled is None:
        return
    args = [program.inputs[argument.name] for argument in compiled.arguments]
    depth = draw.choice([None, 4, 64])
    first, second = compiled.run(*args), compiled.run(*args, depth=depth)
    assert compiled.run(*args, timing_only=True).cycles == first.cycles, what
    for result in (first, second):
        assert result.deadlock is None or depth is not None, what
        for output in result.outputs:
            output[np.isnan(program.expected)] = np.nan
            np.testing.assert_allclose(output, program.expected, rtol=1e-9, atol=1e-9, err_msg=what)


def check_time(seed: int) -> None:
    """Each graph of a random program in lanes takes as long as the plain reference says."""
    draw = Random(seed)
    program = RandomPrograms(seed, most=4).program()
    module = import_einsum(program.text, program.formats)
    passes("sam-fuse{regions=all}").apply(make_context(), module)
    (region,) = (op for op in module.walk() if isinstance(op, sam.RegionOp))
    spec = possible(module, lanes(draw, region, 0), draw)
    compiled = lower(module, spec)
    step = next(step for step in compiled.steps if isinstance(step, GraphStep))
    tensors = {
        argument.name: Storage.from_dense(program.inputs[argument.name], argument.format)
        for argument in compiled.arguments
    }
    if not all(name in tensors for name in step.operands):
        return  # It reads a converted copy.
    for depth in (None, 3):
        found, expected = (
            simulator.run(step.program, step.bind(tensors), depth=depth)
            for simulator in (ENGINE, REFERENCE)
        )
        assert found.deadlock == expected.deadlock
        assert found.clocks == expected.clocks, f"seed {seed}: {program.text} {spec}, depth {depth}"


@pytest.mark.parametrize("batch", range(LANE_BATCHES))
def test_random_programs_in_lanes_are_right(batch: int) -> None:
    for seed in range(batch * BATCH, (batch + 1) * BATCH):
        check(seed, RandomPrograms(seed), in_lanes=True)
        check(seed, TilePrograms(seed, most=4), in_lanes=True)


@pytest.mark.parametrize("batch", range(LANE_BATCHES))
def test_random_programs_in_lanes_take_the_time_of_the_reference(batch: int) -> None:
    for seed in range(batch * BATCH, (batch + 1) * BATCH):
        check_time(seed)


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(LANE_BATCHES, LANE_BATCHES_SLOW))
def test_many_random_programs_in_lanes_are_right(batch: int) -> None:
    for seed in range(batch * BATCH, (batch + 1) * BATCH):
        check(seed, RandomPrograms(seed), in_lanes=True)
        check(seed, TilePrograms(seed), in_lanes=True)


@pytest.mark.parametrize("batch", range(BATCHES))
def test_random_programs_are_right(batch: int) -> None:
    for seed in range(batch * BATCH, (batch + 1) * BATCH):
        check(seed, RandomPrograms(seed))


@pytest.mark.parametrize("batch", range(TILE_BATCHES))
def test_random_programs_on_tiles_are_right(batch: int) -> None:
    for seed in range(batch * BATCH, (batch + 1) * BATCH):
        check(seed, TilePrograms(seed))


def test_the_reference_mode_is_right_where_every_coordinate_is_stored() -> None:
    """It visits nothing that no operand stores; of dense operands that is nothing."""
    for seed in range(DENSE):
        program = RandomPrograms(seed, most=6).program()
        dense = {
            name: Format((Level.DENSE,) * len(format.levels), format.order)
            for name, format in program.formats.items()
        }
        compiled = lower(
            import_einsum(program.text, dense), "sam-fuse{regions=all},sam-lower{reference=true}"
        )
        args = [program.inputs[argument.name] for argument in compiled.arguments]
        output = compiled.run(*args).outputs[0]
        what = f"seed {seed}: {program.text} {dense}"
        np.testing.assert_allclose(output, program.expected, rtol=1e-9, atol=1e-9, err_msg=what)


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(BATCHES, BATCHES_SLOW))
def test_many_random_programs_are_right(batch: int) -> None:
    for seed in range(batch * BATCH, (batch + 1) * BATCH):
        check(seed, RandomPrograms(seed))


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(TILE_BATCHES, TILE_BATCHES_SLOW))
def test_many_random_programs_on_tiles_are_right(batch: int) -> None:
    for seed in range(batch * BATCH, (batch + 1) * BATCH):
        check(seed, TilePrograms(seed))
