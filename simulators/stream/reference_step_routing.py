"""
Operators of streaming tensor programs that route, merge, select or make addresses.

As in `reference_step_operators`; units of rank r are the elements up to the first stop of at least
r.
"""

from collections.abc import Sequence

from headrace.simulators.stream.reference_step_operators import NO_LIST_OPEN, Groups, Node
from headrace.simulators.stream.reference_step_process import Channel, Process, Steps, Wait
from headrace.simulators.stream.reference_step_shapes import ended_dimensions, places, send_list
from headrace.simulators.stream.reference_step_values import Integer, Selector, placed


def partition(p: Process, node: Node) -> Steps[None]:
    source, control = node.operand("input"), node.operand("control")
    rank, switch = node.parameters["partition_rank"], node.parameters["switch_cycles"]
    while (selector := (yield from p.peek(control))) is not None:
        if selector.is_bare:
            p.pop(control)
            yield from p.absorb(source, 0, rank + selector.stop)
            continue
        p.time += node.costs.load(selector.value)
        p.pop(control)
        hot: tuple[int, ...] = selector.value.hot
        while True:
            x = yield from p.peek(source)
            if x is None:
                raise p.disagreement((source, control), (rank, selector.stop))
            if x.is_bare:
                p.pop(source)
                value = x.value
            else:
                p.time += node.costs.load(x.value)
                p.pop(source)
                value = placed(x.value, node.write_back)
                p.time += max((switch[i] for i in hot), default=0)
                p.time += node.costs.store(value, node.write_back)
            for i in hot:
                yield from p.send(node.outputs[i], value, min(x.stop, rank))
            if x.stop >= rank:
                break
        level = max(rank + selector.stop, x.stop)
        yield from p.absorb(source, x.stop, level)
        yield from p.absorb(control, selector.stop, level - rank)


def reassemble(p: Process, node: Node) -> Steps[None]:
    sources, control, [out] = node.inputs["inputs"], node.operand("control"), node.outputs
    rank, switch = node.parameters["reassemble_rank"], node.parameters["switch_cycles"]
    while (selector := (yield from p.peek(control))) is not None:
        level = rank + 1 + selector.stop
        if selector.is_bare:
            p.pop(control)
            yield from p.send_stop(out, level)
            continue
        p.time += node.costs.load(selector.value)
        p.pop(control)
        hot: tuple[int, ...] = selector.value.hot
        begin, arrivals = p.time, dict[int, int]()
        for i in hot:
            if (yield from p.peek(sources[i])) is None:
                raise p.disagreement((sources[i], control), (rank, selector.stop))
            arrivals[i] = sources[i].queue[0][0]
        # The units before the last to arrive go on in the cycle in which the last one is sent.
        p.time = max(begin, *(arrival - 1 for arrival in arrivals.values())) if hot else begin
        order = sorted(hot, key=lambda i: (arrivals[i], i))
        for i in order:
            yield from unit(p, node, sources[i], arrivals[i] + switch[i], i == order[-1], level)
        if not hot:
            yield from p.send_stop(out, rank + 1)
            if selector.stop:
                yield from p.send_stop(out, level)


def unit(
    p: Process, node: Node, source: Channel, earliest: int, last: bool, level: int
) -> Steps[None]:
    """Hand on one unit; the last one of its group ends with `level`."""
    [out], rank = node.outputs, node.parameters["reassemble_rank"]
    before = NO_LIST_OPEN
    while True:
        x = yield from p.peek(source)
        if x is None:
            raise p.disagreement((source,), (rank,))
        if x.is_bare:
            p.pop(source)
            value = x.value
            if last and x.stop >= rank and before >= rank:
                yield from p.send_stop(out, rank)
        else:
            p.time = max(p.time, earliest + node.costs.load(x.value))
            p.pop(source)
            value = placed(x.value, node.write_back)
            p.time += node.costs.store(value, node.write_back)
        yield from p.send(out, value, level if last and x.stop >= rank else x.stop)
        if x.stop >= rank:
            return
        before = x.stop


def eager_merge(p: Process, node: Node, decisions: list[int]) -> Steps[None]:
    """
    The scheduler wakes it when no element can come that is earlier than a head that is there, and
    when all inputs are closed. `decisions` keeps what was chosen.
    """
    sources, [data, selection] = node.inputs["inputs"], node.outputs
    rank = node.parameters["input_rank"]
    while True:
        yield from p.wait(Wait.TURN)
        if not any(source.queue for source in sources):
            p.time = max(p.time, *(source.closed or 0 for source in sources))
            return
        chosen = first_arrival(sources)
        decisions.append(chosen)
        source = sources[chosen]
        p.time = max(p.time, source.queue[0][0])
        yield from p.send(selection, Selector((chosen,), len(sources)), 0)
        while True:
            x = yield from p.take(source)
            if x is None:
                raise p.disagreement((source,), (rank,))
            yield from p.send(data, x.value, x.stop)
            if x.stop >= rank:
                break
            p.time += 0 if x.is_bare else 1


