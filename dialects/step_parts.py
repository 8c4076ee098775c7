"""
Ragged sizes of a part of a stream.

The lists that a partition sends to one output have a ragged size of their own: of `~r` output e0
has `~r.e0`, whose total is not that of `~r`. What is put together again from such parts has `~r`,
by whatever selectors and in whatever order: a ragged symbol says that lists differ, and not which
list has which length. So two streams of `~r` may disagree; the interpreter finds it where they are
read together.

Source: "Streaming Tensor Programs", arXiv 2511.07776, section 3.1: ragged is absorbing.
"""

from collections.abc import Sequence

from headrace.dialects.step_dimension import Dimension, symbol


def part(sizes: Sequence[Dimension], label: str) -> tuple[Dimension, ...]:
    """The sizes of a part: each ragged symbol with a label."""
    return tuple(
        _renamed(size, {name: f"{name}.{label}" for name in _ragged(size)}) for size in sizes
    )


def whole(sizes: Sequence[Dimension]) -> tuple[Dimension, ...]:
    """The sizes of what a part was taken from: each ragged symbol without its last label."""
    return tuple(
        _renamed(size, {name: name.rpartition(".")[0] or name for name in _ragged(size)})
        for size in sizes
    )


def _ragged(size: Dimension) -> list[str]:
    if not size.is_ragged:
        return []
    return [name.removeprefix("~") for name in size.symbols if name.startswith("~")]


def _renamed(size: Dimension, names: dict[str, str]) -> Dimension:
    if not names:
        return size
    return size.substitute({f"~{old}": symbol(new, ragged=True) for old, new in names.items()})
