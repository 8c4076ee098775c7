"""
Building loop nests: functions on memrefs, of `scf.for`, `memref.load`, `memref.store` and scalars.

A nest is what the passes for access-execute machines start from, so its form is fixed: loops step
by 1 between bounds of type index, which are constants, sizes, or numbers read from memory; the last
arguments are written, the others only read.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import cast

from xdsl.builder import Builder
from xdsl.dialects import arith, func, memref, scf
from xdsl.dialects.builtin import DYNAMIC_INDEX, FunctionType, IndexType, IntegerAttr, MemRefType
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.rewriter import InsertPoint

from headrace.frontends.scalars import Scalars


class NestBuilder:
    """Emits the body of `func.func private @name` with a memref for each of `arguments`."""

    def __init__(self, name: str, arguments: Mapping[str, "MemRefType[Attribute]"]):
        self.name = name
        self._block = Block(arg_types=list(arguments.values()))
        self._arguments: dict[str, SSAValue] = dict(zip(arguments, self._block.args, strict=True))
        for hint, argument in self._arguments.items():
            argument.name_hint = hint
        self._head: list[Operation] = []
        self._constants: dict[int, SSAValue] = {}
        self._sizes: dict[tuple[str, int], SSAValue] = {}
        self._builder = Builder(InsertPoint.at_end(self._block))
        self.scalars = Scalars(self.insert)

    def __getitem__(self, name: str) -> SSAValue:
        return self._arguments[name]

    def element(self, name: str) -> Attribute:
        """The element type of an argument."""
        return cast("MemRefType[Attribute]", self[name].type).element_type

    def shape(self, name: str) -> tuple[int, ...]:
        """The sizes of an argument."""
        return cast("MemRefType[Attribute]", self[name].type).get_shape()

    def insert(self, op: Operation) -> Operation:
        """Append `op`; constants go in front of all loops."""
        if isinstance(op, arith.ConstantOp):
            self._head.append(op)
            return op
        return self._builder.insert(op)

    def finish(self) -> func.FuncOp:
        """The verified function."""
        self._builder.insert(func.ReturnOp())
        first = self._block.first_op
        assert first is not None
        self._block.insert_ops_before(self._head, first)
        types = FunctionType.from_lists([argument.type for argument in self._block.args], [])
        function = func.FuncOp(self.name, types, Region(self._block), visibility="private")
        function.verify()
        return function

    # --- numbers of loops ------------------------------------------------------------------

    def number(self, value: int) -> SSAValue:
        """A constant of type index, in front of all loops."""
        if value not in self._constants:
            op = arith.ConstantOp(IntegerAttr.from_index_int_value(value))
            op.result.name_hint = f"c{value}"
            self._constants[value] = self.insert(op).results[0]
        return self._constants[value]

    def size(self, name: str, dimension: int) -> SSAValue:
        """A size of an argument: a constant, or `memref.dim` in front of all loops."""
        buffer = self[name]
        static = cast("MemRefType[Attribute]", buffer.type).get_shape()[dimension]
        if static != DYNAMIC_INDEX:
            return self.number(static)
        if (name, dimension) not in self._sizes:
            op = memref.DimOp(buffer, self.number(dimension))
            self._head.append(op)
            self._sizes[name, dimension] = op.result
        return self._sizes[name, dimension]

    def add(self, x: SSAValue, y: SSAValue) -> SSAValue:
        """The sum of two values of type index."""
        return self.insert(arith.AddiOp(x, y)).results[0]

    def multiply(self, x: SSAValue, y: SSAValue) -> SSAValue:
        """The product of two values of type index."""
        return self.insert(arith.MuliOp(x, y)).results[0]

    @contextmanager
    def loop(
        self, variable: str, upper: SSAValue, lower: SSAValue | None = None
    ) -> Generator[SSAValue]:
        """A loop from `lower`, or 0, to `upper`, around what is emitted inside."""
        body = Block(arg_types=[IndexType()])
        body.args[0].name_hint = variable
        lower = self.number(0) if lower is None else lower
        outer = self._builder
        outer.insert(scf.ForOp(lower, upper, self.number(1), [], body))
        self._builder = Builder(InsertPoint.at_end(body))
        try:
            yield body.args[0]
        finally:
            self._builder.insert(scf.YieldOp())
            self._builder = outer

    def total(
        self,
        variable: str,
        upper: SSAValue,
        start: SSAValue,
        term: Callable[[SSAValue], SSAValue],
    ) -> SSAValue:
        """`start` plus the terms of a loop from 0 to `upper`, in that order."""
        body = Block(arg_types=[IndexType(), start.type])
        body.args[0].name_hint = variable
        outer = self._builder
        loop = scf.ForOp(self.number(0), upper, self.number(1), [start], body)
        outer.insert(loop)
        self._builder = Builder(InsertPoint.at_end(body))
        found = self.scalars.binary("add", body.args[1], term(body.args[0]))
        self._builder.insert(scf.YieldOp(found))
        self._builder = outer
        return loop.results[0]

    @contextmanager
    def running(
        self, variable: str, upper: SSAValue
    ) -> Generator[tuple[SSAValue, SSAValue, Callable[[SSAValue], None]]]:
        """
        A loop from 0 to `upper` that carries a value of type index, 0 at first.

        Gives the variable, the value, and a function that takes the value of the next iteration.
        """
        body = Block(arg_types=[IndexType(), IndexType()])
        body.args[0].name_hint, body.args[1].name_hint = variable, "first"
        following: list[SSAValue] = [body.args[1]]
        outer = self._builder
        zero = self.number(0)
        outer.insert(scf.ForOp(zero, upper, self.number(1), [zero], body))
        self._builder = Builder(InsertPoint.at_end(body))
        try:
            yield body.args[0], body.args[1], following.append
        finally:
            self._builder.insert(scf.YieldOp(following[-1]))
            self._builder = outer

    @contextmanager
    def where(self, condition: SSAValue) -> Generator[None]:
        """What is emitted inside happens only if `condition`, an i1, holds."""
        body = Block()
        outer = self._builder
        outer.insert(scf.IfOp(condition, [], Region(body)))
        self._builder = Builder(InsertPoint.at_end(body))
        try:
            yield
        finally:
            self._builder.insert(scf.YieldOp())
            self._builder = outer

    def index(self, value: SSAValue) -> SSAValue:
        """A number that was read, as a value of type index."""
        return self.insert(arith.IndexCastOp(value, IndexType())).results[0]

    # --- memory ----------------------------------------------------------------------------

    def load(self, name: str, *indices: SSAValue) -> SSAValue:
        return self.insert(memref.LoadOp.get(self[name], indices)).results[0]

    def load_index(self, name: str, *indices: SSAValue) -> SSAValue:
        """A number from memory as a value of type index."""
        return self.index(self.load(name, *indices))

    def store(self, value: SSAValue, name: str, *indices: SSAValue) -> None:
        self.insert(memref.StoreOp.get(value, self[name], indices))

    def update(self, operation: str, name: str, indices: Sequence[SSAValue], by: SSAValue) -> None:
        """
        Replace an element by `operation`, one of `Scalars.binary`, of it and `by`.

        `by` takes the type of the element, which for sums of narrow numbers is wider.
        """
        s, before = self.scalars, self.load(name, *indices)
        self.store(s.binary(operation, before, s.cast(by, before.type)), name, *indices)

    def segment(self, pointers: str, row: SSAValue) -> tuple[SSAValue, SSAValue]:
        """The bounds of `row`: the elements of `pointers` at `row` and behind."""
        lower = self.load_index(pointers, row)
        return lower, self.load_index(pointers, self.add(row, self.number(1)))

    def temporary(self, name: str, size: SSAValue, element: Attribute) -> None:
        """A vector called `name` that only this nest sees."""
        constant = next((n for n, value in self._constants.items() if value is size), None)
        type = MemRefType(element, [DYNAMIC_INDEX if constant is None else constant])
        op = memref.AllocOp([size] if constant is None else [], [], type)
        op.memref.name_hint = name
        self._head.append(op)
        self._arguments[name] = op.memref
