"""
PyTorch modules -> entry IR.

`torch.export` gives the graph of a model, in which linear, softmax, layer_norm and attention are
whole. Each ATen operator then becomes `linalg` operations through its handler in
`headrace.frontends.aten`. Parameters and buffers become
arguments of `@main` behind the user's, so that no weight is ever text.

The formats of tensors come from torch's sparse layouts, or from the annotation `formats`.
"""

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import (
    DenseArrayBase,
    IntegerAttr,
    StringAttr,
    UnitAttr,
    bf16,
    f16,
    f32,
    f64,
    i1,
    i8,
    i16,
    i32,
    i64,
)
from xdsl.ir import Attribute, BlockArgument, SSAValue

from headrace.frontends import torch_tracing as tracing
from headrace.frontends.aten import (
    elementwise,
    gradients,
    products,
    reductions,
    selection,
    shapes,
)
from headrace.frontends.aten.registry import HANDLERS, NESTS, Call, Result
from headrace.frontends.builder import EntryBuilder, Extent, View, tensor_type
from headrace.frontends.imported import ImportedModel
from headrace.frontends.marks import marked_region
from headrace.frontends.nests import embedding_bag, patterns, rows, sparse_matmul
from headrace.frontends.nests.compressed import CompressedRows, compressed_rows, dense_operand
from headrace.frontends.nests.graph import Match
from headrace.frontends.reshape import as_tensor
from headrace.frontends.selected_rows import SelectedRows
from headrace.frontends.torch_tensors import format_of_tensor
from headrace.storage.errors import InputError
from headrace.storage.levels import Format, Storage
from headrace.storage.parts import part_of
from headrace.storage.values import storage_of, to_torch

if TYPE_CHECKING:
    import torch
    from torch.fx import Node

_ = (
    elementwise,
    embedding_bag,
    gradients,
    products,
    reductions,
    rows,
    selection,
    shapes,
    sparse_matmul,
)  # imported because they register handlers

_ELEMENTS: Mapping[str, Attribute] = {
    "torch.bool": i1,
    "torch.int8": i8,
    "torch.int16": i16,
    "torch.int32": i32,
    "torch.int64": i64,
    "torch.float16": f16,
    "torch.bfloat16": bf16,
    "torch.float32": f32,
    "torch.float64": f64,
}

_WITHOUT_VALUE = ("aten._assert_tensor_metadata.default", "aten._assert_scalar.default")
"""Operators that only check what export has already established."""

_STORAGE_OPTIONS = frozenset(
    {"dtype", "device", "layout", "pin_memory", "memory_format", "non_blocking", "copy"}
)
"""Options that the type of the result already answers, or that do not change values."""


def import_model(
    model: "torch.nn.Module",
    args: Sequence[Any],
    kwargs: Mapping[str, Any] | None = None,
    *,
    formats: Mapping[str, Format | str] | None = None,
    dynamic_shapes: Mapping[str, Mapping[int, Any]] | None = None,
    nests: bool = False,
) -> ImportedModel:
    """
    Trace `model(*args, **kwargs)` and translate it to entry IR.

    `formats` overrides the format of inputs (by the name of the argument of `forward`) and of
    parameters and buffers (by their dotted names). `dynamic_shapes` maps names of inputs to
    sizes known only at run time: `{"x": {0: "n"}}`; equal names are equal sizes. For models
    without sparse inputs the values may also be `torch.export.Dim`.

    With `nests`, embedding operations (rows of a table that indices name) become loop nests:
    private functions on memrefs, which `@main` calls.

    Raises `InputError`, naming node, operator and source line, for what is not supported.
    """
    program, sizes, signature = tracing.trace(model, args, kwargs or {}, dynamic_shapes)
    return _Importer(program, sizes, signature, formats or {}, nests).run()


