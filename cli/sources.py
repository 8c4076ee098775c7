"""What a command line can name as a program: IR, a factory of a model, a saved program."""

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from xdsl.dialects.builtin import ModuleOp

from headrace.backends.compiled import Program
from headrace.backends.signature import TensorSpec, fixed_arguments
from headrace.cli.driver import as_arguments, decide, lower, lower_dae, lower_step, parse_module
from headrace.storage.errors import InputError
from headrace.storage.files import Stored, StoredMatrix, check_complete, read_tensors
from headrace.storage.levels import Storage

if TYPE_CHECKING:
    from headrace.backends.dae_function import DaeFunction
    from headrace.backends.step_function import StepFunction
    from headrace.scheduling.choose import Decision


@dataclass(frozen=True)
class Source:
    """Entry IR, the constants of the model that it was, and the arguments that came with it."""

    text: str
    module: ModuleOp
    constants: Mapping[str, Storage]
    args: tuple[object, ...]

    def lower(self, pipeline: str | None) -> Program:
        """The program under a pipeline; `module` is what it was lowered to afterwards."""
        program = lower(self.module, pipeline).bind(self.constants)
        return replace(program, fixed=fixed_arguments(self.args))

    def lower_step(self, pipeline: str | None) -> "StepFunction":
        """The same for streaming tensor programs."""
        function = lower_step(self.module, pipeline).bind(self.constants)
        return replace(function, fixed=fixed_arguments(self.args))

    def lower_dae(self, opt: int | None, pipeline: str | None) -> "DaeFunction":
        """The same for access-execute programs."""
        function = lower_dae(self.module, opt, pipeline).bind(self.constants)
        return replace(function, fixed=fixed_arguments(self.args))

    def decide(self, inputs: Sequence[str], lanes: int) -> "Decision":
        """The schedule for the arguments in the files `inputs`, or those that came along."""
        program = lower(self.module.clone()).bind(self.constants)
        args = arguments_of(program, self.args, inputs, self.text)
        is_model = args is self.args
        return decide(self.module, self.constants, args, lanes, is_model=is_model)


def load_source(text: str, *, nests: bool = False) -> Source:
    """
    Read `file.mlir`, or call `module:factory` or `file.py:factory` and export its model.

    With `nests`, embedding operations become loop nests.
    """
    if text.endswith(".mlir"):
        return Source(text, parse_module(Path(text)), {}, ())
    if ":" not in text:
        raise InputError(
            f"'{text}' is no source; give file.mlir, module:factory, file.py:factory, "
            "or a saved program (.npz)"
        )
    from headrace.frontends.torch_export import import_model

    model, args = load_factory(text)
    imported = import_model(model, args, nests=nests)
    return Source(text, imported.module, imported.constants, args)


def arguments_of(
    program: "Program | StepFunction | DaeFunction",
    args: tuple[object, ...],
    inputs: Sequence[str],
    source: str,
) -> tuple[object, ...]:
    """The arguments of a run: from the files `inputs` if there are any, else `args`."""
    if inputs:
        return tuple(read_inputs(inputs, program.arguments))
    if not args and program.arguments:
        names = "; ".join(str(argument) for argument in program.arguments)
        raise InputError(f"'{source}' takes arguments ({names}); give --inputs")
    return args


def load_factory(text: str) -> tuple[Any, tuple[object, ...]]:
    """Call `module:factory` or `file.py:factory`, which returns a model and its arguments."""
    place, _, name = text.rpartition(":")
    if not place or not name:
        raise InputError(f"'{text}' is no source; give module:factory or file.py:factory")
    with _users_code(text):
        module = _load_file(Path(place)) if place.endswith(".py") else _load_module(place)
    factory = getattr(module, name, None)
    if not callable(factory):
        raise InputError(f"'{place}' has no function '{name}' that returns (model, args)")
    with _users_code(text):
        made: Any = factory()
    if not isinstance(made, tuple) or len(cast("tuple[object, ...]", made)) != 2:
        kind = type(cast(object, made)).__name__
        raise InputError(f"'{text}' must return a pair (model, args), not {kind}")
    model, args = cast("tuple[Any, Any]", made)
    return model, as_arguments(args)


@contextmanager
def _users_code(text: str) -> Generator[None]:
    """Report what the user's module or factory raises as one line that names its place."""
    try:
        yield
    except (InputError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        frames = traceback.extract_tb(error.__traceback__)
        here = str(Path(__file__).parent)
        own = [f for f in frames if not f.filename.startswith((here, "<frozen"))]
        at = f" at {own[-1].filename}:{own[-1].lineno}" if own else ""
        if isinstance(error, SyntaxError):
            at = f" at {error.filename}:{error.lineno}"
        raise InputError(f"'{text}' raises {type(error).__name__}: {error}{at}") from error


def read_inputs(files: Sequence[str], specs: Sequence[TensorSpec]) -> list[object]:
    """
    Return the arguments of a program from tensor files.

    Tensors are matched by name, and the arguments that are left with the tensors that are left,
    by order; the order is that of the files and of the arrays in a file.
    """
    tensors: dict[str, Stored] = {}
    names = [spec.name for spec in specs]
    for text in files:
        name, separator, path = text.partition("=")
        if separator and name not in names:
            raise InputError(
                f"the program has no argument '{name}'; it has {', '.join(names) or 'none'}"
            )
        read = read_tensors(path if separator else text)
        if separator and len(read) != 1:
            raise InputError(f"'{path}' holds {len(read)} tensors; give it without '{name}='")
        read = {name if separator else key: tensor for key, tensor in read.items()}
        for key in read.keys() & tensors.keys():
            raise InputError(f"input '{key}' is given twice; leave one out")
        tensors |= read
    unnamed = [name for name in names if name not in tensors]
    others = [name for name in tensors if name not in names]
    check_complete(others)
    if unnamed and len(unnamed) != len(others):
        raise InputError(
            f"the program takes {len(names)} arguments ({', '.join(names)}), but the inputs hold "
            f"{len(tensors)} tensors ({', '.join(tensors)}); give each argument by its name"
        )
    found = dict(zip(unnamed, others, strict=False))
    chosen = [(found.get(name, name), tensors[found.get(name, name)]) for name in names]
    sizes: dict[int | str, int] = {}
    for (_, tensor), spec in zip(chosen, specs, strict=True):
        if not isinstance(tensor, StoredMatrix):
            given = zip(spec.shape, tensor.shape, strict=False)
            sizes |= {size: count for size, count in given if isinstance(size, str)}
    return [
        tensor.storage(name, tuple(sizes.get(size, size) for size in spec.shape))
        if isinstance(tensor, StoredMatrix)
        else tensor
        for (name, tensor), spec in zip(chosen, specs, strict=True)
    ]


def _load_module(name: str) -> ModuleType:
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        raise InputError(
            f"there is no module '{name}'; give module:factory or file.py:factory"
        ) from None


def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise InputError(f"'{path}' does not exist")
    sys.path.insert(0, str(path.parent.resolve()))
    spec = importlib.util.spec_from_file_location(f"source_of_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise InputError(f"'{path}' is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
