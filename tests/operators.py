"""
Random inputs for every operator, and what must come out.

The expectation is ordinary processing of nested lists; no stream rule appears in it.
"""

import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import reduce
from random import Random
from typing import Any

import numpy as np

from headrace.simulators.stream.program import Slot
from headrace.tests.nested import Nested, at_depth, coordinates, encode, grow, numbered, value
from headrace.tests.simulators import Build


@dataclass(frozen=True)
class Trial:
    """Input streams, the nodes between, and the streams that must come out."""

    inputs: tuple[str, ...]
    expected: tuple[str, ...]
    build: Build
    arrays: dict[str, Any] = field(default_factory=dict[str, Any])


def node(primitive: str, **parameters: Any) -> Build:
    return lambda builder, streams: builder.node(primitive, *streams, **parameters)


def around(random: Random) -> int:
    """How many lists lie around the fiber that an operator works on."""
    return random.choice((0, 1, 2))


def halves(nested: Nested, depth: int, count: int = 2) -> list[Nested]:
    """A nested list of tuples as a tuple of nested lists."""

    def part(n: int) -> Nested:
        return at_depth(nested, depth, lambda leaf: leaf[n])

    return [part(n) for n in range(count)]


# Access ------------------------------------------------------------------------------------------


def scan_compressed(random: Random) -> Trial:
    depth = around(random)
    fibers = [coordinates(random) for _ in range(5)]
    segments = np.cumsum([0, *(len(fiber) for fiber in fibers)])
    refs = grow(random, depth, lambda: random.choice([0, 1, 2, 3, 4, None]))

    def crd(r: int | None) -> list[int]:
        return [] if r is None else fibers[r]

    def ref(r: int | None) -> list[int]:
        return [] if r is None else list(range(segments[r], segments[r + 1]))

    return Trial(
        (encode(refs, depth),),
        tuple(encode(at_depth(refs, depth, f), depth + 1) for f in (crd, ref)),
        node("scan_compressed", segments=Slot("T.0.segments"), coordinates=Slot("T.0.coordinates")),
        {
            "T.0.segments": segments,
            "T.0.coordinates": np.array([c for fiber in fibers for c in fiber], dtype=np.int64),
        },
    )


def scan_dense(random: Random) -> Trial:
    depth, size = around(random), random.randint(0, 3)
    refs = grow(random, depth, lambda: random.choice([0, 1, 2, None]))

    def crd(r: int | None) -> list[int]:
        return [] if r is None else list(range(size))

    def ref(r: int | None) -> list[int]:
        return [] if r is None else list(range(r * size, (r + 1) * size))

    return Trial(
        (encode(refs, depth),),
        tuple(encode(at_depth(refs, depth, f), depth + 1) for f in (crd, ref)),
        node("scan_dense", extent=size),
    )


def scan_bitvector(random: Random) -> Trial:
    depth = around(random)
    words = [random.randrange(16) for _ in range(4)]
    before = np.cumsum([0, *(word.bit_count() for word in words)]).tolist()
    refs = grow(random, depth, lambda: random.choice([0, 1, 2, 3, None]))
    return Trial(
        (encode(refs, depth),),
        (
            encode(at_depth(refs, depth, lambda r: [] if r is None else [words[r]]), depth + 1),
            encode(at_depth(refs, depth, lambda r: [] if r is None else [before[r]]), depth + 1),
        ),
        node("scan_bitvector", words=Slot("T.0.words")),
        {"T.0.words": np.array(words)},
    )


def locate(random: Random) -> Trial:
    depth, size = around(random), 6
    rows = grow(random, depth, lambda: (coordinates(random, size), random.choice([0, 1, 2, None])))
    crd, ref = halves(rows, depth)

    def position(row: tuple[list[int], int | None]) -> list[int | None]:
        fiber, parent = row
        return [None if parent is None else parent * size + c for c in fiber]

    return Trial(
        (encode(crd, depth + 1), encode(ref, depth)),
        (encode(at_depth(rows, depth, position), depth + 1),),
        node("locate", extent=size),
    )


def repeat(random: Random) -> Trial:
    depth = around(random)
    rows = grow(random, depth, lambda: (coordinates(random), random.choice([7, 8, None])))
    crd, ref = halves(rows, depth)

    def build(builder: Any, streams: Any) -> Any:
        (signal,) = builder.node("repeat_signal", streams[1])
        return builder.node("repeat", streams[0], signal)

    return Trial(
        (encode(ref, depth), encode(crd, depth + 1)),
        (encode(at_depth(rows, depth, lambda row: [row[1]] * len(row[0])), depth + 1),),
        build,
    )


