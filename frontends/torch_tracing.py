"""
Running `torch.export` on a model: arguments, sizes known only at run time, and source lines.

Traps of torch 2.13 that are handled here: the same tensor given twice collapses into one input, and
a parameter given as an argument into that argument (they are cloned); many operations on sparse
tensors can be traced but not decomposed (a graph of known operators is taken as it is); sizes
cannot be dynamic next to a sparse input. For the last, a prime number stands in for each named
size, so that every size of the graph that it divides is recognised; a second trace with other
primes must give the same graph, which rejects models that depend on the number.
"""

import contextlib
import inspect
import io
import logging
import os
import re
import sys
import sysconfig
import traceback
import warnings
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from headrace.frontends.aten.registry import HANDLERS
from headrace.frontends.builder import Extent
from headrace.frontends.torch_gradients import export_gradients, takes_gradients
from headrace.frontends.torch_tensors import format_of_tensor
from headrace.storage.errors import InputError
from headrace.storage.levels import Format

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram
    from torch.fx import Node

_TORCH_ERRORS = (RuntimeError, TypeError, ValueError, AssertionError)
"""What torch raises where it cannot trace or decompose a model."""

SELECT = ("aten.where.default", "aten.nonzero_numpy.default")
"""Operators that find where a mask holds; a tensor of the entry IR cannot have that size."""

_NESTS_ONLY = ("aten.embedding_dense_backward.default",)
"""Operators whose decompositions have no handler either, but which are a loop nest."""

DynamicShapes = Mapping[str, Mapping[int, Any]]

_PRIMES = ((1009, 1013, 1019, 1021, 1031, 1033), (2003, 2011, 2017, 2027, 2029, 2039))
"""Stand-ins for the sizes of the first and of the second trace."""


@dataclass(frozen=True)
class Sizes:
    """Translates sizes of torch; `names` says which numbers stand in for which names."""

    names: Mapping[int, str]

    def extent(self, size: Any) -> Extent:
        """A size as a number or a name; products of names are written `2*n`."""
        if not isinstance(size, int):
            expression = size.node.expr
            return int(expression) if expression.is_number else str(expression).replace(" ", "")
        if size == 0:
            return size
        factors: list[str] = []
        for number, name in self.names.items():
            while size % number == 0:
                size //= number
                factors.append(name)
        if not factors:
            return size
        return "*".join(factors if size == 1 else [str(size), *factors])

    def shape(self, sizes: Sequence[Any]) -> tuple[Extent, ...]:
        return tuple(self.extent(size) for size in sizes)


