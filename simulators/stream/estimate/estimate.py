"""
The cost model: cycles, operations and bytes of a stream graph without running it.

Nodes are visited once, in the order of data flow: a rule for each primitive says how many tokens
come out of how many that go in (`rules.py`), and how long that takes. Values are not looked at. The
memory model is none: memory answers at once.

Source: "FuseFlow", ASPLOS 2026, section 7, has operations and bytes from sizes and percentages;
here streams are counted, from the lengths of the rows that are there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from headrace.simulators.stream.errors import ProgramError
from headrace.simulators.stream.estimate.levels import Statistics
from headrace.simulators.stream.estimate.nest import Nest, Profile
from headrace.simulators.stream.estimate.node import Cost, Node
from headrace.simulators.stream.estimate.rules import RULES
from headrace.simulators.stream.estimate.timing import Curve, Phases
from headrace.simulators.stream.program import Program, Slot
from headrace.simulators.stream.simulate import WORD_BYTES
from headrace.simulators.stream.statistics import Traffic

DONE_BEHIND = 1
"""Cycles from the last stop of a stream to its D."""


@dataclass(frozen=True, slots=True)
class NodeEstimate:
    """One node of a graph."""

    name: str
    kind: str
    steps: float
    """Cycles that it is busy."""
    start: float
    """When its first token comes."""
    end: float
    operations: float
    tokens: float
    """Tokens that it sends, but for D."""


@dataclass(frozen=True)
class GraphEstimate:
    """What is expected of a stream graph."""

    nodes: tuple[NodeEstimate, ...]
    memory: Mapping[str, Traffic]
    """Bytes by tensor."""
    written: Mapping[str, Profile]
    """The streams that writers write, by the name of their output."""

    @cached_property
    def cycles(self) -> int:
        return round(max((node.end for node in self.nodes), default=0))

    @cached_property
    def flops(self) -> int:
        """Arithmetic operations: a product that is added counts two."""
        return round(sum(node.operations for node in self.nodes))

    @cached_property
    def bytes(self) -> int:
        return sum(traffic.read + traffic.written for traffic in self.memory.values())

    @property
    def bottleneck(self) -> NodeEstimate | None:
        """The node that is busy longest."""
        return max(self.nodes, key=lambda node: node.steps, default=None)


def estimate(program: Program, statistics: Statistics) -> GraphEstimate:
    """
    Estimate a program on tensors with these statistics.

    Raises `ProgramError` for a program with feedback, which has no order of data flow, and for
    statistics that are missing.
    """
    profiles: dict[int, Profile] = {}
    lanes: dict[object, list[Nest]] = {}
    costs: list[Cost] = []
    inputs = [program.node_inputs(node) for node in range(len(program.kinds))]
    outputs = [program.node_outputs(node) for node in range(len(program.kinds))]
    parameters = [program.node_parameters(node) for node in range(len(program.kinds))]
    names, kinds = program.names.tolist(), program.kinds.tolist()
    for place, kind in enumerate(kinds):
        try:
            come = tuple([profiles[channel] for channel in inputs[place]])
        except KeyError:
            raise ProgramError(
                f"node '{names[place]}' lies on a cycle; the cost model needs a graph without "
                "feedback, simulate the program instead"
            ) from None
        node = Node(names[place], kind, parameters[place], come, statistics, lanes)
        cost = RULES[kind](node)
        costs.append(cost)
        for channel, profile in zip(outputs[place], cost.outputs, strict=True):
            profiles[channel] = profile
    paces = [_pace(cost, [profiles[c] for c in inputs[n]]) for n, cost in enumerate(costs)]
    uneven = any(pace and pace.spreads and not pace.spreads[0].is_even for pace in paces)
    phases = Phases.of((cost.flushes for cost in costs), uneven)
    curves: dict[int, Curve] = {}
    nodes: list[NodeEstimate] = []
    for place, cost in enumerate(costs):
        arriving = [(curves[c], profiles[c].nest.tokens) for c in inputs[place]]
        done = phases.work(arriving, cost.steps, paces[place])
        latency = cost.latency
        if cost.flushes:
            out = phases.burst(done, cost.flushes, latency)
        else:
            out = tuple([time + latency for time in done])
        for channel in outputs[place]:
            curves[channel] = out
        sent = sum([profile.nest.tokens for profile in cost.outputs])
        nodes.append(
            NodeEstimate(
                names[place],
                kinds[place],
                cost.steps,
                done[0],
                done[-1] + DONE_BEHIND + cost.closing,
                cost.operations,
                sent,
            )
        )
    traffic: dict[str, Traffic] = {}
    written: dict[str, Profile] = {}
    for cost, given in zip(costs, parameters, strict=True):
        name = given.get("output")
        if isinstance(name, str):
            if cost.written is not None:
                written[name] = cost.written
        elif cost.words:
            name = next(value.name for value in given.values() if isinstance(value, Slot))
        if cost.words and isinstance(name, str):
            moved = round(cost.words * WORD_BYTES)
            tensor = name.partition(".")[0]
            old = traffic.get(tensor, Traffic())
            read, wrote = (0, moved) if cost.written is not None else (moved, 0)
            traffic[tensor] = Traffic(old.read + read, old.written + wrote)
    return GraphEstimate(tuple(nodes), traffic, written)


def _pace(cost: Cost, come: list[Profile]) -> Nest | None:
    """The longest stream of a node: its steps spread over the outermost loop as that does."""
    return max((profile.nest for profile in (*come, *cost.outputs)), key=_tokens, default=None)


def _tokens(nest: Nest) -> float:
    return nest.tokens