class _Importer:
    def __init__(
        self,
        program: "torch.export.ExportedProgram",
        sizes: tracing.Sizes,
        signature: tracing.Signature,
        formats: Mapping[str, Format | str],
        nests: bool,
    ):
        self.nests = nests
        self.program = program
        self.sizes = sizes
        self.signature = signature
        self.formats = dict(formats)
        self.emit = EntryBuilder()
        self.values: dict[Node, Any] = {}
        self.selected = SelectedRows(self.emit, sizes.shape, self.tensor_operand)
        self.inputs: list[str] = []
        self.constants: dict[str, Storage] = {}
        self.bound: dict[SSAValue, Storage] = {}
        self.traced: list[BlockArgument] = []
        """Arguments that are constants of the trace."""
        self.matches: Mapping[Node, Match] = {}

    def run(self) -> ImportedModel:
        self.check_nothing_changes()
        self.add_arguments()
        results: list[View] = []
        nodes = list(self.program.graph.nodes)
        if self.nests:
            self.matches = patterns.matches(nodes)
        skipped = patterns.left_out(nodes, self.matches)
        for node in nodes:
            if node.op == "output":
                results = self.outputs(node)
            elif node.op != "placeholder" and node not in skipped:
                with self.emit.provenance(
                    module=tracing.module_path(node),
                    phase=tracing.phase(node),
                    source=tracing.source_line(node),
                    region=marked_region(node),
                ):
                    self.values[node] = self.translate(node)
        values = [as_tensor(self.emit, result) for result in results]
        if unknown := self.formats.keys() - {*self.inputs, *self.constants}:
            known = ", ".join([*self.inputs, *self.constants])
            raise InputError(f"formats names '{min(unknown)}', but the tensors are {known}")
        if self.nests:
            self.drop_unused(values)
        module = self.emit.finish(values)
        return ImportedModel(module, tuple(self.inputs), self.constants, self.signature)

    def drop_unused(self, results: Sequence[SSAValue]) -> None:
        """Constants of the trace that a nest has no need to read, such as equal distances."""
        for argument in self.traced:
            if not argument.uses and argument not in results:
                storage = self.bound[argument]
                self.emit.drop_argument(argument)
                self.constants = {n: one for n, one in self.constants.items() if one is not storage}

    def check_nothing_changes(self) -> None:
        specification = self.program.graph_signature
        changed = [
            *specification.buffers_to_mutate.values(),
            *specification.user_inputs_to_mutate.values(),
        ]
        if changed:
            raise InputError(
                f"the model changes {changed[0]} while it runs, which a compiled program cannot; "
                "call model.eval() or return the new value"
            )

    # --- arguments -----------------------------------------------------------------------

    def add_arguments(self) -> None:
        """The user's tensors first, then the parameters and buffers that are used."""
        signature = self.program.graph_signature
        user, tokens = set(cast(Sequence[str], signature.user_inputs)), signature.input_tokens
        placeholders = [node for node in self.program.graph.nodes if node.op == "placeholder"]
        for node in placeholders:
            if node.name in user and tracing.is_tensor(node.meta.get("val")):
                self.values[node] = self.input(node, self.signature.examples[len(self.inputs)])
                self.inputs.append(node.name)
        for node in placeholders:
            if node.name not in user and node.users and node.name not in tokens:
                self.values[node] = self.parameter(node)

    def format(self, name: str, tensor: "torch.Tensor") -> Format:
        """The annotation for `name`, else the format of the tensor's layout."""
        wanted = self.formats.get(name)
        if wanted is None:
            return format_of_tensor(tensor)
        found = Format.parse(wanted, tensor.ndim) if isinstance(wanted, str) else wanted
        if found.rank != tensor.ndim:
            raise InputError(
                f"formats gives {name} the format '{found}' of rank {found.rank}, but its rank "
                f"is {tensor.ndim}"
            )
        return found

    def input(self, node: "Node", tensor: "torch.Tensor") -> View | CompressedRows:
        shape = self.sizes.shape(node.meta["val"].shape)
        element, format = element_type(tensor.dtype, node.name), self.format(node.name, tensor)
        hints: dict[str, Attribute] = {}
        if self.nests and not format.is_dense and format.rank == 2:

            def part(name: str, shape: tuple[Extent, ...], element: Attribute) -> View:
                named = {"part": StringAttr(name), **hints}
                return self.emit.argument(node.name, shape, element, None, **named)

            sizes = tensor_type(shape, element).get_shape()
            hints["matrix"] = DenseArrayBase.from_list(i64, sizes)
            return compressed_rows(node, shape, element, part)
        if not format.is_dense:
            stored = storage_of(tensor, format, node.name).stored
            hints["nonzeros"] = IntegerAttr(stored, i64)
        return self.emit.argument(node.name, shape, element, format, **hints)

    def parameter(self, node: "Node") -> "View | CompressedRows | torch.Tensor":
        """A parameter or buffer as an argument; a constant of the trace as it is."""
        specification = self.program.graph_signature
        target = specification.inputs_to_parameters.get(
            node.name, specification.inputs_to_buffers.get(node.name)
        )
        if target is None:
            target = specification.inputs_to_lifted_tensor_constants[node.name]
            return cast("torch.Tensor", self.program.constants[target])
        found = self.program.state_dict.get(target, self.program.constants.get(target))
        tensor = cast("torch.Tensor", found)
        if self.nests and tensor.ndim == 2 and not tracing.is_strided(tensor):
            storage = storage_of(tensor, None, target)

            def part(name: str, shape: tuple[Extent, ...], element: Attribute) -> View:
                return self.stored_constant(f"{target}.{name}", part_of(storage, name), element)

            return compressed_rows(
                node, tuple(tensor.shape), element_type(tensor.dtype, target), part
            )
        return self.constant(target, tensor)

    def constant(self, name: str, tensor: "torch.Tensor", **hints: Attribute) -> View:
        """A new argument behind the user's, bound to `tensor`."""
        unique, count = name, 1
        while unique in self.constants or unique in self.inputs:
            count += 1
            unique = f"{name}_{count}"
        storage = storage_of(tensor, self.format(unique, tensor), unique)
        return self.stored_constant(unique, storage, element_type(tensor.dtype, unique), **hints)

    def stored_constant(
        self, name: str, storage: Storage, element: Attribute, **hints: Attribute
    ) -> View:
        self.constants[name] = storage
        view = self.emit.argument(
            name, storage.shape, element, storage.format, constant=UnitAttr(), **hints
        )
        self.bound[view.base] = storage
        return view

    def known(self, view: View) -> npt.NDArray[Any] | None:
        """The elements, in any order, of a view of a constant."""
        number, storage = self.emit.uniform(view), self.bound.get(view.base)
        if number is not None:
            return np.array(number)
        return None if storage is None else np.asarray(storage.to_dense())

    # --- nodes ---------------------------------------------------------------------------

    def translate(self, node: "Node") -> Any:
        """What `node` computes: views, a torch tensor if it is constant, or a size."""
        from torch.fx.node import map_aggregate

        operator = str(node.target)
        value = cast(Any, node.meta.get("val"))
        if operator in _WITHOUT_VALUE or tracing.is_condition(value):
            return None
        if tracing.is_item(node):
            return self.item(node)
        if tracing.is_size(value):
            return self.sizes.extent(value)
        match = self.matches.get(node)
        if match is None and self.is_constant(node):
            return self.fold(node)
        handler = HANDLERS.get(operator)
        nest = NESTS.get(operator) if self.nests else None
        try:
            found = self.selected.translate(node) if match is None else None
            if found is not None:
                return found
            if match is None:
                self.selected.follow(node)
        except InputError as error:
            raise InputError(f"{_where(node)}: {error}") from None
        if handler is None and nest is None and match is None:
            raise InputError(f"{_where(node)}: {_unsupported(node)}")
        first = tracing.first(value)
        call = Call(
            self.emit,
            lambda name, array: self.constant(name, to_torch(array)),
            self.known,
            self.selected.shape(first.shape),
            element_type(first.dtype, node.name),
            self.selected.shape,
            tracing.result_format(first),
        )
        if match is not None:
            try:
                result = match.emit(call, self.tensor_operand)
            except InputError as error:
                raise InputError(f"{_where(node)}: {operator}: {error}") from None
            return self.checked(node, call, result)
        args = cast(tuple[Any, ...], map_aggregate(node.args, self.operand))
        kwargs = {
            name: map_aggregate(arg, self.operand)
            for name, arg in node.kwargs.items()
            if name not in _STORAGE_OPTIONS
        }
        result: Any = NotImplemented
        if nest is not None:
            result = _handled(node, nest, call, args, kwargs)
        if result is NotImplemented and handler is not None:
            result = _handled(node, handler, call, map_aggregate(args, dense_operand), kwargs)
        if result is NotImplemented:
            raise InputError(f"{_where(node)}: {_unsupported(node)}")
        return self.checked(node, call, result)

    def checked(self, node: "Node", call: Call, result: Result) -> Result:
        """`result`, with the name of `node`, if it is what torch promises."""
        _check_result(node, call, result)
        if isinstance(result, View) and result.base.name_hint is None:
            result.base.name_hint = node.name
        return result

    def operand(self, leaf: Any) -> Any:
        """An operand of a node as handlers take it."""
        from torch.fx import Node

        if not isinstance(leaf, Node):
            is_number = isinstance(leaf, int) and not isinstance(leaf, bool)
            return self.sizes.extent(leaf) if is_number else leaf
        return self.tensor_operand(leaf)

    def tensor_operand(self, node: "Node") -> Any:
        """What a node became; a tensor that is constant becomes a view."""
        value = self.values[node]
        if tracing.is_tensor(value):
            value = self.values[node] = self.constant_view(node.name, cast("torch.Tensor", value))
        return value

    def item(self, node: "Node") -> Any:
        """One result of a node that has several."""
        source, index = cast("tuple[Node, int]", node.args)
        self.selected.follow(node)
        result = cast(tuple[View | None, ...], self.values[source])[index]
        if result is None and node.users:
            raise InputError(f"{_where(node)}: result {index} of {source.target} is not supported")
        return result

    def is_constant(self, node: "Node") -> bool:
        """Whether no operand comes from an argument of `@main`, nor is a size of one."""
        operands = [self.values[source] for source in node.all_input_nodes]
        numbers = [n for n in _leaves(node.args) if isinstance(n, int)]
        static = all(isinstance(self.sizes.extent(n), int) for n in numbers)
        return static and all(tracing.is_tensor(operand) for operand in operands)

    def fold(self, node: "Node") -> "torch.Tensor":
        """Compute a node whose operands are constants."""
        import torch
        from torch.fx.node import map_arg

        if tracing.is_random(node):
            raise InputError(f"{_where(node)}: {_unsupported(node)}")

        def value(source: "Node") -> Any:
            return self.values[source]

        args = cast(tuple[Any, ...], map_arg(node.args, value))
        kwargs = cast(dict[str, Any], map_arg(dict(node.kwargs), value))
        with torch.no_grad():
            return cast(Any, node.target)(*args, **kwargs)

    def constant_view(self, name: str, tensor: "torch.Tensor") -> View:
        """A constant of the trace: filled in place if it is one number, else an argument."""
        shape, element = tuple(tensor.shape), element_type(tensor.dtype, name)
        hints: dict[str, Attribute] = {}
        if tracing.is_strided(tensor) and tensor.numel():
            flat = tensor.reshape(-1)
            if bool((flat == flat[0]).all()):
                return self.emit.view(self.emit.filled(shape, flat[0].item(), element), shape)
            for dimension, extent in enumerate(shape):
                if extent > 1 and _is_coordinate(tensor, dimension):
                    hints["coordinate"] = IntegerAttr(dimension, i64)
                    break
        view = self.constant(name, tensor, **hints)
        self.traced.append(cast("BlockArgument", view.base))
        return view

    def outputs(self, node: "Node") -> list[View]:
        """The results of the model, flattened; they must be tensors."""
        from torch.fx import Node

        results: list[View] = []
        for position, leaf in enumerate(cast(Sequence[Any], node.args[0])):
            value = self.operand(leaf) if isinstance(leaf, Node) else leaf
            if isinstance(leaf, Node) and self.selected.is_selected(leaf):
                raise InputError(
                    f"result {position} of the model has a row for each that a mask selects; add "
                    "them back by index_add"
                )
            if not isinstance(value, View):
                raise InputError(
                    f"result {position} of the model is {value}, which is not a tensor; return "
                    "tensors only"
                )
            results.append(value)
        return results