def array(random: Random) -> Trial:
    depth = around(random) + 1
    values = [value(random) for _ in range(4)]
    refs = grow(random, depth, lambda: random.choice([0, 1, 2, 3, None]))
    read = at_depth(refs, depth, lambda r: 0.0 if r is None else values[int(r)])
    return Trial(
        (encode(refs, depth),),
        (encode(read, depth),),
        node("array", values=Slot("T.values")),
        {"T.values": np.array(values)},
    )


# Joiners and arithmetic --------------------------------------------------------------------------


def joiner(primitive: str, combine: Callable[[set[int], set[int]], set[int]]) -> "Rule":
    def trial(random: Random) -> Trial:
        depth, count = around(random), random.choice((2, 2, 3, 4))
        rows = grow(random, depth, lambda: [coordinates(random) for _ in range(count)])
        crds = halves(rows, depth, count)
        refs = [numbered(crd, depth + 1) for crd in crds]

        def joined(row: list[list[int]]) -> list[int]:
            return sorted(reduce(combine, map(set, row)))

        def joined_refs(operand: int) -> Nested:
            positions = iter(range(10**9))

            def refs_of(row: list[list[int]]) -> list[int | None]:
                own = {c: next(positions) for c in row[operand]}
                return [own.get(c) for c in joined(row)]

            return at_depth(rows, depth, refs_of)

        return Trial(
            tuple(encode(stream, depth + 1) for stream in (*crds, *refs)),
            (
                encode(at_depth(rows, depth, joined), depth + 1),
                *(encode(joined_refs(k), depth + 1) for k in range(count)),
            ),
            node(primitive),
        )

    trial.__name__ = primitive
    return trial


def alu(random: Random) -> Trial:
    depth = around(random)
    pairs = grow(random, depth, lambda: (value(random), random.choice([2.0, 3.0, None])))
    a, b = halves(pairs, depth)
    return Trial(
        (encode(a, depth), encode(b, depth)),
        (encode(at_depth(pairs, depth, lambda ab: ab[0] * (ab[1] or 0.0)), depth),),
        node("alu", op="mul"),
    )


def reduction(op: str, combine: Callable[[Iterable[float]], float]) -> "Rule":
    def trial(random: Random) -> Trial:
        depth = around(random)
        values = grow(random, depth + 1, lambda: value(random))
        return Trial(
            (encode(values, depth + 1),),
            (encode(at_depth(values, depth, lambda fiber: float(combine(fiber))), depth),),
            node("reduce", op=op),
        )

    trial.__name__ = f"reduce_{op}"
    return trial


def accumulator(
    order: int,
    op: str = "add",
    combine: Callable[[float, float], float] = operator.add,
    extents: tuple[int, ...] = (4, 4, 4),
    stride: int = 1,
) -> "Rule":
    """
    The accumulated axes have the coordinates 0, stride, .., (extent - 1) * stride.

    `extents` has their extents, outermost first.
    """

    def tree(random: Random, levels: int) -> Any:
        if levels == 0:
            return value(random)
        extent = 4 if levels > order else extents[order - levels]
        return {stride * c: tree(random, levels - 1) for c in coordinates(random, extent)}

    def merge(a: Any, b: Any, levels: int) -> Any:
        if levels == 0:
            return combine(a, b)
        merged = {**a, **b}
        return {
            k: merge(a[k], b[k], levels - 1) if k in a and k in b else merged[k] for k in merged
        }

    def prune(a: Any, levels: int) -> Any:
        """In order, without coordinates that nothing is below."""
        if levels == 0:
            return a
        below = {k: prune(a[k], levels - 1) for k in sorted(a)}
        return {k: v for k, v in below.items() if v != {}}

    def level(a: Any, levels: int) -> Nested:
        """The coordinates `levels` levels down in a tree of dictionaries."""
        return list(a) if levels == 0 else [level(a[k], levels - 1) for k in a]

    def leaves(a: Any, levels: int) -> Nested:
        return a if levels == 0 else [leaves(a[k], levels - 1) for k in a]

    def total(row: Any) -> Any:
        return prune(reduce(lambda a, b: merge(a, b, order), row.values(), {}), order)

    def trial(random: Random) -> Trial:
        depth = random.choice((0, 1))
        rows = grow(random, depth, lambda: tree(random, order + 1))
        sums = at_depth(rows, depth, total)

        def stream(trees: Nested, levels: int) -> str:
            return encode(at_depth(trees, depth, lambda a: level(a, levels)), depth + levels + 1)

        return Trial(
            (
                *(stream(rows, n) for n in range(order + 1)),
                encode(at_depth(rows, depth, lambda a: leaves(a, order + 1)), depth + order + 1),
            ),
            (
                *(stream(sums, n) for n in range(order)),
                encode(at_depth(sums, depth, lambda a: leaves(a, order)), depth + order),
            ),
            node("accumulate", op=op),
        )

    trial.__name__ = "_".join(map(str, ("accumulate_order", order, op, *extents[:order], stride)))
    return trial


