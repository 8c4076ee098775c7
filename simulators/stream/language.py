"""
The language in which stream primitives are written.

A primitive is a Python function over ports and parameters. Its body is sequential: it takes
tokens, sends tokens, and lets its own clock tick. The functions declared here are its only
verbs; they have no body because `codegen` compiles them (and `coroutines` interprets them).

The clock of a node starts at 0 and moves only as follows:

* `peek` waits for a token and moves the clock to the token's stamp if that is later;
* `take` is `peek`, then removes the token, which frees its slot one cycle later;
* `send` waits for a free slot, moves the clock to the time it became free if that is later, and
  stamps the token one cycle after the clock;
* `tick` moves the clock forward.

The same times result in whatever order the nodes are run, so a node runs until it blocks.

Control flow is `if`, `while`, `break`, `continue`, and `for k in range(..)` over constants, which
is unrolled. `if` over constants is decided when the primitive is compiled. Arguments of verbs and
helpers may be given by name.

Source: "The Dataflow Abstract Machine Simulator Framework", ISCA 2024, section 3.
"""

from typing import NoReturn, TypeAlias, cast

from headrace.simulators.stream.tokens import DONE, EMPTY

__all__ = ["DONE", "EMPTY"]


class In:
    """An input port."""


class Out:
    """An output port. What is sent to a port without a reader vanishes and costs nothing."""


class Ins:
    """`n` input ports."""

    def __getitem__(self, index: int) -> In: ...


class Outs:
    """`n` output ports."""

    def __getitem__(self, index: int) -> Out: ...


class ManyIns:
    """Input ports that are addressed at run time; for groups too wide to be unrolled."""

    def __getitem__(self, index: int) -> In: ...
    def __len__(self) -> int: ...


class ManyOuts:
    """Output ports that are addressed at run time."""

    def __getitem__(self, index: int) -> Out: ...
    def __len__(self) -> int: ...


class Ints:
    """An int64 array that the primitive reads; a program may also bind a tuple of numbers."""

    def __getitem__(self, index: int) -> int: ...
    def __len__(self) -> int: ...


NO_ENTRIES = cast(Ints, ())
"""The default of an array that need not be given."""


class Floats:
    """A float64 array that the primitive reads."""

    def __getitem__(self, index: int) -> float: ...
    def __len__(self) -> int: ...


class IntOutput:
    """An int64 array that the primitive writes, from front to back."""

    def __len__(self) -> int: ...


class FloatOutput:
    """A float64 array that the primitive writes, from front to back."""

    def __len__(self) -> int: ...


class IntWork:
    """Private int64 memory, zero at first; see `reserve`."""

    def __getitem__(self, index: int) -> int: ...
    def __setitem__(self, index: int, value: int) -> None: ...


class FloatWork:
    """Private float64 memory, zero at first; see `reserve`."""

    def __getitem__(self, index: int) -> float: ...
    def __setitem__(self, index: int, value: float) -> None: ...


Int: TypeAlias = int
"""A number that is bound when the program runs."""

Count: TypeAlias = int
"""An `Int` of 1 or more: what is divided by, or repeated."""

Float: TypeAlias = float
"""A float64 number that is bound when the program runs."""

StaticInt: TypeAlias = int
"""A number that is known when the primitive is compiled. `n`, the number of ports of every `Ins`
and `Outs`, is one."""

StaticText: TypeAlias = str
"""A word that is known when the primitive is compiled."""


# Channels ---------------------------------------------------------------------------------------


def peek(port: In) -> int:
    """The next token, after waiting for it."""
    ...


def take(port: In) -> int:
    """`peek`, then remove the token."""
    ...


def pop(port: In, when: bool = True) -> None:
    """Remove the token that has just been peeked at; with `when`, by a choice and not a branch."""


def send(port: Out, token: int, at: int = 0) -> None:
    """Wait for room, then send; the stamp is one cycle after the clock, but at least `at`."""


def room(port: Out) -> None:
    """The wait of `send` without sending."""


def close() -> None:
    """
    End all outputs now. A reader that has taken everything moves its clock to the clock of the
    sender at this time, and `peek` and `take` give D, as often as they are called.

    Streams of a primitive that calls this, its inputs included, end so and not with a token.
    """