@dataclass(frozen=True)
class Signature:
    """How a call `model(*args, **kwargs)` becomes a list of tensors."""

    leaves: tuple[Any, ...]
    """The leaves of the example call."""
    specification: Any
    """The pytree of the example call."""
    keywords: tuple[str, ...]

    @property
    def examples(self) -> "list[torch.Tensor]":
        """The tensors of the example call."""
        return [leaf for leaf in self.leaves if is_tensor(leaf)]

    def tensors(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
        """The tensors of a call, which must be structured as the example."""
        from torch.utils import _pytree

        if set(kwargs) != set(self.keywords):
            raise InputError(
                f"the model was imported with keyword arguments {list(self.keywords)}, but is "
                f"called with {list(kwargs)}"
            )
        ordered = {name: kwargs[name] for name in self.keywords}
        leaves, specification = _pytree.tree_flatten((tuple(args), ordered))
        if specification != self.specification:
            raise InputError(
                f"the model was imported with {len(self.leaves)} arguments, but is called with "
                f"{len(leaves)} or in another structure"
            )
        found: list[Any] = []
        for position, (leaf, example) in enumerate(zip(leaves, self.leaves, strict=True)):
            if is_tensor(example):
                found.append(leaf)
            elif leaf != example:
                raise InputError(
                    f"argument {position} was {example} at the import and is compiled in, but is "
                    f"{leaf} now; import the model again"
                )
        return found


def signature_of(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Signature:
    from torch.utils import _pytree

    leaves, specification = _pytree.tree_flatten((tuple(args), dict(kwargs)))
    return Signature(tuple(leaves), specification, tuple(kwargs))


def trace(
    model: "torch.nn.Module",
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    dynamic_shapes: DynamicShapes | None,
) -> "tuple[ExportedProgram, Sizes, Signature]":
    """
    Export `model`.

    If an operator is not known, or changes a tensor in place, all operators that are not known
    are decomposed; the others, such as those of layers, stay whole.
    """
    import torch

    if not isinstance(cast(Any, model), torch.nn.Module):
        kind = type(cast(Any, model)).__name__
        raise InputError(f"the model is a {kind}; wrap it into a torch.nn.Module with a forward")
    signature = signature_of(args, kwargs)
    bound = _bind(model, args, kwargs)
    asked = dict(dynamic_shapes or {})
    if unknown := asked.keys() - bound.keys():
        raise InputError(
            f"dynamic_shapes names '{min(unknown)}', but the arguments are {', '.join(bound)}"
        )
    names = [size for sizes in asked.values() for size in sizes.values()]
    if not names or not all(isinstance(name, str) for name in names):
        if names and not all(is_strided(tensor) for tensor in signature.examples):
            raise InputError(
                "torch cannot trace dynamic sizes beside sparse inputs; name the sizes instead, as "
                "in dynamic_shapes={'x': {0: 'n'}}"
            )
        own = {name: asked.get(name) for name in bound} if names else None
        return _export(model, signature, signature.leaves, own), Sizes({}), signature
    unique = list(dict.fromkeys(cast(list[str], names)))
    traces: list[tuple[ExportedProgram, Sizes]] = []
    for primes in _PRIMES:
        if len(unique) > len(primes):
            raise InputError(f"at most {len(primes)} names of sizes are possible")
        numbers = dict(zip(unique, primes, strict=False))
        replaced = {
            id(bound[name]): _stand_in(bound[name], name, sizes, numbers)
            for name, sizes in asked.items()
        }
        leaves = [replaced.get(id(leaf), leaf) for leaf in signature.leaves]
        sizes = Sizes({number: name for name, number in numbers.items()})
        traces.append((_export(model, signature, leaves, None), sizes))
    (program, sizes), (other, other_sizes) = traces
    _check_same(program, sizes, other, other_sizes)
    return program, sizes, signature


def _bind(
    model: "torch.nn.Module", args: Sequence[Any], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    try:
        return dict(inspect.signature(model.forward).bind(*args, **kwargs).arguments)
    except TypeError as error:
        name = type(model).__name__
        raise InputError(f"{name}.forward cannot be called with these arguments: {error}") from None


def _stand_in(
    tensor: Any, name: str, sizes: Mapping[int, str], numbers: Mapping[str, int]
) -> "torch.Tensor":
    """An empty tensor of the layout of `tensor`, with the numbers in place of the named sizes."""
    import torch

    if not is_tensor(tensor):
        raise InputError(f"dynamic_shapes names '{name}', which is not a tensor")
    shape = list(tensor.shape)
    for dimension, size in sizes.items():
        if not 0 <= dimension < len(shape):
            raise InputError(f"dynamic_shapes: {name} has no dimension {dimension}")
        shape[dimension] = numbers[size]
    if tensor.layout == torch.strided:
        return torch.zeros(shape, dtype=tensor.dtype)
    if tensor.layout == torch.sparse_coo:
        none = torch.zeros((len(shape), 0), dtype=torch.int64)
        return cast(Any, torch).sparse_coo_tensor(none, torch.zeros(0, dtype=tensor.dtype), shape)
    if tensor.layout in (torch.sparse_csr, torch.sparse_csc) and len(shape) == 2:
        outer = shape[0 if tensor.layout == torch.sparse_csr else 1]
        pointers, none = (torch.zeros(size, dtype=torch.int64) for size in (outer + 1, 0))
        values = torch.zeros(0, dtype=tensor.dtype)
        return cast(Any, torch).sparse_compressed_tensor(
            pointers, none, values, size=shape, layout=tensor.layout
        )
    raise InputError(f"sizes of {name} cannot be dynamic in the layout {tensor.layout}; use CSR")


def _export(
    model: "torch.nn.Module",
    signature: Signature,
    leaves: Sequence[Any],
    dynamic_shapes: Any,
) -> "ExportedProgram":
    import torch
    from torch.fx.traceback import preserve_node_meta
    from torch.utils import _pytree

    args, kwargs = _pytree.tree_unflatten(_distinct(leaves, model), signature.specification)
    try:
        # Annotations, such as marks of regions, come with the nodes only if that is asked for.
        with _quiet(), torch.no_grad(), preserve_node_meta():
            try:
                program = torch.export.export(model, args, kwargs, dynamic_shapes=dynamic_shapes)
            except _TORCH_ERRORS:
                if dynamic_shapes is not None or not takes_gradients(model, args, kwargs):
                    raise
                program = export_gradients(model, args, kwargs)
            else:
                # Some gradients are traced, but in a graph of their own that cannot be decomposed.
                own = _has_graphs_inside(program) and dynamic_shapes is None
                if own and takes_gradients(model, args, kwargs):
                    program = export_gradients(model, args, kwargs)
            return _decomposed(program)
    except _TORCH_ERRORS as error:
        raise InputError(
            f"torch.export cannot trace {type(model).__name__}: {_summary(error, model)}"
        ) from error


def _has_graphs_inside(program: "ExportedProgram") -> bool:
    """Whether a part of the model runs with gradients switched on or off."""
    return any("wrap_with_set_grad_enabled" in str(n.target) for n in program.graph.nodes)


def _decomposed(program: "ExportedProgram") -> "ExportedProgram":
    """The program without operators that work in place, and with few unknown ones."""
    in_place = _works_in_place(program)
    if not in_place and not _has_unknown(program):
        return program
    try:
        return cast(Any, program).run_decompositions(_unknown())
    except _TORCH_ERRORS:
        if in_place:
            raise
        return program


def _unknown() -> Any:
    """Torch's decompositions of operators without handler, but for `SELECT` and `_NESTS_ONLY`."""
    import torch

    table: Any = torch.export.default_decompositions()
    for operator in list(table):
        if str(operator) in (*HANDLERS, *SELECT, *_NESTS_ONLY):
            del table[operator]
    return table


def _works_in_place(program: "ExportedProgram") -> bool:
    schemas: list[Any] = [getattr(node.target, "_schema", None) for node in program.graph.nodes]
    return any(schema is not None and schema.is_mutable for schema in schemas)


def _has_unknown(program: "ExportedProgram") -> bool:
    """Whether an operator that depends on an argument has no handler."""
    variable: set[Node] = set()
    for node in program.graph.nodes:
        if node.op == "placeholder" or variable & set(node.all_input_nodes):
            variable.add(node)
            known = node.op != "call_function" or str(node.target) in HANDLERS
            if not known and is_tensor(first(node.meta.get("val"))) and not is_item(node):
                return True
    return False


def _distinct(leaves: Sequence[Any], model: "torch.nn.Module") -> list[Any]:
    """The leaves as objects distinct from each other, and from the tensors of the model."""
    seen = {id(tensor) for tensor in (*model.parameters(), *model.buffers())}
    result: list[Any] = []
    for leaf in leaves:
        if is_tensor(leaf) and id(leaf) in seen:
            leaf = leaf.clone()
        seen.add(id(leaf))
        result.append(leaf)
    return result


@contextlib.contextmanager
def _quiet() -> Generator[None]:
    """
    Torch logs what it also raises, and warns of its own deprecations.

    It prints the graph of a model that it cannot trace; what the model prints is kept.
    """
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    printed, graph = io.StringIO(), ""
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(printed):
            warnings.simplefilter("ignore")
            yield
    except Exception as error:
        if hasattr(error, "partial_fx_graph"):
            graph = f"{cast(Any, error).partial_fx_graph}\n"
        raise
    finally:
        logging.disable(before)
        sys.stderr.write(printed.getvalue().replace(graph, ""))


def _summary(error: BaseException, model: "torch.nn.Module") -> str:
    """The first line of torch's message, the line of the model, and a remedy where one is known."""
    text = str(error).strip()
    line = (text.splitlines() or [type(error).__name__])[0].rstrip(". ")
    named = re.findall(r'File "([^"]+)", line (\d+)', text)
    raised = [(f.filename, f.lineno) for f in traceback.extract_tb(error.__traceback__)]
    frames = [(file, number) for file, number in named or raised if not _is_torch(file)]
    code = getattr(inspect.unwrap(model.forward), "__code__", None)
    own = [frame for frame in frames if code is not None and frame[0] == code.co_filename]
    written = [(f, n) for f, n in frames if f != __file__ and not _is_installed(f)]
    file, number = (own or written or [("", "")])[-1]
    where = f" (at {os.path.basename(file)}:{number})" if file else ""
    if "data-dependent" in text:
        return (
            f"{line}{where}; control flow and sizes must not depend on the values of tensors, "
            "use torch.where or a mask"
        )
    return (
        f"{line}{where}; check the arguments by calling the model with them, and if PyTorch runs "
        "it, try its sparse arguments in another layout (torch.export traces COO and CSR best) or "
        "densify them in forward"
    )


def _check_same(
    program: "ExportedProgram", sizes: Sizes, other: "ExportedProgram", other_sizes: Sizes
) -> None:
    import torch

    for name, constant in program.constants.items():
        twin: Any = other.constants.get(name)
        if is_tensor(constant) and (
            not is_tensor(twin) or not torch.equal(cast(Any, constant), twin)
        ):
            raise InputError(
                f"the model makes the constant {name} from a size that is known only at run time; "
                "make that size static"
            )
    for node, twin in zip(program.graph.nodes, other.graph.nodes, strict=False):
        if _description(node, sizes) != _description(twin, other_sizes):
            raise InputError(
                f"the model depends on the number that the size {'or '.join(sizes.names.values())}"
                f" has, at {source_line(node) or node.name}; make that size static"
            )
    if len(program.graph.nodes) != len(other.graph.nodes):
        raise InputError("the model takes another path for another size; make that size static")


def _description(node: "Node", sizes: Sizes) -> str:
    """A node with its sizes by name."""
    from torch.fx.node import map_aggregate

    def describe(leaf: Any) -> Any:
        if isinstance(leaf, int) and not isinstance(leaf, bool):
            return sizes.extent(leaf)
        return leaf

    value = first(node.meta.get("val"))
    shape = sizes.shape(value.shape) if is_tensor(value) else None
    args = map_aggregate(node.args, describe)
    kwargs = map_aggregate(node.kwargs, describe)
    return f"{node.target} {args} {kwargs} {shape}"


def first(value: Any) -> Any:
    """The first of several results of a node, or its only one."""
    return cast(Sequence[Any], value)[0] if isinstance(value, tuple | list) else value


def is_tensor(value: Any) -> bool:
    import torch

    return isinstance(value, torch.Tensor)


def is_strided(tensor: "torch.Tensor") -> bool:
    import torch

    return tensor.layout == torch.strided


def is_size(value: Any) -> bool:
    """Whether a node computes a size and not a tensor."""
    import torch

    return isinstance(value, torch.SymInt) or (
        isinstance(value, int) and not isinstance(value, bool)
    )


def is_condition(value: Any) -> bool:
    """Whether a node compares sizes, which only the assertions of export read."""
    import torch

    return isinstance(value, torch.SymBool | bool)


def _is_torch(file: str) -> bool:
    import torch

    return file.startswith(os.path.dirname(torch.__file__))


def _is_installed(file: str) -> bool:
    """Whether a file belongs to Python or to a package installed beside it."""
    folders = map(sysconfig.get_path, ("stdlib", "purelib", "platlib"))
    return file.startswith(("<frozen", *folders))


def is_item(node: "Node") -> bool:
    """Whether `node` only takes one of several results."""
    return getattr(node.target, "__name__", "") == "getitem"


def is_random(node: "Node") -> bool:
    """Whether the operator of `node` draws random numbers."""
    import torch

    return torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())


def module_path(node: "Node") -> str:
    """The dotted path of the module that computed `node`, empty for the root."""
    stack: Mapping[str, tuple[str, Any]] = node.meta.get("nn_module_stack") or {}
    return list(stack.values())[-1][0] if stack else ""


def phase(node: "Node") -> str | None:
    """`backward` if `node` computes a gradient."""
    return node.meta.get("custom", {}).get("phase")


def source_line(node: "Node") -> str | None:
    """`model.py:42`, the innermost line outside of torch that computed `node`."""
    trace: str = node.meta.get("stack_trace") or ""
    frames = re.findall(r'File "([^"]+)", line (\d+)', trace)
    own = [(file, number) for file, number in frames if not _is_torch(file)]
    if not own:
        return None
    file, number = own[-1]
    return f"{os.path.basename(file)}:{number}"


def source_text(node: "Node") -> str | None:
    """The text of that line."""
    trace: str = node.meta.get("stack_trace") or ""
    frames = re.findall(r'File "([^"]+)", line \d+[^\n]*\n *([^\n]+)', trace)
    own = [text for file, text in frames if not _is_torch(file)]
    return own[-1].strip() if own else None


def result_format(value: "torch.Tensor") -> Format | None:
    """The format of a result that keeps a sparse layout."""
    import torch

    return None if value.layout == torch.strided else format_of_tensor(value)
