"""
Every primitive of the stream engine as a plain coroutine: the oracle of the compiled ones.

Each function is one process: `p` is its clock, then come its input channels, its output channels
(None where nobody reads) and its parameters. The bodies transcribe the clock rules of
docs/design/timing.md and of the papers and share nothing with the compiled primitives.

Sources: "The Sparse Abstract Machine", ASPLOS 2023, section 3 (operators); "The Dataflow Abstract
Machine Simulator Framework", ISCA 2024 (clock).
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from headrace.simulators.stream.errors import SimulationError
from headrace.simulators.stream.reference_arithmetic import (
    REDUCTIONS,
    arithmetic,
    flattened,
    on_tiles,
)
from headrace.simulators.stream.reference_process import (
    ABSENT,
    CLOSE,
    DONE,
    END_OF_FIBER,
    REPEAT,
    Channel,
    Payload,
    Process,
    Steps,
    Stop,
    Token,
    is_value,
)

Array: TypeAlias = npt.NDArray[Any]
Ins: TypeAlias = Sequence[Channel]
Outs: TypeAlias = Sequence[Channel | None]
Results: TypeAlias = dict[str, Any]
"""What a writer leaves behind: suffix of the output's name (`values`, ..) to array."""


def send_all(p: Process, outs: Outs, token: Token) -> Steps[None]:
    for o in outs:
        yield from p.send(o, token)


def take_all(p: Process, ins: Ins) -> Steps[list[Token]]:
    """Take one token of each input, which must agree in their control tokens."""
    tokens: list[Token] = []
    for i in ins:
        tokens.append((yield from p.take(i)))
    return aligned(p, ins, tokens)


def aligned(p: Process, ins: Ins, tokens: list[Token]) -> list[Token]:
    controls = {x if isinstance(x, Stop) or x is DONE else None for x in tokens}
    if len(controls) > 1:
        heads = ", ".join(f"{x} on {c.name}" for x, c in zip(tokens, ins, strict=True))
        raise SimulationError(f"{p.name}: misaligned operands at cycle {p.time}: {heads}")
    return tokens


# Sources and fan-out


def root(p: Process, ins: Ins, outs: Outs) -> Steps[None]:
    for token in (0, DONE):
        yield from send_all(p, outs, token)
        p.time += 1


def source(p: Process, ins: Ins, outs: Outs, tokens: Sequence[Token]) -> Steps[None]:
    """Test harness: a given stream, one token a cycle."""
    for token in tokens:
        yield from send_all(p, outs, token)
        p.time += 1


def sink(p: Process, ins: Ins, outs: Outs, interval: int = 0) -> Steps[Results]:
    """Test harness: take everything, `interval` cycles a token."""
    tokens: list[Token] = []
    while True:
        x = yield from p.take(ins[0])
        tokens.append(x)
        p.time += interval
        if x is DONE:
            return {"tokens": tokens}


def broadcast(p: Process, ins: Ins, outs: Outs) -> Steps[None]:
    while True:
        x = yield from p.take(ins[0])
        for o in outs:
            yield from p.room(o)
        at = p.time + 1
        for o in outs:
            yield from p.send(o, x, at)
        if x is DONE:
            return


# Level scans and repeats


def fiber_end(p: Process, i: Channel) -> Steps[Stop]:
    """The stop that closes a fiber: merged with the next input token if that is a stop."""
    y = yield from p.peek(i)
    if isinstance(y, Stop):
        yield from p.take(i)
        return y.raised()
    return END_OF_FIBER


def scan(
    p: Process, ins: Ins, outs: Outs, fiber: Callable[[int], Sequence[tuple[int, int]]]
) -> Steps[None]:
    """`fiber(reference)` lists (coordinate, position)."""
    crd, ref = outs
    while True:
        x = yield from p.take(ins[0])
        if x is DONE:
            return (yield from send_all(p, outs, x))
        if isinstance(x, Stop):
            stop = x.up()
        else:
            if x is not ABSENT:
                for coordinate, position in fiber(x):
                    yield from p.send(crd, coordinate)
                    yield from p.send(ref, position)
                    p.time += 1
            stop = yield from fiber_end(p, ins[0])
        yield from send_all(p, outs, stop)
        p.time += 1


