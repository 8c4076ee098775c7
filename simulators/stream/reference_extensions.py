"""
The reference coroutines of the primitives whose clock rules are our own.

Transcribed from docs/design/timing.md; the conventions are those of `reference_primitives`.
"""

from collections.abc import Callable, Sequence
from math import prod

import numpy as np

from headrace.simulators.stream.errors import SimulationError
from headrace.simulators.stream.reference_arithmetic import flattened
from headrace.simulators.stream.reference_primitives import (
    Ins,
    Outs,
    Results,
    fiber_end,
    in_bounds,
    send_all,
    take_all,
)
from headrace.simulators.stream.reference_process import (
    ABSENT,
    DONE,
    END_OF_FIBER,
    Channel,
    Payload,
    Process,
    Steps,
    Stop,
    Token,
    is_value,
)

# Droppers and masks


def drop_zeros(
    p: Process, ins: Ins, outs: Outs, dropped: Callable[[Token], bool], empty: str
) -> Steps[None]:
    """Zipped streams without the values that `dropped` names, decided on the first stream."""
    held: Stop | None = None
    started = False
    while True:
        x = yield from take_all(p, ins)
        head = x[0]
        stop = isinstance(head, Stop)
        if empty == "drop" and stop:
            if started:
                held = Stop(max(head.level, held.level if held else 0))
        elif stop or head is DONE or not dropped(head):
            if held is not None:
                yield from send_all(p, outs, held)
                held = None
            for o, token in zip(outs, x, strict=True):
                yield from p.send(o, token)
            started = True
        if head is DONE:
            return
        p.time += 1


def value_drop(p: Process, ins: Ins, outs: Outs, empty: str = "keep") -> Steps[None]:
    return drop_zeros(p, ins, outs, lambda x: x is ABSENT or not np.any(x), empty)


def stop_drop(p: Process, ins: Ins, outs: Outs, mode: str) -> Steps[None]:
    if mode == "empty":
        return drop_zeros(p, ins, outs, lambda x: False, "drop")
    return drop_all_stops(p, ins, outs)


def drop_all_stops(p: Process, ins: Ins, outs: Outs) -> Steps[None]:
    while True:
        x = yield from p.take(ins[0])
        if not isinstance(x, Stop):
            yield from p.send(outs[0], x)
        if x is DONE:
            return
        p.time += 1


PREDICATES: dict[str, Callable[[int, int], bool]] = {
    "gt": lambda outer, inner: outer > inner,
    "ge": lambda outer, inner: outer >= inner,
    "lt": lambda outer, inner: outer < inner,
    "le": lambda outer, inner: outer <= inner,
    "eq": lambda outer, inner: outer == inner,
    "ne": lambda outer, inner: outer != inner,
}


def mask(p: Process, ins: Ins, outs: Outs, predicate: str) -> Steps[None]:
    drops = PREDICATES[predicate]
    outer = ins[0]
    fiber_sent = fiber_open = False
    while True:
        z = yield from p.take(ins[1])
        r = yield from p.take(ins[2])
        a = yield from p.peek(outer)
        if z is DONE:
            yield from p.take(outer)
            return (yield from send_all(p, outs, DONE))
        if not isinstance(z, Stop):
            if not drops(a, z):
                if fiber_sent:
                    yield from send_all(p, outs[1:], END_OF_FIBER)
                    fiber_sent = False
                if not fiber_open:
                    yield from p.send(outs[0], a)
                    fiber_open = True
                yield from p.send(outs[1], z)
                yield from p.send(outs[2], r)
        else:
            if not z.hollow:
                yield from p.take(outer)
                fiber_sent, fiber_open = fiber_sent or fiber_open, False
            if z.level > 0:
                a = yield from p.take(outer)
                yield from p.send(outs[0], a)
                yield from send_all(p, outs[1:], a.raised() if fiber_sent else a.up())
                fiber_sent = False
        p.time += 1


# Shape operators


