"""`headrace`: compile and simulate programs, replay recorded graphs, repeat experiments."""

import argparse
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import fields

from headrace.cli.arguments import OneLineParser, VersionAction
from headrace.simulators.stream.errors import ProgramError, SimulationError
from headrace.simulators.stream.machine import MemoryDescription, StepMachine
from headrace.storage.errors import InputError

Command = Callable[[argparse.Namespace], int]

RUN = """\
SOURCE is file.mlir (a func over tensors), module:factory or file.py:factory (a function that
returns a model and its arguments), or a saved program (.npz). Files of --inputs are .npz (dense
arrays A; CSR matrices A_indptr, A_indices, A_data), .npy, Matrix Market or SciPy npz; they are
matched by name, and what is left by order; NAME=FILE gives a name."""

EXPERIMENTS = """\
Without more: what there is, and which results exist. `run NAME` (or `run all`) measures what has
no row yet, writes NAME.csv, NAME.png and NAME.svg, and compares with the published values. Rows
are kept as soon as they are there: a run that is stopped goes on where it was."""

EXPLAIN = """\
The estimate of each region, what it is bound by, and the alternatives that were rejected. SOURCE
and --inputs are those of run; headrace run --pipeline auto runs what is chosen here."""

REPLAY = """\
A CASE is a folder with graph.json, inputs.npz and maybe gold.npz, or a netlist of a streaming
tensor program (.json, .json.gz), which runs at the depths that are recorded in it, unless --depth
gives one."""


def _names(description: type[MemoryDescription | StepMachine]) -> str:
    return ", ".join(field.name for field in fields(description))


