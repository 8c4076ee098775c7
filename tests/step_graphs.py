"""
Random graphs of streaming tensor programs, as netlists.

Streams are ragged and hold empty lists, since request lengths are random and may be 0. Operators
that need operands of one shape get copies of one stream.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from headrace.simulators.stream.netlist import Netlist, NetlistNode, Output, Port

DEEPEST = 4
TILE, NUMBER = "Tile(Float32, (1, 1))", "Tile(Uint64, (1, 1))"
SELECTOR = "MultiHot(total_n=2)"


@dataclass(frozen=True)
class Tiles:
    """A stream of tiles that nobody reads yet."""

    port: Port
    rank: int
    columns: int


class RandomNetlist:
    """A netlist under construction; every step reads open streams and leaves others."""

    def __init__(self, random: Random, steps: int) -> None:
        self.random = random
        self.nodes: list[NetlistNode] = []
        self.open: list[Tiles] = []
        for _ in range(random.randint(1, 2)):
            random.choice((self.load, self.load_ragged))()
        operators: list[Callable[[Tiles], None]] = [
            self.accumulate,
            self.accumulate_product,
            self.add,
            self.buffer,
            self.deal_and_merge,
            self.expand,
            self.flatten,
            self.multiply,
            self.promote,
            self.repeat,
            self.replay_by_reference,
            self.reshape,
            self.route,
            self.split,
        ]
        for _ in range(steps):
            if self.open:
                operator = random.choice(operators)
                operator(self.open.pop(random.randrange(len(self.open))))
        while self.open:
            self.end(self.open.pop())

    def netlist(self) -> Netlist:
        hbm = {
            "addr_offset": 64,
            "channels": self.random.choice((1, 3, 8)),
            "latency": 2,
            "ii": self.random.randint(1, 3),
            "startup": self.random.choice((0, 14)),
        }
        meta = {"onchip_bw": 64, "hbm": hbm, "elem_bytes": 2, "channel_depth": None}
        return Netlist(meta, tuple(self.nodes))

    def node(
        self,
        op: str,
        inputs: Mapping[str, Port | list[Port]],
        dtype: str = TILE,
        /,
        **parameters: Any,
    ) -> list[Port]:
        """Add a node; `inputs` maps operands to a port or a list of them."""
        ports = {
            name: (one,) if isinstance(one, Port) else tuple(one) for name, one in inputs.items()
        }
        number = len(self.nodes)
        node = NetlistNode(number, op, parameters, ports)
        dtypes = (TILE, dtype) if op == "EagerMerge" else (dtype,) * node.output_count
        self.nodes.append(replace(node, outputs=tuple(Output((), one) for one in dtypes)))
        return [Port(number, k) for k in range(node.output_count)]

    def one(
        self,
        op: str,
        inputs: Mapping[str, Port | list[Port]],
        dtype: str = TILE,
        /,
        **parameters: Any,
    ) -> Port:
        [port] = self.node(op, inputs, dtype, **parameters)
        return port

    def copies(self, port: Port, count: int, dtype: str = TILE) -> list[Port]:
        return self.node("Broadcast", {"input": port}, dtype, num_consumers=count)

    def leave(self, port: Port, rank: int, columns: int) -> None:
        x = Tiles(port, rank, columns)
        if rank <= DEEPEST:
            self.open.append(x)
        else:
            self.end(x)

    def tile(self) -> dict[str, int]:
        rows, columns = self.random.choice((1, 2, 5)), self.random.choice((1, 16, 40))
        return {
            "tile_row": rows,
            "tile_col": columns,
            "par_dispatch": self.random.randint(1, 3),
            "n_byte": 2,
        }

    def cost(self) -> dict[str, Any]:
        return {
            "compute_bw": self.random.choice((0, 1, 64)),
            "write_back_mu": self.random.random() < 0.3,
        }

    # Sources and ends ----------------------------------------------------------------------------

    def load(self) -> None:
        shape = [self.random.randint(1, 4) for _ in range(self.random.randint(1, 2))]
        tile = self.tile()
        port = self.one("OffChipLoad", {}, out_shape_tiled=shape, **tile)
        self.leave(port, len(shape), tile["tile_col"])

    def load_ragged(self) -> None:
        """Tiles of requests with random lengths; of each the last one may go another way."""
        count = self.random.randint(1, 5)
        lengths = [self.random.choice((0, 1, 1, 2, 4)) for _ in range(count)]
        tile = self.tile()
        requests = self.numbers(list(range(count)))
        read, last, again = self.copies(self.numbers(lengths), 3, NUMBER)
        addresses = self.one(
            "CacheReadAddrGen", {"idx": requests, "seq_len": read}, NUMBER, row_offset=4
        )
        tiles = self.one("RandomOffChipLoad", {"raddr": addresses}, **tile)
        if self.random.random() < 0.5:
            for unread in (last, again):
                self.node("ConsumerContext", {"input": unread})
            self.leave(tiles, 2, tile["tile_col"])
            return
        lanes = self.partition(tiles, self.one("FilterLastTile", {"input": last}, SELECTOR), 2)
        lanes = [self.work(lane) for lane in lanes]
        control = self.one("FilterLastTile", {"input": again}, SELECTOR)
        self.leave(self.reassemble(lanes, control), 3, tile["tile_col"])

    def numbers(self, values: list[int]) -> Port:
        stored = {"shape": [len(values)], "values": values}
        return self.one("MetadataGen", {}, NUMBER, underlying=stored)

    def end(self, x: Tiles) -> None:
        match self.random.randrange(3):
            case 0:
                self.node("ConsumerContext", {"input": x.port})
            case 1:
                # Rows of all tiles have the size that the store is told.
                rows = self.one(
                    "RetileStreamify",
                    {"input": x.port},
                    split_row=True,
                    filter_mask=self.random.random() < 0.5,
                )
                tile = {**self.tile(), "tile_row": 1, "tile_col": x.columns}
                self.node("OffChipStore", {"input": rows}, **tile)
            case _:
                pass

    # Operators -----------------------------------------------------------------------------------

    def work(self, port: Port) -> Port:
        """Something that keeps the shape and takes time."""
        if self.random.random() < 0.3:
            return port
        fn = {"fn": self.random.choice(("Silu", "Exp"))}
        return self.one("UnaryMap", {"input": port}, fn=fn, **self.cost())

    def accumulate(self, x: Tiles) -> None:
        if not x.rank:
            return self.leave(self.work(x.port), 0, x.columns)
        levels = self.random.randint(1, x.rank)
        fn = self.random.choice(("RetileRow", "Add"))
        initial = {"fn": "Zero", "shape": [0 if fn == "RetileRow" else 1, x.columns]}
        cost = self.cost()
        if fn == "RetileRow":
            cost["write_back_mu"] = False
        port = self.one(
            "Accum", {"input": x.port}, fn={"fn": fn}, init_fn=initial, accum_rank=levels, **cost
        )
        self.leave(port, x.rank - levels, x.columns)

    def weights(self, ref: Port, rows: int, columns: int) -> Port:
        """One tile for each element of `ref`, as a stream of its shape."""
        tile = {**self.tile(), "tile_row": rows, "tile_col": columns}
        loaded = self.one("DynOffChipLoad", {"ref": ref}, out_shape_tiled=[1], **tile)
        return self.one("Flatten", {"input": loaded}, min_rank=0, max_rank=1)

    def product(self, x: Tiles) -> tuple[dict[str, Port], dict[str, Any], int]:
        columns, transposed = self.random.choice((1, 8)), self.random.random() < 0.5
        a, ref = self.copies(x.port, 2)
        sizes = (columns, x.columns) if transposed else (x.columns, columns)
        fn = {"fn": "Matmul", "weight_transposed": transposed}
        return {"in1": a, "in2": self.weights(ref, *sizes)}, {"fn": fn}, columns

    def multiply(self, x: Tiles) -> None:
        operands, fn, columns = self.product(x)
        self.leave(self.one("BinaryMap", operands, **fn, **self.cost()), x.rank, columns)

    def accumulate_product(self, x: Tiles) -> None:
        if not x.rank:
            return self.multiply(x)
        operands, fn, columns = self.product(x)
        levels = self.random.randint(1, x.rank)
        initial = {"fn": "Empty", "shape": [0, columns]}
        port = self.one(
            "BinaryMapAccum", operands, **fn, init_fn=initial, rank=levels, **self.cost()
        )
        self.leave(port, x.rank - levels, columns)

    def add(self, x: Tiles) -> None:
        a, b = self.copies(x.port, 2)
        operands = {"in1": self.work(a), "in2": self.work(b)}
        fn = {"fn": self.random.choice(("Add", "Mul"))}
        self.leave(self.one("BinaryMap", operands, fn=fn, **self.cost()), x.rank, x.columns)

    def flatten(self, x: Tiles) -> None:
        if not x.rank:
            return self.promote(x)
        low = self.random.randrange(x.rank)
        high = self.random.randint(low + 1, x.rank)
        port = self.one("Flatten", {"input": x.port}, min_rank=low, max_rank=high)
        self.leave(port, x.rank - (high - low), x.columns)

    def promote(self, x: Tiles) -> None:
        rank = self.random.randint(0, x.rank)
        self.leave(self.one("Promote", {"input": x.port}, rank=rank), x.rank + 1, x.columns)

    def repeat(self, x: Tiles) -> None:
        factor = self.random.randint(1, 3)
        port = self.one("RepeatStatic", {"input": x.port}, repeat_factor=factor)
        self.leave(port, x.rank + 1, x.columns)

    def reshape(self, x: Tiles) -> None:
        outer = x.rank == 0 and self.random.random() < 0.5
        port = self.one(
            "Reshape",
            {"input": x.port},
            chunk_size=self.random.randint(1, 3),
            reshape_rank=0,
            pad_fn={"fn": "Zero", "shape": [1, x.columns]},
            add_outer_dim=outer,
            write_back_mu=False,
        )
        self.leave(port, x.rank + 1 + outer, x.columns)

    def split(self, x: Tiles) -> None:
        masked = self.random.random() < 0.5
        port = self.one("RetileStreamify", {"input": x.port}, split_row=True, filter_mask=masked)
        self.leave(port, x.rank, x.columns)

    def expand(self, x: Tiles) -> None:
        """The last row of each list beside all of its elements."""
        if not x.rank:
            return self.repeat(x)
        levels = self.random.randint(1, x.rank)
        folded, ref = self.copies(x.port, 2)
        initial = {"fn": "Zero", "shape": [1, x.columns]}
        fn, cost = {"fn": "Add"}, {**self.cost(), "write_back_mu": False}
        folded = self.one(
            "Accum", {"input": folded}, fn=fn, init_fn=initial, accum_rank=levels, **cost
        )
        for _ in range(levels):
            folded = self.one("Promote", {"input": folded}, rank=0)
        port = self.one("ExpandRef", {"input": folded, "ref": ref}, expand_rank=levels)
        self.leave(port, x.rank, x.columns)

    def buffer(self, x: Tiles) -> None:
        if not x.rank:
            return self.repeat(x)
        levels = self.random.randint(1, x.rank)
        factors = [self.random.randint(1, 2) for _ in range(self.random.randint(1, 2))]
        held = self.one("Bufferize", {"input": x.port}, "Buffer()", rank=levels)
        port = self.one("Streamify", {"input": held}, rank=levels, repeat_factor=factors)
        self.leave(port, x.rank + len(factors), x.columns)

    def replay_by_reference(self, x: Tiles) -> None:
        if not x.rank:
            return self.split(x)
        levels, depth = self.random.randint(1, x.rank), self.random.randint(0, 1)
        held = self.one("Bufferize", {"input": x.port}, "Buffer()", rank=levels)
        held, ref = self.copies(held, 2, "Buffer()")
        for _ in range(depth):
            ref = self.one("RepeatStatic", {"input": ref}, "Buffer()", repeat_factor=2)
        port = self.one("DynStreamify", {"input": held, "ref": ref}, rank=levels, ref_rank=depth)
        self.leave(port, x.rank + depth, x.columns)

    # Routing -------------------------------------------------------------------------------------

    def partition(self, port: Port, control: Port, lanes: int) -> list[Port]:
        return self.node(
            "FlatPartition",
            {"input": port, "control": control},
            num_consumers=lanes,
            partition_rank=0,
            switch_cycles=[1] * lanes,
            write_back_mu=self.random.random() < 0.3,
        )

    def reassemble(self, lanes: list[Port], control: Port) -> Port:
        return self.one(
            "FlatReassemble",
            {"inputs": lanes, "control": control},
            reassemble_rank=0,
            switch_cycles=[1] * len(lanes),
            write_back_mu=self.random.random() < 0.3,
        )

    def route(self, x: Tiles) -> None:
        """Rows of a tensor, to several experts each; packed, worked on, and put together again."""
        self.open.append(x)
        count, lanes, tile = self.random.randint(1, 8), self.random.randint(2, 4), self.tile()
        tile["tile_row"] = 1
        rows = self.one("OffChipLoad", {}, out_shape_tiled=[count], **tile)
        hot = [[lane for lane in range(lanes) if self.random.random() < 0.5] for _ in range(count)]
        stored = {"shape": [count, lanes], "hot": hot}
        controls = [
            self.one("SelectGen", {}, f"MultiHot(total_n={lanes})", underlying=stored)
            for _ in range(2)
        ]
        experts = [self.expert(lane, tile) for lane in self.partition(rows, controls[0], lanes)]
        self.leave(self.reassemble(experts, controls[1]), 2, tile["tile_col"])

    def expert(self, port: Port, tile: dict[str, int]) -> Port:
        """Rows in, rows out."""
        if self.random.random() < 0.5:
            return self.work(port)
        columns = tile["tile_col"]
        packed = self.one(
            "Reshape",
            {"input": port},
            chunk_size=self.random.randint(1, 3),
            reshape_rank=0,
            pad_fn={"fn": "Zero", "shape": [1, columns]},
            add_outer_dim=True,
            write_back_mu=False,
        )
        packs = self.one("Flatten", {"input": packed}, min_rank=1, max_rank=2)
        initial = {"fn": "Empty", "shape": [0, columns]}
        tiles = self.one(
            "Accum",
            {"input": packs},
            fn={"fn": "RetileRow"},
            init_fn=initial,
            accum_rank=1,
            compute_bw=1,
            write_back_mu=False,
        )
        return self.one(
            "RetileStreamify", {"input": self.work(tiles)}, split_row=True, filter_mask=True
        )

    def deal_and_merge(self, x: Tiles) -> None:
        """Dealt out, worked on at several speeds, merged as they come; the source is looked up."""
        lanes = self.random.randint(2, 3)
        dealt = self.node(
            "Parallelize",
            {"input": x.port},
            parallelize_rank=x.rank,
            num_consumers=lanes,
            switch_cycles=[1] * lanes,
        )
        data, source = self.node(
            "EagerMerge",
            {"inputs": [self.work(lane) for lane in dealt]},
            f"MultiHot(total_n={lanes})",
            input_rank=x.rank,
        )
        self.leave(data, x.rank, x.columns)
        addresses = self.one(
            "ExpertAddrGen",
            {"input": source},
            NUMBER,
            num_tile_per_expert=self.random.randint(1, 3),
            expert_addr_base=0,
        )
        tile = self.tile()
        self.leave(self.one("RandomOffChipLoad", {"raddr": addresses}, **tile), 2, tile["tile_col"])