def in_bounds(p: Process, index: Payload, size: int) -> int:
    if not 0 <= index < size:
        raise SimulationError(f"{p.name}: reference {index} lies outside 0..{size - 1}")
    return int(index)


def compressed_fiber(
    p: Process, segments: Array, coordinates: Array
) -> Callable[[int], Sequence[tuple[int, int]]]:
    bounds, stored = segments.tolist(), coordinates.tolist()

    def fiber(reference: int) -> Sequence[tuple[int, int]]:
        r = in_bounds(p, reference, len(bounds) - 1)
        return [(stored[n], n) for n in range(bounds[r], bounds[r + 1])]

    return fiber


def scan_compressed(
    p: Process, ins: Ins, outs: Outs, segments: Array, coordinates: Array
) -> Steps[None]:
    return scan(p, ins, outs, compressed_fiber(p, segments, coordinates))


def scan_dense(p: Process, ins: Ins, outs: Outs, extent: int) -> Steps[None]:
    return scan(p, ins, outs, lambda r: [(c, r * extent + c) for c in range(extent)])


def scan_bitvector(p: Process, ins: Ins, outs: Outs, words: Array) -> Steps[None]:
    stored = [int(w) for w in words]
    before = np.cumsum([0, *(w.bit_count() for w in stored)]).tolist()

    def fiber(reference: int) -> Sequence[tuple[int, int]]:
        r = in_bounds(p, reference, len(stored))
        return [(stored[r], before[r])]

    return scan(p, ins, outs, fiber)


def locate(p: Process, ins: Ins, outs: Outs, extent: int) -> Steps[None]:
    crd, *parent = ins
    while True:
        x = yield from p.peek(crd)
        if is_value(x):
            r = (yield from p.peek(parent[0])) if parent else 0
            yield from p.take(crd)
            in_bounds(p, x, extent)
            yield from p.send(outs[0], ABSENT if r is ABSENT else r * extent + x)
        else:
            yield from p.take(crd)
            closed = 1 if x is DONE or x.hollow or x.level == 0 else 2
            for _ in range(closed * len(parent)):
                yield from p.take(parent[0])
            yield from p.send(outs[0], x)
            if x is DONE:
                return
        p.time += 1


def repeat_signal(p: Process, ins: Ins, outs: Outs) -> Steps[None]:
    while True:
        x = yield from p.take(ins[0])
        yield from p.send(outs[0], x if x is DONE else CLOSE if isinstance(x, Stop) else REPEAT)
        if x is DONE:
            return
        p.time += 1


def repeat(p: Process, ins: Ins, outs: Outs) -> Steps[None]:
    ref, signal = ins
    while True:
        r = yield from p.peek(ref)
        x = yield from p.take(signal)
        if x is DONE:
            yield from p.take(ref)
            return (yield from p.send(outs[0], DONE))
        if x is REPEAT:
            yield from p.send(outs[0], r)
        else:
            yield from p.take(ref)
            stop = r.up() if isinstance(r, Stop) else (yield from fiber_end(p, ref))
            yield from p.send(outs[0], stop)
        p.time += 1


# Joiners


def join(p: Process, ins: Ins, outs: Outs, union: bool) -> Steps[None]:
    """Inputs: n coordinates, n references (or values). Outputs: one coordinate, n references."""
    count = len(ins) // 2
    crds, refs = ins[:count], ins[count:]
    while True:
        c: list[Token] = []
        r: list[Token] = []
        for channel in crds:
            c.append((yield from p.peek(channel)))
        for channel in refs:
            r.append((yield from p.peek(channel)))
        if all(x == c[0] for x in c):
            yield from p.send(outs[0], c[0])
            for k in range(count):
                yield from p.send(outs[1 + k], r[k])
                yield from p.take(crds[k])
                yield from p.take(refs[k])
            if c[0] is DONE:
                return
        else:
            values = [x for x in c if is_value(x)]
            if DONE in c or not values:
                aligned(p, crds, c)
            least = min(values)
            if union:
                yield from p.send(outs[0], least)
            for k in range(count):
                here = is_value(c[k]) and c[k] == least
                if union:
                    yield from p.send(outs[1 + k], r[k] if here else ABSENT)
                if here:
                    yield from p.take(crds[k])
                    yield from p.take(refs[k])
        p.time += 1