# Droppers and shapes -----------------------------------------------------------------------------


def fibers(random: Random) -> list[tuple[int, list[int]]]:
    return [(c, coordinates(random)) for c in coordinates(random, 4)]


def outer_inner(rows: Nested, depth: int) -> tuple[Nested, Nested]:
    """The coordinates of rows of (coordinate, fiber), and their fibers."""
    outer = at_depth(rows, depth, lambda row: [o for o, _ in row])
    return outer, at_depth(rows, depth, lambda row: [i for _, i in row])


def coordinate_drop(random: Random) -> Trial:
    depth = around(random)
    rows = grow(random, depth, lambda: fibers(random))
    outer, inner = outer_inner(rows, depth)
    kept = at_depth(rows, depth, lambda row: [o for o, i in row if i])
    return Trial(
        (encode(outer, depth + 1), encode(inner, depth + 2)),
        (encode(kept, depth + 1), encode(inner, depth + 2)),
        node("coordinate_drop"),
    )


def coordinate_hold(random: Random) -> Trial:
    depth = around(random)
    rows = grow(random, depth, lambda: fibers(random))
    outer, inner = outer_inner(rows, depth)
    held = at_depth(rows, depth, lambda row: [[o] * len(i) for o, i in row])
    return Trial(
        (encode(outer, depth + 1), encode(inner, depth + 2)),
        (encode(held, depth + 2), encode(inner, depth + 2)),
        node("coordinate_hold"),
    )


PREDICATES: dict[str, Callable[[int, int], bool]] = {
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
    "eq": operator.eq,
    "ne": operator.ne,
}


def mask(random: Random) -> Trial:
    depth = around(random)
    rows = grow(random, depth, lambda: fibers(random))
    outer, inner = outer_inner(rows, depth)
    refs = numbered(inner, depth + 2)
    count = iter(range(10**9))

    predicate, drops = random.choice(list(PREDICATES.items()))

    def masked(row: list[tuple[int, list[int]]]) -> list[tuple[int, list[tuple[int, int]]]]:
        numbered_row = [(o, [(c, next(count)) for c in i]) for o, i in row]
        kept = [(o, [(c, n) for c, n in i if not drops(o, c)]) for o, i in numbered_row]
        return [(o, i) for o, i in kept if i]

    result = at_depth(rows, depth, masked)
    out_outer, out_pairs = outer_inner(result, depth)
    out_inner, out_refs = halves(out_pairs, depth + 2)
    return Trial(
        (encode(outer, depth + 1), encode(inner, depth + 2), encode(refs, depth + 2)),
        (encode(out_outer, depth + 1), encode(out_inner, depth + 2), encode(out_refs, depth + 2)),
        node("mask", predicate=predicate),
    )


def value_drop_keep(random: Random) -> Trial:
    depth = around(random)
    rows = grow(random, depth, lambda: [(value(random), c) for c in coordinates(random)])
    kept = at_depth(rows, depth, lambda row: [(v, c) for v, c in row if v != 0])
    return Trial(
        tuple(encode(half, depth + 1) for half in halves(rows, depth + 1)),
        tuple(encode(half, depth + 1) for half in halves(kept, depth + 1)),
        node("value_drop", empty="keep"),
    )


def without_empty(nested: Nested, depth: int) -> Nested:
    """Without lists that have no leaf below them."""
    if depth == 0:
        return nested
    below = [without_empty(child, depth - 1) for child in nested]
    return [child for child in below if depth == 1 or child]


