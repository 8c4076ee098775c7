"""
Operators of streaming tensor programs that change shapes, repeat, or buffer, in plain Python.

As in `reference_step_operators`.
"""

from dataclasses import replace
from typing import Any

from headrace.simulators.stream.reference_step_operators import NO_LIST_OPEN, Groups, Node
from headrace.simulators.stream.reference_step_process import Channel, Element, Process, Steps
from headrace.simulators.stream.reference_step_values import Buffer, Tile, placed


def flatten(p: Process, node: Node) -> Steps[None]:
    source, [out] = node.operand("input"), node.outputs
    low, high = node.parameters["min_rank"], node.parameters["max_rank"]
    last = NO_LIST_OPEN
    vanished = sent = False
    while (x := (yield from p.take(source))) is not None:
        if x.stop > high:
            stop = x.stop - (high - low)
            # A list in which only empty lists were merged is empty.
            if x.is_bare and vanished and not sent and stop > low + 1:
                yield from p.send_stop(out, low + 1)
            yield from p.send(out, x.value, stop)
            vanished = sent = False
        elif x.is_bare and x.stop > low and last >= low:
            vanished = True
        else:
            yield from p.send(out, x.value, min(x.stop, low))
            sent = True
        last = x.stop


def promote(p: Process, node: Node) -> Steps[None]:
    source, [out] = node.operand("input"), node.outputs
    groups = Groups(node.parameters["rank"])
    while (x := (yield from p.take(source))) is not None:
        if x.is_bare and x.stop == groups.rank and groups.last >= groups.rank:
            yield from p.send_stop(out, x.stop)
        yield from p.send(out, x.value, x.stop + 1 if x.stop >= groups.rank else x.stop)
        groups.after(x)


def reshape(p: Process, node: Node) -> Steps[None]:
    if node.parameters["reshape_rank"]:
        return (yield from regroup(p, node))
    source, [out] = node.operand("input"), node.outputs
    size, outer = node.parameters["chunk_size"], node.parameters["add_outer_dim"]
    held, flag = 0, node.write_back
    while (x := (yield from p.take(source))) is not None:
        held = (held + 1) % size if not x.is_bare else held
        if not x.is_bare and (held == 0 or x.stop == 0):
            stop = x.stop + 1 if held == 0 else 0
            if held == 0 and outer and (yield from p.peek(source)) is None:
                stop = 2
            yield from p.send(out, placed(x.value, flag), stop)
            continue
        if not x.is_bare:
            yield from p.send(out, placed(x.value, flag), 0)
        if held:
            yield from pads(p, node, size - held, x.stop + 1)
        else:
            yield from p.send_stop(out, x.stop + 1)
        held = 0
    if held:
        yield from pads(p, node, size - held, 2 if outer else 1)


def pads(p: Process, node: Node, count: int, stop: int) -> Steps[None]:
    """Fill a chunk; pad tiles have no valid row."""
    rows, columns = node.parameters["pad_fn"]["shape"]
    pad = Tile(rows, columns, node.costs.element_bytes, 0, node.write_back)
    for left in range(count, 0, -1):
        yield from p.send(node.outputs[0], pad, stop if left == 1 else 0)


def regroup(p: Process, node: Node) -> Steps[None]:
    """Reshape of a dimension that is not the innermost one: every S-th list ends a chunk."""
    source, [out] = node.operand("input"), node.outputs
    groups, size, count = Groups(node.parameters["reshape_rank"]), node.parameters["chunk_size"], 0
    while (x := (yield from p.take(source))) is not None:
        stop = x.stop
        if groups.closes(x):
            count = (count + 1) % size
            if count == 0:
                if x.is_bare and groups.last >= groups.rank:
                    yield from p.send_stop(out, x.stop)
                stop += 1
        elif groups.surrounds(x):
            stop += 1
        value = x.value if x.is_bare else placed(x.value, node.write_back)
        yield from p.send(out, value, stop)
        groups.after(x)


def repeat(p: Process, node: Node) -> Steps[None]:
    source, [out] = node.operand("input"), node.outputs
    factor = node.parameters["repeat_factor"]
    while (x := (yield from p.peek(source))) is not None:
        if x.is_bare:
            yield from p.send_stop(out, x.stop + 1)
            p.pop(source)
            continue
        for copy in range(factor):
            last = copy == factor - 1
            yield from p.send(out, x.value, x.stop + 1 if last else 0, p.time + copy)
        p.time += factor
        p.pop(source)


def expand(p: Process, node: Node) -> Steps[None]:
    source, ref, [out] = node.operand("input"), node.operand("ref"), node.outputs
    rank = node.parameters["expand_rank"]
    while (x := (yield from p.peek(source))) is not None:
        reached = 0
        while True:
            r = yield from p.take(ref)
            if r is None:
                raise p.disagreement((source, ref), (x.stop, reached))
            if x.is_bare and not r.is_bare:
                raise p.disagreement((source, ref), (x.stop, r.stop))
            reached = r.stop
            yield from p.send(out, r.value if r.is_bare else x.value, reached)
            if reached >= (x.stop if x.is_bare else rank):
                break
        p.pop(source)
        while reached < x.stop:
            r = yield from p.take(ref)
            if r is None or not r.is_bare:
                raise p.disagreement((source, ref), (x.stop, reached))
            reached = r.stop
            yield from p.send_stop(out, reached)
        yield from p.absorb(source, x.stop, reached)


