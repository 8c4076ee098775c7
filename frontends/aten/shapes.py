"""ATen operators that move elements or create constant tensors."""

from collections.abc import Sequence
from dataclasses import replace

from xdsl.dialects import tensor
from xdsl.dialects.builtin import i32, i64
from xdsl.ir import SSAValue

from headrace.frontends.aten.elementwise import cast_to_result
from headrace.frontends.aten.registry import Call, Result, dimension, lowers
from headrace.frontends.builder import Extent, View
from headrace.frontends.reshape import as_tensor, element_count, reshape
from headrace.frontends.scalars import Scalars
from headrace.storage.errors import InputError


@lowers(
    "aten.view.default",
    "aten._unsafe_view.default",
    "aten.reshape.default",
    "aten.flatten.using_ints",
    "aten.unflatten.int",
)
def view(c: Call, x: View, *_: object) -> View:
    """The operands say the same as the shape of the result."""
    return reshape(c.emit, x, c.shape)


@lowers("aten.permute.default")
def permute(c: Call, x: View, dims: Sequence[int]) -> View:
    return x.permute([dimension(d, x.rank) for d in dims])


@lowers("aten.transpose.int")
def transpose(c: Call, x: View, first: int, second: int) -> View:
    order = list(range(x.rank))
    first, second = dimension(first, x.rank), dimension(second, x.rank)
    if order:
        order[first], order[second] = second, first
    return x.permute(order)


@lowers("aten.contiguous.default")
def contiguous(c: Call, x: View) -> View:
    """
    A permuted view of a reshaped tensor is stored again in the order of its dimensions.

    Others stay as they are: storing what an operation computes would cut a region in two.
    """
    order = [axis for axis in x.axes if axis is not None]
    reshaped = isinstance(x.base.owner, tensor.ExpandShapeOp | tensor.CollapseShapeOp)
    if not reshaped or order == sorted(order) or len(order) < len(x.type.get_shape()):
        return x
    return replace(x, base=c.emit.stored(x.base, order))


@lowers("aten.t.default", "aten.mT.default", "aten.numpy_T.default")
def t(c: Call, x: View) -> View:
    return x if x.rank < 2 else transpose(c, x, -2, -1)


@lowers("aten.expand.default", "aten.expand_as.default", "aten.broadcast_to.default")
def expand(c: Call, x: View, *_: object) -> View:
    return x.expand(c.shape)


@lowers("aten.unsqueeze.default")
def unsqueeze(c: Call, x: View, dim: int) -> View:
    return x.insert(dimension(dim, x.rank + 1))


@lowers("aten.squeeze.default", "aten.squeeze.dim", "aten.squeeze.dims")
def squeeze(c: Call, x: View, dims: Sequence[int] | int | None = None) -> View:
    """Drop dimensions of size 1; others that are named stay."""
    listed = range(x.rank) if dims is None else [dims] if isinstance(dims, int) else dims
    wanted = {dimension(d, x.rank) for d in listed} if x.rank else set[int]()
    for d in sorted(wanted, reverse=True):
        if x.shape[d] == 1:
            x = x.drop(d)
    return x


@lowers("aten.embedding.default")
def embedding(c: Call, weight: View, indices: View, *_: object) -> View:
    """The further operands say how gradients are made."""
    return gathered(c, weight, 0, indices)


@lowers("aten.index_select.default")
def index_select(c: Call, x: View, dim: int, index: View) -> View:
    return gathered(c, x, dimension(dim, x.rank), index)


@lowers("aten.index.Tensor")
def index(c: Call, x: View, indices: Sequence[View | None]) -> View:
    given = [(d, place) for d, place in enumerate(indices) if place is not None]
    if len(given) != 1 or given[0][1].element not in (i32, i64):
        raise InputError(
            "indexing by more than one tensor, or by a mask, is not supported; index one "
            "dimension by integers, or multiply by the mask"
        )
    ((d, place),) = given
    return gathered(c, x, d, wrapped(c, place, x.shape[d]))


def wrapped(c: Call, index: View, extent: Extent) -> View:
    """`from_the_end`, unless `index` is known to have no negative number."""
    known = c.known(index)
    return from_the_end(c, index, extent) if known is None or (known < 0).any() else index


def from_the_end(c: Call, index: View, extent: Extent) -> View:
    """
    `index` with -1 as the last element of a dimension, -2 as the one before, ..

    What lies outside of the dimension stays as it is, so that the error names it.
    """
    type = index.element

    def body(s: Scalars, values: Sequence[SSAValue]) -> SSAValue:
        place, size = values if isinstance(extent, str) else (*values, s.constant(extent, type))
        zero = s.constant(0, type)
        wrapped = s.binary("add", place, size)
        inside = s.select(s.compare("ge", wrapped, zero), wrapped, place)
        return s.select(s.compare("lt", place, zero), inside, place)

    sizes = [c.emit.number(extent, type)] if isinstance(extent, str) else []
    return c.emit.elementwise([index, *sizes], body)


