"""Netlists under construction: what random ones are made with."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from headrace.simulators.stream.netlist import Netlist, NetlistNode, Output, Port
from headrace.tests.step_strands import (
    Leaf,
    Strand,
    flattened,
    regular,
)

LARGEST = 60
"""Leaves of a stream that grow no further."""

Maker: TypeAlias = "Callable[[Netlists], None]"
"""Adds some nodes."""

META: Mapping[str, Any] = {
    "onchip_bw": 64,
    "elem_bytes": 2,
    "hbm": {"addr_offset": 64, "channels": 32, "latency": 2, "ii": 2, "startup": 14},
}


@dataclass
class Netlists:
    """
    A netlist under construction: the nodes so far and the streams that nobody reads.

    `sinks` has, for every consumer, the lists that arrive there, unless a merge orders them.
    """

    choose: random.Random
    nodes: list[NetlistNode] = field(default_factory=list[NetlistNode])
    strands: list[Strand] = field(default_factory=list[Strand])
    sinks: dict[int, Strand] = field(default_factory=dict[int, Strand])
    netlist: Netlist | None = None

    def build(self, seed: int, steps: int, makers: Sequence[Maker]) -> "Netlists":
        self.strands.append(self.load())
        while len(self.nodes) < steps:
            self.choose.choice(makers)(self)
        for strand in list(self.strands):
            self.end(strand)
        channels = self.choose.choice([2, 8, 32])
        meta = {**META, "name": f"random_{seed}", "hbm": {**META["hbm"], "channels": channels}}
        self.netlist = Netlist(meta, tuple(self.nodes))
        return self

    def add(
        self,
        op: str,
        parameters: Mapping[str, Any],
        outputs: Sequence[Strand],
        **inputs: Strand | list[Strand],
    ) -> list[Strand]:
        """A node that yields strands like `outputs`."""
        number = len(self.nodes)
        ports = {
            name: tuple(strand.port for strand in (given if isinstance(given, list) else [given]))
            for name, given in inputs.items()
        }
        made = [replace(strand, port=Port(number, k)) for k, strand in enumerate(outputs)]
        recorded = tuple(self.output(strand, number) for strand in made)
        self.nodes.append(NetlistNode(number, op, dict(parameters), ports, recorded))
        return made

    def output(self, strand: Strand, number: int) -> Output:
        shape = tuple(f"d{number}_{strand.port.output}_{k}" for k in range(strand.rank + 1))
        rows = shape[0] if strand.rows is None else str(strand.rows)
        form = {
            "tile": f"{'DynTile' if strand.rows is None else 'Tile'}"
            f"(Float32, ({rows}, {strand.columns}))",
            "integer": "Tile(Uint64, (1, 1))",
            "selector": f"MultiHot(total_n={strand.columns})",
            "buffer": f"Buffer(Tile(Float32, ({rows}, {strand.columns})), (1,))",
            "bool": "Bool",
        }
        return Output(shape, form[strand.kind])

    def take(self, fits: Callable[[Strand], bool] = lambda _: True) -> Strand | None:
        """Remove a stream of some kind."""
        fitting = [strand for strand in self.strands if fits(strand)]
        if not fitting:
            return None
        strand = self.choose.choice(fitting)
        self.strands.remove(strand)
        return strand

    def fan_out(self, strand: Strand, count: int) -> list[Strand]:
        return self.add("Broadcast", {"num_consumers": count}, [strand] * count, input=strand)

    def end(self, strand: Strand) -> None:
        """Store static tiles or consume."""
        self.strands.remove(strand)
        if strand.kind == "tile" and strand.rows and strand.lists and self.choose.random() < 0.4:
            tile = {"tile_row": strand.rows, "tile_col": strand.columns}
            shape = {"tensor_shape_tiled": [len(strand.leaves), 1]}
            self.add("OffChipStore", {**tile, **self.dispatch(), **shape}, [], input=strand)
            return
        self.sinks[len(self.nodes)] = strand
        self.add("ConsumerContext", {}, [], input=strand)

    def dispatch(self) -> dict[str, Any]:
        return {"par_dispatch": self.choose.choice([1, 1, 3])}

    def compute(self) -> dict[str, Any]:
        return {
            "compute_bw": self.choose.choice([0, 16, 64, 1024]),
            "write_back_mu": self.choose.random() < 0.3,
        }

    # Sources

    def load(self) -> Strand:
        sizes = [self.choose.randrange(1, 5) for _ in range(self.choose.randrange(1, 4))]
        rows, columns = self.choose.choice([1, 1, 2, 4]), self.choose.choice([16, 32, 48])
        lists = regular((1, *sizes), lambda _: Leaf(rows, rows))
        key = ("box", (1, *sizes))
        strand = Strand(Port(0), "tile", len(sizes), lists, rows, columns, key)
        return self.add("OffChipLoad", self.reading(sizes, rows, columns), [strand])[0]

    def reading(self, sizes: Sequence[int], rows: int, columns: int) -> dict[str, Any]:
        return {
            "tensor_shape_tiled": [64, 1],
            "stride": [1] * len(sizes),
            "out_shape_tiled": list(sizes),
            "tile_row": rows,
            "tile_col": columns,
            "n_byte": 2,
            **self.dispatch(),
        }

    def integers(self, values: Sequence[int]) -> Strand:
        """A list of integers [1, n], flattened."""
        lists = [[Leaf(1, value) for value in values]]
        made = Strand(Port(0), "integer", 1, lists, 1, 1, ("box", (1, len(values))))
        stored = {"underlying": {"shape": [len(values)], "values": list(values)}}
        [strand] = self.add("MetadataGen", stored, [made])
        return self.flatten(strand, 0, 1)

    def selector(self, hot: Sequence[Sequence[int]], count: int) -> Strand:
        """A list of selectors [1, n], flattened."""
        lists = [[Leaf(1, tuple(sorted(chosen))) for chosen in hot]]
        made = Strand(Port(0), "selector", 1, lists, 1, count, ("box", (1, len(hot))))
        stored = {
            "is_multihot": True,
            "underlying": {"shape": [len(hot), count], "hot": list(map(list, hot))},
        }
        [strand] = self.add("SelectGen", stored, [made])
        return self.flatten(strand, 0, 1)

    def flatten(self, strand: Strand, low: int, high: int) -> Strand:
        lists = None
        if strand.lists is not None:
            lists = flattened(strand.lists, strand.rank, low, high)
        key = ("flatten", strand.key, low, high)
        made = replace(strand, rank=strand.rank - (high - low), lists=lists, key=key)
        return self.add("Flatten", {"min_rank": low, "max_rank": high}, [made], input=strand)[0]
