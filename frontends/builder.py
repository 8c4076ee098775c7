"""
Emission of entry IR: `linalg`, `tensor` and `arith` operations inside `func.func @main`.

The frontends share this builder. It emits one `linalg.generic` a primitive tensor operation and
knows two things about tensors: an *extent* (a size, or the name of a size that is known only
at run time), and a *view* (a tensor seen through permuted, inserted and repeated dimensions,
which the indexing map of the reader expresses, so that no operation is needed).
"""

import math
from collections import Counter
from collections.abc import Generator, Hashable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from typing import TypeAlias, cast

from xdsl.builder import Builder
from xdsl.dialects import arith, func, tensor
from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    AffineMapAttr,
    AnyFloat,
    AnyTensorType,
    ArrayAttr,
    DictionaryAttr,
    IndexType,
    IntegerAttr,
    ModuleOp,
    StringAttr,
    TensorType,
    i64,
)
from xdsl.dialects.linalg.attrs import IteratorTypeAttr
from xdsl.dialects.linalg.ops import FillOp, GenericOp, YieldOp
from xdsl.ir import Attribute, Block, BlockArgument, Operation, Region, SSAValue
from xdsl.ir.affine import AffineExpr, AffineMap
from xdsl.rewriter import InsertPoint

from headrace.dialects import sparse_tensor
from headrace.frontends.scalars import Body, Scalars
from headrace.storage.errors import InputError
from headrace.storage.levels import Format

Extent: TypeAlias = int | str
"""The size of a dimension: a number, or a name such as `n` or `2*n` for one known at run time."""

Label: TypeAlias = Hashable | None
"""Names a loop of a `linalg.generic`; `None` stands for coordinate 0 of a dimension of size 1."""

IDENTITY: Mapping[str, float] = {"add": 0.0, "max": -math.inf, "min": math.inf}
"""The reductions and what they start from."""


@dataclass(frozen=True)
class View:
    """
    A tensor seen through permuted, inserted and repeated dimensions.

    Dimension `d` of the view has extent `shape[d]` and walks dimension `axes[d]` of `base`, or
    repeats the same elements where that is `None`. Dimensions of `base` that `axes` does not
    name have size 1.
    """

    base: SSAValue
    axes: tuple[int | None, ...]
    shape: tuple[Extent, ...]

    @property
    def type(self) -> AnyTensorType:
        return cast(AnyTensorType, self.base.type)

    @property
    def element(self) -> Attribute:
        return self.type.element_type

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def is_whole(self) -> bool:
        """Whether the view is `base` itself."""
        return self.axes == tuple(range(len(self.type.get_shape())))

    def labels(self, labels: Sequence[Label]) -> tuple[Label, ...]:
        """Labels of the dimensions of `base`, given those of the view's dimensions."""
        found: list[Label] = [None] * len(self.type.get_shape())
        for axis, label in zip(self.axes, labels, strict=True):
            if axis is not None:
                found[axis] = label
        return tuple(found)

    def permute(self, order: Sequence[int]) -> "View":
        """The view whose dimension `d` is dimension `order[d]` of this one."""
        axes = tuple(self.axes[d] for d in order)
        return View(self.base, axes, tuple(self.shape[d] for d in order))

    def insert(self, position: int, extent: Extent = 1) -> "View":
        """A new dimension at `position`, along which the elements repeat."""
        axes = (*self.axes[:position], None, *self.axes[position:])
        return View(self.base, axes, (*self.shape[:position], extent, *self.shape[position:]))

    def drop(self, dimension: int) -> "View":
        """The view without `dimension`, which has size 1 or repeats."""
        axes = self.axes[:dimension] + self.axes[dimension + 1 :]
        return View(self.base, axes, self.shape[:dimension] + self.shape[dimension + 1 :])

    def expand(self, shape: Sequence[Extent]) -> "View":
        """Broadcast to `shape` as NumPy does: dimensions align at the end, size 1 repeats."""
        view = self
        for _ in range(len(shape) - self.rank):
            view = view.insert(0)
        axes = tuple(
            None if old == 1 and new != 1 else axis
            for axis, old, new in zip(view.axes, view.shape, shape, strict=True)
        )
        return View(self.base, axes, tuple(shape))


