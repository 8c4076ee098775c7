"""ATen operators that work element by element."""

from collections.abc import Sequence
from typing import TypeAlias, cast

from xdsl.dialects.builtin import AnyFloat, IntegerType, f32, i1, i64
from xdsl.ir import Attribute, SSAValue

from headrace.frontends import composed, scalars
from headrace.frontends.aten.registry import Call, Handler, lowers
from headrace.frontends.builder import View
from headrace.frontends.scalars import Body, Predicate, Scalars
from headrace.storage.errors import InputError

Operand: TypeAlias = View | float | str
"""A tensor, or a number or the name of a size, which stands for a tensor full of it."""


def apply(
    c: Call,
    operands: Sequence[Operand],
    body: Body,
    types: Sequence[Attribute] | None = None,
) -> View:
    """`body` on every element, operands cast to `types` or else to the type of the result."""
    wanted = types or [c.element] * len(operands)
    operands = [
        c.emit.number(operand, type) if isinstance(operand, str) else operand
        for operand, type in zip(operands, wanted, strict=True)
    ]

    def whole(s: Scalars, values: Sequence[SSAValue]) -> SSAValue:
        rest = iter(values)
        scalar = [
            s.cast(next(rest), type) if isinstance(operand, View) else s.constant(operand, type)
            for operand, type in zip(operands, wanted, strict=True)
        ]
        return body(s, scalar)

    views = [operand for operand in operands if isinstance(operand, View)]
    return c.emit.elementwise(views, whole, c.element, format=c.format)


def common(x: View, y: Operand) -> Attribute:
    """The type in which torch compares: the wider of two types, floats above integers."""
    types = [x.element]
    if isinstance(y, View):
        types.append(y.element)
    elif isinstance(y, float):
        types.append(x.element if isinstance(x.element, AnyFloat) else f32)
    elif x.element == i1:
        types.append(i64)
    floats = [type for type in types if isinstance(type, AnyFloat)]
    if floats:
        return max(floats, key=lambda type: type.bitwidth)
    return max(types, key=lambda type: cast(IntegerType, type).bitwidth)


def scaled(c: Call, x: View, factor: float) -> View:
    """`factor * x`, or `x` itself where the factor is 1."""
    return x if factor == 1 else apply(c, [x, factor], scalars.binary("mul"))


def _times(c: Call, y: Operand, alpha: float) -> Operand:
    if isinstance(y, View):
        return scaled(c, y, alpha)
    return y if isinstance(y, str) else y * alpha


def cast_to_result(c: Call, x: View) -> View:
    """`x` in the element type of the result."""
    if x.element == c.element:
        return x
    if (number := c.emit.uniform(x)) is not None:
        return c.emit.view(c.emit.filled(x.shape, number, c.element), x.shape)
    return c.emit.elementwise([x], lambda s, v: v[0], c.element, format=c.format)


def _unary(name: str) -> Handler:
    def handler(c: Call, x: View) -> View:
        return apply(c, [x], scalars.unary(name))

    return handler


def _binary(name: str) -> Handler:
    def handler(c: Call, x: Operand, y: Operand) -> View:
        return apply(c, [x, y], scalars.binary(name))

    return handler


def _compare(predicate: Predicate) -> Handler:
    def handler(c: Call, x: View, y: Operand) -> View:
        type = common(x, y)
        return apply(c, [x, y], lambda s, x: s.compare(predicate, x[0], x[1]), [type, type])

    return handler


def _logical(name: str) -> Handler:
    def handler(c: Call, x: View, y: View) -> View:
        types = [x.element, y.element]
        return apply(
            c, [x, y], lambda s, x: s.binary(name, s.nonzero(x[0]), s.nonzero(x[1])), types
        )

    return handler


for _name in ("neg", "abs", "exp", "log", "sqrt", "rsqrt", "sin", "cos", "tanh", "erf"):
    lowers(f"aten.{_name}.default")(_unary(_name))

for _name, _operators in {
    "mul": ("aten.mul.Tensor", "aten.mul.Scalar"),
    "div": ("aten.div.Tensor", "aten.div.Scalar"),
    "max": ("aten.maximum.default", "aten.max.other", "aten.clamp_min.default"),
    "min": ("aten.minimum.default", "aten.min.other", "aten.clamp_max.default"),
}.items():
    lowers(*_operators)(_binary(_name))

lowers("aten.clamp_min.Tensor")(_binary("max"))
lowers("aten.clamp_max.Tensor")(_binary("min"))

for _name in ("and", "or", "xor"):
    _spellings = (f"aten.bitwise_{_name}", f"aten.__{_name}__")
    _operators = (f"{spelling}.{kind}" for spelling in _spellings for kind in ("Tensor", "Scalar"))
    lowers(*_operators)(_binary(_name))
    lowers(f"aten.logical_{_name}.default")(_logical(_name))