def fibers_only(nested: Nested, depth: int) -> str:
    """The stream of a list whose empty fibers are gone; all gone, no stop is left."""
    kept = without_empty(nested, depth)
    return encode(kept, depth) if kept else "D"


def value_drop_drop(random: Random) -> Trial:
    depth = around(random)
    rows = grow(random, depth, lambda: [(value(random), c) for c in coordinates(random)])
    kept = at_depth(rows, depth, lambda row: [(v, c) for v, c in row if v != 0])
    return Trial(
        tuple(encode(half, depth + 1) for half in halves(rows, depth + 1)),
        tuple(fibers_only(half, depth + 1) for half in halves(kept, depth + 1)),
        node("value_drop", empty="drop"),
    )


def stop_drop_empty(random: Random) -> Trial:
    depth = around(random)
    rows = grow(random, depth, lambda: coordinates(random))
    return Trial(
        (encode(rows, depth + 1),), (fibers_only(rows, depth + 1),), node("stop_drop", mode="empty")
    )


def stop_drop_all(random: Random) -> Trial:
    depth = around(random) + 1
    rows = grow(random, depth, lambda: random.randrange(9))
    points: list[str] = []
    at_depth(rows, depth, lambda leaf: points.append(str(leaf)))
    return Trial((encode(rows, depth),), (" ".join([*points, "D"]),), node("stop_drop", mode="all"))


