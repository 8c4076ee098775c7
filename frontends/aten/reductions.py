"""ATen operators that reduce, normalise, or take a softmax along dimensions."""

import math
from typing import Any

from headrace.frontends import composed
from headrace.frontends.aten.elementwise import cast_to_result
from headrace.frontends.aten.registry import Call, Result, dimension, dimensions, lowers
from headrace.frontends.builder import View
from headrace.storage.errors import InputError


@lowers("aten.sum.default", "aten.sum.dim_IntList")
def sum(
    c: Call, x: View, dim: list[int] | None = None, keepdim: bool = False, *, dtype: Any = None
) -> View:
    reduced = dimensions(dim, x.rank)
    result = c.emit.reduce(cast_to_result(c, x), reduced, "add")
    return composed.keep(result, reduced) if keepdim else result


@lowers("aten.mean.default", "aten.mean.dim")
def mean(
    c: Call, x: View, dim: list[int] | None = None, keepdim: bool = False, *, dtype: Any = None
) -> View:
    reduced = dimensions(dim, x.rank)
    result = composed.mean(c.emit, cast_to_result(c, x), reduced)
    return composed.keep(result, reduced) if keepdim else result


@lowers("aten.var.correction")
def variance(
    c: Call,
    x: View,
    dim: list[int] | None = None,
    *,
    correction: float | None = None,
    keepdim: bool = False,
) -> View:
    """The mean square deviation; the number of elements is reduced by `correction`, 1 if absent."""
    reduced = dimensions(dim, x.rank)
    sizes = [x.shape[d] for d in reduced]
    static = [size for size in sizes if isinstance(size, int)]
    if len(static) != len(sizes):
        raise InputError("the variance along a dimension needs its size to be static")
    less = math.prod(static) - (1 if correction is None else correction)
    if less <= 0:
        raise InputError(f"the variance of {math.prod(static)} elements is not defined")
    with c.emit.composite("variance"):
        center = composed.keep(composed.mean(c.emit, x, reduced), reduced)
        deviation = composed.binary(c.emit, "sub", x, center)
        squares = composed.binary(c.emit, "mul", deviation, deviation)
        result = composed.binary(c.emit, "div", c.emit.reduce(squares, reduced, "add"), less)
    return composed.keep(result, reduced) if keepdim else result


@lowers("aten.amax.default")
def amax(c: Call, x: View, dim: list[int] | None = None, keepdim: bool = False) -> View:
    return _extreme(c, x, dimensions(dim, x.rank), keepdim, "max")


@lowers("aten.amin.default")
def amin(c: Call, x: View, dim: list[int] | None = None, keepdim: bool = False) -> View:
    return _extreme(c, x, dimensions(dim, x.rank), keepdim, "min")


@lowers("aten.max.default")
def max_of_all(c: Call, x: View) -> View:
    return amax(c, x)


@lowers("aten.min.default")
def min_of_all(c: Call, x: View) -> View:
    return amin(c, x)


@lowers("aten.max.dim")
def max_along(c: Call, x: View, dim: int, keepdim: bool = False) -> Result:
    return amax(c, x, [dim], keepdim), None


@lowers("aten.min.dim")
def min_along(c: Call, x: View, dim: int, keepdim: bool = False) -> Result:
    return amin(c, x, [dim], keepdim), None


def _extreme(c: Call, x: View, reduced: list[int], keepdim: bool, name: str) -> View:
    if any(x.shape[d] == 0 for d in reduced):
        raise InputError(f"the {name} of no elements is not defined; the size must not be 0")
    result = c.emit.reduce(x, reduced, name)
    return composed.keep(result, reduced) if keepdim else result


@lowers("aten.linalg_vector_norm.default")
def vector_norm(
    c: Call,
    x: View,
    ord: float = 2,
    dim: list[int] | None = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
) -> View:
    """The norms 1, 2 and infinity."""
    reduced = dimensions(dim, x.rank)
    x = cast_to_result(c, x)
    with c.emit.composite("norm"):
        if ord == 2:
            squares = composed.binary(c.emit, "mul", x, x)
            result = composed.unary(c.emit, "sqrt", c.emit.reduce(squares, reduced, "add"))
        elif ord in (1, float("inf")):
            sizes = composed.unary(c.emit, "abs", x)
            result = c.emit.reduce(sizes, reduced, "add" if ord == 1 else "max")
        else:
            raise InputError(f"the norm of order {ord} is not supported; use 1, 2 or infinity")
    return composed.keep(result, reduced) if keepdim else result


@lowers("aten.softmax.int", "aten._softmax.default")
def softmax(c: Call, x: View, dim: int, dtype: Any = None) -> View:
    masked = composed.is_masked_sparsely(x)
    return composed.softmax(c.emit, cast_to_result(c, x), dimension(dim, x.rank), empty=masked)


@lowers("aten.log_softmax.int", "aten._log_softmax.default")
def log_softmax(c: Call, x: View, dim: int, dtype: Any = None) -> View:
    return composed.log_softmax(c.emit, cast_to_result(c, x), dimension(dim, x.rank))


@lowers("aten.layer_norm.default")
def layer_norm(
    c: Call,
    x: View,
    normalized_shape: list[int],
    weight: View | None = None,
    bias: View | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> View:
    normalized = list(range(x.rank - len(normalized_shape), x.rank))
    return composed.layer_norm(c.emit, x, normalized, weight, bias, eps)
