"""ATen operators of losses, and those that compute gradients where autograd has its own."""

from collections.abc import Sequence

import numpy as np
from xdsl.dialects.builtin import i64
from xdsl.ir import SSAValue

from headrace.frontends import composed
from headrace.frontends.aten.elementwise import apply
from headrace.frontends.aten.registry import Call, Result, dimension, lowers
from headrace.frontends.builder import View
from headrace.frontends.scalars import Scalars
from headrace.storage.errors import InputError

_NONE, _MEAN = 0, 1
"""ATen's numbers of reductions of a loss; 2 is the sum."""


@lowers("aten.threshold_backward.default")
def threshold_backward(c: Call, gradient: View, x: View, threshold: float) -> View:
    """The gradient of relu: 0 where `x` is at most `threshold`."""

    def body(s: Scalars, v: Sequence[SSAValue]) -> SSAValue:
        return s.select(s.compare("le", v[1], v[2]), s.constant(0, v[0].type), v[0])

    return apply(c, [gradient, x, float(threshold)], body)


@lowers("aten._softmax_backward_data.default")
def softmax_backward(c: Call, gradient: View, y: View, dim: int, dtype: object) -> View:
    """`y (gradient - sum(gradient y))`, with y the result of the softmax."""
    d = dimension(dim, y.rank)
    with c.emit.composite("softmax_backward"):
        total = c.emit.reduce(composed.binary(c.emit, "mul", gradient, y), [d], "add").insert(d)
        return composed.binary(c.emit, "mul", y, composed.binary(c.emit, "sub", gradient, total))


@lowers("aten._log_softmax_backward_data.default")
def log_softmax_backward(c: Call, gradient: View, y: View, dim: int, dtype: object) -> View:
    """`gradient - exp(y) sum(gradient)`, with y the result of the log_softmax."""
    d = dimension(dim, y.rank)
    with c.emit.composite("log_softmax_backward"):
        total = c.emit.reduce(gradient, [d], "add").insert(d)
        share = composed.binary(c.emit, "mul", composed.unary(c.emit, "exp", y), total)
        return composed.binary(c.emit, "sub", gradient, share)


@lowers("aten.nll_loss_forward.default")
def nll_loss(
    c: Call, x: View, labels: View, weight: View | None, reduction: int, ignored: int
) -> Result:
    """
    `-x[n, labels[n]]`, its mean or its sum, and how many rows count.

    `x` is rows x classes; a row whose label is `ignored` does not count.
    """
    _check(x, weight)
    with c.emit.composite("nll_loss"):
        chosen = _where_labelled(c, labels, x, ignored)
        losses = composed.unary(c.emit, "neg", c.emit.reduce(chosen, [1], "add"))
        rows = c.emit.reduce(_counts(c, labels, ignored), [0], "add")
        if reduction == _NONE:
            return losses, rows
        total = c.emit.reduce(losses, [0], "add")
        return (composed.binary(c.emit, "div", total, rows) if reduction == _MEAN else total), rows


@lowers("aten.nll_loss_backward.default")
def nll_loss_backward(
    c: Call,
    gradient: View,
    x: View,
    labels: View,
    weight: View | None,
    reduction: int,
    ignored: int,
    rows: View,
) -> View:
    """`-gradient`, divided by the rows that count for the mean, at the label of each row."""
    _check(x, weight)
    with c.emit.composite("nll_loss_backward"):
        scale = composed.unary(c.emit, "neg", gradient)
        if reduction == _MEAN:
            scale = composed.binary(c.emit, "div", scale, rows)
        column = scale.insert(1) if scale.rank else scale
        return _where_labelled(c, labels, column.expand(x.shape), ignored)


def _check(x: View, weight: View | None) -> None:
    if weight is not None:
        raise InputError("weights of classes are not supported; multiply the loss of each row")
    if x.rank != 2:
        raise InputError("the negative log-likelihood needs rows x classes; reshape the scores")


def _where_labelled(c: Call, labels: View, x: View, ignored: int) -> View:
    """`x`, rows x classes, at the label of each row, elsewhere 0."""
    classes = x.shape[1]
    if not isinstance(classes, int):
        raise InputError("the number of classes must be static")
    numbers = c.constant("classes", np.arange(classes))

    def body(s: Scalars, v: Sequence[SSAValue]) -> SSAValue:
        zero = s.constant(0, v[2].type)
        chosen = s.select(s.compare("eq", v[0], v[1]), v[2], zero)
        if not 0 <= ignored < classes:
            return chosen
        return s.select(s.compare("eq", v[0], s.constant(ignored, i64)), zero, chosen)

    column = labels.insert(1)
    return apply(c, [column, numbers, x], body, [i64, i64, x.element])


def _counts(c: Call, labels: View, ignored: int) -> View:
    """1 for each row that counts, else 0."""

    def body(s: Scalars, v: Sequence[SSAValue]) -> SSAValue:
        one, zero = (s.constant(number, c.element) for number in (1, 0))
        return s.select(s.compare("eq", v[0], v[1]), zero, one)

    return apply(c, [labels, ignored], body, [i64, i64])