def points_to_fibers(p: Process, ins: Ins, outs: Outs) -> Steps[None]:
    outer, inner = outs
    current: int | None = None
    while True:
        a, b = yield from take_all(p, ins)
        if a is DONE:
            yield from p.send(outer, END_OF_FIBER)
            yield from p.send(inner, END_OF_FIBER.up() if current is None else Stop(1))
            return (yield from send_all(p, outs, DONE))
        if a != current:
            if current is not None:
                yield from p.send(inner, END_OF_FIBER)
            yield from p.send(outer, a)
            current = a
        yield from p.send(inner, b)
        p.time += 1


def split(p: Process, ins: Ins, outs: Outs, factor: int) -> Steps[None]:
    outer, inner = outs
    current: int | None = None
    while True:
        x = yield from p.take(ins[0])
        if x is DONE:
            return (yield from send_all(p, outs, DONE))
        if isinstance(x, Stop):
            yield from p.send(outer, x)
            yield from p.send(inner, x.up() if current is None else x.raised())
            current = None
        else:
            if x // factor != current:
                if current is not None:
                    yield from p.send(inner, END_OF_FIBER)
                current = x // factor
                yield from p.send(outer, current)
            yield from p.send(inner, x % factor)
        p.time += 1


def flatten(p: Process, ins: Ins, outs: Outs, factor: int) -> Steps[None]:
    outer, inner = ins
    while True:
        x = yield from p.take(inner)
        a = yield from p.peek(outer)
        if x is DONE:
            yield from p.take(outer)
            return (yield from p.send(outs[0], DONE))
        if isinstance(x, Stop):
            yield from p.take(outer)
            if not x.hollow and x.level > 0:
                yield from p.take(outer)
            if x.level > 0:
                yield from p.send(outs[0], x.down())
        else:
            yield from p.send(outs[0], a * factor + x)
        p.time += 1


# Bit vectors: bit c of a word stands for coordinate c


def set_bits(word: int) -> list[int]:
    return [n for n in range(word.bit_length()) if word >> n & 1]


def bitvector_build(p: Process, ins: Ins, outs: Outs) -> Steps[None]:
    word = 0
    while True:
        x = yield from p.take(ins[0])
        if is_value(x):
            word |= 1 << x
        else:
            if word:
                yield from p.send(outs[0], word)
                p.time += 1
                word = 0
            yield from p.send(outs[0], x)
            if x is DONE:
                return
        p.time += 1


def bitvector_chunk(p: Process, ins: Ins, outs: Outs, width: int, size: int) -> Steps[None]:
    bv, ref = outs
    seen = 0
    while True:
        x = yield from p.take(ins[0])
        if is_value(x):
            for offset in range(0, size, width):
                chunk = x >> offset & ((1 << width) - 1)
                yield from p.send(bv, chunk)
                yield from p.send(ref, seen)
                seen += chunk.bit_count()
                p.time += 1
            continue
        yield from send_all(p, outs, x)
        if x is DONE:
            return
        seen = 0
        p.time += 1


def bitvector_intersect(p: Process, ins: Ins, outs: Outs) -> Steps[None]:
    """Inputs: words, references, words, references. Outputs: words, references, references."""
    while True:
        heads: list[Token] = []
        for i in ins:
            heads.append((yield from p.peek(i)))
        word0, ref0, word1, ref1 = yield from take_all(p, ins)
        if not is_value(word0):
            yield from send_all(p, outs, word0)
            if word0 is DONE:
                return
            p.time += 1
            continue
        yield from p.send(outs[0], word0 & word1)
        p.time += 1
        for bit in set_bits(word0 & word1):
            below = (1 << bit) - 1
            yield from p.send(outs[1], ref0 + (word0 & below).bit_count())
            yield from p.send(outs[2], ref1 + (word1 & below).bit_count())
            p.time += 1


