"""Nodes of random netlists that use memory or route."""

from dataclasses import replace
from typing import Any

from headrace.simulators.stream.netlist import Port
from headrace.tests.step_building import Netlists
from headrace.tests.step_shaping import accumulate, promote, repeat, small, unary
from headrace.tests.step_strands import (
    Leaf,
    Strand,
    at_depth,
    each_leaf,
    leaves,
    regular,
)


def some_buffer(net: Netlists) -> None:
    strand = net.take(lambda s: s.rank > 0 and s.kind == "tile" and small(s))
    if strand is None:
        return
    rank, buffer = bufferize(net, strand)
    factors = [net.choose.randrange(1, 3) for _ in range(net.choose.randrange(1, 3))]

    def replayed(part: Any) -> Any:
        for factor in reversed(factors):
            part = [part] * factor
        return part

    lists = at_depth(strand.lists, strand.rank + 1 - rank, replayed)
    key = ("streamify", strand.key, rank, tuple(factors))
    made = replace(strand, rank=strand.rank + len(factors), lists=lists, key=key)
    parameters = {"repeat_factor": factors, "rank": rank, "off_chip": False}
    net.strands.extend(net.add("Streamify", parameters, [made], input=buffer))


def bufferize(net: Netlists, strand: Strand) -> tuple[int, Strand]:
    """Buffers of some rank; those of lists that differ in size have rank 1."""
    deepest = strand.rank if strand.key[0] == "box" else 1
    rank = net.choose.randrange(1, deepest + 1)
    buffers = replace(strand, kind="buffer", rank=strand.rank - rank, lists=None)
    return rank, net.add("Bufferize", {"rank": rank, "off_chip": False}, [buffers], input=strand)[0]


def some_replay(net: Netlists) -> None:
    """Replay each buffer for every element of a reference: of the buffers, or of two for each."""
    strand = net.take(lambda s: s.rank > 0 and s.kind == "tile" and small(s))
    if strand is None:
        return
    rank, buffer = bufferize(net, strand)
    depth = net.choose.randrange(2)
    buffer, ref = net.fan_out(buffer, 2)
    if depth:
        twice = replace(ref, rank=ref.rank + 1)
        [ref] = net.add("RepeatStatic", {"repeat_factor": 2}, [twice], input=ref)

    def replayed(part: Any) -> Any:
        return [part, part] if depth else part

    lists = at_depth(strand.lists, strand.rank + 1 - rank, replayed)
    key = ("replay", strand.key, rank, depth)
    made = replace(strand, rank=strand.rank + depth, lists=lists, key=key)
    parameters = {"rank": rank, "ref_rank": depth, "off_chip": False}
    net.strands.extend(net.add("DynStreamify", parameters, [made], input=buffer, ref=ref))


def some_reads(net: Netlists) -> None:
    """For each element a box of tiles, and as many copies of the element, multiplied."""
    strand = net.take(lambda s: s.kind == "tile" and small(s))
    if strand is None:
        return
    sizes = [net.choose.randrange(1, 4) for _ in range(net.choose.randrange(1, 3))]
    if len(sizes) > 1:
        sizes[0] = 1
    one, other = net.fan_out(strand, 2)
    lists = each_leaf(one, lambda _: regular(sizes, lambda _: Leaf(1, 1)))
    rank = strand.rank + len(sizes)
    made = Strand(Port(0), "tile", rank, lists, 1, strand.columns, ())
    reading = net.reading(sizes, 1, strand.columns)
    [weights] = net.add("DynOffChipLoad", reading, [made], ref=one)
    if len(sizes) > 1:
        weights = net.flatten(weights, 0, 1)
    copies = repeat(net, other, sizes[-1])
    fn = {"fn": "Mul"}
    net.strands.extend(
        net.add("BinaryMap", {"fn": fn, **net.compute()}, [copies], in1=copies, in2=weights)
    )


def some_expand(net: Netlists) -> None:
    """Fold lists, and repeat what was folded for each of their elements."""
    strand = net.take(lambda s: s.rank > 0 and s.kind == "tile" and s.lists is not None)
    if strand is None or strand.rows is None:
        net.strands.extend([strand] if strand else [])
        return
    net.strands.append(expand(net, strand, net.choose.randrange(1, strand.rank + 1)))


