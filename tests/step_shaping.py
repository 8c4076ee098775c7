"""Nodes of random netlists that change shapes or compute."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from headrace.simulators.stream.netlist import Port
from headrace.tests.step_building import LARGEST, Netlists
from headrace.tests.step_strands import (
    Leaf,
    Strand,
    at_depth,
    chunks,
    each_leaf,
    flattened,
    leaves,
)


def some_flatten(net: Netlists) -> None:
    strand = net.take(lambda s: s.rank > 0)
    if strand is not None:
        low = net.choose.randrange(strand.rank)
        high = net.choose.randrange(low + 1, strand.rank + 1)
        net.strands.append(net.flatten(strand, low, high))


def some_reshape(net: Netlists) -> None:
    strand = net.take(lambda s: s.kind == "tile" and s.lists is not None and bool(s.rows))
    if strand is not None:
        net.strands.append(reshape(net, strand, net.choose.randrange(1, 5)))


def reshape(net: Netlists, strand: Strand, size: int) -> Strand:
    outer = strand.rank == 0 and net.choose.random() < 0.5
    rows = strand.rows or 1
    pad = Leaf(rows, 0)
    lists = at_depth(strand.lists, strand.rank, lambda part: chunks(part, size, pad))
    if outer:
        lists = [lists] if lists else []
    key = ("reshape", strand.key, size, outer)
    made = replace(strand, rank=strand.rank + 1 + outer, lists=lists, key=key)
    parameters = {
        "chunk_size": size,
        "reshape_rank": 0,
        "pad_fn": {"fn": "Zero", "shape": [rows, strand.columns]},
        "write_back_mu": net.choose.random() < 0.3,
        "add_outer_dim": outer,
    }
    return net.add("Reshape", parameters, [made], input=strand)[0]


def some_regroup(net: Netlists) -> None:
    """Reshape of an outer dimension, where all its lists divide."""
    strand = net.take(lambda s: s.rank > 1 and s.lists is not None and s.key[0] == "box")
    if strand is None:
        return
    rank = net.choose.randrange(1, strand.rank)
    parts = leaves(strand.lists, strand.rank - rank - 1)
    sizes = {len(part) for part in parts}
    fitting = [size for size in (1, 2, 3, 4) if all(n and n % size == 0 for n in sizes)]
    if not fitting:
        net.strands.append(strand)
        return
    size = net.choose.choice(fitting)
    lists = at_depth(strand.lists, strand.rank - rank, lambda part: chunks(part, size, None))
    key = ("regroup", strand.key, rank, size)
    made = replace(strand, rank=strand.rank + 1, lists=lists, key=key)
    parameters = {
        "chunk_size": size,
        "reshape_rank": rank,
        "pad_fn": None,
        "write_back_mu": False,
        "add_outer_dim": False,
    }
    net.strands.extend(net.add("Reshape", parameters, [made], input=strand))


def some_repeat(net: Netlists) -> None:
    strand = net.take(small)
    if strand is not None:
        net.strands.append(repeat(net, strand, net.choose.randrange(1, 4)))


def small(strand: Strand) -> bool:
    return strand.lists is not None and len(strand.leaves) <= LARGEST // 3 and strand.rank < 5


def repeat(net: Netlists, strand: Strand, factor: int) -> Strand:
    lists = each_leaf(strand, lambda leaf: [leaf] * factor)
    key = ("inner", strand.key, (factor,))
    made = replace(strand, rank=strand.rank + 1, lists=lists, key=key)
    return net.add("RepeatStatic", {"repeat_factor": factor}, [made], input=strand)[0]


def some_promote(net: Netlists) -> None:
    strand = net.take(small)
    if strand is not None:
        net.strands.append(promote(net, strand, net.choose.randrange(strand.rank + 1)))


def promote(net: Netlists, strand: Strand, rank: int) -> Strand:
    lists = at_depth(strand.lists, strand.rank + 1 - rank, lambda part: [part])
    made = replace(strand, rank=strand.rank + 1, lists=lists, key=("promote", strand.key, rank))
    return net.add("Promote", {"rank": rank}, [made], input=strand)[0]


def unary(net: Netlists, strand: Strand, functions: Sequence[str] = ("Silu", "Exp")) -> Strand:
    fn = net.choose.choice(list(functions))
    columns = 1 if fn == "RowWiseSum" else strand.columns
    made = replace(strand, columns=columns)
    return net.add("UnaryMap", {"fn": {"fn": fn}, **net.compute()}, [made], input=strand)[0]


def some_unary(net: Netlists) -> None:
    strand = net.take(lambda s: s.kind == "tile")
    if strand is not None:
        net.strands.append(unary(net, strand, ("Silu", "Exp", "RowWiseSum")))


def some_diamond(net: Netlists) -> None:
    """x and f(x), in a map of two operands."""
    strand = net.take(lambda s: s.kind == "tile")
    if strand is None:
        return
    one, other = net.fan_out(strand, 2)
    other = unary(net, other, ("Silu", "Exp", "RowWiseSum"))
    fn: dict[str, Any] = {"fn": net.choose.choice(["Add", "Mul", "Div"])}
    made = strand
    if strand.rows and other.columns == one.columns and net.choose.random() < 0.5:
        fn = {"fn": "Matmul", "weight_transposed": True}
        made = replace(strand, columns=strand.rows)
        if net.choose.random() < 0.5 and strand.rank and strand.lists is not None:
            net.strands.append(map_accumulate(net, fn, one, other, strand.rows))
            return
    made = net.add("BinaryMap", {"fn": fn, **net.compute()}, [made], in1=one, in2=other)
    net.strands.extend(made)


def some_product(net: Netlists) -> None:
    """Each tile by a matrix of its own, in a map or summed."""
    strand = net.take(lambda s: s.kind == "tile" and bool(s.rows) and s.lists is not None)
    if strand is None:
        return
    one, ref = net.fan_out(strand, 2)
    columns = net.choose.choice([1, 16])
    lists = each_leaf(ref, lambda _: [Leaf(strand.columns, strand.columns)])
    made = Strand(Port(0), "tile", ref.rank + 1, lists, strand.columns, columns, ())
    reading = net.reading([1], strand.columns, columns)
    weights = net.flatten(net.add("DynOffChipLoad", reading, [made], ref=ref)[0], 0, 1)
    fn = {"fn": "Matmul", "weight_transposed": False}
    if strand.rank and net.choose.random() < 0.5:
        net.strands.append(map_accumulate(net, fn, one, weights, columns))
        return
    made = replace(strand, columns=columns)
    parameters = {"fn": fn, **net.compute()}
    net.strands.extend(net.add("BinaryMap", parameters, [made], in1=one, in2=weights))


def map_accumulate(
    net: Netlists, fn: Mapping[str, Any], one: Strand, other: Strand, columns: int
) -> Strand:
    assert one.rows is not None
    rank = net.choose.randrange(1, one.rank + 1)
    rows = one.rows

    def last(part: Any) -> Leaf:
        found = list(leaves(part, rank - 1))
        return Leaf(rows, found[-1].value if found else rows)

    lists = at_depth(one.lists, one.rank + 1 - rank, last)
    key = ("accumulated", one.key, rank)
    made = replace(one, rank=one.rank - rank, lists=lists, columns=columns, key=key)
    start = {"init_fn": {"fn": "Zero", "shape": [rows, columns]}, "rank": rank}
    parameters = {"fn": dict(fn), **start, **net.compute()}
    return net.add("BinaryMapAccum", parameters, [made], in1=one, in2=other)[0]


def some_accumulate(net: Netlists) -> None:
    strand = net.take(lambda s: s.rank > 0 and s.kind == "tile" and s.lists is not None)
    if strand is not None:
        rank = net.choose.randrange(1, strand.rank + 1)
        functions = ["RetileRow", "SignalReqAllRead", *(["Add"] if strand.rows else [])]
        net.strands.append(accumulate(net, strand, rank, net.choose.choice(functions)))


def accumulate(net: Netlists, strand: Strand, rank: int, fn: str) -> Strand:
    def folded(part: Any) -> Leaf:
        found: list[Leaf] = list(leaves(part, rank - 1))
        match fn:
            case "RetileRow":
                return Leaf(sum(x.rows for x in found), sum(x.value for x in found))
            case "Add":
                rows = strand.rows or 0
                return Leaf(rows, found[-1].value if found else rows)
            case _:
                return Leaf(1, 1)

    lists = at_depth(strand.lists, strand.rank + 1 - rank, folded)
    key = ("accumulated", strand.key, rank)
    made = replace(strand, rank=strand.rank - rank, lists=lists, key=key)
    start = [strand.rows or 0, strand.columns]
    if fn == "RetileRow":
        made, start = replace(made, rows=None), [0, strand.columns]
    elif fn == "SignalReqAllRead":
        made, start = replace(made, kind="integer", rows=1, columns=1), [1, 1]
    parameters = {
        "fn": {"fn": fn},
        "init_fn": {"fn": "Empty" if fn == "RetileRow" else "Zero", "shape": start},
        "accum_rank": rank,
        **net.compute(),
    }
    return net.add("Accum", parameters, [made], input=strand)[0]


def some_split(net: Netlists) -> None:
    strand = net.take(
        lambda s: (
            s.kind == "tile"
            and s.lists is not None
            and sum(leaf.rows for leaf in s.leaves) <= LARGEST
        )
    )
    if strand is not None:
        net.strands.append(split(net, strand, net.choose.random() < 0.7))


def split(net: Netlists, strand: Strand, masked: bool) -> Strand:
    def pieces(leaf: Leaf) -> list[Leaf]:
        kept = min(leaf.value, leaf.rows) if masked else leaf.rows
        return [Leaf(1, int(row < leaf.value)) for row in range(kept)]

    lists = each_leaf(strand, pieces)
    lists = flattened(lists, strand.rank + 1, 0, 1)
    key = ("split", len(net.nodes))
    made = replace(strand, lists=lists, rows=1, key=key)
    parameters = {"split_row": True, "filter_mask": masked}
    return net.add("RetileStreamify", parameters, [made], input=strand)[0]
