"""What is compiled (a variant of a primitive) and what comes out (a kernel)."""

from dataclasses import dataclass

from headrace.simulators.stream.primitive import Constant, Primitive


@dataclass(frozen=True)
class Variant:
    """A primitive with its constants: what is compiled once and shared by many nodes."""

    primitive: Primitive
    n: int
    statics: tuple[tuple[str, Constant], ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.primitive.ports(self.n, inputs=True)

    @property
    def outputs(self) -> tuple[str, ...]:
        return self.primitive.ports(self.n, inputs=False)


@dataclass(frozen=True)
class Point:
    """A place where a node may be suspended: its kind and the port or array it waits for."""

    kind: str
    """`data`, `room`, `growth` or `memory`."""
    subject: str
    line: int


@dataclass(frozen=True)
class Kernel:
    """The code of a variant and the layout of its node record."""

    variant: Variant
    symbol: str
    text: str
    """LLVM IR."""
    words: int
    """Size of the node record."""
    parameters: dict[str, int]
    """The first word of each parameter."""
    points: tuple[Point, ...]
    """Suspension point k is `points[k - 1]`."""
    messages: tuple[tuple[str, str | None], ...]
    """Failures: the message, and the port it is about."""
