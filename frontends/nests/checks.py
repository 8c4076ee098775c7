"""
Checks of offsets and lengths in the entry function.

Tensor operations count what is wrong, and `cf.assert` raises the error. Indices need no check,
since loads check their own range.
"""

from collections.abc import Sequence

from xdsl.dialects import cf, tensor
from xdsl.dialects.builtin import i64
from xdsl.ir import SSAValue

from headrace.frontends.aten.registry import Call
from headrace.frontends.builder import Extent, View
from headrace.frontends.scalars import Scalars
from headrace.storage.errors import InputError


def check_offsets(c: Call, offsets: View, bounds: View, count: Extent) -> None:
    """
    Emit the checks of `offsets`; `bounds` are the same with a last one.

    The first must be 0, none smaller than the one before, and the last at most `count`.
    """
    emit, given = c.emit, offsets.shape[0]
    if given == 0:
        return

    def begins_elsewhere(s: Scalars, values: Sequence[SSAValue]) -> SSAValue:
        # Over all offsets, of which there may be none when the program runs.
        zero = s.constant(0, offsets.element)
        is_first = s.compare("eq", s.cast(s.loop(0), i64), s.constant(0, i64))
        return s.cast(s.nonzero(s.select(is_first, values[0], zero)), i64)

    start = emit.generic([(offsets, ["bag"])], [], [], i64, begins_elsewhere, reduction="add")
    assert_none(c, start, "the offsets of the bags must start at 0")
    size: Extent = given if bounds is not offsets else given - 1 if isinstance(given, int) else ""
    if size == "":
        raise InputError(f"the number of bags, {given} - 1, must be static")
    if size != 0:
        pairs = [(emit.slice(bounds, 0, at, size), ["bag"]) for at in (0, 1)]
        falling = emit.generic(
            pairs,
            [],
            [],
            i64,
            lambda s, x: s.cast(s.compare("gt", x[0], x[1]), i64),
            reduction="add",
        )
        message = "the offsets of the bags must not decrease, nor exceed the number of indices"
        assert_none(c, falling, message)
    if bounds is offsets:
        limit = emit.number(count, offsets.element)
        last = emit.slice(bounds, 0, size, 1) if isinstance(size, int) else bounds
        beyond = emit.generic(
            [(last, [None]), (limit, [])],
            [],
            [],
            i64,
            lambda s, x: s.cast(s.compare("gt", x[0], x[1]), i64),
        )
        assert_none(c, beyond, "the last offset of the bags exceeds the number of indices")


def assert_none(c: Call, wrong: View, message: str) -> None:
    """Emit an assertion that `wrong`, a tensor of rank 0, is 0."""
    number = c.emit.insert(tensor.ExtractOp(wrong.base, [], i64)).results[0]
    s = Scalars(c.emit.insert)
    holds = s.compare("eq", number, s.constant(0, i64))
    c.emit.insert(cf.AssertOp(holds, message))