def intersect(p: Process, ins: Ins, outs: Outs) -> Steps[None]:
    return join(p, ins, outs, union=False)


def union(p: Process, ins: Ins, outs: Outs) -> Steps[None]:
    return join(p, ins, outs, union=True)


# Values


def array(
    p: Process,
    ins: Ins,
    outs: Outs,
    values: Array,
    rows: int = 0,
    columns: int = 0,
    latency: int = 1,
    interval: int = 1,
) -> Steps[None]:
    lookup = array_lookup(p, values.reshape(-1, rows, columns) if rows else values)
    while True:
        x = yield from p.take(ins[0])
        yield from p.send(outs[0], lookup(x), p.time + (latency if is_value(x) else 1))
        if x is DONE:
            return
        p.time += interval if is_value(x) else 1


def array_lookup(p: Process, values: Array) -> Callable[[Token], Token]:
    stored = values.tolist() if values.ndim == 1 else list(values)
    zero = 0.0 if values.ndim == 1 else np.zeros(values.shape[1:], values.dtype)

    def lookup(x: Token) -> Token:
        if x is ABSENT:
            return zero
        return stored[in_bounds(p, x, len(stored))] if is_value(x) else x

    return lookup


def alu(
    p: Process,
    ins: Ins,
    outs: Outs,
    op: str,
    scalar: float = 0.0,
    latency: int = 1,
    interval: int = 1,
    rows: int = 0,
    columns: int = 0,
    inner: int = 0,
) -> Steps[None]:
    """A value takes `latency` cycles; the next token is taken `interval` cycles later."""
    function = arithmetic(op, len(ins), scalar)
    if rows:
        function = on_tiles(function, op, rows, columns, inner)
    while True:
        operands = yield from take_all(p, ins)
        x = operands[0]
        if isinstance(x, Stop) or x is DONE:
            yield from p.send(outs[0], x)
            if x is DONE:
                return
            p.time += 1
        else:
            result = function(*(0.0 if x is ABSENT else x for x in operands))
            yield from p.send(outs[0], result, p.time + latency)
            p.time += interval


def reduce(
    p: Process, ins: Ins, outs: Outs, op: str = "add", latency: int = 1, interval: int = 1
) -> Steps[None]:
    start, combine = REDUCTIONS[op]
    total: Payload = start
    while True:
        x = yield from p.take(ins[0])
        if x is DONE:
            return (yield from p.send(outs[0], DONE))
        if x is ABSENT:
            continue
        if not isinstance(x, Stop):
            total = combine(total, x)
            p.time += interval
        else:
            if not x.hollow:
                yield from p.send(outs[0], total, p.time + latency)
                total = start
            if x.level > 0:
                yield from p.send(outs[0], x.down())
            p.time += 1


# Accumulators


def accumulate(p: Process, ins: Ins, outs: Outs, op: str = "add", interval: int = 1) -> Steps[None]:
    """
    Inputs: order + 1 coordinates, the reduced one first, the innermost last; then values.
    Outputs: order coordinates, outermost first; then values.
    """
    order = len(ins) - 2
    combine = REDUCTIONS[op][1]
    held: dict[int, Any] = {}
    empty = [True] * (order + 1)
    while True:
        heads: list[Token] = []
        for i in ins:
            heads.append((yield from p.peek(i)))
        aligned(p, ins[order:], heads[order:])
        if heads[0] is DONE:
            aligned(p, ins, heads)
            return (yield from send_all(p, [*outs[-2::-1], outs[-1]], DONE))
        taken = 1
        depth = next((k for k in range(order) if not is_value(heads[k])), order)
        empty[:depth] = [False] * depth
        if is_value(heads[depth]):
            place = held
            for key in heads[1:order]:
                place = place.setdefault(key, {})
            key, value = heads[order], heads[order + 1]
            place[key] = combine(place[key], value) if key in place else value
            ended, taken = ins[order:], interval
        else:
            if depth == 0:
                yield from write_out(p, outs, held, heads[0], crd_first=order == 1)
                held = {}
            # The coordinate whose fiber ends goes with the stop; an empty fiber has left one
            # hollow stop on every stream below it.
            ended = ins[max(depth - 1, 0) :] if empty[depth] else ins[max(depth - 1, 0) : depth + 1]
            empty[depth] = True
        for channel in ended:
            yield from p.take(channel)
        p.time += taken