def first_arrival(sources: Sequence[Channel]) -> int:
    """The input whose head came first, and of several the lowest."""
    waiting = [i for i, source in enumerate(sources) if source.queue]
    return min(waiting, key=lambda i: (sources[i].queue[0][0], i))


def turn(p: Process, sources: Sequence[Channel]) -> int | None:
    """When the merge of a process decides, as far as is known; `None` if nothing is there."""
    heads = [source.queue[0][0] for source in sources if source.queue]
    return max(p.time, min(heads)) if heads else None


def parallelize(p: Process, node: Node) -> Steps[None]:
    source, groups = node.operand("input"), Groups(node.parameters["parallelize_rank"])
    switch, to = node.parameters["switch_cycles"], 0
    while (x := (yield from p.take(source))) is not None:
        at = 0 if x.is_bare else p.time + switch[to]
        yield from p.send(node.outputs[to], x.value, x.stop, at)
        if x.stop >= groups.rank:
            to = (to + 1) % len(node.outputs)


def expert_addresses(p: Process, node: Node) -> Steps[None]:
    source, [out] = node.operand("input"), node.outputs
    count, base = node.parameters["num_tile_per_expert"], node.parameters["expert_addr_base"]
    while (x := (yield from p.take(source))) is not None:
        if x.is_bare:
            yield from p.send_stop(out, x.stop + 2)
            continue
        [expert] = x.value.hot
        for k in range(count):
            address = Integer(base + expert * count + k)
            yield from p.send(out, address, x.stop + 2 if k == count - 1 else 1)


def cache_addresses(p: Process, node: Node) -> Steps[None]:
    indices, lengths, [out] = node.operand("idx"), node.operand("seq_len"), node.outputs
    while True:
        index = yield from p.take(indices)
        length = yield from p.take(lengths)
        if index is None or length is None:
            return
        if index.is_bare != length.is_bare:
            raise p.disagreement((indices, lengths), (index.stop, length.stop))
        stop = max(index.stop, length.stop)
        if index.is_bare:
            yield from p.send_stop(out, stop + 1)
        else:
            count, begin = length.value.value, p.time
            first = index.value.value * node.parameters["row_offset"]
            for k in range(count):
                end = stop + 1 if k == count - 1 else 0
                yield from p.send(out, Integer(first + k), end, begin + k)
            if not count:
                yield from empty_list(p, out, stop)
        yield from p.absorb(indices, index.stop, stop)
        yield from p.absorb(lengths, length.stop, stop)


def filter_last(p: Process, node: Node) -> Steps[None]:
    source, [out] = node.operand("input"), node.outputs
    while (x := (yield from p.take(source))) is not None:
        if x.is_bare:
            yield from p.send_stop(out, x.stop + 1)
            continue
        length = x.value.value
        if not length:
            yield from empty_list(p, out, x.stop)
        values = [Selector((0 if k == length - 1 else 1,), 2) for k in range(length)]
        yield from send_list(p, out, values, x.stop + 1 if values else 0)


def empty_list(p: Process, out: Channel, stop: int) -> Steps[None]:
    """An empty list of level 1 in the place of an element with a stop."""
    yield from p.send_stop(out, 1)
    if stop:
        yield from p.send_stop(out, stop + 1)


def selectors(p: Process, node: Node) -> Steps[None]:
    [out], stored = node.outputs, node.parameters["underlying"]
    sizes = (1, *stored["shape"][:-1])
    yield from send_empty(p, out, sizes)
    for place, hot in zip(places(sizes), stored["hot"], strict=True):
        value = Selector(tuple(sorted(hot)), stored["shape"][-1])
        yield from p.send(out, value, stop_of(place, sizes), p.time + 1)
        p.time += 1


def integers(p: Process, node: Node) -> Steps[None]:
    [out], stored = node.outputs, node.parameters["underlying"]
    sizes, begin = (1, *stored["shape"]), p.time
    yield from send_empty(p, out, sizes)
    for i, (place, value) in enumerate(zip(places(sizes), stored["values"], strict=True)):
        yield from p.send(out, Integer(value), stop_of(place, sizes), begin + i)


def send_empty(p: Process, out: Channel, sizes: Sequence[int]) -> Steps[None]:
    """The empty lists of a box in which a size is 0; the outermost dimension has no stop."""
    depth = next((depth for depth, size in enumerate(sizes) if not size), 0)
    for place in places(sizes[:depth]) if depth else ():
        empty = len(sizes) - depth
        yield from p.send_stop(out, empty)
        if stop := stop_of(place, sizes[:depth]):
            yield from p.send_stop(out, empty + stop)


def stop_of(place: tuple[int, ...], sizes: Sequence[int]) -> int:
    """The stop behind an element of a box; the outermost dimension has none."""
    return min(ended_dimensions(place, sizes), len(sizes) - 1)