def stamp_of(port: In) -> int:
    """
    The stamp of the next token of one of many ports, after waiting for it, D if there is none. The
    clock does not move.
    """
    ...


def arrival(port: In) -> int:
    """
    The stamp of the next token of one of many ports, N if there is none now, D if there will be
    none. Neither waits nor moves the clock. What is there now depends on the order in which nodes
    run, so what a primitive makes of N must not.
    """
    ...


# Clock ------------------------------------------------------------------------------------------


def tick(cycles: int) -> None:
    """Move the clock."""


def wait(time: int) -> None:
    """Move the clock to `time` if that is later; the wait counts as a stall on input."""


def now() -> int:
    """The clock."""
    ...


def finish() -> NoReturn:
    """The node is done."""
    ...


def reject(message: str) -> NoReturn:
    """Refuse to compile this variant: the combination of constants has no meaning."""
    ...


def fail(message: str, port: In | None = None, token: int = 0) -> NoReturn:
    """
    Stop the simulation with an error.

    `{token}` in the message is replaced, `{value}` where it is a number of a value stream; node,
    port and position are added in front.
    """
    ...


# Tokens -----------------------------------------------------------------------------------------


def is_data(token: int) -> bool:
    """A coordinate, reference or number; not N, a stop or D."""
    ...


def is_stop(token: int) -> bool: ...


def stop(level: int, mark: int) -> int: ...


def level_of(stop: int) -> int: ...


def mark_of(stop: int) -> int: ...


def value_of(token: int) -> float:
    """The value of a data token of a value stream; not of N."""
    ...


def token_of(value: float) -> int:
    """The data token that carries `value`."""
    ...


def below(a: int, b: int) -> bool:
    """a < b as unsigned integers; D, N and stops are larger than any coordinate."""
    ...


# Memory -----------------------------------------------------------------------------------------


def append(output: IntOutput | FloatOutput, value: float) -> None:
    """Write one more entry; the array grows as needed."""


def resize(output: FloatOutput | IntOutput, size: int) -> None:
    """Give the array `size` entries, all zero; then `write` may change any of them."""


def write(output: FloatOutput | IntOutput, index: int, value: float) -> None:
    """Overwrite one entry."""


def reserve(work: IntWork | FloatWork, size: int) -> None:
    """Make indices 0 to size - 1 valid; new entries are zero."""


def transfer(words: int) -> None:
    """Count words that are read from memory or written to it."""


def idle(cycles: int) -> None:
    """
    Count cycles of a node that computes in which it does not: those of stops.

    What is rare is counted, not the operations, so that counting costs no time.
    """


def request(words: int) -> None:
    """Ask the memory arbiter for words; the clock moves to the time of the last answer."""


def ask(line: int) -> int:
    """Ask the memory arbiter for a line; the result is when its data arrives."""
    ...


def collect() -> None:
    """Wait until tiles that nobody refers to have been found, or made."""


def place(work: IntWork) -> int:
    """Where an array begins, in words of the memory that `memory: IntWork` overlays."""
    ...


Registers = list[int]
"""Variables of a caller, as the argument of a helper."""


def registers(n: int) -> Registers:
    """n integer variables, addressed by constants."""
    ...


def numbers(n: int) -> list[float]:
    """n float variables, addressed by constants."""
    ...


# Arithmetic -------------------------------------------------------------------------------------


def exp(x: float) -> float: ...
def log(x: float) -> float: ...
def sqrt(x: float) -> float: ...
def sin(x: float) -> float: ...
def cos(x: float) -> float: ...
def tanh(x: float) -> float: ...
def erf(x: float) -> float: ...
def power(x: float, y: float) -> float: ...
def absolute(x: float) -> float: ...


def maximum(x: float, y: float) -> float:
    """The larger one; NaN if either is."""
    ...


def minimum(x: float, y: float) -> float:
    """The smaller one; NaN if either is."""
    ...


def trailing_zeros(x: int) -> int:
    """The index of the lowest set bit of a number that is not 0."""
    ...


def ones(x: int) -> int:
    """The number of set bits."""
    ...
