"""
Speed of the stream engine, in tokens per second of processor time on one core.

Goals: 500 million at depth 64 and more, 100 million at depth 2, on SpMM ikj of 1000 x 1000 at 8 %;
a graph of 1000 nodes at most 1.5 times slower per token; memory in proportion to channels and
tensors; cold compilation under 15 s, under 1 s from the cache.

`python -m headrace.benchmarks.engine [--small]`
"""

import argparse
import math
import os
import subprocess
import sys
import tempfile
import time
from typing import Any

from headrace.benchmarks.stream_programs import (
    accumulator,
    compiled_gcn,
    compiled_spmm,
    elementwise_add,
    many_sddmm,
    products,
    sddmm,
    spmm,
)
from headrace.cli.report import print_table
from headrace.simulators.stream.program import Program
from headrace.simulators.stream.reference import reference_simulate
from headrace.simulators.stream.schedule import Run
from headrace.simulators.stream.simulate import simulate

REPETITIONS = 5
DEPTHS = (None, 64, 8, 2)

COLD_START = """
import time
from headrace.benchmarks.stream_programs import spmm
from headrace.simulators.stream.simulate import simulate
kernel = spmm()
start = time.process_time()
simulate(kernel.program, kernel.operands(10))
print(time.process_time() - start)
"""


def speed(program: Program, arrays: dict[str, Any], depth: int | None) -> tuple[int, int, float]:
    """Cycles, tokens, and millions of tokens per second, the best of several; 0 at a deadlock."""
    cycles, tokens, best = 0, 0, float("inf")
    for _ in range(REPETITIONS):
        start = time.process_time()
        result = simulate(program, arrays, depth=depth)
        best = min(best, time.process_time() - start)
        cycles, tokens = result.cycles, result.tokens
        if result.deadlock is not None:
            return cycles, tokens, 0.0
    return cycles, tokens, tokens / best / 1e6


def run_seconds(program: Program, arrays: dict[str, Any]) -> float:
    """Processor time between set-up and statistics, the best of several."""
    best = float("inf")
    for _ in range(REPETITIONS):
        run = Run(program, arrays, None, None)
        start = time.process_time()
        run.run()
        best = min(best, time.process_time() - start)
    return best


def against_reference(program: Program, arrays: dict[str, Any]) -> float:
    """How many times the plain-Python reference is slower; both must keep the same time."""
    start = time.process_time()
    reference = reference_simulate(program, arrays)
    seconds = time.process_time() - start
    cycles, tokens, rate = speed(program, arrays, None)
    assert cycles == reference.cycles
    return seconds * rate * 1e6 / tokens


def start_seconds(cache: str) -> float:
    """Processor time of the first simulation of a fresh process."""
    environment = os.environ | {"NUMBA_CACHE_DIR": cache}
    command = [sys.executable, "-c", COLD_START]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)


def megabytes(program: Program, arrays: dict[str, Any]) -> tuple[float, float]:
    """Memory of rings and records, and of outputs, after an unbounded run."""
    run = Run(program, arrays, None, None)
    run.run()
    outputs = sum(array.nbytes for key, array in run.bound.items() if run.writes(key[0]))
    rings = run.heap.nbytes + sum(ring.nbytes for ring in run.rings)
    return rings / 1e6, outputs / 1e6


SUMS = (
    ((700, 56, 56), (700, 700)),
    ((3000, 4, 100), (64, 100_000)),
    ((1000, 25, 25), (5000, 5000)),
    ((2000, 15, 15), (1_000_000, 1_000_000)),
    ((300_000, 1, 1), (1_000_000, 1_000_000)),
)
"""Products of an outer axis, and the extents of the inner ones: results from dense to scattered."""


def accumulation(shape: tuple[int, int, int], extents: tuple[int, int]) -> tuple[float, float]:
    """An accumulator of order 2 alone, at depth 64: ns per product, and its memory in MB."""
    program, arrays = accumulator(), products(shape, extents)
    node = program.kinds.tolist().index("accumulate")
    size, best = 0, float("inf")
    for _ in range(REPETITIONS):
        run = Run(program, arrays, 64, None)
        start = time.process_time()
        run.run()
        best = min(best, time.process_time() - start)
        size = sum(array.nbytes for key, array in run.bound.items() if key[0] == node)
    return best / math.prod(shape) * 1e9, size / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the stream engine.")
    parser.add_argument("--small", action="store_true", help="a tenth of the size")
    scale = 10 if parser.parse_args().small else 1
    kernels = [
        (spmm(), 1000),
        (sddmm(), 1000),
        (elementwise_add(), 2000),
        (compiled_spmm(("csr", "csr"), "SpMM ikj, compiled"), 700),
        (compiled_spmm(("csr", "csc"), "SpMM ijk, compiled"), 400),
        (compiled_spmm(("csc", "csr"), "SpMM kij, compiled"), 700),
        (compiled_gcn(), 300),
    ]
    rows: list[tuple[object, ...]] = []
    for kernel, size in kernels:
        arrays = kernel.operands(size // scale)
        for depth in DEPTHS:
            cycles, tokens, rate = speed(kernel.program, arrays, depth)
            rows.append(
                (kernel.name, depth or "unbounded", cycles, tokens, round(rate) or "deadlock")
            )
    columns = ("kernel", "depth", "cycles", "tokens", "Mtoken/s")
    print_table("Stream engine, one core, processor time", columns, rows)

    ratios = [
        (kernel.name, round(against_reference(kernel.program, kernel.operands(150))))
        for kernel, _ in kernels
    ]
    print_table("Times slower: the plain-Python reference", ("kernel", "ratio"), ratios)

    sums: list[tuple[object, ...]] = []
    for (outer, rows_each, columns_each), extents in SUMS:
        shape = (outer // scale, rows_each, columns_each)
        nanoseconds, memory = accumulation(shape, extents)
        names = (" x ".join(map(str, sizes)) for sizes in (shape, extents))
        sums.append((*names, round(nanoseconds), round(memory, 1)))
    columns = ("products", "of", "ns/product", "MB")
    print_table("Accumulators of order 2 at depth 64", columns, sums)

    kernel, size = kernels[1]
    arrays = kernel.operands(size // scale // 4)
    copies: list[tuple[object, ...]] = []
    for count in (1, 50):
        program = many_sddmm(count)
        _, tokens, rate = speed(program, arrays, None)
        running = round(1e9 * run_seconds(program, arrays) / tokens, 2)
        copies.append((len(program.kinds), tokens, running, round(1e3 / rate, 2)))
    columns = ("nodes", "tokens", "ns/token running", "ns/token with set-up")
    print_table("Large graphs: copies of SDDMM", columns, copies)

    kernel, size = kernels[0]
    rings, outputs = megabytes(kernel.program, kernel.operands(size // scale))
    print_table(
        "Memory of SpMM",
        ("rings and records, MB", "outputs, MB (reserved)"),
        [(round(rings, 2), round(outputs, 1))],
    )
    with tempfile.TemporaryDirectory() as cache:
        starts = [(which, round(start_seconds(cache), 2)) for which in ("cold", "cached")]
    print_table("First simulation of SpMM", ("compiled", "seconds"), starts)


if __name__ == "__main__":
    main()