def broadcast(*shapes: Sequence[Extent]) -> tuple[Extent, ...]:
    """The common shape of operands under NumPy's rules; `InputError` if there is none."""
    rank = max((len(shape) for shape in shapes), default=0)
    common: list[Extent] = [1] * rank
    for shape in shapes:
        for d, extent in enumerate(shape, start=rank - len(shape)):
            if common[d] == 1:
                common[d] = extent
            elif extent not in (1, common[d]):
                listed = " and ".join(str(tuple(shape)) for shape in shapes)
                raise InputError(f"tensors of shapes {listed} cannot be broadcast together")
    return tuple(common)


class EntryBuilder:
    """Emits operations of the entry IR into the body of `func.func @main`."""

    def __init__(self) -> None:
        self.block = Block()
        self._builder = Builder(InsertPoint.at_end(self.block))
        self._provenance: dict[str, Attribute] = {}
        self._arguments: list[DictionaryAttr] = []
        self._sizes: dict[str, tuple[SSAValue, int]] = {}
        self._uniform: dict[SSAValue, float] = {}
        self._composites: Counter[str] = Counter()
        self.functions: list[func.FuncOp] = []
        """Functions that `@main` calls."""

    # --- the function --------------------------------------------------------------------

    def argument(
        self,
        name: str,
        shape: Sequence[Extent],
        element: Attribute,
        format: Format | None = None,
        **hints: Attribute,
    ) -> View:
        """
        A new argument of `@main`, called `name` in its attribute `headrace.name`.

        Of the `hints`, attributes `headrace.<hint>`, passes know `nonzeros` (how many entries the
        example has), `constant` (a weight, which can be converted ahead of time) and `coordinate`
        (a constant of which each element is its coordinate along that dimension).
        """
        type = tensor_type(shape, element, format)
        value = self.block.insert_arg(type, len(self.block.args))
        value.name_hint = name if name.isidentifier() else None
        given = {"name": StringAttr(name), **hints}
        self._arguments.append(DictionaryAttr({f"headrace.{k}": v for k, v in given.items()}))
        return self.view(value, shape)

    def drop_argument(self, value: BlockArgument) -> None:
        """Remove an argument that nothing uses."""
        del self._arguments[value.index]
        self.block.erase_arg(value)

    def view(self, value: SSAValue, shape: Sequence[Extent]) -> View:
        """The whole of `value`; names among the extents become known to `size`."""
        for dimension, extent in enumerate(shape):
            if isinstance(extent, str):
                self._sizes.setdefault(extent, (value, dimension))
        return View(value, tuple(range(len(shape))), tuple(shape))

    def finish(self, results: Sequence[SSAValue]) -> ModuleOp:
        """Return `results` and wrap the function into a verified module."""
        for op in reversed(list(self.block.ops)):
            # An operation without results is there for what it does.
            used = any(result.uses or result in results for result in op.results)
            if op.results and not used:
                op.detach()
                op.erase()
        self._provenance = {}
        self.insert(func.ReturnOp(*results))
        types = ([arg.type for arg in self.block.args], [result.type for result in results])
        attributes = ArrayAttr(self._arguments)
        main = func.FuncOp("main", types, Region(self.block), arg_attrs=attributes)
        module = ModuleOp([main, *self.functions])
        module.verify()
        return module

    # --- operations ----------------------------------------------------------------------

    @contextmanager
    def provenance(self, **attributes: str | None) -> Generator[None]:
        """Put `headrace.<name>` on every operation that is emitted inside."""
        outer = self._provenance
        self._provenance = outer | {
            f"headrace.{name}": StringAttr(value)
            for name, value in attributes.items()
            if value is not None
        }
        try:
            yield
        finally:
            self._provenance = outer

    @contextmanager
    def composite(self, kind: str) -> Generator[None]:
        """One fresh `headrace.composite` for the operations inside; the outermost one counts."""
        if "headrace.composite" in self._provenance:
            yield
            return
        self._composites[kind] += 1
        with self.provenance(composite=f"{kind}_{self._composites[kind]}"):
            yield

    def fresh_function(self, kind: str) -> str:
        """A name for another of `functions`: `kind` and a number."""
        names = {function.sym_name.data for function in self.functions}
        return next(name for n in count() if (name := f"{kind}_{n}") not in names)

    def insert(self, op: Operation) -> Operation:
        """Append `op` with the attributes of `provenance`."""
        op.attributes.update(self._provenance)
        return self._builder.insert(op)

    def size(self, extent: Extent) -> SSAValue:
        """An extent as an `index` value."""
        if isinstance(extent, int):
            constant = arith.ConstantOp(IntegerAttr.from_index_int_value(extent))
            return self.insert(constant).results[0]
        if extent not in self._sizes:
            raise InputError(
                f"the size {extent} is not the size of any argument; make it static, or pass a "
                "tensor that has it"
            )
        value, dimension = self._sizes[extent]
        return self.insert(tensor.DimOp(value, self.size(dimension))).results[0]

    def empty(
        self, shape: Sequence[Extent], element: Attribute, format: Format | None = None
    ) -> SSAValue:
        """`tensor.empty`; `shape` may contain names."""
        sizes = [self.size(extent) for extent in shape if isinstance(extent, str)]
        return self.insert(tensor.EmptyOp(sizes, tensor_type(shape, element, format))).results[0]

    def filled(
        self,
        shape: Sequence[Extent],
        value: float,
        element: Attribute,
        format: Format | None = None,
    ) -> SSAValue:
        """A tensor with `value` everywhere."""
        if math.isinf(value) and not isinstance(element, AnyFloat):
            raise InputError(f"a reduction of elements of type {element} has no start value")
        scalar = Scalars(self.insert).constant(value, element)
        out = self.empty(shape, element, format)
        result = self.insert(FillOp([scalar], [out])).results[0]
        self._uniform[result] = value
        return result

    def uniform(self, view: View) -> float | None:
        """The number that a tensor from `filled` has everywhere."""
        return self._uniform.get(view.base)

    def number(self, extent: Extent, element: Attribute) -> View:
        """An extent as a tensor of rank 0."""
        scalar = Scalars(self.insert).cast(self.size(extent), element)
        return self.view(
            self.insert(tensor.SplatOp(scalar, (), tensor_type((), element))).results[0], ()
        )

    def generic(
        self,
        inputs: Sequence[tuple[View, Sequence[Label]]],
        out: Sequence[Label],
        shape: Sequence[Extent],
        element: Attribute,
        body: Body,
        *,
        reduction: str | None = None,
        format: Format | None = None,
    ) -> View:
        """
        One `linalg.generic`.

        Every input comes with the labels of its dimensions; `out` labels the result of `shape`.
        Labels that `out` lacks are reduced with `reduction`, a key of `IDENTITY`.
        """
        inputs, body = self._fold_uniform(self._walked(inputs, out), out, body)
        operands = [(view.base, view.labels(labels)) for view, labels in inputs]
        used = [label for _, labels in operands for label in labels if label is not None]
        loops = {label: n for n, label in enumerate(dict.fromkeys([*out, *used]))}
        if len(loops) == len(out):
            reduction = None
        if reduction is None:
            start = self.empty(shape, element, format)
        else:
            start = self.filled(shape, IDENTITY[reduction], element, format)
        values = [value for value, _ in operands]
        elements = [cast(AnyTensorType, value.type).element_type for value in values]
        block = Block(arg_types=[*elements, element])
        inner = Builder(InsertPoint.at_end(block))
        scalars = Scalars(inner.insert)
        result = scalars.cast(body(scalars, block.args[:-1]), element)
        if reduction is not None:
            result = scalars.binary(reduction, block.args[-1], result)
        inner.insert(YieldOp(result))
        maps = [_indexing_map(labels, loops) for _, labels in (*operands, (start, tuple(out)))]
        iterators = [IteratorTypeAttr.parallel()] * len(out)
        iterators += [IteratorTypeAttr.reduction()] * (len(loops) - len(out))
        op = GenericOp(values, [start], Region(block), maps, iterators, [start.type])
        return self.view(self.insert(op).results[0], shape)

    def _walked(
        self, inputs: Sequence[tuple[View, Sequence[Label]]], out: Sequence[Label]
    ) -> list[tuple[View, Sequence[Label]]]:
        """Copy a view that repeats along a reduced dimension which no other input walks."""
        walked = {label for view, labels in inputs for label in view.labels(labels)}
        copied: list[tuple[View, Sequence[Label]]] = []
        for view, labels in inputs:
            extents = dict(zip(labels, view.shape, strict=True))
            missing = {label for label in labels if extents[label] != 1} - {*out, *walked}
            if missing:
                view = self.view(self.materialize(view), view.shape)
                walked |= missing
            copied.append((view, labels))
        return copied

    def _fold_uniform(
        self, inputs: list[tuple[View, Sequence[Label]]], out: Sequence[Label], body: Body
    ) -> tuple[list[tuple[View, Sequence[Label]]], Body]:
        """Move inputs that are one number everywhere into the body, if nothing is reduced."""
        numbers = [self.uniform(view) for view, _ in inputs]
        kept = [entry for entry, number in zip(inputs, numbers, strict=True) if number is None]
        reduced = {label for _, labels in inputs for label in labels} - set(out)
        if not kept or len(kept) == len(inputs) or reduced:
            return inputs, body
        elements = [view.element for view, _ in inputs]

        def whole(s: Scalars, values: Sequence[SSAValue]) -> SSAValue:
            rest = iter(values)
            pairs = zip(numbers, elements, strict=True)
            return body(s, [next(rest) if n is None else s.constant(n, e) for n, e in pairs])

        return kept, whole

    def elementwise(
        self,
        inputs: Sequence[View],
        body: Body,
        element: Attribute | None = None,
        *,
        format: Format | None = None,
    ) -> View:
        """
        `body` on every element, broadcast as in NumPy; `element` defaults to the first's.

        Dimensions of size 1 that were only inserted stay outside of the operation.
        """
        shape = broadcast(*(view.shape for view in inputs))
        views = [view.expand(shape) for view in inputs]
        units = [
            d
            for d, extent in enumerate(shape)
            if format is None and extent == 1 and all(view.axes[d] is None for view in views)
        ]
        for d in reversed(units):
            views = [view.drop(d) for view in views]
        out = tuple(d for d in range(len(shape)) if d not in units)
        result = self.generic(
            [(view, out) for view in views],
            out,
            [shape[d] for d in out],
            element or inputs[0].element,
            body,
            format=format,
        )
        for d in units:
            result = result.insert(d)
        return result

    def contract(
        self,
        lhs: tuple[View, Sequence[Label]],
        rhs: tuple[View, Sequence[Label]],
        out: Sequence[Label],
        *,
        format: Format | None = None,
    ) -> View:
        """Multiply two labelled tensors and sum over the labels that `out` lacks."""
        extents: dict[Label, Extent] = {}
        for view, labels in (lhs, rhs):
            for label, extent in zip(labels, view.shape, strict=True):
                if extents.setdefault(label, extent) != extent:
                    raise InputError(
                        f"tensors of shapes {lhs[0].shape} and {rhs[0].shape} cannot be "
                        f"multiplied: sizes {extents[label]} and {extent} do not agree"
                    )
        shape = tuple(extents[label] for label in out)
        reduction = "add" if extents.keys() - set(out) else None
        return self.generic(
            [lhs, rhs],
            out,
            shape,
            lhs[0].element,
            lambda s, x: s.binary("mul", x[0], x[1]),
            reduction=reduction,
            format=format,
        )

    def reduce(self, view: View, dimensions: Sequence[int], reduction: str) -> View:
        """Reduce over `dimensions`, which disappear."""
        out = [d for d in range(view.rank) if d not in dimensions]
        if len(out) == view.rank:
            return view
        shape = tuple(view.shape[d] for d in out)
        labelled = (view, range(view.rank))
        return self.generic(
            [labelled], out, shape, view.element, lambda s, x: x[0], reduction=reduction
        )

    def gather(self, view: View, dimension: int, index: View) -> View:
        """The elements of `view` whose coordinate of `dimension` is in the vector `index`."""
        source = self.materialize(view)
        shape = (*view.shape[:dimension], index.shape[0], *view.shape[dimension + 1 :])

        def body(scalars: Scalars, values: Sequence[SSAValue]) -> SSAValue:
            found = scalars.cast(values[0], IndexType())
            places = [found if d == dimension else scalars.loop(d) for d in range(view.rank)]
            return scalars.element(source, places)

        loops = range(view.rank)
        return self.generic([(index, (dimension,))], loops, shape, view.element, body)

    def materialize(self, view: View) -> SSAValue:
        """A tensor that has exactly the shape of `view`; a copy unless it is whole."""
        if view.is_whole:
            return view.base
        out = tuple(range(view.rank))
        copy = self.generic([(view, out)], out, view.shape, view.element, lambda s, x: x[0])
        return copy.base

    def slice(self, view: View, dimension: int, start: int, size: Extent, step: int = 1) -> View:
        """Elements `start, start + step, ..` of `dimension`, `size` of them."""
        axis = view.axes[dimension]
        shape = (*view.shape[:dimension], size, *view.shape[dimension + 1 :])
        if axis is None:
            return replace(view, shape=shape)
        extents: list[Extent] = [1] * len(view.type.get_shape())
        for d, a in enumerate(view.axes):
            if a is not None:
                extents[a] = shape[d]
        rank = len(extents)
        offsets, strides = [0] * rank, [1] * rank
        offsets[axis], strides[axis] = start, step
        sizes = [self.size(e) if isinstance(e, str) else e for e in extents]
        format = sparse_tensor.format_of(view.type)
        type = tensor_type(extents, view.element, None if format.block else format)
        op = tensor.ExtractSliceOp(view.base, offsets, sizes, strides, type)
        return View(self.insert(op).results[0], view.axes, shape)

    def concat(self, values: Sequence[SSAValue], dimension: int, shape: Sequence[Extent]) -> View:
        """Join along `dimension` into a dense tensor of `shape`."""
        element = cast(AnyTensorType, values[0].type).element_type
        op = tensor.ConcatOp(values, IntegerAttr(dimension, i64), tensor_type(shape, element))
        return self.view(self.insert(op).results[0], shape)

    def stored(self, value: SSAValue, order: Sequence[int]) -> SSAValue:
        """A dense tensor with dimension `order[0]` outermost in memory, `order[1]` inside it, .."""
        old = cast(AnyTensorType, value.type)
        format = replace(Format.dense(len(order)), order=tuple(order))
        encoding = sparse_tensor.encoding_of(format)
        type = TensorType(old.element_type, old.get_shape(), encoding)
        return self.insert(sparse_tensor.ConvertOp(value, type)).results[0]

    def convert(self, view: View, format: Format) -> View:
        """The same tensor in another storage format."""
        value = self.materialize(view)
        type = tensor_type(view.shape, view.element, format)
        if value.type == type:
            return self.view(value, view.shape)
        op = sparse_tensor.ConvertOp(value, type)
        return self.view(self.insert(op).results[0], view.shape)


def tensor_type(
    shape: Sequence[Extent], element: Attribute, format: Format | None = None
) -> AnyTensorType:
    """The type of a tensor; names among the extents become `?`, no format means dense."""
    sizes = [DYNAMIC_INDEX if isinstance(extent, str) else extent for extent in shape]
    if format is None:
        return TensorType(element, sizes)
    return TensorType(element, sizes, sparse_tensor.encoding_of(format))


def _indexing_map(labels: Sequence[Label], loops: Mapping[Label, int]) -> AffineMapAttr:
    expressions = [
        AffineExpr.constant(0) if label is None else AffineExpr.dimension(loops[label])
        for label in labels
    ]
    return AffineMapAttr(AffineMap(len(loops), 0, tuple(expressions)))
