"""
Random stream graphs: operators composed in every way that the stream types allow.

A *group* is a set of streams with the same fibers, so that they may be zipped; its parent is the
group whose tokens opened the fibers.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np

from headrace.backends.graph import slots_of
from headrace.simulators.stream.primitives.tiles import ONE_COLUMN, ONE_ROW
from headrace.simulators.stream.program import Program, ProgramBuilder, Slot, Stream
from headrace.storage.levels import Format, Level, Storage

DEEPEST = 4


@dataclass(frozen=True)
class Reference:
    """A reference stream: positions of the level above `level` of a tensor."""

    stream: Stream
    tensor: str
    level: int


@dataclass(eq=False)
class Group:
    """Streams with the same fibers; the root group has no coordinates."""

    parent: "Group | None"
    crd: Stream | None = None
    refs: list[Reference] = field(default_factory=list[Reference])
    vals: list[Stream] = field(default_factory=list[Stream])

    @property
    def depth(self) -> int:
        return 0 if self.parent is None else self.parent.depth + 1


class RandomGraph:
    """A program under construction, and the arrays of its tensors."""

    def __init__(self, random: Random, largest: int, tile: int) -> None:
        self.random = random
        self.largest = largest
        self.tile: dict[str, Any] = {"rows": tile, "columns": tile} if tile else {}
        self.builder = ProgramBuilder()
        self.arrays: dict[str, Any] = {}
        self.formats: dict[str, Format] = {}
        self.groups = [Group(None)]
        for name in "ABC"[: random.choice((2, 3))]:
            self.add_tensor(name)

    def add_tensor(self, name: str) -> None:
        rank = self.random.choice((1, 2, 2, 3))
        format = Format(
            tuple(
                self.random.choice((Level.COMPRESSED, Level.COMPRESSED, Level.DENSE))
                for _ in range(rank)
            ),
            tuple(range(rank)),
        )
        numbers = np.random.default_rng(self.random.randrange(10**6))
        shape = [self.random.randint(1, self.largest) for _ in range(rank)]
        stored = numbers.random(shape) < self.random.choice((0.0, 0.2, 0.5, 0.9))
        tensor = Storage.from_dense(np.where(stored, numbers.integers(1, 9, shape), 0.0), format)
        self.arrays.update(slots_of(name, tensor))
        if self.tile:
            entries = (len(tensor.values), self.tile["rows"], self.tile["columns"])
            self.arrays[f"{name}.values"] = numbers.integers(-4, 5, entries).astype(np.float64)
        self.formats[name] = format
        (root,) = self.builder.node("root")
        self.groups[0].refs.append(Reference(root, name, 0))

    def pick(self, found: list[Any]) -> Any:
        return self.random.choice(found) if found else None

    def children(self) -> list[Group]:
        return [group for group in self.groups if group.parent and group.crd]

    # Steps: each adds an operator if there is a place for it

    def scan(self) -> None:
        places = [
            (group, ref)
            for group in self.groups
            for ref in group.refs
            if ref.level < self.formats[ref.tensor].rank and group.depth < DEEPEST
        ]
        if not places:
            return
        group, ref = self.pick(places)
        prefix = f"{ref.tensor}.{ref.level}"
        if self.formats[ref.tensor].levels[ref.level] is Level.DENSE:
            crd, out = self.builder.node("scan_dense", ref.stream, extent=Slot(f"{prefix}.extent"))
        else:
            crd, out = self.builder.node(
                "scan_compressed",
                ref.stream,
                segments=Slot(f"{prefix}.segments"),
                coordinates=Slot(f"{prefix}.coordinates"),
            )
        self.groups.append(Group(group, crd, [Reference(out, ref.tensor, ref.level + 1)]))

    def join(self) -> None:
        group = self.pick([g for g in self.children() if g.refs])
        if group is None:
            return
        others = [g for g in self.children() if g.refs and g.parent is group.parent]
        operands = [self.pick(others) for _ in range(self.random.choice((2, 2, 3)))]
        refs = [self.pick(operand.refs) for operand in operands]
        crd, *found = self.builder.node(
            self.random.choice(("intersect", "union")),
            *(operand.crd for operand in operands),
            *(ref.stream for ref in refs),
        )
        joined = [
            Reference(stream, ref.tensor, ref.level)
            for stream, ref in zip(found, refs, strict=True)
        ]
        self.groups.append(Group(group.parent, crd, joined))

    def repeat(self) -> None:
        group = self.pick(
            [g for g in self.children() if g.parent and (g.parent.refs or g.parent.vals)]
        )
        if group is None:
            return
        like = self.pick([group.crd, *(ref.stream for ref in group.refs)])
        (signal,) = self.builder.node("repeat_signal", like)
        chosen = self.pick([*group.parent.refs, *group.parent.vals])
        if isinstance(chosen, Reference):
            (out,) = self.builder.node("repeat", chosen.stream, signal)
            group.refs.append(Reference(out, chosen.tensor, chosen.level))
        else:
            group.vals += self.builder.node("repeat", chosen, signal)

    def array(self) -> None:
        places = [
            (group, ref)
            for group in self.groups
            for ref in group.refs
            if ref.level == self.formats[ref.tensor].rank
        ]
        if places:
            group, ref = self.pick(places)
            values = Slot(f"{ref.tensor}.values")
            group.vals += self.builder.node("array", ref.stream, values=values, **self.timing())

    def alu(self) -> None:
        group = self.pick([g for g in self.groups if g.vals])
        if group is None:
            return
        if self.random.random() < 0.5:
            op = self.random.choice(("add", "mul", "sub", "max"))
            pair = (self.pick(group.vals), self.pick(group.vals))
        else:
            op = self.random.choice(("neg", "abs", "tanh"))
            pair = (self.pick(group.vals),)
        group.vals += self.builder.node("alu", *pair, op=op, **self.timing())

    def fold(self) -> None:
        """Tiles combined with the extremes of the rows or columns of others, or transposed."""
        group = self.pick([g for g in self.groups if g.vals])
        if group is None or not self.tile:
            return
        first, second = self.pick(group.vals), self.pick(group.vals)
        size = self.tile["rows"]
        way = self.random.choice(("row", "column", "transpose"))
        if way == "transpose":
            group.vals += self.builder.node("alu", first, op="transpose", **self.timing())
            return
        shape = {"rows": size, "columns": 1} if way == "row" else {"rows": 1, "columns": size}
        op = f"{way}_{self.random.choice(('add', 'max', 'min'))}"
        timing: dict[str, Any] = {**self.timing(), **shape, "inner": size}
        (folded,) = self.builder.node("alu", first, op=op, **timing)
        one = ONE_COLUMN if way == "row" else ONE_ROW
        swapped = self.random.random() < 0.5
        pair = (second, folded) if swapped else (folded, second)
        broadcast: dict[str, Any] = {"broadcast": one << 2 if swapped else one}
        group.vals += self.builder.node("alu", *pair, op="sub", **broadcast, **self.timing())

    def reduce(self) -> None:
        group = self.pick([g for g in self.groups if g.parent and g.vals])
        if group:
            op = self.random.choice(("add", "max", "min"))
            val = self.pick(group.vals)
            group.parent.vals += self.builder.node("reduce", val, op=op, **self.timing())

    def accumulate(self) -> None:
        group = self.pick([g for g in self.children() if g.vals])
        levels = [group]
        for _ in range(self.random.choice((1, 1, 2))):
            above = levels[0].parent if levels[0] else None
            if above is None or above.crd is None:
                return
            levels.insert(0, above)
        if levels[0].parent is None:
            return
        timing = self.timing()
        timing.pop("latency", None)
        *crds, total = self.builder.node(
            "accumulate", *(level.crd for level in levels), self.pick(group.vals), **timing
        )
        parent = levels[0].parent
        for crd in crds:
            self.groups.append(Group(parent, crd))
            parent = self.groups[-1]
        parent.vals.append(total)

    def coordinate_drop(self) -> None:
        group = self.pick([g for g in self.children() if g.parent and g.parent.crd])
        if group:
            outer, inner = self.builder.node("coordinate_drop", group.parent.crd, group.crd)
            self.write(outer, "drop")
            self.write(inner, "drop")

    def coordinate_hold(self) -> None:
        group = self.pick([g for g in self.children() if g.parent and g.parent.crd])
        if group:
            held, _ = self.builder.node("coordinate_hold", group.parent.crd, group.crd)
            self.write(held, "keep")

    def value_drop(self) -> None:
        group = self.pick([g for g in self.children() if g.vals])
        if group and not self.tile:
            val, crd = self.builder.node(
                "value_drop", self.pick(group.vals), group.crd, empty="keep"
            )
            self.groups.append(Group(group.parent, crd, vals=[val]))

    def split(self) -> None:
        group = self.pick([g for g in self.children() if g.depth < DEEPEST])
        if group:
            outer, inner = self.builder.node("split", group.crd, factor=2)
            self.groups.append(Group(group.parent, outer))
            self.groups.append(Group(self.groups[-1], inner))

    def flatten(self) -> None:
        group = self.pick([g for g in self.children() if g.parent and g.parent.crd])
        if group:
            (crd,) = self.builder.node("flatten", group.parent.crd, group.crd, factor=4)
            self.groups.append(Group(group.parent.parent, crd))

    def lanes(self) -> None:
        group = self.pick([g for g in self.children() if g.vals])
        if group:
            *outs, order = self.builder.node("fork", self.pick(group.vals), lanes=2)
            group.vals += self.builder.node("gather", *outs, order)

    def timing(self) -> dict[str, Any]:
        """The shape of tiles and how long they take."""
        if not self.tile:
            return {}
        latency, interval = self.random.randint(1, 5), self.random.randint(1, 3)
        return {**self.tile, "latency": latency, "interval": interval}

    def write(self, crd: Stream, mode: str) -> None:
        self.builder.node("write_coordinates", crd, mode=mode, output=f"crd {crd.node} {crd.port}")

    def finish(self) -> Program:
        """Write most streams; some outputs stay without a reader."""
        for group in self.groups:
            if group.crd and self.random.random() < 0.6:
                self.write(group.crd, "keep")
            for val in group.vals:
                if self.random.random() < 0.8:
                    output = f"val {val.node}"
                    self.builder.node("write_values", val, output=output, **self.tile)
        return self.builder.build()


def random_graph(
    seed: int, steps: int = 14, largest: int = 4, tile: int = 0
) -> tuple[Program, dict[str, Any]]:
    """
    A program of roughly `steps` operators and the arrays of its slots.

    No dimension of a tensor is larger than `largest`; values are numbers, or tiles of tile x tile.
    """
    random = Random(seed)
    graph = RandomGraph(random, largest, tile)
    choices: list[Callable[[], None]] = [
        *[graph.scan] * 6,
        *[graph.join] * 3,
        *[graph.repeat] * 3,
        *[graph.array] * 4,
        *[graph.alu] * 3,
        *[graph.fold] * (3 if tile else 0),
        *[graph.reduce] * 2,
        *[graph.accumulate] * 3,
        graph.coordinate_drop,
        graph.coordinate_hold,
        graph.value_drop,
        graph.split,
        graph.flatten,
        graph.lanes,
    ]
    graph.scan()
    for _ in range(steps):
        random.choice(choices)()
    return graph.finish(), graph.arrays
