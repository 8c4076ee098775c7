"""
From netlists to the `step` dialect: recorded graphs of streaming tensor programs as modules.

Every node becomes one operation, at the node's place: the order decides how memory ports are
served. Where the graph takes sizes for equal that only the program makes equal, the partition that
gives them claims it.

Source: "Streaming Tensor Programs", ASPLOS 2026, arXiv 2511.07776.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy.typing as npt
from xdsl.dialects.builtin import FunctionType, ModuleOp, TensorType
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.utils.exceptions import VerifyException

from headrace.backends.step_netlist_nodes import NodeBuilder
from headrace.backends.step_netlist_sizes import Sizes
from headrace.dialects import step
from headrace.dialects.step_types import SelectorType, StreamType
from headrace.simulators.stream.machine import StepMachine
from headrace.simulators.stream.netlist import Netlist, NetlistNode, Port
from headrace.storage.errors import InputError

Array: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True)
class ImportedNetlist:
    """A netlist as a `step` module: a function `main` of one graph."""

    module: ModuleOp
    graph: step.GraphOp
    arguments: tuple[Array | None, ...]
    """The values of selectors and integers by argument; None where a netlist has none (tiles)."""
    symbols: Mapping[str, int | list[int]]
    """The sizes that those values decide, as `Dimension.substitute` takes them."""
    streams: Mapping[Port, SSAValue]
    """What each output of a node has become."""
    sizes: Sizes
    """What the recorded symbols of sizes stand for."""


def import_netlist(netlist: Netlist) -> ImportedNetlist:
    """
    The module of a netlist.

    Raises `InputError`, which names the node, for an operator or a shape that `step` does not have.
    """
    return _Import(netlist).run()


def machine_of(netlist: Netlist) -> StepMachine:
    """The machine that a netlist was recorded for."""
    memory = netlist.meta["hbm"]
    return StepMachine(
        on_chip_bandwidth=netlist.meta["onchip_bw"],
        channels=memory["channels"],
        latency=memory["latency"],
        interval=memory["ii"],
        startup=memory["startup"],
        request_bytes=memory["addr_offset"],
    )


class _Import:
    def __init__(self, netlist: Netlist) -> None:
        self.netlist = netlist
        self.block = Block()
        self.sizes = Sizes(netlist)
        self.builder = NodeBuilder(self.block, self.sizes)
        self.streams: dict[Port, SSAValue] = {}
        self.operations: dict[int, Operation] = {}
        self.promised: dict[Port, SSAValue] = {}

    def run(self) -> ImportedNetlist:
        for node in self._in_flow_order():
            self._build(node)
        for port, promise in self.promised.items():
            self._keep_promise(port, promise)
        for node in self.netlist.nodes:
            self.block.add_op(self.operations[node.id])
        module, graph = self._module()
        return ImportedNetlist(
            module,
            graph,
            tuple(self.builder.values),
            self.sizes.values,
            self.streams,
            self.sizes,
        )

    def _in_flow_order(self) -> Sequence[NetlistNode]:
        """
        Nodes behind what they read. A cycle is entered by the selector of a merge.

        Its type is known before the merge has its inputs: the recorded shape, one-hot.
        """
        nodes = self.netlist.nodes
        missing = {node.id: len(node.ports) for node in nodes}
        readers: dict[Port, int] = {port: node.id for node in nodes for port in node.ports}
        ready = deque(node for node in nodes if not node.ports)
        merges = deque(node for node in nodes if node.op == "EagerMerge")
        order: list[NetlistNode] = []

        def arrives(port: Port) -> None:
            reader = readers.get(port)
            if reader is not None:
                missing[reader] -= 1
                if not missing[reader]:
                    ready.append(nodes[reader])

        while len(order) < len(nodes):
            if not ready:
                while merges and not missing[merges[0].id]:
                    merges.popleft()
                if not merges:
                    raise InputError(
                        f"netlist {self.netlist.name} has a cycle without an EagerMerge, which "
                        "could never begin; check the inputs of its nodes"
                    )
                arrives(self._promise(merges.popleft()))
                continue
            node = ready.popleft()
            order.append(node)
            for output in range(node.output_count):
                if Port(node.id, output) not in self.promised:
                    arrives(Port(node.id, output))
        return order

    def _promise(self, merge: NetlistNode) -> Port:
        port = Port(merge.id, 1)
        selector = SelectorType(len(merge.ports), hot=1)
        try:
            type = StreamType(selector, self.sizes.shape(port))
        except ValueError as error:
            raise InputError(
                f"netlist {self.netlist.name} feeds back through {merge.label}, whose shape must "
                f"be recorded then: {error}"
            ) from None
        self.promised[port] = self.streams[port] = Block(arg_types=[type]).args[0]
        return port

    def _keep_promise(self, port: Port, promise: SSAValue) -> None:
        selectors = self.streams[port]
        if selectors.type != promise.type:
            raise InputError(
                f"netlist {self.netlist.name} records {promise.type} for the selectors of "
                f"{self.netlist.nodes[port.node].label}, which its inputs make {selectors.type}"
            )
        promise.replace_all_uses_with(selectors)

    def _build(self, node: NetlistNode) -> None:
        inputs = {
            name: [self.streams[port] for port in ports] for name, ports in node.inputs.items()
        }
        try:
            operation = self.builder.build(node, inputs)
        except (VerifyException, ValueError, KeyError) as error:
            reason = f"no {error}" if isinstance(error, KeyError) else " ".join(str(error).split())
            raise InputError(
                f"node {node.label} of netlist {self.netlist.name} is no step operation: {reason}"
            ) from None
        self.operations[node.id] = operation
        streams = [value for value in operation.results if isinstance(value.type, StreamType)]
        for output, value in enumerate(streams[: node.output_count]):
            value.name_hint = f"n{node.id}"
            self.streams[Port(node.id, output)] = value

    def _module(self) -> tuple[ModuleOp, step.GraphOp]:
        tensors: list[SSAValue] = [
            result
            for operation in self.block.ops
            for result in operation.results
            if isinstance(result.type, TensorType)
        ]
        self.block.add_op(step.YieldOp(*tensors))
        types: list[Attribute] = [tensor.type for tensor in tensors]
        inputs = list(self.block.arg_types)
        body = Block(arg_types=inputs)
        graph = step.GraphOp(body.args, types, Region(self.block))
        body.add_ops([graph, ReturnOp(*graph.results)])
        function = FuncOp("main", FunctionType.from_lists(inputs, types), Region(body))
        return ModuleOp([function]), graph
