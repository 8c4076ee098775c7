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


@dataclass(frozen=True, slots=True)
class _Step:
    """A node with its channels, what it reads, and what it does."""

    node: Node
    inputs: list[int]
    outputs: list[int]
    cost: Cost

    @property
    def longest(self) -> Nest | None:
        """The longest stream: the steps spread over the outermost loop as that does."""
        longest, most = None, -1.0
        for profile in (*self.node.inputs, *self.cost.outputs):
            nest = profile.nest
            if nest.tokens > most:
                longest, most = nest, nest.tokens
        return longest


def estimate(program: Program, statistics: Statistics) -> GraphEstimate:
    """
    Estimate a program on tensors with these statistics.

    Raises `ProgramError` for a program with feedback, which has no order of data flow, and for
    statistics that are missing.
    """
    steps = _steps(program, statistics)
    written = {
        str(step.node.parameters["output"]): step.cost.written
        for step in steps
        if step.cost.written is not None
    }
    return GraphEstimate(_timed(steps), _traffic(steps), written)


def _steps(program: Program, statistics: Statistics) -> list[_Step]:
    """What each node does, in the order of data flow."""
    profiles: dict[int, Profile] = {}
    lanes: dict[object, list[Nest]] = {}
    steps: list[_Step] = []
    for place, (name, kind) in enumerate(
        zip(program.names.tolist(), program.kinds.tolist(), strict=True)
    ):
        inputs, outputs = program.node_inputs(place), program.node_outputs(place)
        try:
            come = tuple([profiles[channel] for channel in inputs])
        except KeyError:
            raise ProgramError(
                f"node '{name}' lies on a cycle; the cost model needs a graph without feedback, "
                "simulate the program instead"
            ) from None
        node = Node(name, kind, program.node_parameters(place), come, statistics, lanes)
        cost = RULES[kind](node)
        steps.append(_Step(node, inputs, outputs, cost))
        profiles.update(zip(outputs, cost.outputs, strict=True))
    return steps


def _timed(steps: list[_Step]) -> tuple[NodeEstimate, ...]:
    """The nodes with their clocks."""
    longest = [step.longest for step in steps]
    uneven = any(nest and nest.spreads and not nest.spreads[0].is_even for nest in longest)
    phases = Phases.of([step.cost.flushes for step in steps], uneven)
    curves: dict[int, Curve] = {}
    paces: dict[int, tuple[Nest | None, float]] = {}
    nodes: list[NodeEstimate] = []
    for step, pace in zip(steps, longest, strict=True):
        node, cost = step.node, step.cost
        come = [curves[channel] for channel in step.inputs]
        if cost.steps and any(
            paces[c][0] is not pace or paces[c][1] < cost.steps for c in step.inputs
        ):
            tokens = [profile.nest.tokens for profile in node.inputs]
            done = phases.work(list(zip(come, tokens, strict=True)), cost.steps, pace)
        else:
            # What comes is no faster than the node is.
            done = come[0] if len(come) == 1 else phases.latest(come)
        if cost.flushes:
            out = phases.burst(done, cost.flushes, cost.latency)
        else:
            out = tuple([time + cost.latency for time in done])
        paced = (pace, cost.steps) if cost.steps or not step.inputs else paces[step.inputs[0]]
        if cost.flushes:
            paced = (None, 0.0)
        for channel in step.outputs:
            curves[channel] = out
            paces[channel] = paced
        sent = sum([profile.nest.tokens for profile in cost.outputs])
        end = done[-1] + DONE_BEHIND + cost.closing
        nodes.append(
            NodeEstimate(node.name, node.kind, cost.steps, done[0], end, cost.operations, sent)
        )
    return tuple(nodes)


def _traffic(steps: list[_Step]) -> dict[str, Traffic]:
    """Bytes by tensor: the part of the array's name before the first dot."""
    traffic: dict[str, Traffic] = {}
    for step in steps:
        cost, parameters = step.cost, step.node.parameters
        if not cost.words:
            continue
        slots = [value.name for value in parameters.values() if isinstance(value, Slot)]
        name = str(parameters.get("output", slots[0] if slots else "")).partition(".")[0]
        moved = round(cost.words * WORD_BYTES)
        old = traffic.get(name, Traffic())
        traffic[name] = (
            Traffic(old.read, old.written + moved)
            if cost.written is not None
            else Traffic(old.read + moved, old.written)
        )
    return traffic
