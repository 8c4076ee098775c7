"""
Layers of experts as `step` modules: the evaluation graph of the paper, of any size.

Source: "Streaming Tensor Programs", arXiv 2511.07776, section 5 (the layer of experts).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from numpy.random import Generator
from xdsl.builder import Builder
from xdsl.dialects.builtin import ModuleOp, TensorType, f64, i1
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, Block, Region, SSAValue
from xdsl.rewriter import InsertPoint

from headrace.dialects import step

Array: TypeAlias = npt.NDArray[Any]
Routing: TypeAlias = Sequence[Sequence[int]]
"""The experts of each row."""


@dataclass(frozen=True)
class ExpertLayer:
    """
    `rows` x `width` through `experts` networks of `hidden`, rows packed in tiles of `tile_rows`.

    Weights are read in tiles of `tile_hidden` hidden columns. The arguments are x, the selected
    experts of each row (`rows` x `experts`), and gate, up and down of each expert; with `chosen`
    each row selects so many experts, and after the selected experts come the one-hot experts of
    its choices (`rows` x `chosen` x `experts`) and their weights (`rows` x `chosen`).
    """

    rows: int
    experts: int
    width: int
    hidden: int
    tile_rows: int
    tile_hidden: int
    chosen: int | None = None

    @property
    def argument_types(self) -> list[TensorType[Attribute]]:
        routing: list[TensorType[Attribute]] = [TensorType(i1, [self.rows, self.experts])]
        if self.chosen:
            routing.append(TensorType(i1, [self.rows, self.chosen, self.experts]))
            routing.append(TensorType(f64, [self.rows, self.chosen]))
        matrices = [(self.width, self.hidden)] * 2 + [(self.hidden, self.width)]
        weights = [TensorType(f64, shape) for _ in range(self.experts) for shape in matrices]
        return [TensorType(f64, [self.rows, self.width]), *routing, *weights]

    def arguments(self, rng: Generator, routing: Routing) -> list[Array]:
        """Small integers; row b goes to the experts `routing[b]`, with `chosen` in this order."""
        selected = np.zeros((self.rows, self.experts), dtype=bool)
        places = np.zeros((self.rows, self.chosen or 0, self.experts), dtype=bool)
        for row, experts in enumerate(routing):
            selected[row, list(experts)] = True
            if self.chosen:
                places[row, range(self.chosen), experts] = True
        x, *others = [
            rng.integers(-2, 3, type.get_shape()).astype(np.float64) for type in self.argument_types
        ]
        given = [selected, places] if self.chosen else [selected]
        return [x, *given, *others[len(given) :]]

    def expected(self, arguments: Sequence[Array]) -> Array:
        """What the layer computes, row by row."""
        x, selected, *rest = arguments
        factors = np.ones((self.rows, self.experts))
        if self.chosen:
            places, weights, *rest = rest
            factors = np.einsum("bke,bk->be", places.astype(np.float64), weights)
        result = np.zeros_like(x)
        for row, expert in zip(*np.nonzero(selected), strict=True):
            gate, up, down = rest[3 * expert : 3 * expert + 3]
            gated = x[row] @ gate
            hidden = gated / (1 + np.exp(-gated)) * (x[row] @ up)
            result[row] += factors[row, expert] * (hidden @ down)
        return result

    def module(self) -> ModuleOp:
        """A function `main` with the graph."""
        types = self.argument_types
        graph = step.GraphOp([], [], Region(Block()))
        main = FuncOp("main", (types, [types[0]]))
        body = Block(arg_types=types)
        build = Builder(InsertPoint.at_end(body))
        build.insert(step.YieldOp(self._result(build, list(body.args))))
        graph = step.GraphOp(main.body.block.args, [types[0]], Region(body))
        main.body.block.add_ops([graph, ReturnOp(*graph.outputs)])
        module = ModuleOp([main])
        module.verify()
        return module

    def _result(self, build: Builder, arguments: list[SSAValue]) -> SSAValue:
        x, selected, *rest = arguments
        rows = build.insert(step.LoadOp(x, tile=[1, self.width])).result
        rows = build.insert(step.FlattenOp(rows, min=0, max=1)).result
        selectors = build.insert(step.SelectOp(selected, hot=self.chosen)).result
        selectors, order = build.insert(step.BroadcastOp(selectors, consumers=2)).outputs
        names = [f"e{expert}" for expert in range(self.experts)]
        parts: Sequence[SSAValue] = build.insert(
            step.PartitionOp(rows, selectors, rank=0, dims=names)
        ).outputs
        factors: Sequence[SSAValue] = ()
        if self.chosen:
            places, factor, *rest = rest
            chosen = build.insert(step.SelectOp(places, hot=1)).result
            factor = build.insert(step.LoadOp(factor, tile=[1, 1])).result
            factors = build.insert(
                step.PartitionOp(factor, chosen, rank=0, dims=names, assumed=names)
            ).outputs
        results: list[SSAValue] = []
        for expert, part in enumerate(parts):
            result = self._expert(build, part, rest[3 * expert : 3 * expert + 3], names[expert])
            if factors:
                result = build.insert(
                    step.MapOp(factors[expert], result, fn="mul", compute=8)
                ).result
            results.append(result)
        dim = None if self.chosen else "k"
        whole = build.insert(step.ReassembleOp(order, results, rank=0, dim=dim)).result
        whole = build.insert(step.AccumulateOp(whole, fn="add", rank=1, compute=8)).result
        whole = build.insert(step.ReshapeOp(whole, rank=0, chunk=1, write_back=True)).result
        return build.insert(
            step.StoreOp(whole, into=TensorType(f64, [self.rows, self.width]))
        ).result

    def _expert(
        self, build: Builder, rows: SSAValue, weights: Sequence[SSAValue], name: str
    ) -> SSAValue:
        packs = build.insert(step.ReshapeOp(rows, rank=0, chunk=self.tile_rows, outer=True)).result
        packs = build.insert(step.FlattenOp(packs, min=1, max=2)).result
        tiles = build.insert(step.AccumulateOp(packs, fn="retile_rows", rank=1)).result
        tiles, *refs = build.insert(step.BroadcastOp(tiles, consumers=4)).outputs
        count = self.hidden // self.tile_hidden
        tiles = build.insert(step.RepeatOp(tiles, factor=count)).result
        lefts = build.insert(step.BroadcastOp(tiles, consumers=2)).outputs
        shapes = [[self.width, self.tile_hidden]] * 2 + [[self.tile_hidden, self.width]]
        loaded: list[SSAValue] = []
        for weight, ref, tile in zip(weights, refs, shapes, strict=True):
            load = step.LoadOp(weight, ref, tile=tile, strides=[1, 1], shape=[count, 1])
            read = build.insert(load).result
            loaded.append(build.insert(step.FlattenOp(read, min=0, max=1)).result)
        gate = build.insert(step.MapOp(lefts[0], loaded[0], fn="matmul", compute=8)).result
        up = build.insert(step.MapOp(lefts[1], loaded[1], fn="matmul", compute=8)).result
        gate = build.insert(step.MapOp(gate, fn="silu", compute=8)).result
        hidden = build.insert(step.MapOp(gate, up, fn="mul", compute=8)).result
        down = build.insert(
            step.AccumulateOp(hidden, loaded[2], fn="matmul", rank=1, compute=8)
        ).result
        return build.insert(
            step.FlatMapOp(down, fn="split_rows", masked=True, dim=name, assumed=[name])
        ).result
