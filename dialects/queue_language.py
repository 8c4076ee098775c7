"""
What code of the core pops, compared with what the access unit pushed for it.

Source: "Ember: A Compiler for Embedding Operations on Decoupled Access-Execute Architectures",
CGO 2026, section 6: both sides must agree. The proof is ours: what is pushed is a sequence of words
and of repetitions, each as often as a loop runs, and the code must consume it from the left, with
loops that provably run as often.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from xdsl.dialects import scf
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.utils.exceptions import VerifyException

from headrace.dialects.index_values import IndexValues
from headrace.dialects.step_dimension import Dimension

ONE = Dimension.of(1)


@dataclass(frozen=True)
class Words:
    """Elements of one type, `count` of them; of a single one, the stream it comes from."""

    type: Attribute
    count: Dimension = ONE
    stream: SSAValue | None = None

    def __str__(self) -> str:
        return _times(self.count, str(self.type))


@dataclass(frozen=True)
class Repeat:
    """The same sequence `count` times."""

    count: Dimension
    items: tuple[Item, ...]

    def __str__(self) -> str:
        return _times(self.count, f"({', '.join(map(str, self.items))})")


Item: TypeAlias = Words | Repeat


def _times(count: Dimension, text: str) -> str:
    if count == 1:
        return text
    return f"{count} x {text}" if count.is_static else f"{text} in a loop"


def repeated(count: Dimension, items: Sequence[Item]) -> Sequence[Item]:
    """The sequence `count` times, where only words of one type, as those."""
    if not items or count == 0:
        return []
    if count == 1:
        return items
    kinds = {item.type if isinstance(item, Words) else None for item in items}
    each = [item.count for item in items]
    (kind, *others) = kinds
    if others or kind is None or not all(number.is_static for number in each):
        return [Repeat(count, tuple(items))]
    return [Words(kind, count * sum(number.value for number in each))]


@dataclass
class Consumer:
    """
    Code that pops, run over what was pushed.

    `popped` says what an operation pops, None for nothing. What is popped of a stream is bound to
    it in `indices`, so that a loop may be counted by it.
    """

    pushed: list[Item]
    indices: IndexValues
    popped: Callable[[Operation], Attribute | None]

    def consume(self, block: Block) -> None:
        """
        Take what the code pops from the left of `pushed`.

        Raises `VerifyException` where the next word has another type or is perhaps not there.
        """
        for op in block.ops:
            type = self.popped(op)
            if type is not None:
                self._single(type, op.results[0])
            elif self._pops(op):
                if not isinstance(op, scf.ForOp):
                    raise VerifyException(
                        f"pops inside of '{op.name}'; pop before it, or in loops of 'scf.for'"
                    )
                self._loop(op)

    def _pops(self, op: Operation) -> bool:
        return any(
            self.popped(inner) is not None for region in op.regions for inner in region.walk()
        )

    def _single(self, type: Attribute, result: SSAValue) -> None:
        self._open(type)
        front = self.pushed[0] if self.pushed else None
        self._words(Words(type))
        if isinstance(front, Words) and front.stream is not None:
            self.indices.bind(result, front.stream)

    def _open(self, wanted: Attribute) -> None:
        """
        Have words in front: of a repetition, those of its first time.

        Counts of its items must be numbers: a symbol stands for another number each time.
        """
        while self.pushed and isinstance(front := self.pushed[0], Repeat):
            rest = _less(front.count, ONE)
            if rest is None or not _has_numbers(front.items):
                raise VerifyException(f"pops {wanted}, but next in the queue is {front}")
            self.pushed[:1] = [*front.items, *_left(front, rest)]

    def _words(self, wanted: Words) -> None:
        while True:
            front = self.pushed[0] if self.pushed else None
            if front is None:
                raise VerifyException(f"pops {wanted}, but nothing more was pushed for it")
            if not isinstance(front, Words) or front.type != wanted.type:
                raise VerifyException(f"pops {wanted}, but next in the queue is {front}")
            rest = _less(front.count, wanted.count)
            if rest is not None:
                self.pushed[:1] = _left(front, rest)
                return
            more = _less(wanted.count, front.count)
            if more is None:
                raise VerifyException(
                    f"pops {wanted}, but next in the queue is {front}, which may be another number"
                )
            del self.pushed[0]
            wanted = replace(wanted, count=more)

    def _loop(self, loop: scf.ForOp) -> None:
        count = self.indices.trips(loop.lb, loop.ub, loop.step)
        if count == 0:
            return
        front = self.pushed[0] if self.pushed else None
        if isinstance(front, Repeat):
            rest = _less(front.count, count)
            if rest is not None:
                self._body(loop, list(front.items))
                self.pushed[:1] = _left(front, rest)
                return
        run = self._run(loop.body.block)
        if run is not None:
            self._words(replace(run, count=count * run.count.value))
        elif count.is_static and count.value <= len(self.pushed):
            for _ in range(count.value):
                Consumer(self.pushed, self.indices.fork(), self.popped).consume(loop.body.block)
        else:
            raise VerifyException(
                "pops in a loop that is not proved to run as often as the access unit pushed: "
                f"next in the queue is {front or 'nothing'}"
            )

    def _body(self, loop: scf.ForOp, items: list[Item]) -> None:
        once = Consumer(items, self.indices, self.popped)
        once.consume(loop.body.block)
        if once.pushed:
            raise VerifyException(
                f"leaves {once.pushed[0]}, which is pushed in each trip of the loop that it pops in"
            )

    def _run(self, block: Block) -> Words | None:
        """What code pops if it is a fixed number of words of one type."""
        run: Words | None = None
        for op in block.ops:
            type = self.popped(op)
            more: Words | None = None
            if type is not None:
                more = Words(type)
            elif self._pops(op):
                inner = self._run(op.body.block) if isinstance(op, scf.ForOp) else None
                if inner is None or not isinstance(op, scf.ForOp):
                    return None
                count = self.indices.trips(op.lb, op.ub, op.step)
                if not count.is_static:
                    return None
                more = replace(inner, count=inner.count * count)
            if more is not None:
                if run is not None and run.type != more.type:
                    return None
                run = more if run is None else replace(run, count=run.count + more.count)
        return run


def _has_numbers(items: Sequence[Item]) -> bool:
    """Whether all counts are numbers."""
    return all(
        item.count.is_static and (isinstance(item, Words) or _has_numbers(item.items))
        for item in items
    )


def _less(count: Dimension, taken: Dimension) -> Dimension | None:
    """What is left of a count, if that is certainly not negative. Symbols are numbers of trips."""
    rest = count - taken
    return rest if all(coefficient > 0 for _, coefficient in rest.terms) else None


def _left(item: Item, count: Dimension) -> Sequence[Item]:
    if count == 0:
        return []
    return [
        replace(item, count=count, stream=None)
        if isinstance(item, Words)
        else replace(item, count=count)
    ]