def write_out(
    p: Process, outs: Outs, held: dict[int, Any], stop: Stop, crd_first: bool = False
) -> Steps[None]:
    """Send a nested map in key order, closed by `stop`; all of it in one cycle."""
    crd, *inner = outs
    for n, (key, below) in enumerate(sorted(held.items()), start=1):
        if len(inner) > 1:
            yield from p.send(crd, key)
            closing = stop.raised() if n == len(held) else END_OF_FIBER
            yield from write_out(p, inner, below, closing)
        elif crd_first:
            yield from p.send(crd, key)
            yield from p.send(inner[0], below)
        else:
            yield from p.send(inner[0], below)
            yield from p.send(crd, key)
    if len(inner) == 1:
        yield from p.send(inner[0], stop)
    elif not held:
        yield from write_out(p, inner, {}, stop.up())
    yield from p.send(crd, stop)


# Coordinate drop and hold


def coordinate_drop(p: Process, ins: Ins, outs: Outs) -> Steps[None]:
    outer, inner = ins
    row_empty = True
    while True:
        a = yield from p.peek(outer)
        if a is DONE:
            yield from p.send(outs[1], (yield from p.take(inner)))
            return (yield from p.send(outs[0], DONE))
        if isinstance(a, Stop):
            if row_empty:
                yield from p.send(outs[1], (yield from p.take(inner)))
            row_empty = True
            yield from p.send(outs[0], a)
        else:
            row_empty = False
            occupied = False
            while True:
                x = yield from p.take(inner)
                yield from p.send(outs[1], x)
                if isinstance(x, Stop):
                    break
                occupied = True
            if occupied:
                yield from p.send(outs[0], a)
        yield from p.take(outer)
        p.time += 1


def coordinate_hold(p: Process, ins: Ins, outs: Outs) -> Steps[None]:
    outer, inner = ins
    while True:
        x = yield from p.take(inner)
        a = yield from p.peek(outer)
        if x is DONE:
            yield from p.take(outer)
            return (yield from send_all(p, outs, DONE))
        if isinstance(x, Stop):
            yield from send_all(p, outs, x)
            yield from p.take(outer)
            if is_value(a) and x.level > 0:
                yield from p.take(outer)
        else:
            yield from p.send(outs[0], a)
            yield from p.send(outs[1], x)
        p.time += 1


# Writers


def closes_segment(stop: Stop, occupied: bool, mode: str) -> bool:
    return not stop.hollow if mode == "keep" else occupied


def write_coordinates(p: Process, ins: Ins, outs: Outs, mode: str) -> Steps[Results]:
    segments, coordinates = [0], list[int]()
    while True:
        x = yield from p.take(ins[0])
        if x is DONE:
            return level_arrays(segments, coordinates)
        if not isinstance(x, Stop):
            coordinates.append(stored_coordinate(p, x))
        elif closes_segment(x, len(coordinates) > segments[-1], mode):
            segments.append(len(coordinates))
        else:
            continue
        p.time += 1


def stored_coordinate(p: Process, x: Token) -> int:
    if x is ABSENT:
        raise SimulationError(f"{p.name}: an absent token on a coordinate stream")
    return int(x)


def level_arrays(segments: list[int], coordinates: list[int]) -> Results:
    return {
        "segments": np.array(segments, dtype=np.int64),
        "coordinates": np.array(coordinates, dtype=np.int64),
    }


def write_values(
    p: Process, ins: Ins, outs: Outs, rows: int = 1, columns: int = 1
) -> Steps[Results]:
    values: list[Payload] = []
    while True:
        x = yield from p.take(ins[0])
        if x is DONE:
            break
        if isinstance(x, Stop):
            continue
        values.append(x)
        p.time += 1
    p.time += 1
    return {"values": flattened(values, (rows, columns))}