def bitvector_drop(p: Process, ins: Ins, outs: Outs) -> Steps[None]:
    outer, inner = ins
    fiber_sent, row_empty = False, True
    while True:
        word = yield from p.take(outer)
        if word is DONE:
            yield from p.take(inner)
            return (yield from send_all(p, outs, DONE))
        if isinstance(word, Stop):
            if row_empty:
                yield from p.take(inner)
            yield from p.send(outs[1], word.raised() if fiber_sent else word.up())
            yield from p.send(outs[0], word)
            fiber_sent, row_empty = False, True
        else:
            for bit in set_bits(word):
                row_empty = False
                words: list[int] = []
                while is_value(x := (yield from p.take(inner))):
                    words.append(x)
                    p.time += 1
                p.time += 1
                if any(words):
                    if fiber_sent:
                        yield from p.send(outs[1], END_OF_FIBER)
                    for x in words:
                        yield from p.send(outs[1], x)
                    fiber_sent = True
                else:
                    word &= ~(1 << bit)
            yield from p.send(outs[0], word)
        p.time += 1


# Lanes


def fork(p: Process, ins: Ins, outs: Outs) -> Steps[None]:
    """Outputs: the lanes, then the lane of every value for the gather."""
    *lanes, order = outs
    lane = 0
    while True:
        x = yield from p.take(ins[0])
        if isinstance(x, Stop) or x is DONE:
            yield from send_all(p, outs, x)
            if x is DONE:
                return
        else:
            yield from p.send(lanes[lane], x)
            yield from p.send(order, lane)
            lane = (lane + 1) % len(lanes)
        p.time += 1


def balance(p: Process, ins: Ins, outs: Outs, segments: Sequence[int], among: int) -> Steps[None]:
    """Each fiber goes to the lane with the least entries and stops so far."""
    loads = [0] * among
    while True:
        x = yield from p.take(ins[0])
        if isinstance(x, Stop) or x is DONE:
            yield from p.send(outs[0], x)
            if x is DONE:
                return
        else:
            lane = loads.index(min(loads))
            loads[lane] += 1
            if is_value(x):
                fiber = in_bounds(p, int(x), len(segments) - 1)
                loads[lane] += int(segments[fiber + 1] - segments[fiber])
            yield from p.send(outs[0], lane)
        p.time += 1


def deal(p: Process, ins: Ins, outs: Outs) -> Steps[None]:
    """Inputs: the elements, then the lane of each."""
    while True:
        x, lane = yield from take_all(p, ins)
        if isinstance(x, Stop) or x is DONE:
            yield from send_all(p, outs, x)
            if x is DONE:
                return
        else:
            yield from p.send(outs[int(lane)], x)
        p.time += 1


def gather(p: Process, ins: Ins, outs: Outs, levels: int = 0) -> Steps[None]:
    """Inputs: the lanes, `levels` levels deeper than at the fork, then its order stream."""
    lanes, order = ins[:-1], ins[-1]
    closed = [False] * len(lanes)
    while True:
        x: Token = yield from p.take(order)
        if is_value(x) and levels == 0:
            yield from p.send(outs[0], (yield from p.take(lanes[int(x)])))
        elif is_value(x):
            stop = yield from forward_fiber(p, lanes[int(x)], outs[0], levels)
            closed[x] = stop.level >= levels
            stop = Stop(levels - 1, stop.hollow)
            after = yield from p.peek(order)
            if isinstance(after, Stop):
                yield from p.take(order)
                stop = Stop(after.level + levels, stop.hollow)
                yield from take_open(p, lanes, closed)
            yield from p.send(outs[0], stop)
        else:
            yield from take_open(p, lanes, closed)
            if x is DONE:
                return (yield from p.send(outs[0], DONE))
            for _ in range(levels):
                x = x.up()
            yield from p.send(outs[0], x)
        p.time += 1


def forward_fiber(p: Process, lane: Channel, out: Channel | None, levels: int) -> Steps[Stop]:
    """Forward a nested fiber of depth `levels`; return the stop that ends it, unsent."""
    while True:
        x = yield from p.take(lane)
        if isinstance(x, Stop) and x.level >= levels - 1:
            return x
        yield from p.send(out, x)
        p.time += 1


