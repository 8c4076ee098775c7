"""
The meaning of stream graphs: what every operation of `sam` makes of the tokens it is given.

Slow and obviously right: a stream is decoded to a nested list, the operation is list
processing, and its results are encoded again (`sam_nested`). Every stream is checked on the
way: streams that are zipped line up, coordinates increase inside a fiber, references stay
inside their arrays, and a stream ends with one stop of its depth and one `D`.

`register_sam` lets an xDSL `Interpreter` run modules; tensors are `Storage`s.

Source: "The Sparse Abstract Machine", ASPLOS 2023, sections 3 and 4.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from xdsl.dialects.builtin import DYNAMIC_INDEX, ModuleOp
from xdsl.dialects.linalg.ops import FillOp
from xdsl.dialects.tensor import EmptyOp
from xdsl.interpreter import (
    Interpreter,
    InterpreterFunctions,
    PythonValues,
    impl,
    register_impls,
)
from xdsl.interpreters.arith import ArithFunctions
from xdsl.interpreters.func import FuncFunctions
from xdsl.ir import Attribute, SSAValue
from xdsl.utils.exceptions import InterpretationError

from headrace.dialects import sam, sparse_tensor
from headrace.dialects.sparse_tensor import format_of
from headrace.dialects.stream_flow import producers_first
from headrace.interpreters.sam_access import AccessFunctions
from headrace.interpreters.sam_compute import ComputeFunctions
from headrace.interpreters.sam_lanes import LaneFunctions
from headrace.interpreters.sam_structure import StructureFunctions
from headrace.interpreters.sam_write import WriteFunctions
from headrace.storage.levels import Storage


@register_impls
class GraphFunctions(InterpreterFunctions):
    """Graphs, and between them conversions and tensors of one number."""

    @impl(sam.GraphOp)
    def graph(self, interpreter: Interpreter, op: sam.GraphOp, args: PythonValues) -> PythonValues:
        block = op.body.block
        inputs = zip(block.args, args, strict=True)
        values: dict[SSAValue, Any] = {a: _storage(value, a.type) for a, value in inputs}
        ordered, cyclic = producers_first(block)
        if cyclic:
            raise InterpretationError(
                f"'{cyclic[0].name}' waits for its own results: a cycle of streams has no "
                "initial token"
            )
        for child in ordered:
            if not isinstance(child, sam.YieldOp):
                results = interpreter.run_op(child, tuple(values[o] for o in child.operands))
                values.update(zip(child.results, results, strict=True))
        last = block.last_op
        assert isinstance(last, sam.YieldOp)
        return tuple(values[operand] for operand in last.operands)

    @impl(sparse_tensor.ConvertOp)
    def convert(
        self, interpreter: Interpreter, op: sparse_tensor.ConvertOp, args: PythonValues
    ) -> PythonValues:
        return (_storage(args[0], op.source.type).convert(format_of(op.result.type)),)

    @impl(EmptyOp)
    def empty(self, interpreter: Interpreter, op: EmptyOp, args: PythonValues) -> PythonValues:
        unknown = iter(args)
        shape = op.tensor.type.get_shape()
        return (np.zeros([next(unknown) if n == DYNAMIC_INDEX else n for n in shape]),)

    @impl(FillOp)
    def fill(self, interpreter: Interpreter, op: FillOp, args: PythonValues) -> PythonValues:
        number, tensor = args
        return (np.full(tensor.shape, number),)


def _storage(value: Any, type: Attribute) -> Storage:
    """A tensor in the format of its type; arrays are stored, storages must have the format."""
    format = format_of(type)
    if isinstance(value, Storage):
        return value.convert(format)
    return Storage.from_dense(np.asarray(value), format)


def register_sam(interpreter: Interpreter) -> None:
    """Let an interpreter run functions with stream graphs and what is between them."""
    for functions in (
        GraphFunctions(),
        AccessFunctions(),
        ComputeFunctions(),
        StructureFunctions(),
        LaneFunctions(),
        WriteFunctions(),
        ArithFunctions(),
        FuncFunctions(),
    ):
        interpreter.register_implementations(functions)


def interpret_graph(graph: sam.GraphOp, inputs: Sequence[Storage]) -> list[Storage]:
    """
    The tensors that a graph yields for the given tensors.

    Raises `InterpretationError` where a stream breaks the rules of streams.
    """
    interpreter = Interpreter(ModuleOp([]))
    register_sam(interpreter)
    return list(interpreter.run_op(graph, tuple(inputs)))
