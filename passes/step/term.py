"""Expressions over named axes: what the element of a tensor is."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

from xdsl.ir import SSAValue


@dataclass(frozen=True, eq=False)
class Label:
    """An axis over which expressions are written."""

    extent: int


@dataclass(frozen=True)
class Fold:
    """Several axes as one, the last of them fastest."""

    labels: tuple[Label, ...]


Axis: TypeAlias = "Label | Fold | int"
"""What a dimension is read at: an axis, or one coordinate."""


@dataclass(frozen=True, eq=False)
class Term:
    """
    An expression: `kind` of `args`.

    | kind | data |
    |---|---|
    | `leaf` | tensor, axes |
    | `gather` | tensor; the args are the coordinates |
    | `const` | number |
    | `coordinate` | label |
    | `reduce` | `add` or `max`, labels |
    | `rotate` | label: the halves of that axis become [-x2, x1] |
    | others | nothing: a scalar operation of the args |
    """

    kind: str
    args: tuple[Term, ...] = ()
    data: tuple[Hashable, ...] = ()
    labels: frozenset[Label] = frozenset()
    """The axes that it depends on."""

    @property
    def number(self) -> float | None:
        """The value of a constant."""
        return cast(float, self.data[0]) if self.kind == "const" else None

    @property
    def axes(self) -> tuple[Axis, ...]:
        """Where a leaf is read."""
        return cast("tuple[Axis, ...]", self.data[1])

    @property
    def tensor(self) -> SSAValue:
        """What a leaf or a gather reads."""
        return cast(SSAValue, self.data[0])

    def walk(self) -> Iterator[Term]:
        """This expression and its parts, each once."""
        seen: set[Term] = set()
        left: list[Term] = [self]
        while left:
            term = left.pop()
            if term not in seen:
                seen.add(term)
                yield term
                left.extend(term.args)


def labels_of(axes: Sequence[Axis]) -> Iterator[Label]:
    """The labels among axes."""
    for axis in axes:
        if isinstance(axis, Label):
            yield axis
        elif isinstance(axis, Fold):
            yield from axis.labels


def same(x: Term, y: Term, renamed: Mapping[Label, Label] | None = None) -> bool:
    """Whether two expressions are equal up to the names of axes that they reduce, or `renamed`."""
    names = dict(renamed or {})

    def axis(one: Axis) -> Axis:
        if isinstance(one, Fold):
            return Fold(tuple(names.get(label, label) for label in one.labels))
        return names.get(one, one) if isinstance(one, Label) else one

    def compare(x: Term, y: Term) -> bool:
        if x is y and not x.labels & names.keys():
            return True
        if x.kind != y.kind or len(x.args) != len(y.args):
            return False
        match x.kind:
            case "leaf":
                if x.tensor is not y.tensor or tuple(map(axis, x.axes)) != y.axes:
                    return False
            case "reduce":
                mine, theirs = (cast("tuple[Label, ...]", one.data[1]) for one in (x, y))
                if x.data[0] != y.data[0] or len(mine) != len(theirs):
                    return False
                names.update(zip(mine, theirs, strict=True))
            case "coordinate" | "rotate":
                if axis(cast(Label, x.data[0])) is not y.data[0]:
                    return False
            case _:
                if x.data != y.data:
                    return False
        return all(map(compare, x.args, y.args))

    return compare(x, y)
