"""`headrace run`: compile a source, simulate it, report cycles and results."""

import argparse
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from xdsl.dialects.builtin import ModuleOp

from headrace.backends.compiled import Program
from headrace.backends.dot import dot
from headrace.backends.result import Result
from headrace.backends.step import graphs_of, lower
from headrace.backends.stream_graphs import stream_graphs
from headrace.cli.replay import shown_depths
from headrace.cli.report import print_json, print_table, progress, write_text
from headrace.cli.sources import arguments_of, load_source
from headrace.cli.targets import AUTOMATIC, check_options
from headrace.simulators.stream.statistics import Deadlock
from headrace.storage.bfloat16 import in_type
from headrace.storage.errors import InputError
from headrace.storage.files import check_writable, write_arrays

if TYPE_CHECKING:
    from headrace.backends.dae_function import DaeFunction
    from headrace.backends.dae_result import DaeRun
    from headrace.backends.step_function import StepFunction

    Function = Program | StepFunction | DaeFunction
    Loaded = tuple[Function, tuple[object, ...], ModuleOp | None]


OPERATION_COLUMNS = (
    "operation",
    "cycles",
    "tokens",
    "words",
    "bound by",
    "lines from L2",
    "from LLC",
    "from memory",
)


def run(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    start = time.perf_counter()
    check_options(options)
    if options.fifos and options.depth is None:
        raise InputError("--fifos needs --depth: without it channels hold any number of elements")
    if options.estimate and options.target == "sam":
        _expect_nothing_simulated(options)
    if options.timing_only and options.outputs:
        raise InputError("with --timing-only there are no values for --outputs; leave one out")
    paths = [one for one in (options.outputs, options.trace, options.dot) if one is not None]
    if "" in paths or len({Path(path).resolve() for path in paths}) < len(paths):
        raise InputError("each of --outputs, --trace and --dot needs a file of its own")
    inputs = [text.partition("=")[2] or text for text in options.inputs or ()]
    read = {Path(one).resolve() for one in (options.source, *inputs)}
    for path in paths:
        if Path(path).resolve() in read:
            raise InputError(f"'{path}' is read by this run; write to another file")
        check_writable(path)
    with progress(options.json) as bar:
        task = bar.add_task("compiling", total=None)
        program, args, module = _load(options)
        compiles = " (the first run on a computer compiles the simulator)"
        note = compiles if options.target == "dae" else ""
        bar.update(task, description=f"simulating{note}")
        estimated = isinstance(program, Program) and options.estimate
        result = None if estimated else _simulate(options, program, args)
    if result is None:
        assert isinstance(program, Program)
        _estimate(options, program, args, module)
        return 0
    deadlock = _deadlock(result)
    fifos = _find_fifos(options, program, args) if options.fifos and deadlock else None
    _write_files(options, program, result)
    _write_dot(options, module)
    seconds = time.perf_counter() - start
    if options.json:
        summary = result.summary()
        if fifos is not None:
            summary["deadlock"] |= asdict(fifos)
        print_json({**summary, "notes": list(program.notes), "wall_seconds": seconds})
    else:
        _print(program, result)
        if fifos is not None:
            print(f"{fifos.pipeline}: {shown_depths(fifos.channel_depths)}")
        print(f"simulated in {result.simulate_seconds:.3g} s, {seconds:.3g} s in all")
    if options.outputs and deadlock is not None:
        print(f"error: '{options.outputs}' is not written, see the deadlock", file=sys.stderr)
        return 1
    return 0


def _load(options: argparse.Namespace) -> "Loaded":
    """The program, its arguments, and its lowered IR where that is of use."""
    if options.target == "sam":
        return _load_sam(options)
    source: str = options.source
    loaded = load_source(source, nests=options.target == "dae")
    function = (
        loaded.lower_step(options.pipeline)
        if options.target == "step"
        else loaded.lower_dae(options.opt, options.pipeline)
    )
    return function, arguments_of(function, loaded.args, options.inputs, source), function.module


def _load_sam(options: argparse.Namespace) -> "Loaded":
    source: str = options.source
    if options.lanes != 1 and options.pipeline != AUTOMATIC:
        raise InputError(f"--lanes is for the scheduler; add --pipeline {AUTOMATIC}")
    if source.endswith(".npz"):
        if options.dot or options.pipeline:
            option = "--dot" if options.dot else "--pipeline"
            raise InputError(f"a saved program holds no IR; {option} needs .mlir or module:factory")
        program = Program.load(source)
        return program, arguments_of(program, (), options.inputs, source), None
    loaded = load_source(source)
    pipeline = options.pipeline
    if pipeline == AUTOMATIC:
        pipeline = loaded.decide(options.inputs, options.lanes).schedule.pipeline
    program = loaded.lower(pipeline)
    return program, arguments_of(program, loaded.args, options.inputs, source), loaded.module


@dataclass(frozen=True)
class _Fifos:
    """Depths of single channels that free a deadlock."""

    pipeline: str
    """The passes that set them."""
    channel_depths: list[dict[str, Any]]
    """As `listed_depths` has them."""


def _find_fifos(
    options: argparse.Namespace, program: "Function", args: tuple[object, ...]
) -> _Fifos:
    from headrace.backends.step_depths import listed_depths, sizing

    function = cast("StepFunction", program)
    found = function.find_depths(
        *args,
        depth=options.depth,
        machine=options.machine,
        accounting=options.accounting or "consistent",
    )
    listed = [
        {"graph": number, **channel}
        for number, depths in found.items()
        for graph in (function.graphs[number],)
        for channel in listed_depths(graph, depths, lower(graph).names)
    ]
    return _Fifos(",".join(sizing(depths, number) for number, depths in found.items()), listed)


def _simulate(
    options: argparse.Namespace, program: "Function", args: tuple[object, ...]
) -> "Result | DaeRun":
    common: dict[str, Any] = {"machine": options.machine, "timing_only": options.timing_only}
    if isinstance(program, Program):
        return program.run(*args, depth=options.depth, memory=options.memory, **common)
    if options.target == "step":
        accounting = options.accounting or "consistent"
        function = cast("StepFunction", program)
        return function.run(*args, depth=options.depth, accounting=accounting, **common)
    fidelity = "closed_form" if options.estimate else "recurrence"
    return cast("DaeFunction", program).run(*args, fidelity=fidelity, **common)


def _expect_nothing_simulated(options: argparse.Namespace) -> None:
    """Raise `InputError` for options that only a simulation has."""
    names = ("depth", "machine", "memory", "timing_only", "outputs", "trace")
    for name in names:
        if getattr(options, name):
            option = "--" + name.replace("_", "-")
            raise InputError(f"with --estimate nothing is simulated; leave {option} out")


def _estimate(
    options: argparse.Namespace,
    program: Program,
    args: tuple[object, ...],
    module: ModuleOp | None,
) -> None:
    start = time.perf_counter()
    estimate = program.estimate(*args)
    seconds = time.perf_counter() - start
    _write_dot(options, module)
    if options.json:
        notes = list(program.notes)
        print_json({**estimate.summary(), "notes": notes, "estimate_seconds": seconds})
        return
    columns = ("graph", "cycles", "flops", "bytes", "busiest node")
    print_table("Estimate of the stream graphs", columns, estimate.rows())
    for note in program.notes:
        print(f"note: {note}")
    print(f"estimated in {seconds:.3g} s")


def _write_dot(options: argparse.Namespace, module: ModuleOp | None) -> None:
    if options.dot and module is not None:
        write_text(options.dot, dot(graphs_of(module) or stream_graphs(module)))


def _write_files(
    options: argparse.Namespace, program: "Function", result: "Result | DaeRun"
) -> None:
    if options.trace:
        assert isinstance(result, Result)
        result.trace(options.trace)
    if options.outputs and _deadlock(result) is None:
        dense = {
            specification.name: in_type(stored.to_dense(), specification.dtype)
            for specification, stored in zip(program.results, result.storages, strict=True)
        }
        write_arrays(options.outputs, dense)


def _print(program: "Function", result: "Result | DaeRun") -> None:
    if not isinstance(result, Result):
        print_table("Embedding operations", OPERATION_COLUMNS, result.rows())
    elif isinstance(program, Program):
        _print_graphs(result)
    else:
        _print_uses(result.summary()["graphs"])
    without = "" if result.has_values else " (no values)"
    for one, shape in zip(program.results, result.shapes, strict=True):
        print(f"{one.name}: {shape} {one.dtype}, {one.format}{without}")
    for note in program.notes:
        print(f"note: {note}")
    if deadlock := _deadlock(result):
        print(deadlock)


def _deadlock(result: "Result | DaeRun") -> Deadlock | None:
    """Why a run stopped; access-execute programs are refused before they could."""
    return result.deadlock if isinstance(result, Result) else None


def _print_graphs(result: Result) -> None:
    rows = [
        (run.name, run.result.cycles, run.result.tokens, run.bytes, len(run.result.nodes))
        for run in result.graphs
    ]
    if len(rows) > 1:
        rows.append(("total", result.cycles, result.tokens, result.bytes, len(result.nodes)))
    print_table("Stream graphs", ("graph", "cycles", "tokens", "bytes", "nodes"), rows)


def _print_uses(graphs: list[dict[str, Any]]) -> None:
    columns = ("cycles", "traffic", "onchip_bytes", "utilisation", "offchip_utilisation")
    headers = ("graph", "cycles", "traffic (B)", "on chip (B)", "compute used", "bandwidth used")
    rows = [[graph["name"], *(graph[name] for name in columns)] for graph in graphs]
    print_table("Stream graphs", headers, rows)