def _is_coordinate(tensor: "torch.Tensor", dimension: int) -> bool:
    """Whether each element is its coordinate along `dimension`."""
    import torch

    if tensor.dtype not in (torch.int64, torch.int32):
        return False
    places = torch.arange(tensor.shape[dimension], dtype=tensor.dtype)
    others = [1] * (tensor.ndim - 1 - dimension)
    return torch.equal(tensor, places.reshape(-1, *others).expand(tensor.shape))


def element_type(dtype: "torch.dtype", name: str) -> Attribute:
    """The element type of a tensor of `dtype`; `name` is for the error."""
    found = _ELEMENTS.get(str(dtype))
    if found is None:
        supported = ", ".join(key.removeprefix("torch.") for key in _ELEMENTS)
        raise InputError(f"{name} has elements of type {dtype}; supported are {supported}")
    return found


def _leaves(args: Any) -> list[Any]:
    if isinstance(args, tuple | list):
        return [leaf for arg in cast(Sequence[Any], args) for leaf in _leaves(arg)]
    return [args]


def _where(node: "Node") -> str:
    """The node and the line of the model that it came from."""
    line, text = tracing.source_line(node), tracing.source_text(node)
    place = f" at {line}" if line else ""
    return f"node {node.name}{place}{f' `{text}`' if text else ''}"