def broadcast(p: Process, node: Node) -> Steps[None]:
    source = node.operand("input")
    while (x := (yield from p.take(source))) is not None:
        for out in node.outputs:
            if out.reader is not None:
                yield from p.room(out)
        for out in node.outputs:
            yield from p.send(out, x.value, x.stop)


def bufferize(p: Process, node: Node) -> Steps[None]:
    source, [out] = node.operand("input"), node.outputs
    groups, held = Groups(node.parameters["rank"]), list[Element]()
    while (x := (yield from p.take(source))) is not None:
        if groups.surrounds(x):
            yield from p.send_stop(out, x.stop - groups.rank)
        elif groups.closes(x):
            held.append(Element(x.value, groups.rank))
            yield from p.send(out, Buffer(tuple(held)), x.stop - groups.rank)
            held = []
        else:
            held.append(x)
            p.time += 0 if x.is_bare else 1
        groups.after(x)


def streamify(p: Process, node: Node) -> Steps[None]:
    source, [out] = node.operand("input"), node.outputs
    factors, rank = node.parameters["repeat_factor"], node.parameters["rank"]
    while (x := (yield from p.peek(source))) is not None:
        if x.is_bare:
            yield from p.send_stop(out, x.stop + len(factors) + rank)
        else:
            for place in places(factors):
                ended = ended_dimensions(place, factors)
                stop = ended + (x.stop if ended == len(factors) else 0)
                yield from replay(p, out, x.value, rank, stop)
        p.pop(source)


def dynamic_streamify(p: Process, node: Node) -> Steps[None]:
    source, ref, [out] = node.operand("input"), node.operand("ref"), node.outputs
    rank, depth = node.parameters["rank"], node.parameters["ref_rank"]
    while (x := (yield from p.peek(source))) is not None:
        reached = 0
        while True:
            r = yield from p.take(ref)
            if r is None or (x.is_bare and not r.is_bare):
                raise p.disagreement((source, ref), (x.stop, reached))
            reached = r.stop
            if r.is_bare:
                yield from p.send_stop(out, reached + rank)
            else:
                yield from replay(p, out, x.value, rank, reached)
            if reached >= (depth + x.stop if x.is_bare else depth):
                break
        p.pop(source)
        while reached < depth + x.stop:
            r = yield from p.take(ref)
            if r is None or not r.is_bare:
                raise p.disagreement((source, ref), (x.stop, reached))
            reached = r.stop
            yield from p.send_stop(out, reached + rank)
        yield from p.absorb(source, x.stop, reached - depth)


def replay(p: Process, out: Channel, buffer: Any, rank: int, stop: int) -> Steps[None]:
    """Send the elements of a buffer, whose end also ends `stop` lists around it."""
    last = NO_LIST_OPEN
    for number, x in enumerate(buffer.elements):
        closing = number == len(buffer.elements) - 1
        if closing and x.is_bare and last >= rank and stop:
            yield from p.send_stop(out, rank)
        yield from p.send(out, x.value, rank + stop if closing else x.stop)
        p.time += 0 if x.is_bare else 1
        last = x.stop


def retile_streamify(p: Process, node: Node) -> Steps[None]:
    source, [out] = node.operand("input"), node.outputs
    rows, masked = node.parameters["split_row"], node.parameters["filter_mask"]
    taken = sent = 0
    while (x := (yield from p.take(source))) is not None:
        pieces: list[Tile] = []
        if not x.is_bare:
            tile: Tile = x.value
            if rows:
                pieces = [
                    replace(tile, rows=1, valid=int(row < tile.valid))
                    for row in range(min(tile.valid, tile.rows) if masked else tile.rows)
                ]
            else:
                pieces = [replace(tile, columns=1)] * tile.columns
            taken += 1
        sent += len(pieces)
        if taken and not sent and x.stop > 1:
            yield from p.send_stop(out, 1)
        yield from send_list(p, out, pieces, x.stop)
        if x.stop:
            taken = sent = 0


def send_list(p: Process, out: Channel, values: list[Any], stop: int) -> Steps[None]:
    """Send values at the same clock; the stop goes on the last, or alone if there is none."""
    for left, value in zip(range(len(values) - 1, -1, -1), values, strict=True):
        yield from p.send(out, value, 0 if left else stop)
    if not values and stop:
        yield from p.send_stop(out, stop)


def places(sizes: Any) -> list[tuple[int, ...]]:
    """All indices into a box, in order."""
    found: list[tuple[int, ...]] = [()]
    for size in sizes:
        found = [(*place, i) for place in found for i in range(size)]
    return found


def ended_dimensions(place: tuple[int, ...], sizes: Any) -> int:
    """How many dimensions, from the innermost one, end with this index."""
    count = 0
    for i, size in zip(reversed(place), reversed(sizes), strict=True):
        if i != size - 1:
            break
        count += 1
    return count