def split(random: Random) -> Trial:
    depth = around(random)
    rows = grow(random, depth, lambda: coordinates(random, 12))

    def parts(row: list[int]) -> list[tuple[int, list[int]]]:
        return [(q, [c % 4 for c in row if c // 4 == q]) for q in sorted({c // 4 for c in row})]

    outer, inner = outer_inner(at_depth(rows, depth, parts), depth)
    return Trial(
        (encode(rows, depth + 1),),
        (encode(outer, depth + 1), encode(inner, depth + 2)),
        node("split", factor=4),
    )


def flatten(random: Random) -> Trial:
    depth = around(random)
    rows = grow(random, depth, lambda: fibers(random))
    outer, inner = outer_inner(rows, depth)
    flat = at_depth(rows, depth, lambda row: [o * 6 + c for o, i in row for c in i])
    return Trial(
        (encode(outer, depth + 1), encode(inner, depth + 2)),
        (encode(flat, depth + 1),),
        node("flatten", factor=6),
    )


def points_to_fibers(random: Random) -> Trial:
    row = [(o, i) for o, i in fibers(random) if i]
    points = [(o, c) for o, i in row for c in i]
    return Trial(
        tuple(" ".join([*(str(point[k]) for point in points), "D"]) for k in (0, 1)),
        (encode([o for o, _ in row], 1), encode([i for _, i in row], 2)),
        node("points_to_fibers"),
    )


# Bit vectors -------------------------------------------------------------------------------------


def word(fiber: Iterable[int]) -> int:
    return sum(1 << c for c in fiber)


def bitvector_build(random: Random) -> Trial:
    depth = around(random)
    rows = grow(random, depth, lambda: coordinates(random))
    words = at_depth(rows, depth, lambda row: [word(row)] if row else [])
    return Trial((encode(rows, depth + 1),), (encode(words, depth + 1),), node("bitvector_build"))


def bitvector_chunk(random: Random) -> Trial:
    """Coordinates 0..5 in chunks of four; a reference counts the bits before in the fiber."""
    depth = around(random)
    rows = grow(
        random, depth, lambda: [word(coordinates(random)) for _ in range(2)][: around(random)]
    )

    def chunks(row: list[int]) -> list[int]:
        return [chunk for bits in row for chunk in (bits & 15, bits >> 4)]

    def before(row: list[int]) -> list[int]:
        counts = [chunk.bit_count() for chunk in chunks(row)]
        return [sum(counts[:n]) for n in range(len(counts))]

    return Trial(
        (encode(rows, depth + 1),),
        tuple(encode(at_depth(rows, depth, f), depth + 1) for f in (chunks, before)),
        node("bitvector_chunk", width=4, size=6),
    )


def bitvector_intersect(random: Random) -> Trial:
    depth = around(random)
    rows = grow(random, depth, lambda: (coordinates(random) or [0], coordinates(random) or [1]))
    bases = [numbered(rows, depth), at_depth(numbered(rows, depth), depth, lambda n: n + 9)]

    def refs(operand: int) -> Nested:
        base = iter(range(9 * operand, 10**9))

        def found(row: tuple[list[int], list[int]]) -> list[int]:
            first, common = next(base), set(row[0]) & set(row[1])
            return [first + n for n, c in enumerate(row[operand]) if c in common]

        return at_depth(rows, depth, found)

    def one(nested: Nested) -> str:
        return encode(at_depth(nested, depth, lambda x: [x]), depth + 1)

    words = [at_depth(half, depth, word) for half in halves(rows, depth)]
    both = at_depth(rows, depth, lambda row: word(set(row[0]) & set(row[1])))
    return Trial(
        (one(words[0]), one(bases[0]), one(words[1]), one(bases[1])),
        (one(both), encode(refs(0), depth + 1), encode(refs(1), depth + 1)),
        node("bitvector_intersect"),
    )


def bitvector_drop(random: Random) -> Trial:
    depth = around(random)
    rows = grow(random, depth, lambda: fibers(random))
    outer = at_depth(rows, depth, lambda row: [word(o for o, _ in row)] if row else [])
    inner = at_depth(rows, depth, lambda row: [[word(i)] if i else [] for _, i in row])
    kept = at_depth(rows, depth, lambda row: [word(o for o, i in row if i)] if row else [])
    kept_inner = at_depth(rows, depth, lambda row: [[word(i)] for _, i in row if i])
    return Trial(
        (encode(outer, depth + 1), encode(inner, depth + 2)),
        (encode(kept, depth + 1), encode(kept_inner, depth + 2)),
        node("bitvector_drop"),
    )


# Lanes and numbered streams ----------------------------------------------------------------------


def gather_after_fork(random: Random) -> Trial:
    depth, lanes = around(random) + 1, random.choice((1, 2, 3))
    rows = encode(grow(random, depth, lambda: random.randrange(9)), depth)

    def build(builder: Any, streams: Any) -> Any:
        *outs, order = builder.node("fork", *streams, lanes=lanes)
        return builder.node("gather", *outs, order)

    return Trial((rows,), (rows,), build)


def gather_of_scans_after_fork(random: Random) -> Trial:
    """Scatter references, scan two levels deeper in each lane, gather the fibers."""
    depth, lanes, size = around(random) + 1, random.choice((1, 2, 3)), random.randint(0, 2)
    refs = grow(random, depth, lambda: random.randrange(3))
    inside = [list(range(size))] * size

    def build(builder: Any, streams: Any) -> Any:
        *outs, order = builder.node("fork", *streams, lanes=lanes)
        scanned: list[Any] = []
        for lane in outs:
            _, ref = builder.node("scan_dense", lane, extent=size)
            scanned.append(builder.node("scan_dense", ref, extent=size)[0])
        return builder.node("gather", *scanned, order, levels=2)

    return Trial(
        (encode(refs, depth),), (encode(at_depth(refs, depth, lambda _: inside), depth + 2),), build
    )


def balance(random: Random) -> Trial:
    """Each fiber to the lane that has the fewest entries and fibers; an absent one is empty."""
    depth, among = around(random), random.randint(1, 4)
    sizes = [random.choice((0, 0, 1, 2, 9)) for _ in range(5)]
    refs = grow(random, depth, lambda: random.choice([0, 1, 2, 3, 4, None]))
    loads = [0] * among

    def lane(r: int | None) -> int:
        least = min(range(among), key=loads.__getitem__)
        loads[least] += 1 if r is None else 1 + sizes[r]
        return least

    return Trial(
        (encode(refs, depth),),
        (encode(at_depth(refs, depth, lane), depth),),
        node("balance", segments=Slot("T.1.segments"), among=among),
        {"T.1.segments": np.cumsum([0, *sizes])},
    )


def gather_after_deal(random: Random) -> Trial:
    """Elements dealt in any order become fibers in their lanes, and come back in their places."""
    depth, lanes, size = around(random) + 1, random.choice((1, 2, 3)), random.randint(0, 2)
    pairs = grow(random, depth, lambda: (random.randrange(9), random.randrange(lanes)))
    refs, order = halves(pairs, depth)

    def build(builder: Any, streams: Any) -> Any:
        refs, order = streams
        dealt = builder.node("deal", refs, order, lanes=lanes)
        scanned = [builder.node("scan_dense", lane, extent=size)[1] for lane in dealt]
        return builder.node("gather", *scanned, order, levels=1)

    def opened(r: int) -> list[int]:
        return list(range(r * size, (r + 1) * size))

    return Trial(
        (encode(refs, depth), encode(order, depth)),
        (encode(at_depth(refs, depth, opened), depth + 1),),
        build,
    )


def concat(random: Random) -> Trial:
    depth, count = around(random), random.choice((1, 2, 3))
    rows = grow(random, depth, lambda: [coordinates(random) for _ in range(count)])
    extents = random.choice(((), (6,) * count))
    shifts = [sum(extents[:k]) for k in range(count)]
    joined = at_depth(
        rows, depth, lambda row: [c + s for part, s in zip(row, shifts, strict=True) for c in part]
    )
    return Trial(
        tuple(encode(half, depth + 1) for half in halves(rows, depth, count)),
        (encode(joined, depth + 1),),
        node("concat", extents=extents),
    )


def indices(random: Random) -> Trial:
    depth, size = around(random) + 1, 5
    rows = grow(random, depth, lambda: random.choice([0.0, 1.0, 4.0, None]))
    found = at_depth(rows, depth, lambda index: 0 if index is None else int(index))
    return Trial((encode(rows, depth),), (encode(found, depth),), node("coordinates", extent=size))


def number(random: Random) -> Trial:
    depth = around(random) + 1
    rows = grow(random, depth, lambda: random.randrange(9))
    return Trial((encode(rows, depth),), (encode(numbered(rows, depth), depth),), node("number"))


def increasing(random: Random, count: int) -> Callable[[], int | None]:
    """Leaves that increase through 0..count - 1, with gaps and absent ones."""
    chosen = iter(sorted(random.sample(range(count), random.randint(0, count))))
    return lambda: None if random.random() < 0.2 else next(chosen, None)


def select_fibers(random: Random) -> Trial:
    """A tree from an accumulator, read like memory: any nesting, only the fibers count."""
    depth, tree_depth = around(random), around(random)
    tree = grow(random, tree_depth, lambda: coordinates(random))
    rows: list[list[int]] = []
    at_depth(tree, tree_depth, rows.append)
    positions = numbered(rows, 2)
    refs = grow(random, depth, increasing(random, len(rows)))

    def pick(source: Nested) -> str:
        return encode(at_depth(refs, depth, lambda r: [] if r is None else source[r]), depth + 1)

    return Trial(
        (encode(refs, depth), encode(tree, tree_depth + 1)),
        (pick(rows), pick(positions)),
        node("select_fibers"),
    )


def select_values(random: Random) -> Trial:
    depth, tree_depth = around(random), around(random) + 1
    values = grow(random, tree_depth, lambda: value(random))
    flat: list[float] = []
    at_depth(values, tree_depth, flat.append)
    refs = grow(random, depth, increasing(random, len(flat)))
    picked = at_depth(refs, depth, lambda r: 0.0 if r is None else flat[int(r)])
    return Trial(
        (encode(refs, depth), encode(values, tree_depth)),
        (encode(picked, depth),),
        node("select_values"),
    )


Rule = Callable[[Random], Trial]

RULES: list[Rule] = [
    scan_compressed,
    scan_dense,
    scan_bitvector,
    locate,
    repeat,
    array,
    joiner("intersect", set[int].intersection),
    joiner("union", set[int].union),
    alu,
    reduction("add", sum),
    reduction("max", lambda fiber: max(fiber, default=-np.inf)),
    reduction("min", lambda fiber: min(fiber, default=np.inf)),
    accumulator(1),
    accumulator(2),
    accumulator(3),
    accumulator(1, "max", max),
    accumulator(2, "min", min),
    accumulator(2, extents=(12, 12)),
    accumulator(2, extents=(150, 4)),
    accumulator(2, "max", max, extents=(4, 150)),
    accumulator(2, extents=(12, 60), stride=1 << 33),
    coordinate_drop,
    coordinate_hold,
    mask,
    value_drop_keep,
    value_drop_drop,
    stop_drop_all,
    stop_drop_empty,
    split,
    flatten,
    points_to_fibers,
    bitvector_build,
    bitvector_chunk,
    bitvector_intersect,
    bitvector_drop,
    gather_after_fork,
    gather_of_scans_after_fork,
    balance,
    gather_after_deal,
    concat,
    indices,
    number,
    select_fibers,
    select_values,
]