def _handled(
    node: "Node",
    handler: Callable[..., Any],
    call: Call,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> Any:
    """What a handler makes of a node; its errors say where."""
    try:
        inspect.signature(handler).bind(call, *args, **kwargs)
    except TypeError as error:
        raise InputError(f"{_where(node)}: {node.target} with {error} is not supported") from None
    try:
        return handler(call, *args, **kwargs)
    except InputError as error:
        raise InputError(f"{_where(node)}: {node.target}: {error}") from None


def _unsupported(node: "Node") -> str:
    operator = str(node.target)
    if operator in NESTS:
        return f"operator {operator} is compiled for the target 'dae' only"
    if tracing.is_random(node):
        return f"{operator} is random; call model.eval(), or pass what it draws as an argument"
    near = difflib.get_close_matches(operator, HANDLERS, n=4, cutoff=0.5)
    name = operator.split(".")[1] if "." in operator else operator
    same = [known for known in HANDLERS if known.split(".")[1] == name]
    listed = ", ".join(dict.fromkeys([*same, *near])) or "none of a similar name"
    return f"operator {operator} is not supported; supported nearby: {listed}"


def _check_result(node: "Node", call: Call, result: Result) -> None:
    """A handler must give the shape and the element type that torch promises."""
    first = result[0] if isinstance(result, tuple) else result
    if first is not None and (first.shape, first.element) != (call.shape, call.element):
        raise InputError(
            f"{_where(node)}: {node.target} with these options is not supported: it would give "
            f"{first.shape} of {first.element} instead of {call.shape} of {call.element}"
        )
