"""`headrace run`: compile a source, simulate it, report cycles and results."""

import argparse
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xdsl.dialects.builtin import ModuleOp

from headrace.backends.compiled import Program
from headrace.backends.dot import dot
from headrace.backends.result import Result
from headrace.backends.stream_graphs import stream_graphs
from headrace.cli.driver import AUTOMATIC, check_target
from headrace.cli.replay import shown_depths
from headrace.cli.report import print_json, print_table, progress, write_text
from headrace.cli.sources import arguments_of, load_source
from headrace.storage.bfloat16 import in_type
from headrace.storage.errors import InputError
from headrace.storage.files import check_writable, write_arrays

if TYPE_CHECKING:
    from headrace.backends.step_function import StepFunction


def run(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    start = time.perf_counter()
    check_target(options.target)
    if options.fifos:
        _check_fifos(options)
    if options.estimate:
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
        bar.update(task, description="simulating")
        result = None if options.estimate else _simulate(options, program, args)
    if result is None:
        assert isinstance(program, Program)
        _estimate(options, program, args, module)
        return 0
    fifos = _find_fifos(options, program, args) if options.fifos and result.deadlock else None
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
    if options.outputs and result.deadlock is not None:
        print(f"error: '{options.outputs}' is not written, see the deadlock", file=sys.stderr)
        return 1
    return 0


def _load(
    options: argparse.Namespace,
) -> "tuple[Program | StepFunction, tuple[object, ...], ModuleOp | None]":
    """The program, its arguments, and its lowered IR."""
    source: str = options.source
    if options.target != "step" and options.accounting:
        raise InputError("--accounting is for --target step; leave it out")
    if options.target == "step":
        _expect_no_options_of_sam(options)
        loaded = load_source(source)
        function = loaded.lower_step(options.pipeline)
        return function, arguments_of(function, loaded.args, options.inputs, source), None
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
    options: argparse.Namespace, program: "Program | StepFunction", args: tuple[object, ...]
) -> _Fifos:
    from headrace.backends.step import lower
    from headrace.backends.step_depths import listed_depths, sizing

    assert not isinstance(program, Program)
    found = program.find_depths(
        *args,
        depth=options.depth,
        machine=options.machine,
        accounting=options.accounting or "consistent",
    )
    listed = [
        {"graph": number, **channel}
        for number, depths in found.items()
        for graph in (program.graphs[number],)
        for channel in listed_depths(graph, depths, lower(graph).names)
    ]
    return _Fifos(",".join(sizing(depths, number) for number, depths in found.items()), listed)


def _check_fifos(options: argparse.Namespace) -> None:
    """Raise `InputError` where there is nothing for --fifos to find."""
    if options.target != "step":
        raise InputError("--fifos is for --target step; leave it out")
    if options.depth is None:
        raise InputError("--fifos needs --depth: without it channels hold any number of elements")


def _expect_no_options_of_sam(options: argparse.Namespace) -> None:
    """Raise `InputError` for options that sparse dataflow graphs alone have."""
    if options.lanes != 1 or options.pipeline == AUTOMATIC:
        raise InputError("--lanes and --pipeline auto are for --target sam; leave them out")
    for name in ("memory", "estimate", "dot"):
        if getattr(options, name):
            raise InputError(f"--{name} is for --target sam; leave it out")


def _simulate(
    options: argparse.Namespace, program: "Program | StepFunction", args: tuple[object, ...]
) -> Result:
    if not isinstance(program, Program):
        return program.run(
            *args,
            depth=options.depth,
            machine=options.machine,
            accounting=options.accounting or "consistent",
            timing_only=options.timing_only,
        )
    return program.run(
        *args,
        depth=options.depth,
        machine=options.machine,
        memory=options.memory,
        timing_only=options.timing_only,
    )


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
        write_text(options.dot, dot(stream_graphs(module)))


def _write_files(
    options: argparse.Namespace, program: "Program | StepFunction", result: Result
) -> None:
    if options.trace:
        result.trace(options.trace)
    if options.outputs and result.deadlock is None:
        dense = {
            specification.name: in_type(stored.to_dense(), specification.dtype)
            for specification, stored in zip(program.results, result.storages, strict=True)
        }
        write_arrays(options.outputs, dense)


def _print(program: "Program | StepFunction", result: Result) -> None:
    if isinstance(program, Program):
        _print_graphs(result)
    else:
        _print_uses(result.summary()["graphs"])
    without = "" if result.has_values else " (no values)"
    for one, shape in zip(program.results, result.shapes, strict=True):
        print(f"{one.name}: {shape} {one.dtype}, {one.format}{without}")
    for note in program.notes:
        print(f"note: {note}")
    if result.deadlock is not None:
        print(result.deadlock)


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
