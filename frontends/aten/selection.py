"""
ATen operators that choose: the largest of a row, one of several classes, rows by their number.

All are dense. What is chosen by a number is a sum of which all terms but one are 0:
`sum_n (index[n] == r) * source[n]`, with `r` the coordinate of the result.
"""

from collections.abc import Sequence

from xdsl.dialects.builtin import IntegerType, i64
from xdsl.ir import SSAValue

from headrace.frontends import composed
from headrace.frontends.aten.registry import Call, Result, dimension, lowers
from headrace.frontends.builder import Label, View
from headrace.frontends.scalars import Predicate, Scalars
from headrace.storage.errors import InputError


@lowers("aten.topk.default")
def topk(
    c: Call, x: View, k: int, dim: int = -1, largest: bool = True, sorted: bool = True
) -> Result:
    """
    The `k` largest (smallest) elements along `dim` in falling (rising) order, and their places.

    The rank of an element is the number of those before it: larger ones, and equal ones with a
    smaller coordinate. So equal elements come in their order, which PyTorch leaves open. NaN is
    not ordered.
    """
    if not x.rank:
        raise InputError("topk of a number is the number itself; leave it out")
    d = dimension(dim, x.rank)
    labels: list[Label] = list(range(x.rank))
    others = [*labels[:d], "other", *labels[d + 1 :]]
    chosen = [*labels[:d], "k", *labels[d + 1 :]]
    order: Predicate = "gt" if largest else "lt"

    def before(s: Scalars, values: Sequence[SSAValue]) -> SSAValue:
        mine, other = values
        earlier = s.compare("lt", s.loop(x.rank), s.loop(d))
        equal = s.binary("and", s.compare("eq", other, mine), earlier)
        return s.cast(s.binary("or", s.compare(order, other, mine), equal), i64)

    def is_chosen(s: Scalars, rank: SSAValue) -> SSAValue:
        return s.compare("eq", rank, s.cast(s.loop(d), i64))

    def value(s: Scalars, values: Sequence[SSAValue]) -> SSAValue:
        return s.select(is_chosen(s, values[0]), values[1], s.constant(0, values[1].type))

    def place(s: Scalars, values: Sequence[SSAValue]) -> SSAValue:
        return s.select(is_chosen(s, values[0]), s.cast(s.loop(x.rank), i64), s.constant(0, i64))

    with c.emit.composite("top_k"):
        ranks = c.emit.generic(
            [(x, labels), (x, others)], labels, x.shape, i64, before, reduction="add"
        )
        inputs: list[tuple[View, Sequence[Label]]] = [(ranks, labels), (x, labels)]
        values = c.emit.generic(inputs, chosen, c.shape, x.element, value, reduction="add")
        places = c.emit.generic(inputs[:1], chosen, c.shape, i64, place, reduction="add")
    return values, places


@lowers("aten.one_hot.default")
def one_hot(c: Call, x: View, classes: int = -1) -> View:
    """A new last dimension, in which the coordinate that `x` names is 1."""
    labels = list(range(x.rank))

    def body(s: Scalars, values: Sequence[SSAValue]) -> SSAValue:
        hit = s.compare("eq", values[0], s.cast(s.loop(x.rank), x.element))
        return s.cast(hit, c.element)

    return c.emit.generic([(x, labels)], [*labels, "class"], c.shape, c.element, body)


@lowers("aten.scatter_add.default")
def scatter_add(c: Call, x: View, dim: int, index: View, source: View) -> View:
    """`x`, and the elements of `source` added at the coordinates of `dim` in `index`."""
    d = dimension(dim, x.rank)
    if index.shape != source.shape or any(
        mine != theirs
        for axis, (mine, theirs) in enumerate(zip(x.shape, index.shape, strict=True))
        if axis != d
    ):
        raise InputError(
            f"index of shape {index.shape} and source of shape {source.shape} must be equal, and "
            f"as large as {x.shape} in all dimensions but {d}; cut them with a slice"
        )
    inner: list[Label] = list(range(x.rank))
    inner[d] = "source"
    return _plus(c, x, summed_at(c, x, d, (index, inner), (source, inner)))


@lowers("aten.index_add.default")
def index_add(c: Call, x: View, dim: int, index: View, source: View, *, alpha: float = 1) -> View:
    """`x`, and slice n of `source` along `dim` added at the coordinate `index[n]`."""
    d = dimension(dim, x.rank)
    inner: list[Label] = list(range(x.rank))
    inner[d] = "source"
    found = summed_at(c, x, d, (index, ["source"]), (source, inner))
    return _plus(c, x, found if alpha == 1 else composed.binary(c.emit, "mul", found, alpha))


@lowers("aten.scatter.src", "aten.scatter.value")
def scatter(c: Call, *_: object) -> View:
    """Coordinates that repeat have no defined result, so that no sum says it."""
    raise InputError(
        "which of several elements for one place stays is not defined; use scatter_add, or "
        "torch.where with a mask"
    )


def summed_at(
    c: Call,
    x: View,
    d: int,
    index: tuple[View, Sequence[Label]],
    source: tuple[View, Sequence[Label]],
) -> View:
    """The sums of `source` by their coordinate `index` in dimension `d` of the shape of `x`."""
    if not isinstance(index[0].element, IntegerType):
        raise InputError(f"coordinates of type {index[0].element} are not integers")

    def body(s: Scalars, values: Sequence[SSAValue]) -> SSAValue:
        place, value = values
        hit = s.compare("eq", place, s.cast(s.loop(d), place.type))
        return s.select(hit, value, s.constant(0, value.type))

    with c.emit.composite("scatter"):
        out = range(x.rank)
        return c.emit.generic([index, source], out, x.shape, x.element, body, reduction="add")


def _plus(c: Call, x: View, more: View) -> View:
    return more if c.emit.uniform(x) == 0 else composed.binary(c.emit, "add", x, more)
