"""ATen operators that multiply matrices."""

import math
from collections.abc import Sequence

import numpy as np
from xdsl.dialects.builtin import i1

from headrace.frontends import composed
from headrace.frontends.aten.elementwise import add, apply, scaled
from headrace.frontends.aten.registry import Call, lowers
from headrace.frontends.builder import View, broadcast
from headrace.frontends.reshape import reshape
from headrace.storage.errors import InputError


@lowers(
    "aten.matmul.default",
    "aten.mm.default",
    "aten.bmm.default",
    "aten.mv.default",
    "aten.dot.default",
    "aten._sparse_mm.default",
)
def matmul(c: Call, x: View, y: View) -> View:
    """Product of the last two dimensions, the leading ones broadcast; vectors as in torch."""
    x_rows, y_columns = ["m"] * (x.rank > 1), ["n"] * (y.rank > 1)
    batch = broadcast(x.shape[:-2], y.shape[:-2])
    labels = [f"b{d}" for d in range(len(batch))]
    if x.rank > 1:
        x = x.expand((*batch, *x.shape[-2:]))
    if y.rank > 1:
        y = y.expand((*batch, *y.shape[-2:]))
    return c.emit.contract(
        (x, [*(labels if x_rows else []), *x_rows, "k"]),
        (y, [*(labels if y_columns else []), "k", *y_columns]),
        [*labels, *x_rows, *y_columns],
        format=c.format,
    )


@lowers("aten.linear.default")
def linear(c: Call, x: View, weight: View, bias: View | None = None) -> View:
    """`x weight^T + bias`, with `weight` stored outputs x inputs."""
    batch = [f"b{d}" for d in range(x.rank - 1)]
    outputs = ["n"] * (weight.rank > 1)
    product = c.emit.contract((x, [*batch, "k"]), (weight, [*outputs, "k"]), [*batch, *outputs])
    return product if bias is None else add(c, product, bias)


@lowers("aten.addmm.default", "aten.baddbmm.default", "aten.addmv.default")
def addmm(c: Call, x: View, y: View, z: View, *, beta: float = 1, alpha: float = 1) -> View:
    """`beta x + alpha (y z)`; where `beta` is 0, `x` is not read."""
    product = scaled(c, matmul(c, y, z), alpha)
    if beta == 0:
        return product
    return add(c, product, scaled(c, x, beta))


@lowers("aten.sparse_sampled_addmm.default")
def sampled_addmm(
    c: Call, pattern: View, x: View, y: View, *, beta: float = 1, alpha: float = 1
) -> View:
    """
    `beta pattern + alpha (x y)` at the nonzeros of `pattern`.

    Entries of `pattern` that are stored but zero count as absent.
    """
    rows, columns = (x, ["i", "k"]), (y, ["k", "j"])
    product = scaled(c, c.emit.contract(rows, columns, ["i", "j"]), alpha)
    types = [i1, product.element, product.element]
    sampled = apply(c, [pattern, product, 0.0], lambda s, x: s.select(x[0], x[1], x[2]), types)
    if beta == 0:
        return sampled
    return add(c, sampled, scaled(c, pattern, beta))


@lowers("aten.scaled_dot_product_attention.default")
def attention(
    c: Call,
    query: View,
    key: View,
    value: View,
    mask: View | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> View:
    """With `enable_gqa`, consecutive heads of the query share one head of key and value."""
    if dropout_p > 0:
        raise InputError("dropout inside attention is random; pass dropout_p=0 when not training")
    rows, columns, width = query.shape[-2], key.shape[-2], query.shape[-1]
    if scale is None:
        if not isinstance(width, int):
            raise InputError("the default scale of attention needs a static head size")
        scale = 1 / math.sqrt(width)
    if is_causal:
        if not isinstance(rows, int) or not isinstance(columns, int):
            raise InputError("causal attention needs static sequence lengths; pass a mask")
        mask = c.constant("causal_mask", np.tri(rows, columns, dtype=bool))
    if enable_gqa and query.shape[-3] != key.shape[-3]:
        return _grouped(c, query, key, value, mask, scale)
    batch = broadcast(query.shape[:-2], key.shape[:-2], value.shape[:-2])
    query, key, value = (x.expand((*batch, *x.shape[-2:])) for x in (query, key, value))
    return composed.attention(c.emit, query, key, value, mask, scale)


def _grouped(c: Call, query: View, key: View, value: View, mask: View | None, scale: float) -> View:
    *batch, heads, rows, width = query.shape
    groups = key.shape[-3]
    if not isinstance(heads, int) or not isinstance(groups, int) or heads % groups:
        raise InputError(f"{heads} heads of the query cannot share {groups} heads of the key")
    if mask is not None and mask.rank > 2 and mask.shape[-3] != 1:
        mask = reshape(c.emit, mask, (*mask.shape[:-3], groups, heads // groups, *mask.shape[-2:]))
    elif mask is not None and mask.rank > 2:
        mask = mask.insert(mask.rank - 3)
    query = reshape(c.emit, query, (*batch, groups, heads // groups, rows, width))
    key, value = (
        x.insert(x.rank - 2).expand((*batch, groups, heads // groups, *x.shape[-2:]))
        for x in (key, value)
    )
    result = composed.attention(c.emit, query, key, value, mask, scale)
    return reshape(c.emit, result, (*batch, heads, rows, value.shape[-1]))


@lowers("aten.einsum.default")
def einsum(c: Call, equation: str, operands: Sequence[View], *, path: object = None) -> View:
    """Products of the operands from left to right, each summed as soon as an index is used up."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if "." in equation or any(len(set(term)) < len(term) for term in terms):
        raise InputError(
            f"the indices of '{equation}' repeat in one operand or are not all named; name each "
            "dimension by a letter, and take diagonals first"
        )
    if not arrow:
        right = "".join(letter for letter in sorted(set(left) - {","}) if left.count(letter) == 1)
    view, labels = operands[0], terms[0]
    for place, (other, term) in enumerate(zip(operands[1:], terms[1:], strict=True), start=2):
        later = {*right, *"".join(terms[place:])}
        kept = dict.fromkeys([*right, *labels, *term])
        out = [letter for letter in kept if letter in later and letter in {*labels, *term}]
        view = c.emit.contract((view, list(labels)), (other, list(term)), out)
        labels = "".join(out)
    view = c.emit.reduce(view, [d for d, one in enumerate(labels) if one not in right], "add")
    labels = "".join(one for one in labels if one in right)
    return view.permute([labels.index(letter) for letter in right])
