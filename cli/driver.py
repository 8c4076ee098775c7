"""The road from a source to a program: the functions behind `headrace.compile` and the commands."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, overload

from xdsl.context import Context
from xdsl.dialects import get_all_dialects as get_all_xdsl_dialects
from xdsl.dialects.builtin import ModuleOp
from xdsl.transforms import get_all_passes as get_all_xdsl_passes
from xdsl.transforms.dead_code_elimination import dce
from xdsl.utils.exceptions import DiagnosticException, ParseError, VerifyException

from headrace.backends.compiled import Program
from headrace.backends.signature import fixed_arguments
from headrace.cli.parsing import expect_order, parse_text
from headrace.cli.targets import AUTOMATIC, check_target
from headrace.dialects.registry import get_all_dialects
from headrace.passes.registry import get_all_passes, parse_passes
from headrace.pipelines.load import resolve_pipeline
from headrace.storage.errors import InputError
from headrace.storage.levels import Format

if TYPE_CHECKING:
    import torch

    from headrace.backends.dae_function import DaeFunction
    from headrace.backends.step_function import StepFunction
    from headrace.frontends.einsum import FormatSpec
    from headrace.frontends.torch_export import ImportedModel
    from headrace.scheduling.choose import Decision

    Source = torch.nn.Module | ModuleOp | str | Path

DEFAULT_PIPELINE = "sam-fuse{regions=none},sam-lower"
STEP_PIPELINE = "step-lower"
OPTIMISATIONS = range(5)
"""The levels of optimisation of access-execute programs."""


@overload
def compile(
    source: "Source",
    args: object = None,
    *,
    target: Literal["sam"] = "sam",
    pipeline: str | Path | None = None,
    parameters: Mapping[str, object] | None = None,
    lanes: int = 1,
    formats: Mapping[str, Format | str] | None = None,
    dynamic_shapes: Mapping[str, Mapping[int, Any]] | None = None,
) -> Program: ...


@overload
def compile(
    source: "Source",
    args: object = None,
    *,
    target: Literal["step"],
    pipeline: str | Path | None = None,
    parameters: Mapping[str, object] | None = None,
) -> "StepFunction": ...


@overload
def compile(
    source: "Source",
    args: object = None,
    *,
    target: Literal["dae"],
    opt: int | None = None,
    pipeline: str | Path | None = None,
    parameters: Mapping[str, object] | None = None,
    formats: Mapping[str, Format | str] | None = None,
    dynamic_shapes: Mapping[str, Mapping[int, Any]] | None = None,
) -> "DaeFunction": ...


def compile(
    source: "Source",
    args: object = None,
    *,
    target: str = "sam",
    opt: int | None = None,
    pipeline: str | Path | None = None,
    parameters: Mapping[str, object] | None = None,
    lanes: int = 1,
    formats: Mapping[str, Format | str] | None = None,
    dynamic_shapes: Mapping[str, Mapping[int, Any]] | None = None,
) -> "Program | StepFunction | DaeFunction":
    """
    Compile a PyTorch model, or a module of entry IR, to a program for a machine.

    The targets are `sam`, sparse dataflow graphs, which gives a `Program`, and `step`, streaming
    tensor programs, which gives a `StepFunction`; its pipelines begin with `step-lower`, which is
    the default, and a module may be one of `step` graphs already. The target `dae`, access-execute
    programs of embedding operations, gives a `DaeFunction`; `opt` from 0 to 4, by default 3, is the
    pipeline `ember-opt0` to `ember-opt4`, and a module may have `dlc` functions already.

    `source` is a `torch.nn.Module` with example inputs `args` (a tuple, or the only one; the
    layout of a tensor, dense or sparse, is the format of the argument; numbers become part of the
    program), an xDSL module, or the path of an `.mlir` file. `pipeline` is a TOML file, the name
    of a built-in pipeline, or a pass spec such as `sam-fuse{regions=layer},sam-lower`; by default
    every operation is a graph of its own. `auto` lets the scheduler choose from the statistics of
    `args`, with up to `lanes` parallel lanes in a region (see `schedule`). `parameters` gives
    values to the `$names` of a pipeline file. For a model, `formats` overrides the formats of
    inputs and parameters by name, and `dynamic_shapes` names the sizes that are known only when
    the program runs, as in `{"x": {0: "n"}}`.

    Raises `InputError` for what cannot be compiled; the message names the op and its source line.
    """
    check_target(target)
    args = as_arguments(args)
    if target != "dae" and opt is not None:
        raise InputError("opt is for the target 'dae'; leave it out")
    if target == "dae":
        if lanes != 1:
            raise InputError("lanes are for the target 'sam'; leave them out")
        return compile_dae(source, args, opt, pipeline, parameters, formats, dynamic_shapes)
    if target == "step":
        if lanes != 1 or formats or dynamic_shapes:
            raise InputError(
                "lanes, formats and dynamic_shapes are for the target 'sam'; leave them out"
            )
        return compile_step(source, args, pipeline, parameters)
    if isinstance(source, ModuleOp | str | Path):
        module = source.clone() if isinstance(source, ModuleOp) else parse_module(Path(source))
        chosen = resolve(pipeline, lanes, module, {}, args, is_model=False)
        return lower(module, chosen, parameters)
    from headrace.frontends.torch_export import import_model

    imported = import_model(source, args, formats=formats, dynamic_shapes=dynamic_shapes)
    chosen = resolve(pipeline, lanes, imported.module, imported.constants, args, is_model=True)
    return lower_model(imported, args, chosen, parameters)


def compile_step(
    source: "Source",
    args: Sequence[object],
    pipeline: str | Path | None,
    parameters: Mapping[str, object] | None,
) -> "StepFunction":
    """Compile to streaming tensor programs."""
    if isinstance(source, ModuleOp | str | Path):
        module = source.clone() if isinstance(source, ModuleOp) else parse_module(Path(source))
        return lower_step(module, pipeline, parameters)
    from headrace.frontends.torch_export import import_model

    imported = import_model(source, args)
    function = lower_step(imported.module, pipeline, parameters).bind(imported.constants)
    return replace(function, fixed=fixed_arguments(args))


def lower_step(
    module: ModuleOp,
    pipeline: str | Path | None = None,
    parameters: Mapping[str, object] | None = None,
) -> "StepFunction":
    """Run the passes on entry IR, or on graphs of `step` (in place)."""
    from headrace.backends.step import graphs_of
    from headrace.backends.step_function import StepFunction

    if pipeline == AUTOMATIC:
        raise InputError(
            f"the scheduler ('{AUTOMATIC}') is for the target sam; leave the pipeline out, or give "
            f"passes, such as '{STEP_PIPELINE},step-dynamic-tile'"
        )
    if pipeline is None and not graphs_of(module):
        pipeline = STEP_PIPELINE
    run_passes(module, pipeline, parameters, default="")
    return StepFunction.of(module)


def compile_dae(
    source: "Source",
    args: Sequence[object],
    opt: int | None,
    pipeline: str | Path | None,
    parameters: Mapping[str, object] | None,
    formats: Mapping[str, Format | str] | None,
    dynamic_shapes: Mapping[str, Mapping[int, Any]] | None,
) -> "DaeFunction":
    """Compile to access-execute programs."""
    if isinstance(source, ModuleOp | str | Path):
        module = source.clone() if isinstance(source, ModuleOp) else parse_module(Path(source))
        return lower_dae(module, opt, pipeline, parameters)
    from headrace.frontends.torch_export import import_model

    imported = import_model(
        source, args, formats=formats, dynamic_shapes=dynamic_shapes, nests=True
    )
    function = lower_dae(imported.module, opt, pipeline, parameters).bind(imported.constants)
    return replace(function, fixed=fixed_arguments(args))


def lower_dae(
    module: ModuleOp,
    opt: int | None = None,
    pipeline: str | Path | None = None,
    parameters: Mapping[str, object] | None = None,
) -> "DaeFunction":
    """
    Run the passes on entry IR with loop nests (in place); none on what is decoupled already.

    A module may be a loop nest alone: what it writes are the results.

    Raises `InputError` if both a level of optimisation and a pipeline are given.
    """
    from headrace.backends.dae_function import DaeFunction
    from headrace.dialects.dlc import AccessOp
    from headrace.frontends.nests.entry import add_entry

    if pipeline == AUTOMATIC:
        raise InputError(
            f"the scheduler ('{AUTOMATIC}') is for the target sam; leave the pipeline out, or give "
            "a level of optimisation"
        )
    if opt is not None:
        if pipeline is not None:
            raise InputError("a level of optimisation is a pipeline of its own; give one of both")
        if type(opt) is not int or opt not in OPTIMISATIONS:
            raise InputError(
                f"there is no level of optimisation {opt!r}; give 0 to {OPTIMISATIONS[-1]}"
            )
    add_entry(module)
    decoupled = any(isinstance(op, AccessOp) for op in module.walk())
    if pipeline is None and (opt is not None or not decoupled):
        pipeline = f"ember-opt{3 if opt is None else opt}"
    run_passes(module, pipeline, parameters, default="")
    return DaeFunction.of(module)


def resolve(
    pipeline: str | Path | None,
    lanes: int,
    module: ModuleOp,
    constants: Mapping[str, Any],
    args: Sequence[object],
    *,
    is_model: bool,
) -> str | Path | None:
    """The pipeline, chosen by the scheduler if it is `auto`."""
    if pipeline == AUTOMATIC:
        return decide(module, constants, args, lanes, is_model=is_model).schedule.pipeline
    if lanes != 1:
        raise InputError(f"lanes={lanes} are for the scheduler; give the pipeline '{AUTOMATIC}'")
    return pipeline


def schedule(
    source: "Source",
    args: object,
    *,
    lanes: int = 1,
    formats: Mapping[str, Format | str] | None = None,
) -> "Decision":
    """
    Choose how products are bracketed, where regions end, and the order and lanes of each.

    `source` and `args` are those of `compile`; the arguments are needed, since estimates rest on
    the statistics of their rows. `.schedule.pipeline` of the result is what `compile` takes;
    `headrace explain` prints it with what was rejected.

    Raises `InputError` for what cannot be compiled, and for arguments that do not fit.
    """
    args = as_arguments(args)
    if isinstance(source, ModuleOp | str | Path):
        module = source if isinstance(source, ModuleOp) else parse_module(Path(source))
        return decide(module, {}, args, lanes, is_model=False)
    from headrace.frontends.torch_export import import_model

    imported = import_model(source, args, formats=formats)
    return decide(imported.module, imported.constants, args, lanes, is_model=True)


def decide(
    module: ModuleOp,
    constants: Mapping[str, Any],
    args: Sequence[object],
    lanes: int,
    *,
    is_model: bool,
) -> "Decision":
    """
    Choose a schedule for entry IR with these constants and arguments.

    Numbers among the arguments of a model are part of its program.
    """
    from headrace.scheduling.choose import choose

    if lanes < 1:
        raise InputError(f"lanes={lanes} leaves nothing to compute with; give 1 or more")
    program = lower(module.clone()).bind(constants)
    if is_model:
        program = replace(program, fixed=fixed_arguments(args))
    try:
        return choose(module, program.statistics(*args), lanes)
    except DiagnosticException as error:
        raise InputError(" ".join(str(error).split())) from error


def as_arguments(args: object) -> tuple[Any, ...]:
    """The arguments of a model; what is neither tuple nor list is the only one."""
    if args is None:
        return ()
    return tuple(cast("Sequence[Any]", args)) if isinstance(args, tuple | list) else (args,)


def lower_model(
    imported: "ImportedModel",
    args: Sequence[object],
    pipeline: str | Path | None = None,
    parameters: Mapping[str, object] | None = None,
) -> Program:
    """Compile what `import_model` read from a model with example inputs `args`."""
    program = lower(imported.module, pipeline, parameters).bind(imported.constants)
    return replace(program, fixed=fixed_arguments(args))


def einsum(
    expression: str,
    *,
    pipeline: str | Path | None = None,
    sizes: Mapping[str, int] | None = None,
    dtype: str = "f64",
    **formats: "FormatSpec",
) -> Program:
    """
    Compile index notation, such as `Y(i,h) = relu(A(i,j) * X(j,f) * W(f,h) + b(h))`.

    `formats` gives the format of each tensor by name (`A="csr"`, or `A=("csr", (30, 20))` with a
    shape); what is not named is dense. `sizes` gives the sizes of indices; the others are known
    when the program runs. The rules of summation are those of `headrace.frontends.einsum`.

    Raises `InputError` that shows the place in the text.
    """
    from headrace.frontends.einsum import import_einsum

    return lower(import_einsum(expression, formats, sizes=sizes, dtype=dtype), pipeline)


def lower(
    module: ModuleOp,
    pipeline: str | Path | None = None,
    parameters: Mapping[str, object] | None = None,
) -> Program:
    """Run the passes on entry IR (in place) and build the program."""
    from headrace.backends.sam import build
    from headrace.backends.shapes import argument_shapes
    from headrace.dialects.functions import main_function

    shapes = argument_shapes(main_function(module))
    run_passes(module, pipeline, parameters, default=DEFAULT_PIPELINE)
    program = build(module)
    arguments = zip(program.arguments, shapes, strict=True)
    return replace(program, arguments=tuple(replace(one, shape=shape) for one, shape in arguments))


def run_passes(
    module: ModuleOp,
    pipeline: str | Path | None,
    parameters: Mapping[str, object] | None,
    default: str,
) -> None:
    """Run the passes of a pipeline in place; `default` is the spec where none is given."""
    if parameters and pipeline is None:
        raise InputError(f"'{min(parameters)}' is a parameter of no pipeline; name a pipeline file")
    spec = default if pipeline is None else resolve_pipeline(pipeline, parameters)
    passes = parse_passes(spec, get_all_xdsl_passes() | get_all_passes())
    try:
        module.verify()
        passes.apply(make_context(), module)
        dce(module)
        module.verify()
    except DiagnosticException as error:
        raise InputError(" ".join(str(error).split())) from error


def parse_module(path: Path) -> ModuleOp:
    """Read an `.mlir` file; raises `InputError` with the line where it does not parse."""
    try:
        text = path.read_text()
    except OSError as error:
        raise InputError(f"'{path}' cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"'{path}' is not a text file; give IR as .mlir") from None
    try:
        module = parse_text(make_context(), text, str(path))
        expect_order(module)
    except ParseError as error:
        message = " ".join(error.msg.split())
        raise InputError(f"{error.span.get_location()}: {message}") from None
    except VerifyException as error:
        raise InputError(f"'{path}': {error}") from None
    return module


def make_context() -> Context:
    """Return a context in which every dialect of xDSL and of headrace is known."""
    context = Context()
    for name, factory in (get_all_xdsl_dialects() | get_all_dialects()).items():
        context.register_dialect(name, factory)
    return context