ACCOUNTING = (
    "bytes of a number with --target step: consistent (those of its type), or reference (2 where "
    "the published figures have 2)"
)
MACHINE = (
    f"TOML file whose [memory] may say {_names(MemoryDescription)}, "
    f"with --target step [step] {_names(StepMachine)}; "
    "with --target dae [dae]; see docs/machines.md"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; bad input gives one line on stderr and exit status 2."""
    # torch calls its sparse layouts beta; whoever runs a command did not choose them.
    warnings.filterwarnings("ignore", message="Sparse ", category=UserWarning)
    try:
        options = make_parser().parse_args(arguments)
        command: Command = options.command
        return command(options)
    except (InputError, ProgramError) as error:
        return _fail(error, 2)
    except SimulationError as error:
        return _fail(error, 1)
    except MemoryError as error:
        return _fail(
            MemoryError(f"not enough memory ({error}); use less depth or smaller tensors"), 1
        )
    except BrokenPipeError:
        return 0
    except KeyboardInterrupt:
        return 130


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = OneLineParser("headrace", description=__doc__)
    parser.add_argument(
        "--version",
        action=VersionAction,
        version_format="headrace {headrace_version}",
        help="print the version",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="compile and simulate a program", description=RUN)
    run.set_defaults(command=_run)
    run.add_argument("source", metavar="SOURCE", help="what to run")
    run.add_argument("--target", default="sam", metavar="T", help="machine: sam, step or dae")
    run.add_argument("--pipeline", metavar="P", help="TOML file, built-in name, pass spec, or auto")
    run.add_argument(
        "--opt",
        type=int,
        metavar="0..4",
        help="with --target dae: level of optimisation (3), a pipeline ember-opt0 to ember-opt4",
    )
    _add_inputs(run)
    _add_lanes(run)
    run.add_argument("--depth", type=_depth, metavar="N", help="capacity of every channel")
    run.add_argument("--machine", metavar="M.toml", help=MACHINE)
    run.add_argument("--memory", metavar="MODEL", help="memory model: ledger, exact or parity")
    run.add_argument("--accounting", metavar="A", help=ACCOUNTING)
    run.add_argument("--timing-only", action="store_true", help="cycles without values")
    run.add_argument(
        "--estimate",
        action="store_true",
        help="cycles by a formula, not a simulation (dae: a lower bound)",
    )
    run.add_argument(
        "--fifos",
        action="store_true",
        help="with --target step and --depth: find depths of single channels that free a deadlock",
    )
    run.add_argument("--outputs", metavar="Y.npz", help="write the results, dense, to a file")
    run.add_argument("--trace", metavar="T.json", help="write a Perfetto trace")
    run.add_argument("--dot", metavar="G.dot", help="write the stream graphs in DOT")
    run.add_argument("--json", action="store_true", help="print one JSON object")

    explain = commands.add_parser(
        "explain", help="choose a schedule, and say what it was chosen from", description=EXPLAIN
    )
    explain.set_defaults(command=_explain)
    explain.add_argument("source", metavar="SOURCE", help="what to schedule")
    _add_inputs(explain)
    _add_lanes(explain)
    explain.add_argument("--save", metavar="P.toml", help="write the schedule as a pipeline file")
    explain.add_argument("--json", action="store_true", help="print one JSON object")

    replay = commands.add_parser(
        "replay",
        help="simulate recorded graphs",
        description=REPLAY,
    )
    replay.set_defaults(command=_replay)
    replay.add_argument("cases", nargs="+", metavar="CASE", help="what to simulate")
    replay.add_argument("--depth", type=_depth, metavar="N", help="capacity of every channel")
    replay.add_argument("--jobs", type=_count, default=2, metavar="N", help="processes (2)")
    replay.add_argument(
        "--fifos", action="store_true", help="find depths of single channels that free a netlist"
    )
    replay.add_argument("--json", action="store_true", help="print one JSON object")

    demo = commands.add_parser(
        "demo",
        help="a graph convolutional network at three levels of fusion",
        description="The graph is Zachary's karate club unless --graph gives another.",
    )
    demo.set_defaults(command=_demo)
    demo.add_argument("--graph", metavar="G.npz", help="graph and features; or a matrix")
    demo.add_argument("--out", default="out", metavar="DIR", help="folder for the drawings")
    demo.add_argument("--json", action="store_true", help="print one JSON object")

    experiments = commands.add_parser(
        "experiments",
        help="repeat figures and tables of the literature",
        description=EXPERIMENTS,
    )
    experiments.set_defaults(command=_experiments)
    experiments.add_argument("action", nargs="?", choices=("list", "run"), default="list")
    experiments.add_argument("names", nargs="*", metavar="NAME", help="which to run, or all")
    experiments.add_argument(
        "--sizes", choices=("reduced", "published"), default="reduced", help="of the operands"
    )
    experiments.add_argument("--jobs", type=_count, default=2, metavar="N", help="processes (2)")
    experiments.add_argument("--again", action="store_true", help="forget finished rows first")
    experiments.add_argument(
        "--out", default="out/experiments", metavar="DIR", help="folder of rows, tables and plots"
    )
    experiments.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of 1 or more")
    return int(text)


def _add_inputs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--inputs",
        action="append",
        default=[],
        metavar="X.npz",
        help="argument tensors; repeatable",
    )


def _add_lanes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--lanes", type=int, default=1, metavar="N", help="lanes that a scheduled region may use"
    )


def _depth(text: str) -> int:
    try:
        depth = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number") from None
    if depth < 1:
        raise argparse.ArgumentTypeError(
            f"a channel of depth {depth} can hold no token, give 1 or more "
            "(without the option channels are unbounded)"
        )
    return depth


def _fail(error: Exception, status: int) -> int:
    print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
    return status


def _explain(options: argparse.Namespace) -> int:
    from headrace.cli.explain import explain

    return explain(options)


def _run(options: argparse.Namespace) -> int:
    from headrace.cli.run import run

    return run(options)


def _replay(options: argparse.Namespace) -> int:
    from headrace.cli.replay import replay

    return replay(options)


def _demo(options: argparse.Namespace) -> int:
    from headrace.cli.demo import demo

    return demo(options)


def _experiments(options: argparse.Namespace) -> int:
    from headrace.cli.experiments import experiments

    return experiments(options)


if __name__ == "__main__":
    sys.exit(main())