def take_open(p: Process, lanes: Ins, closed: list[bool]) -> Steps[None]:
    """Take the row's stop from every lane whose last fiber did not bring it."""
    for lane, done in zip(lanes, closed, strict=True):
        if not done:
            yield from p.take(lane)
    closed[:] = [False] * len(closed)


def concat(p: Process, ins: Ins, outs: Outs, extents: Sequence[int] = ()) -> Steps[None]:
    """Coordinates of a stream are shifted by the extents of the streams before it."""
    shifts = [sum(extents[:k]) for k in range(len(ins))]
    k = 0
    while True:
        x = yield from p.take(ins[k])
        if x is DONE:
            yield from take_all(p, ins[1:])
            return (yield from p.send(outs[0], DONE))
        if isinstance(x, Stop):
            k += 1
            if k == len(ins):
                yield from p.send(outs[0], x)
                k = 0
        else:
            yield from p.send(outs[0], x if x is ABSENT else x + shifts[k])
        p.time += 1


# Streams that come out of an accumulator, read like memory


def coordinates(p: Process, ins: Ins, outs: Outs, extent: int) -> Steps[None]:
    while True:
        x = yield from p.take(ins[0])
        if isinstance(x, Stop) or x is DONE:
            yield from p.send(outs[0], x)
        else:
            index = 0 if x is ABSENT else x
            if index not in range(extent):
                raise SimulationError(f"{p.name}: index {index} lies outside 0..{extent - 1}")
            yield from p.send(outs[0], int(index))
        if x is DONE:
            return
        p.time += 1


def number(p: Process, ins: Ins, outs: Outs) -> Steps[None]:
    count = 0
    while True:
        x = yield from p.take(ins[0])
        if is_value(x):
            yield from p.send(outs[0], count)
            count += 1
        else:
            yield from p.send(outs[0], x)
        if x is DONE:
            return
        p.time += 1


def drain(p: Process, channel: Channel) -> Steps[None]:
    while (yield from p.take(channel)) is not DONE:
        p.time += 1


def select_fibers(p: Process, ins: Ins, outs: Outs) -> Steps[None]:
    ref, crds = ins
    crd_out, ref_out = outs
    fiber = position = 0
    while True:
        r = yield from p.take(ref)
        if r is DONE:
            yield from drain(p, crds)
            return (yield from send_all(p, outs, DONE))
        if isinstance(r, Stop):
            stop = r.up()
        else:
            while is_value(r) and fiber <= r:
                y = yield from p.take(crds)
                ends = isinstance(y, Stop) and not y.hollow
                if is_value(y):
                    if fiber == r:
                        yield from p.send(crd_out, y)
                        yield from p.send(ref_out, position)
                    position += 1
                if ends and fiber == r:
                    fiber += 1
                    break
                fiber += ends
                p.time += 1
            stop = yield from fiber_end(p, ref)
        yield from send_all(p, outs, stop)
        p.time += 1


def select_values(p: Process, ins: Ins, outs: Outs) -> Steps[None]:
    ref, values = ins
    at = -1
    value: Token = None
    while True:
        r = yield from p.take(ref)
        if r is DONE:
            yield from drain(p, values)
            return (yield from p.send(outs[0], DONE))
        if is_value(r):
            while at < r:
                value = yield from p.take(values)
                at += is_value(value)
                if at < r or not is_value(value):
                    p.time += 1
            yield from p.send(outs[0], value)
        else:
            yield from p.send(outs[0], 0.0 if r is ABSENT else r)
        p.time += 1


# Dense writer


def store(p: Process, ins: Ins, outs: Outs, extents: Sequence[int]) -> Steps[Results]:
    size = prod(extents)
    stored: dict[int, Payload] = {}
    while True:
        r, v = yield from take_all(p, ins)
        if r is DONE:
            break
        if isinstance(r, Stop):
            continue
        if r is not ABSENT:
            stored[in_bounds(p, r, size)] = v
        p.time += 1
    p.time += 1
    return {"values": flattened([stored.get(n, 0.0) for n in range(size)], (1, 1))}
