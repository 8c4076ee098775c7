"""
Stream graphs as fusion tables: a row for each axis, a column for each use of a tensor.

A cell says how the column gets through the loop of its row: by a scan or by locating the joined
coordinate, joined with which kind of joiner, or repeated because the tensor lacks the axis. The
columns of reductions say which axis is reduced and which come out of an accumulator; others say
where zeros are dropped.

Source: "FuseFlow", ASPLOS 2026, section 5 (fusion tables).
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import BlockArgument, SSAValue
from xdsl.utils.target import Target

from headrace.backends.stream_graphs import expect_stream_graphs
from headrace.dialects import sam
from headrace.dialects.sparse_tensor import operand_behind

VALUE = "value"
"""The last row: how the column makes values."""


@dataclass
class Column:
    """One use of a tensor, or one reduction: its steps by row."""

    title: str
    cells: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def add(self, row: str, step: str) -> None:
        """Put `step` before the steps that are there: streams are followed upwards."""
        self.cells.setdefault(row, []).insert(0, step)

    def text(self, row: str) -> str:
        return " > ".join(self.cells.get(row, ()))


@dataclass(frozen=True)
class FusionTable:
    """The table of one graph."""

    rows: tuple[str, ...]
    columns: tuple[Column, ...]

    def as_text(self) -> str:
        titles = ["", *(column.title for column in self.columns)]
        lines = [[row, *(column.text(row) for column in self.columns)] for row in self.rows]
        widths = [max(map(len, cells)) for cells in zip(titles, *lines, strict=True)]
        table = [titles, ["-" * width for width in widths], *lines]
        return "\n".join(
            " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in table
        )

    def as_json(self) -> dict[str, object]:
        columns = [{"title": column.title, "cells": column.cells} for column in self.columns]
        return {"rows": list(self.rows), "columns": columns}


def fusion_table(graph: sam.GraphOp) -> FusionTable:
    """The fusion table of a graph, read off its operations."""
    block = graph.body.block
    hints = [operand_behind(value).name_hint for value in graph.inputs]
    names = [hint or f"operand {k}" for k, hint in enumerate(hints)]
    columns: list[Column] = []
    stacks: list[tuple[str, ...]] = []
    for op in block.ops:
        for result in op.results:
            if isinstance(result.type, sam.StreamType):
                stacks.append(result.type.axis_names)
        match op:
            case sam.ArrayOp(tensor=BlockArgument() as tensor):
                column = Column(names[tensor.index], {VALUE: ["array"]})
                _follow(op.ref, column)
                columns.append(column)
            case sam.ReduceOp():
                axis = _innermost(op.val)
                columns.append(Column(f"{op.op.data} over {axis}", {axis: ["reduce"]}))
            case sam.AccumulateOp():
                axis = _innermost(op.crds[0])
                column = Column(f"{op.op.data} over {axis}", {axis: ["accumulate"]})
                for crd in op.out_crds:
                    column.add(_innermost(crd), "accumulated")
                columns.append(column)
            case sam.ValueDropOp():
                axis = _innermost(op.val)
                columns.append(Column(f"zeros of {axis}", {axis: ["drop"]}))
            case _:
                pass
    return FusionTable((*_merged(stacks), VALUE), tuple(columns))


def _follow(stream: SSAValue, column: Column) -> None:
    """Add the steps from the root of a tensor to `stream`."""
    while True:
        match stream.owner:
            case sam.ScanOp() as scan:
                column.add(scan.axis.data, "scan")
                stream = scan.outer
            case sam.RepeatOp() as repeat:
                column.add(_innermost(repeat.signal), "repeat")
                stream = repeat.stream
            case sam.JoinOperation() as join if stream is not join.crd:
                column.add(_innermost(stream), join.name.removeprefix("sam."))
                stream = join.streams[join.outputs.index(stream)]
            case sam.LocateOp() as locate:
                column.add(_innermost(stream), "locate")
                if locate.outer is None:
                    return
                stream = locate.outer
            case sam.ForkOp() | sam.DealOp() as dealt:
                column.add(_innermost(stream), "lane")
                stream = dealt.stream
            case _:
                return


def _innermost(stream: SSAValue) -> str:
    assert isinstance(stream.type, sam.StreamType)
    return stream.type.axis_names[-1]


def _merged(stacks: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """All axes, each after those that are outside it in some stack."""
    left = dict.fromkeys(axis for stack in stacks for axis in stack)
    outside = {axis: {a for s in stacks if axis in s for a in s[: s.index(axis)]} for axis in left}
    while left:
        axis = next((a for a in left if not outside[a] & left.keys()), next(iter(left)))
        del left[axis]
        yield axis


@dataclass(frozen=True)
class FusionTableTarget(Target):
    """Prints the fusion table of every graph, as text or as JSON."""

    name = "fusion-table"

    json: bool = False

    def emit(self, ctx: Context, module: ModuleOp, output: IO[str]) -> None:
        tables = [fusion_table(graph) for graph in expect_stream_graphs(module)]
        if self.json:
            print(json.dumps([table.as_json() for table in tables], indent=2), file=output)
        else:
            print("\n\n".join(table.as_text() for table in tables), file=output)