_PREDICATES: tuple[Predicate, ...] = ("eq", "ne", "lt", "le", "gt", "ge")
for _predicate in _PREDICATES:
    lowers(f"aten.{_predicate}.Tensor", f"aten.{_predicate}.Scalar")(_compare(_predicate))


@lowers("aten.add.Tensor", "aten.add.Scalar")
def add(c: Call, x: Operand, y: Operand, alpha: float = 1) -> View:
    return apply(c, [x, _times(c, y, alpha)], scalars.binary("add"))


@lowers("aten.sub.Tensor", "aten.sub.Scalar")
def sub(c: Call, x: Operand, y: Operand, alpha: float = 1) -> View:
    return apply(c, [x, _times(c, y, alpha)], scalars.binary("sub"))


@lowers("aten.rsub.Tensor", "aten.rsub.Scalar")
def rsub(c: Call, x: View, y: Operand, alpha: float = 1) -> View:
    return sub(c, y, x, alpha)


@lowers("aten.pow.Tensor_Scalar", "aten.pow.Tensor_Tensor", "aten.pow.Scalar")
def power(c: Call, x: Operand, exponent: Operand) -> View:
    """Squares are products; the rest is `math.powf`."""
    if isinstance(x, View) and exponent == 2:
        return apply(c, [x], lambda s, x: s.binary("mul", x[0], x[0]))
    return apply(c, [x, exponent], scalars.binary("pow"))


@lowers("aten.square.default")
def square(c: Call, x: View) -> View:
    return power(c, x, 2)


@lowers("aten.reciprocal.default")
def reciprocal(c: Call, x: View) -> View:
    return apply(c, [1.0, x], scalars.binary("div"))


@lowers("aten.relu.default")
def relu(c: Call, x: View) -> View:
    return apply(c, [x, 0], scalars.binary("max"))


@lowers("aten.gelu.default")
def gelu(c: Call, x: View, *, approximate: str = "none") -> View:
    return composed.gelu_tanh(c.emit, x) if approximate == "tanh" else composed.gelu(c.emit, x)


@lowers("aten.sigmoid.default")
def sigmoid(c: Call, x: View) -> View:
    return composed.sigmoid(c.emit, cast_to_result(c, x))


@lowers("aten.silu.default")
def silu(c: Call, x: View) -> View:
    return composed.silu(c.emit, x)


@lowers("aten.clamp.default", "aten.clamp.Tensor")
def clamp(c: Call, x: View, min: Operand | None = None, max: Operand | None = None) -> View:
    if min is not None:
        x = apply(c, [x, min], scalars.binary("max"))
    if max is not None:
        x = apply(c, [x, max], scalars.binary("min"))
    return x


@lowers("aten.hardtanh.default")
def hardtanh(c: Call, x: View, low: float = -1, high: float = 1) -> View:
    return clamp(c, x, low, high)


@lowers("aten.leaky_relu.default")
def leaky_relu(c: Call, x: View, slope: float = 0.01) -> View:
    """`x` where it is positive, else `slope * x`."""

    def body(s: Scalars, v: Sequence[SSAValue]) -> SSAValue:
        positive = s.compare("gt", v[0], s.constant(0, v[0].type))
        return s.select(positive, v[0], v[1])

    return apply(c, [x, scaled(c, x, slope)], body)


@lowers("aten.bitwise_not.default")
def bitwise_not(c: Call, x: View) -> View:
    if x.element != i1:
        raise InputError("bits of integers are not supported; use booleans")
    return logical_not(c, x)


@lowers("aten.logical_not.default")
def logical_not(c: Call, x: View) -> View:
    def body(s: Scalars, x: Sequence[SSAValue]) -> SSAValue:
        return s.compare("eq", x[0], s.constant(0, x[0].type))

    return apply(c, [x], body, [x.element])


@lowers("aten.masked_fill.Scalar", "aten.masked_fill.Tensor")
def masked_fill(c: Call, x: View, mask: View, value: Operand) -> View:
    return where(c, mask, value, x)


@lowers("aten.where.self", "aten.where.ScalarSelf", "aten.where.ScalarOther", "aten.where.Scalar")
def where(c: Call, condition: View, x: Operand, y: Operand) -> View:
    return apply(
        c, [condition, x, y], lambda s, x: s.select(x[0], x[1], x[2]), [i1, c.element, c.element]
    )


@lowers("aten.to.dtype", "aten._to_copy.default")
def to_dtype(c: Call, x: View, *_: object) -> View:
    return cast_to_result(c, x)


@lowers("aten.dropout.default")
def dropout(c: Call, x: View, p: float, train: bool) -> View:
    if train and p > 0:
        raise InputError("dropout in training mode is random; call model.eval() first")
    return x


@lowers("aten.to_dense.default")
def to_dense(c: Call, x: View) -> View:
    """The values are the same, and the reader decides how to read them."""
    return x


@lowers(
    "aten.clone.default",
    "aten.alias.default",
    "aten.detach.default",
    "aten.lift_fresh_copy.default",
)
def identity(c: Call, x: View) -> View:
    return x
