"""
Joiners: co-iteration of n operands of one level.

Every operand is a coordinate stream with a stream of references (or values) beside it. D, N and
stops are larger than any coordinate as unsigned integers, so "coordinate against stop" is the
ordinary comparison.

Source: "The Sparse Abstract Machine", ASPLOS 2023, section 4.3.
"""

from headrace.simulators.stream.language import (
    DONE,
    EMPTY,
    Ins,
    Out,
    Outs,
    StaticInt,
    below,
    fail,
    finish,
    is_data,
    peek,
    pop,
    registers,
    send,
    tick,
)
from headrace.simulators.stream.primitive import primitive


@primitive
def intersect(crd: Ins, ref: Ins, common: Out, found: Outs, n: StaticInt) -> None:
    """n crds, n refs -> crd, n refs: the coordinates that all operands have."""
    head = registers(n)
    item = registers(n)
    while True:
        for k in range(n):
            head[k] = peek(crd[k])
        for k in range(n):
            item[k] = peek(ref[k])
        smallest = head[0]
        different = 0
        for k in range(1, n):
            if head[k] != head[0]:
                different = 1
            if below(head[k], smallest):
                smallest = head[k]
        if different == 0:
            send(common, head[0])
            for k in range(n):
                send(found[k], item[k])
                pop(crd[k])
                pop(ref[k])
            if head[0] == DONE:
                finish()
        else:
            if not is_data(smallest):
                fail("operands disagree about stops, one has {token}", crd[0], head[0])
            for k in range(n):
                pop(crd[k], when=head[k] == smallest)
                pop(ref[k], when=head[k] == smallest)
        tick(1)


@primitive
def union(crd: Ins, ref: Ins, merged: Out, found: Outs, n: StaticInt) -> None:
    """n crds, n refs -> crd, n refs: the coordinates that any operand has; N where it has none."""
    head = registers(n)
    item = registers(n)
    while True:
        for k in range(n):
            head[k] = peek(crd[k])
        for k in range(n):
            item[k] = peek(ref[k])
        smallest = head[0]
        different = 0
        for k in range(1, n):
            if head[k] != head[0]:
                different = 1
            if below(head[k], smallest):
                smallest = head[k]
        if different == 1 and not is_data(smallest):
            fail("operands disagree about stops, one has {token}", crd[0], head[0])
        send(merged, smallest)
        for k in range(n):
            send(found[k], item[k] if head[k] == smallest else EMPTY)
            pop(crd[k], when=head[k] == smallest)
            pop(ref[k], when=head[k] == smallest)
        if smallest == DONE:
            finish()
        tick(1)
