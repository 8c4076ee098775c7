"""The simulators under test behind one call, and the harness for single operators."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headrace.simulators.stream import tokens as words
from headrace.simulators.stream.memory import ParityMemory
from headrace.simulators.stream.program import Program, ProgramBuilder, Slot, Stream
from headrace.simulators.stream.reference import NodeTimes, reference_simulate
from headrace.simulators.stream.reference_process import ABSENT, CLOSE, DONE, REPEAT, Stop
from headrace.simulators.stream.simulate import simulate

Build = Callable[[ProgramBuilder, Sequence[Stream]], Sequence[Stream]]
"""Adds nodes that read the given streams; returns the streams that come out."""


@dataclass(frozen=True)
class Outcome:
    """What both simulators report."""

    cycles: int
    outputs: Mapping[str, Any]
    nodes: Mapping[str, NodeTimes]
    requested_words: int
    deadlock: bool

    @property
    def clocks(self) -> dict[str, int]:
        """The final clock of every node."""
        return {name: times.cycles for name, times in self.nodes.items()}


@dataclass(frozen=True)
class Simulator:
    """A way to run a program, and its way to write streams of a `source` and a `sink`."""

    name: str
    run: Callable[..., Outcome]
    parse: Callable[[str], Any]
    format: Callable[[Any, str], str]
    """What a sink found, written like the expected stream."""

    def __str__(self) -> str:
        return self.name


def tokens(text: str) -> list[str | float]:
    """A stream as text in a form that compares: 3 equals 3.0."""
    return [word if word[0] in "SDNR" else float(word) for word in text.split()]


def is_signal(text: str) -> bool:
    """Whether a stream is a repeat signal, whose alphabet is R, S and D."""
    return set(text.split()) <= {"R", "S", "D"}


def has_values(text: str) -> bool:
    """Whether a stream carries floats, which are written with a point."""
    return "." in text or "inf" in text


def run_streams(
    simulator: Simulator,
    inputs: Sequence[str],
    build: Build,
    expected: Sequence[str],
    arrays: Mapping[str, Any] | None = None,
    interval: int = 0,
    change: Callable[[Program], Program] = lambda program: program,
) -> tuple[list[list[str | float]], Outcome]:
    """
    Feed streams to a few nodes, one token a cycle, and collect what comes out.

    The readers spend `interval` cycles a token. `expected` tells what the results carry. A
    deadlock leaves no streams.
    """
    builder = ProgramBuilder()
    sources = [
        builder.node("source", tokens=Slot(f"in {n}"), name=f"in {n}")[0]
        for n in range(len(inputs))
    ]
    for n, stream in enumerate(build(builder, sources)):
        builder.node("sink", stream, interval=interval, output=f"out {n}", name=f"out {n}")
    slots = {f"in {n}": simulator.parse(text) for n, text in enumerate(inputs)}
    outcome = simulator.run(change(builder.build()), {**(arrays or {}), **slots})
    if outcome.deadlock:
        return [], outcome
    streams = [
        tokens(simulator.format(outcome.outputs[f"out {n}.tokens"], text))
        for n, text in enumerate(expected)
    ]
    return streams, outcome


def _run_reference(program: Program, arrays: Mapping[str, Any], **options: Any) -> Outcome:
    result = reference_simulate(program, arrays, **options)
    stuck = result.deadlock is not None
    return Outcome(result.cycles, result.outputs, result.nodes, result.requested_words, stuck)


def _parse_tokens(text: str) -> list[Any]:
    marks = {"D": DONE, "N": ABSENT, "R": REPEAT, "S": CLOSE}

    def token(word: str) -> Any:
        if word in marks:
            return marks[word]
        if word[0] == "S":
            level, _, hollow = word[1:].partition("~")
            return Stop(int(level), int(hollow or 0))
        return float(word) if has_values(text) else int(word)

    return [token(word) for word in text.split()]


def _run_engine(
    program: Program, arrays: Mapping[str, Any], *, memory: bool = False, **options: Any
) -> Outcome:
    model = ParityMemory() if memory else None
    result = simulate(program, arrays, memory=model, **options)
    nodes = {
        node.name: NodeTimes(
            node.cycles, node.stalled_on_input, node.stalled_on_output, node.tokens
        )
        for node in result.nodes
    }
    words = 0
    if model is not None:
        moved = sum(traffic.read + traffic.written for traffic in result.memory.values())
        words = moved // model.bytes_per_word
    return Outcome(result.cycles, result.outputs, nodes, words, result.deadlock is not None)


def _parse_words(text: str) -> Any:
    return np.array(words.parse(text, has_values(text)), dtype=np.int64)


def _format_words(found: Any, expected: str) -> str:
    def text(word: int) -> str:
        if is_signal(expected):
            return "D" if word == words.DONE else "S" if words.is_control(word) else "R"
        if has_values(expected) and not words.is_control(word) and word != words.EMPTY:
            return repr(words.number(word))
        return words.text(word)

    return " ".join(map(text, found.tolist()))


REFERENCE = Simulator(
    "reference", _run_reference, _parse_tokens, lambda found, expected: " ".join(map(str, found))
)
ENGINE = Simulator("engine", _run_engine, _parse_words, _format_words)
SIMULATORS = (REFERENCE, ENGINE)
