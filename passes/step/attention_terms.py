"""
Decode attention over caches, found in the expressions of tensors.

`softmax(scale * query keys^T) values`, where keys and values are caches with a new row, which is
`position == length ? new : cache`, and scores behind the length are -inf.
"""

from dataclasses import dataclass
from typing import cast

from xdsl.ir import SSAValue

from headrace.passes.step.tensor_terms import Terms, shape_of
from headrace.passes.step.term import Label, Term, same


@dataclass(frozen=True)
class Cache:
    """Requests x positions x width, with the row `new` (requests x width) behind those there."""

    tensor: SSAValue
    new: SSAValue
    appended: SSAValue
    """The tensor of the program that has the new rows."""
    length: Term
    requests: tuple[Label, ...]
    """The axes of requests, such as sequences and heads."""


@dataclass(frozen=True)
class Attention:
    """`softmax(scale * query keys^T) values` over the first `lengths` + 1 rows of the caches."""

    query: SSAValue
    keys: Cache
    values: Cache
    lengths: SSAValue
    spread: tuple[int, ...]
    """The axes of requests that `lengths` has."""
    scale: float


def recognise(terms: Terms, value: SSAValue) -> Attention | None:
    """The tensor, requests x queries x width, as attention over caches, if it is."""
    if len(shape_of(value)) < 3:
        return None
    term, axes = terms.root(value)
    found = _sum_of_product(term)
    if found is None:
        return None
    position, factors = found
    for weights, rows in (factors, (factors[1], factors[0])):
        values = _cache(terms, rows, position, axes[-1])
        scores = _scores_of_softmax(weights, position)
        if values is None or scores is None:
            continue
        count = len(values.requests)
        seen = _seen(terms, scores, position)
        if seen is None or not same(seen[0], values.length) or axes[:count] != values.requests:
            continue
        scale, raw = _scaled(seen[1])
        product = _sum_of_product(raw)
        if product is None:
            continue
        inner, (x, y) = product
        for query, rows_of_keys in ((x, y), (y, x)):
            keys = _cache(terms, rows_of_keys, position, inner)
            rows_of_query = terms.tensor_at(query, (*axes[:-1], inner))
            if (
                keys is None
                or rows_of_query is None
                or keys.requests != values.requests
                or not same(keys.length, values.length)
            ):
                continue
            for places, lengths in terms.origins.get(values.length, {}).items():
                if set(places) <= set(keys.requests):
                    spread = tuple(keys.requests.index(cast(Label, one)) for one in places)
                    return Attention(rows_of_query, keys, values, lengths, spread, scale)
    return None


def _sum_of_product(term: Term) -> tuple[Label, tuple[Term, Term]] | None:
    if term.kind != "reduce" or term.data[0] != "add" or term.args[0].kind != "mulf":
        return None
    labels = cast("tuple[Label, ...]", term.data[1])
    x, y = term.args[0].args
    return (labels[0], (x, y)) if len(labels) == 1 else None


def _cache(terms: Terms, term: Term, position: Label, column: Label) -> Cache | None:
    """`position == length ? new : cache`"""
    if term.kind != "select" or term.args[0].kind != "compare_eq":
        return None
    condition, new, old = term.args
    place, length = condition.args
    if place.kind != "coordinate":
        place, length = length, place
    if (
        place.kind != "coordinate"
        or place.data[0] is not position
        or old.kind != "leaf"
        or old.axes[-2:] != (position, column)
        or not all(isinstance(axis, Label) for axis in old.axes)
    ):
        return None
    requests = cast("tuple[Label, ...]", old.axes[:-2])
    whole, row = terms.tensor_at(term, old.axes), terms.tensor_at(new, (*requests, column))
    if whole is None or row is None:
        return None
    return Cache(old.tensor, row, whole, length, requests)


def _scores_of_softmax(term: Term, position: Label) -> Term | None:
    """The scores of which the expression is the softmax along `position`."""
    if term.kind != "divf" or term.args[0].kind != "exp":
        return None
    power, total = term.args
    total = _at_least(total)
    difference = power.args[0]
    if difference.kind != "subf":
        return None
    scores, largest = difference.args[0], _at_least(difference.args[1])
    for reduced, kind, whole in ((total, "add", power), (largest, "max", scores)):
        if reduced.kind != "reduce" or reduced.data[0] != kind:
            return None
        labels = cast("tuple[Label, ...]", reduced.data[1])
        if len(labels) != 1 or not same(reduced.args[0], whole, {labels[0]: position}):
            return None
    return scores


def _at_least(term: Term) -> Term:
    """Without the limits that only rows without any position need."""
    if term.kind == "maximumf":
        for one, other in (term.args, tuple(reversed(term.args))):
            if one.number is not None and (one.number == 1 or one.number < -1e30):
                return other
    return term


def _seen(terms: Terms, scores: Term, position: Label) -> tuple[Term, Term] | None:
    """The last position that is seen, and the scores there; all others are -inf."""
    if scores.kind != "select":
        return None
    condition, yes, no = scores.args
    if yes.number is not None:
        condition, yes, no = terms.make("not", condition), no, yes
    if no.number != float("-inf"):
        return None
    kind, args = condition.kind, condition.args
    if kind == "not":
        opposite = {"le": "gt", "lt": "ge", "ge": "lt", "gt": "le"}
        inner, args = args[0], args[0].args
        kind = f"compare_{opposite.get(inner.kind.removeprefix('compare_'), '')}"
    if len(args) != 2:
        return None
    place, bound = args
    if place.kind != "coordinate":
        mirrored = {"le": "ge", "lt": "gt", "ge": "le", "gt": "lt"}
        place, bound = bound, place
        kind = f"compare_{mirrored.get(kind.removeprefix('compare_'), '')}"
    if place.kind != "coordinate" or place.data[0] is not position:
        return None
    if kind == "compare_le":
        return bound, yes
    if kind == "compare_lt" and bound.kind == "addi" and bound.args[1].number == 1:
        return bound.args[0], yes
    return None


def _scaled(term: Term) -> tuple[float, Term]:
    scale = 1.0
    while term.kind in ("mulf", "divf"):
        x, y = term.args
        if term.kind == "mulf" and x.number is not None:
            x, y = y, x
        if y.number is None:
            break
        scale = scale * y.number if term.kind == "mulf" else scale / y.number
        term = x
    return scale, term