def expand(net: Netlists, strand: Strand, levels: int) -> Strand:
    one, other = net.fan_out(strand, 2)
    ones = accumulate(net, one, levels, "Add")
    if levels == 1 and net.choose.random() < 0.5:
        ones = single(net, ones)
    else:
        for _ in range(levels):
            ones = promote(net, ones, 0)

    def spread(part: Any) -> Any:
        found = list(leaves(part, levels - 1))
        return at_depth(part, levels, lambda _: Leaf(strand.rows or 0, found[-1].value))

    lists = at_depth(strand.lists, strand.rank + 1 - levels, spread)
    made = replace(strand, lists=lists)
    return net.add("ExpandRef", {"expand_rank": levels}, [made], input=ones, ref=other)[0]


def single(net: Netlists, strand: Strand) -> Strand:
    """Chunks of one element."""
    parameters = {
        "chunk_size": 1,
        "reshape_rank": 0,
        "pad_fn": None,
        "write_back_mu": False,
        "add_outer_dim": False,
    }
    made = replace(strand, rank=strand.rank + 1, lists=each_leaf(strand, lambda leaf: [leaf]))
    return net.add("Reshape", parameters, [made], input=strand)[0]


def some_store(net: Netlists) -> None:
    """Write tiles at addresses."""
    strand = net.take(lambda s: s.kind == "tile" and bool(s.rows) and s.lists is not None)
    if strand is None:
        return
    if strand.rank:
        strand = net.flatten(strand, 0, strand.rank)
    addresses = net.integers(range(len(strand.leaves)))
    store(net, strand, addresses)


def store(net: Netlists, strand: Strand, addresses: Strand) -> None:
    """Write a tile at each address, and leave the acknowledgements."""
    lists = each_leaf(addresses, lambda _: Leaf(1, 1))
    made = replace(addresses, kind="bool", lists=lists)
    parameters = {
        "tensor_shape_tiled": [4096, 1],
        "tile_row": strand.rows,
        "tile_col": strand.columns,
        "buffer_depth": 1,
        "ack_based_on_waddr": net.choose.random() < 0.5,
        "n_byte": 2,
        **net.dispatch(),
    }
    net.strands.extend(
        net.add("RandomOffChipStore", parameters, [made], wdata=strand, waddr=addresses)
    )


def some_lists(net: Netlists) -> None:
    """Tiles from a list of addresses for each length; lengths may be 0."""
    lengths = [net.choose.choice([0, 1, 2, 3]) for _ in range(net.choose.randrange(1, 5))]
    idx = net.integers(range(len(lengths)))
    length = net.integers(lengths)
    one, other = net.fan_out(length, 2)
    lists = [[Leaf(1, 8 * i + k) for k in range(n)] for i, n in enumerate(lengths)]
    key = ("lists", len(net.nodes))
    made = Strand(Port(0), "integer", 1, lists, 1, 1, key)
    [address] = net.add("CacheReadAddrGen", {"row_offset": 8}, [made], idx=idx, seq_len=one)
    tiles = replace(made, kind="tile", rows=2, columns=16)
    tiles = replace(tiles, lists=each_leaf(tiles, lambda _: Leaf(2, 2)))
    reading = net.reading([], 2, 16)
    again = None
    if net.choose.random() < 0.3:
        address, again = net.fan_out(address, 2)
    [tiles] = net.add("RandomOffChipLoad", reading, [tiles], raddr=address)
    if again is not None:
        store(net, unary(net, tiles), again)
        net.strands.append(other)
        return
    lists = [[Leaf(1, (int(k < n - 1),)) for k in range(n)] for n in lengths]
    made = Strand(Port(0), "selector", 1, lists, 1, 2, key)
    [control] = net.add("FilterLastTile", {}, [made], input=other)
    if net.choose.random() < 0.3:
        net.strands.extend([tiles, control])
    else:
        route(net, tiles, control, 0)