def gathered(c: Call, x: View, d: int, index: View) -> View:
    """`x` with the elements of `index`, of any rank, as coordinates in place of dimension `d`."""
    count = element_count(index.shape)
    vector = c.emit.view(as_tensor(c.emit, reshape(c.emit, index, (count,))), (count,))
    rows = c.emit.gather(x, d, vector)
    return reshape(c.emit, rows, c.shape)


@lowers("aten.select.int")
def select(c: Call, x: View, dim: int, index: int) -> View:
    d = dimension(dim, x.rank)
    start = _position(index, x.shape[d])
    return c.emit.slice(x, d, start, 1).drop(d)


@lowers("aten.slice.Tensor")
def slice(
    c: Call,
    x: View,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> View:
    d = dimension(dim, x.rank)
    if c.shape[d] == x.shape[d]:
        return x
    extent = x.shape[d]
    first = 0 if not start else start
    if first < 0:
        first = max(_position(first, extent), 0)
    if isinstance(extent, int):
        first = min(first, extent)
    return c.emit.slice(x, d, first, c.shape[d], step)


@lowers("aten.narrow.default")
def narrow(c: Call, x: View, dim: int, start: int, length: int) -> View:
    d = dimension(dim, x.rank)
    return c.emit.slice(x, d, _position(start, x.shape[d]), c.shape[d])


def _position(index: int, extent: Extent) -> int:
    if index >= 0:
        return index
    if not isinstance(extent, int):
        raise InputError("an index from the end needs a static size")
    return index + extent


@lowers("aten.split.Tensor", "aten.chunk.default")
def split(c: Call, x: View, size: int, dim: int = 0) -> Result:
    """The first part, whose size the node shows, says how large the parts are."""
    d = dimension(dim, x.rank)
    extent, part = x.shape[d], c.shape[d]
    if not isinstance(extent, int) or not isinstance(part, int):
        raise InputError("a split needs a dimension of static size")
    starts = range(0, extent, part) if part else [0]
    return tuple(c.emit.slice(x, d, start, min(part, extent - start)) for start in starts)


@lowers("aten.split_with_sizes.default", "aten.split.sizes")
def split_with_sizes(c: Call, x: View, sizes: Sequence[int], dim: int = 0) -> Result:
    d = dimension(dim, x.rank)
    parts: list[View] = []
    start = 0
    for size in sizes:
        parts.append(c.emit.slice(x, d, start, size))
        start += size
    return tuple(parts)


@lowers("aten.unbind.int")
def unbind(c: Call, x: View, dim: int = 0) -> Result:
    d = dimension(dim, x.rank)
    extent = x.shape[d]
    if not isinstance(extent, int):
        raise InputError("unbind needs a dimension of static size")
    return tuple(c.emit.slice(x, d, index, 1).drop(d) for index in range(extent))


@lowers("aten.cat.default")
def cat(c: Call, tensors: Sequence[View], dim: int = 0) -> View:
    d = dimension(dim, len(c.shape))
    present = [x for x in tensors if x.shape != (0,) or len(c.shape) == 1]
    values = [as_tensor(c.emit, cast_to_result(c, x)) for x in present]
    return c.emit.concat(values, d, c.shape)


@lowers("aten.stack.default")
def stack(c: Call, tensors: Sequence[View], dim: int = 0) -> View:
    d = dimension(dim, len(c.shape))
    values = [as_tensor(c.emit, cast_to_result(c, x).insert(d)) for x in tensors]
    return c.emit.concat(values, d, c.shape)


@lowers("aten.full.default", "aten.full_like.default", "aten.new_full.default")
def full(c: Call, shape_or_like: object, *value: float) -> View:
    return filled(c, value[-1])


@lowers("aten.zeros.default", "aten.zeros_like.default", "aten.new_zeros.default")
def zeros(c: Call, shape_or_like: object, *_: object) -> View:
    return filled(c, 0)


@lowers("aten.ones.default", "aten.ones_like.default", "aten.new_ones.default")
def ones(c: Call, shape_or_like: object, *_: object) -> View:
    return filled(c, 1)


@lowers("aten.scalar_tensor.default")
def scalar_tensor(c: Call, size: str) -> View:
    """A size known at run time; other scalars are constants of the trace."""
    return c.emit.number(size, c.element)


def filled(c: Call, value: float) -> View:
    """A tensor of the result's shape with `value` everywhere."""
    return c.emit.view(c.emit.filled(c.shape, value, c.element), c.shape)
