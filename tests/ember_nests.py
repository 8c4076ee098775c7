"""
Loop nests of every family with random arrays, and their values at each level.

The nests are the files of `examples/ember` and some of their variants below. `arrays` draws what a
nest takes: table rows, widths and segments of any size, also none.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp

from headrace.cli.driver import make_context
from headrace.cli.parsing import expect_order, parse_text
from headrace.interpreters import dlc, nest, slc
from headrace.passes.registry import get_all_passes, parse_passes

Array: TypeAlias = npt.NDArray[Any]
EXAMPLES = Path(__file__).parents[1] / "examples" / "ember"

MEAN_OF_LENGTHS = """
func.func @mean(%lengths: memref<?xi64>, %indices: memref<?xi64>, %table: memref<?x?xf32>,
                %out: memref<?x?xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %one = arith.constant 1 : i64
  %bags = memref.dim %out, %c0 : memref<?x?xf32>
  %width = memref.dim %out, %c1 : memref<?x?xf32>
  %total = scf.for %b = %c0 to %bags step %c1 iter_args(%first = %c0) -> (index) {
    %l = memref.load %lengths[%b] : memref<?xi64>
    %length = arith.index_cast %l : i64 to index
    %last = arith.addi %first, %length : index
    scf.for %p = %first to %last step %c1 {
      %i = memref.load %indices[%p] : memref<?xi64>
      %r = arith.index_cast %i : i64 to index
      scf.for %e = %c0 to %width step %c1 {
        %v = memref.load %table[%r, %e] : memref<?x?xf32>
        %s = memref.load %out[%b, %e] : memref<?x?xf32>
        %t = arith.addf %s, %v : f32
        memref.store %t, %out[%b, %e] : memref<?x?xf32>
      }
    }
    %entries = arith.subi %last, %first : index
    %n = arith.index_cast %entries : index to i64
    %some = arith.maxsi %n, %one : i64
    %divisor = arith.sitofp %some : i64 to f32
    scf.for %e = %c0 to %width step %c1 {
      %s = memref.load %out[%b, %e] : memref<?x?xf32>
      %t = arith.divf %s, %divisor : f32
      memref.store %t, %out[%b, %e] : memref<?x?xf32>
    }
    scf.yield %last : index
  }
  func.return
}
"""

PADDED_MAXIMUM = """
func.func @maximum(%offsets: memref<?xi64>, %indices: memref<?xi64>, %table: memref<?x?xf32>,
                   %out: memref<?x?xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %bags = memref.dim %out, %c0 : memref<?x?xf32>
  scf.for %b = %c0 to %bags step %c1 {
    %o = memref.load %offsets[%b] : memref<?xi64>
    %lo = arith.index_cast %o : i64 to index
    %next = arith.addi %b, %c1 : index
    %o1 = memref.load %offsets[%next] : memref<?xi64>
    %hi = arith.index_cast %o1 : i64 to index
    scf.for %p = %lo to %hi step %c1 {
      %padding = arith.constant 1 : i64
      %i = memref.load %indices[%p] : memref<?xi64>
      %r = arith.index_cast %i : i64 to index
      %counts = arith.cmpi ne, %i, %padding : i64
      %width = memref.dim %out, %c1 : memref<?x?xf32>
      scf.for %e = %c0 to %width step %c1 {
        %v = memref.load %table[%r, %e] : memref<?x?xf32>
        scf.if %counts {
          %s = memref.load %out[%b, %e] : memref<?x?xf32>
          %t = arith.maximumf %s, %v : f32
          memref.store %t, %out[%b, %e] : memref<?x?xf32>
        }
      }
    }
  }
  func.return
}
"""

SCALED_BY_SUMS = """
func.func @scaled(%offsets: memref<?xi64>, %indices: memref<?xi64>, %table: memref<?x?xf32>,
                  %out: memref<?x?xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0.0 : f32
  %bags = memref.dim %out, %c0 : memref<?x?xf32>
  %width = memref.dim %out, %c1 : memref<?x?xf32>
  %all = scf.for %b = %c0 to %bags step %c1 iter_args(%sofar = %zero) -> (f32) {
    %o = memref.load %offsets[%b] : memref<?xi64>
    %lo = arith.index_cast %o : i64 to index
    %next = arith.addi %b, %c1 : index
    %o1 = memref.load %offsets[%next] : memref<?xi64>
    %hi = arith.index_cast %o1 : i64 to index
    %bag, %before = scf.for %p = %lo to %hi step %c1 iter_args(%x = %zero, %y = %sofar)
        -> (f32, f32) {
      %i = memref.load %indices[%p] : memref<?xi64>
      %r = arith.index_cast %i : i64 to index
      %row = scf.for %e = %c0 to %width step %c1 iter_args(%z = %zero) -> (f32) {
        %v = memref.load %table[%r, %e] : memref<?x?xf32>
        %t = arith.addf %z, %v : f32
        scf.yield %t : f32
      }
      scf.for %e = %c0 to %width step %c1 {
        %v = memref.load %table[%r, %e] : memref<?x?xf32>
        %w = arith.mulf %v, %row : f32
        %s = memref.load %out[%b, %e] : memref<?x?xf32>
        %t = arith.addf %s, %w : f32
        memref.store %t, %out[%b, %e] : memref<?x?xf32>
      }
      %u = arith.addf %y, %row : f32
      scf.yield %u, %x : f32, f32
    }
    %sum = arith.addf %bag, %before : f32
    scf.yield %sum : f32
  }
  scf.for %e = %c0 to %width step %c1 {
    memref.store %all, %out[%c0, %e] : memref<?x?xf32>
  }
  func.return
}
"""
"""Numbers that loops carry: sums that scale, two that change places, and one that is returned."""


def _example(name: str) -> str:
    return (EXAMPLES / f"{name}.mlir").read_text()


class Draw:
    """Random sizes and arrays of one nest."""

    def __init__(self, seed: int):
        self.random = np.random.default_rng(seed)
        self.bags = int(self.random.integers(1, 4))
        self.width = int(self.random.integers(1, 10))
        self.lengths = self.random.integers(0, 4, self.bags)
        self.count = int(self.lengths.sum())

    @property
    def offsets(self) -> Array:
        return np.concatenate([[0], np.cumsum(self.lengths)]).astype(np.int64)

    def numbers(self, below: int, count: int | None = None) -> Array:
        return self.random.integers(0, below, self.count if count is None else count)

    def floats(self, *shape: int) -> Array:
        return self.random.standard_normal(shape).astype(np.float32)

    def zeros(self, *shape: int) -> Array:
        return np.zeros(shape, np.float32)


def _bags(d: Draw) -> list[Array]:
    return [d.offsets, d.numbers(5), d.floats(5, d.width), d.zeros(d.bags, d.width)]


def _product(d: Draw) -> list[Array]:
    offsets, indices, x, out = _bags(d)
    return [offsets, indices, d.floats(d.count), x, out]


def _messages(d: Draw) -> list[Array]:
    offsets, indices, other, out = _bags(d)
    return [offsets, indices, d.floats(d.bags, d.width), other, out]


def _edges(d: Draw) -> list[Array]:
    x, out = d.floats(5, d.width), d.floats(4, d.width)
    return [d.numbers(4), d.numbers(5), d.floats(d.count), x, out]


def _scores(d: Draw) -> list[Array]:
    triples = [d.numbers(5), d.numbers(2), d.numbers(5)]
    return [*triples, d.floats(5, d.width), d.floats(2, d.width), d.zeros(d.count)]


def _blocks(d: Draw) -> list[Array]:
    return [d.numbers(3), d.floats(48, d.width), d.zeros(16 * d.count, d.width)]


def _lengths(d: Draw) -> list[Array]:
    return [d.lengths, *_bags(d)[1:]]


NESTS: dict[str, tuple[str, Callable[[Draw], list[Array]]]] = {
    "embedding_bag": (_example("embedding_bag"), _bags),
    "sparse_matmul": (_example("sparse_matmul"), _product),
    "message_passing": (_example("message_passing"), _messages),
    "edge_list": (_example("edge_list"), _edges),
    "knowledge_graph": (_example("knowledge_graph"), _scores),
    "block_gather": (_example("block_gather"), _blocks),
    "mean_of_lengths": (MEAN_OF_LENGTHS, _lengths),
    "padded_maximum": (PADDED_MAXIMUM, _bags),
    "scaled_by_sums": (SCALED_BY_SUMS, _bags),
}
"""Text, and what draws arrays."""


def parse(text: str) -> ModuleOp:
    """A verified module."""
    module = parse_text(make_context(), text, "nest.mlir")
    module.verify()
    return module


def lowered(text: str, pipeline: str) -> ModuleOp:
    """The module after passes, verified."""
    module = parse(text)
    parse_passes(pipeline, get_all_passes()).apply(Context(), module)
    module.verify()
    expect_order(module)
    return module


def function(module: ModuleOp) -> FuncOp:
    """The first function."""
    return next(op for op in module.ops if isinstance(op, FuncOp))


def values(module: ModuleOp, arrays: Sequence[Array]) -> list[Array]:
    """What the arrays are after a run of the first function, at whatever level it is."""
    ran = [np.array(array) for array in arrays]
    kinds = {op.name for op in module.walk()}
    if "dlc.access" in kinds:
        dlc.run_function(function(module), ran)
    elif "slc.for" in kinds:
        slc.run_function(function(module), ran)
    else:
        nest.run_function(function(module), ran)
    return ran