def some_routes(net: Netlists) -> None:
    strand = net.take(lambda s: s.kind == "tile" and s.lists is not None)
    if strand is None:
        return
    rank = net.choose.randrange(0, strand.rank + 1)
    if rank < strand.rank:
        strand = net.flatten(strand, rank, strand.rank)
    units, count = strand.units(rank), net.choose.randrange(1, 4)
    most = net.choose.choice([1, count])
    hot = [
        sorted(net.choose.sample(range(count), net.choose.randrange(0, most + 1))) for _ in units
    ]
    if not hot:
        net.strands.append(strand)
        return
    route(net, strand, net.selector(hot, count), rank)


def route(net: Netlists, strand: Strand, control: Strand, rank: int) -> None:
    """Partition, compute on every part, and reassemble, merge, or leave it."""
    units = strand.units(rank)
    hot = [leaf.value for leaf in control.leaves]
    first, second = net.fan_out(control, 2)
    count = control.columns
    made = [
        replace(
            strand,
            rank=rank,
            lists=[unit for unit, chosen in zip(units, hot, strict=True) if k in chosen],
            key=("part", len(net.nodes), k),
        )
        for k in range(count)
    ]
    parameters = {
        "num_consumers": count,
        "partition_rank": rank,
        "switch_cycles": [1] * count,
        "write_back_mu": net.choose.random() < 0.3,
    }
    parts = net.add("FlatPartition", parameters, made, input=strand, control=first)
    parts = [unary(net, part) if net.choose.random() < 0.5 else part for part in parts]
    match net.choose.choice(["reassemble", "reassemble", "merge", "leave"]):
        case "reassemble":
            reassemble(net, parts, second, rank)
        case "merge":
            net.strands.append(second)
            merge(net, parts, rank)
        case _:
            net.strands.extend([second, *parts])


def reassemble(net: Netlists, parts: list[Strand], control: Strand, rank: int) -> None:
    queues = [iter(part.lists) for part in parts]
    fixed = all(len(leaf.value) < 2 for leaf in control.leaves)
    lists = None
    if fixed:
        lists = each_leaf(control, lambda leaf: [next(queues[k]) for k in leaf.value])
    made = replace(parts[0], rank=rank + control.rank + 1, lists=lists)
    made = replace(made, key=("reassembled", len(net.nodes)))
    parameters = {
        "reassemble_rank": rank,
        "switch_cycles": [1] * len(parts),
        "write_back_mu": net.choose.random() < 0.3,
    }
    net.strands.extend(net.add("FlatReassemble", parameters, [made], inputs=parts, control=control))


def merge(net: Netlists, parts: list[Strand], rank: int) -> None:
    key = ("merged", len(net.nodes))
    data = replace(parts[0], lists=None, key=key)
    chosen = Strand(Port(0), "selector", 0, None, 1, len(parts), key)
    parameters = {"input_rank": rank, "num_consumers": 2}
    data, chosen = net.add("EagerMerge", parameters, [data, chosen], inputs=parts)
    if net.choose.random() < 0.5:
        net.strands.extend([data, chosen])
        return
    count = len(parts)
    first, second = net.fan_out(chosen, 2)
    addresses = {"num_tile_per_expert": 2, "expert_addr_base": 1}
    made = Strand(Port(0), "integer", 2, None, 1, 1, ("addresses", key))
    net.strands.extend(net.add("ExpertAddrGen", addresses, [made], input=second))
    parameters = {
        "num_consumers": count,
        "partition_rank": rank,
        "switch_cycles": [1] * count,
        "write_back_mu": False,
    }
    made = [replace(part, lists=None, key=(key, k)) for k, part in enumerate(parts)]
    net.strands.extend(net.add("FlatPartition", parameters, made, input=data, control=first))


def some_deal(net: Netlists) -> None:
    strand = net.take(lambda s: s.kind == "tile" and s.lists is not None)
    if strand is None:
        return
    count, rank = net.choose.randrange(1, 4), strand.rank
    made = [
        replace(strand, lists=strand.lists[k::count], key=("dealt", len(net.nodes), k))
        for k in range(count)
    ]
    parameters = {
        "parallelize_rank": rank,
        "num_consumers": count,
        "switch_cycles": [1] * count,
        "write_back_mu": False,
    }
    parts = net.add("Parallelize", parameters, made, input=strand)
    if net.choose.random() < 0.5:
        merge(net, parts, rank)
    else:
        net.strands.extend(parts)


def some_load(net: Netlists) -> None:
    net.strands.append(net.load())
