"""Netlists of streaming tensor programs as programs of the stream engine, node by node."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headrace.simulators.stream.machine import StepMachine
from headrace.simulators.stream.netlist import Netlist, NetlistNode, Port
from headrace.simulators.stream.program import Program, ProgramBuilder, Slot, Stream
from headrace.simulators.stream.simulate import simulate
from headrace.simulators.stream.statistics import SimulationResult
from headrace.simulators.stream.step_memory import StepMemory

MAPS: dict[str, tuple[str, int]] = {
    "Add": ("elementwise", 1),
    "Mul": ("elementwise", 1),
    "Div": ("elementwise", 1),
    "Silu": ("elementwise", 8),
    "Exp": ("elementwise", 4),
    "RowWiseSum": ("row_reduce", 1),
    "SetOffset": ("set_offset", 1),
    "RowWiseAppend": ("row_append", 1),
    "CacheWriteAddrGen": ("number", 1),
    "RetileRow": ("retile_rows", 1),
    "SignalReqAllRead": ("signal", 1),
}
"""The function in the engine, and operations per element."""

SELECTORS = {"starts": Slot("selectors.starts"), "members": Slot("selectors.members")}


@dataclass
class StepProgram:
    """A program under construction."""

    netlist: Netlist
    builder: ProgramBuilder = field(default_factory=ProgramBuilder)
    arrays: dict[str, Any] = field(default_factory=dict[str, Any])
    streams: dict[Port, Stream] = field(default_factory=dict[Port, Stream])
    feedback: dict[Port, Stream] = field(default_factory=dict[Port, Stream])
    selectors: dict[tuple[int, ...], int] = field(default_factory=dict[tuple[int, ...], int])

    def read(self, port: Port) -> Stream:
        if port in self.streams:
            return self.streams[port]
        if port not in self.feedback:
            self.feedback[port] = self.builder.feedback()
        return self.feedback[port]

    def width(self, port: Port) -> int:
        """Bytes of a number of a tile; -bytes of something else."""
        node = next(node for node in self.netlist.nodes if node.id == port.node)
        dtype = node.outputs[port.output].dtype
        if dtype.startswith(("Tile(Uint64", "DynTile(Uint64")):
            return -8
        if dtype.startswith("MultiHot"):
            return -int(dtype.split("=")[1].rstrip(")"))
        return {"Bool": -1, "Buffer": 0}.get(dtype.split("(")[0], self.netlist.element_bytes)

    def selector(self, hot: list[int]) -> int:
        return self.selectors.setdefault(tuple(sorted(hot)), len(self.selectors))

    def add(self, node: NetlistNode) -> None:
        kind, inputs, parameters = self.translated(node)
        outputs = self.builder.node(kind, *inputs, name=node.label, rank=node.id, **parameters)
        for number in range(node.output_count):
            self.streams[Port(node.id, number)] = outputs[number]

    def translated(self, node: NetlistNode) -> tuple[str, list[Stream], dict[str, Any]]:
        """The primitive, the streams that it reads, and its parameters."""
        given = node.parameters
        inputs = {name: [self.read(port) for port in ports] for name, ports in node.inputs.items()}
        widths = {name: self.width(ports[0]) for name, ports in node.inputs.items()}

        def reads(*names: str) -> list[Stream]:
            return [stream for name in names for stream in inputs[name]]

        tile = {
            "tile_rows": given.get("tile_row"),
            "tile_columns": given.get("tile_col"),
            "width": given.get("n_byte"),
        }
        dispatch = {"dispatch": given.get("par_dispatch")}
        match node.op:
            case "OffChipLoad":
                shape = {"shape": (1, *given["out_shape_tiled"])}
                return "step_load", [], {**tile, **dispatch, **shape}
            case "DynOffChipLoad":
                shape = {"shape": tuple(given["out_shape_tiled"])}
                return "step_load_by", reads("ref"), {**tile, **dispatch, **shape}
            case "RandomOffChipLoad":
                return "step_random_load", reads("raddr"), {**tile, **dispatch}
            case "OffChipStore":
                return "step_store", reads("input"), {"width": widths["input"], **dispatch}
            case "RandomOffChipStore":
                by_address = given["ack_based_on_waddr"]
                acknowledge = "address" if by_address else "data"
                width = {"width": widths["wdata"], "acknowledge": acknowledge}
                return "step_random_store", reads("waddr", "wdata"), {**width, **dispatch}
            case "UnaryMap" | "BinaryMap" | "Accum" | "BinaryMapAccum":
                return self.computing(node, inputs, widths)
            case "Flatten":
                ranks = {"minimum": given["min_rank"], "maximum": given["max_rank"]}
                return "step_flatten", reads("input"), ranks
            case "Promote":
                return "step_promote", reads("input"), {"unit": given["rank"]}
            case "Reshape":
                rows, columns = (given["pad_fn"] or {"shape": (0, 0)})["shape"]
                chunk = {"unit": given["reshape_rank"], "chunk": given["chunk_size"]}
                outer = {"outer": int(given["add_outer_dim"]), "levels": 0}
                pad = {"pad_rows": rows, "pad_columns": columns}
                pad["write_back"] = int(given["write_back_mu"])
                return "step_reshape", reads("input"), {**chunk, **outer, **pad}
            case "ExpandRef":
                return "step_expand", reads("input", "ref"), {"levels": given["expand_rank"]}
            case "RepeatStatic":
                return "step_repeat", reads("input"), {"factor": given["repeat_factor"]}
            case "RetileStreamify":
                fn = "split_rows" if given["split_row"] else "split_columns"
                masked = {"masked": int(given["filter_mask"])}
                return "step_flat_map", reads("input"), {"fn": fn, **masked}
            case "Bufferize":
                return "step_bufferize", reads("input"), {"levels": given["rank"]}
            case "Streamify":
                repeat = {"levels": given["rank"], "repeat": tuple(given["repeat_factor"])}
                return "step_streamify", reads("input"), repeat
            case "DynStreamify":
                ranks = {"levels": given["rank"], "unit": given["ref_rank"]}
                return "step_streamify_by", reads("input", "ref"), ranks
            case "ConsumerContext":
                return "step_sink", reads("input"), {}
            case _:
                return self.routing(node, inputs, widths)

    def computing(
        self, node: NetlistNode, inputs: dict[str, list[Stream]], widths: dict[str, int]
    ) -> tuple[str, list[Stream], dict[str, Any]]:
        given = node.parameters
        function = given["fn"]["fn"]
        if function in ("Matmul", "DynMatmul"):
            fn, flops = "matmul_transposed" if given["fn"]["weight_transposed"] else "matmul", 1
        else:
            fn, flops = MAPS[function]
        parameters = {
            "fn": fn,
            "flops": flops,
            "compute": given["compute_bw"],
            "widths": tuple(widths.values()),
            "result_width": self.netlist.element_bytes,
            "write_back": int(given["write_back_mu"]),
        }
        kind = "step_map"
        if node.op in ("Accum", "BinaryMapAccum"):
            kind = "step_accumulate"
            parameters["levels"] = given["rank" if "rank" in given else "accum_rank"]
            rows, columns = given["init_fn"]["shape"]
            parameters |= {"initial_rows": rows, "initial_columns": columns}
        return kind, [stream for streams in inputs.values() for stream in streams], parameters

    def routing(
        self, node: NetlistNode, inputs: dict[str, list[Stream]], widths: dict[str, int]
    ) -> tuple[str, list[Stream], dict[str, Any]]:
        given = node.parameters
        lanes = {"lanes": node.output_count}
        streams = [stream for streams in inputs.values() for stream in streams]
        stored = given.get("underlying", {})
        match node.op:
            case "Broadcast":
                return "step_broadcast", streams, lanes
            case "Parallelize":
                unit = {"unit": given["parallelize_rank"], "switch": given["switch_cycles"][0]}
                return "step_deal", streams, {**lanes, **unit}
            case "EagerMerge":
                return "step_merge", streams, {"unit": given["input_rank"], "output": node.label}
            case "FlatPartition" | "FlatReassemble":
                first = "input" if node.op == "FlatPartition" else "inputs"
                reads = [*inputs[first], *inputs["control"]]
                common = {
                    **SELECTORS,
                    "switch": given["switch_cycles"][0],
                    "write_back": int(given["write_back_mu"]),
                    "width": widths[first],
                    "control_width": widths["control"],
                }
                if node.op == "FlatPartition":
                    return (
                        "step_partition",
                        reads,
                        {**common, **lanes, "unit": given["partition_rank"]},
                    )
                return (
                    "step_reassemble",
                    reads,
                    {**common, "output": node.label, "unit": given["reassemble_rank"]},
                )
            case "SelectGen":
                hot = [self.selector(one) for one in stored["hot"]]
                self.arrays[node.label] = np.array(hot, dtype=np.int64)
                shape = {"shape": (1, *stored["shape"][:-1])}
                return "step_select", [], {**shape, "selectors": Slot(node.label)}
            case "MetadataGen":
                self.arrays[node.label] = np.array(stored["values"], dtype=np.int64)
                return (
                    "step_integers",
                    [],
                    {"shape": (1, *stored["shape"]), "values": Slot(node.label)},
                )
            case "ExpertAddrGen":
                tiles = {"tiles": given["num_tile_per_expert"], "base": given["expert_addr_base"]}
                return "step_expert_address", streams, {**tiles, **SELECTORS}
            case "CacheReadAddrGen":
                reads = [*inputs["idx"], *inputs["seq_len"]]
                return "step_cache_address", reads, {"row_tiles": given["row_offset"]}
            case "FilterLastTile":
                return "step_filter_last", streams, {}
            case _:
                raise NotImplementedError(node.op)


def program_of(netlist: Netlist) -> tuple[Program, dict[str, Any]]:
    """The program of a netlist and the arrays that it needs."""
    wide = max([2, *(max(node.output_count, len(node.ports)) for node in netlist.nodes)])
    built = StepProgram(netlist, selectors={(k,): k for k in range(wide)})
    for node in netlist.nodes:
        built.add(node)
    for port, stream in built.feedback.items():
        built.builder.connect(stream, built.streams[port])
    members = [index for hot in built.selectors for index in hot]
    starts = np.cumsum([0, *(len(hot) for hot in built.selectors)], dtype=np.int64)
    built.arrays["selectors.starts"] = starts
    built.arrays["selectors.members"] = np.array(members, dtype=np.int64)
    return built.builder.build(), built.arrays


def machine_of(netlist: Netlist) -> StepMachine:
    hbm = netlist.meta["hbm"]
    return StepMachine(
        on_chip_bandwidth=netlist.meta["onchip_bw"],
        channels=hbm["channels"],
        latency=hbm["latency"],
        interval=hbm["ii"],
        startup=hbm["startup"],
        request_bytes=hbm["addr_offset"],
    )


def simulate_netlist(netlist: Netlist, depth: int | None = None) -> SimulationResult:
    """Run a netlist in the engine; `depth` overrides that of the netlist."""
    program, arrays = program_of(netlist)
    memory = StepMemory(machine_of(netlist))
    return simulate(program, arrays, depth=depth or netlist.channel_depth, memory=memory)
