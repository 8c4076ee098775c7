"""Traces made by hand: what compiled programs of known shape would record."""

from collections.abc import Sequence

import numpy as np

from headrace.simulators.dae.cost import CaseWork
from headrace.simulators.dae.locality import locality_indices
from headrace.simulators.dae.machine import DaeMachine
from headrace.simulators.dae.trace import Int64s, Stream, Trace

TABLE = 1 << 40
"""First line of the table: far from those of indices and offsets."""

INDICES = 1 << 30

RM = {"RM1": (64, 32), "RM2": (128, 64), "RM3": (256, 128)}
"""Lookups per segment and elements of a row; 4096 lookups in a batch."""


def lookup_work(level: int, elements: int, lanes: int) -> CaseWork:
    """What the core does for a lookup of EmbeddingBag, mode sum."""
    vectors = -(-elements // lanes)
    exit_ = CaseWork(exits=1)
    match level:
        case 0:
            return CaseWork(dispatches=1, scalar_pops=3, scalar_operations=3) * elements + exit_
        case 1:
            vector = CaseWork(vector_pops=1, misaligned_pops=1, vector_operations=3)
            return (CaseWork(dispatches=1, scalar_pops=2) + vector) * vectors + exit_
        case 2:
            vector = CaseWork(vector_pops=1, misaligned_pops=1, vector_operations=3)
            return CaseWork(dispatches=1, scalar_pops=1) + vector * vectors + exit_
        case _:
            vector = CaseWork(vector_pops=1, vector_operations=3)
            return CaseWork(dispatches=1) + vector * vectors + exit_


def lookup_traffic(level: int, elements: int, lanes: int) -> tuple[int, int]:
    """Tokens and words of a lookup, by section 2 of the specification."""
    vectors = -(-elements // lanes)
    return (
        (elements, 3 * elements),
        (vectors, vectors * (2 + lanes)),
        (1, 1 + vectors * lanes),
        (1, vectors * lanes),
    )[level]


def embedding_bag(
    indices: Int64s,
    per_segment: int,
    elements: int,
    level: int,
    machine: DaeMachine,
    lanes: int = 8,
    *,
    index_lines: bool = True,
) -> Trace:
    """
    EmbeddingBag, mode sum, of rows of 4-byte elements.

    Indices are of 4 bytes: every 16th lookup brings a line of them, which `index_lines` can leave
    out. Level 3 ends each segment with a token.
    """
    count = len(indices)
    row_lines = -(-elements * 4 // machine.line_bytes)
    tokens, words = lookup_traffic(level, elements, lanes)
    cost = lookup_work(level, elements, lanes).cycles(machine.core)
    ends = 1 if level == 3 else 0
    segments = -(-count // per_segment)
    items = count + ends * segments
    is_end = np.zeros(items, np.bool_)
    if ends:
        is_end[per_segment :: per_segment + 1] = True
        is_end[-1:] = True
    # Requests of a lookup: perhaps a line of indices, then the row.
    per_line = machine.line_bytes // 4
    has_index = (np.arange(count) % per_line == 0) & index_lines
    rows_at = np.arange(count) + np.cumsum(has_index)
    requests = count + int(has_index.sum())
    stream = np.zeros(requests, np.int32)
    stream[rows_at] = 1
    line = np.zeros(requests, np.int64)
    line[rows_at] = TABLE + indices * row_lines
    line[stream == 0] = INDICES + np.arange(requests - count)
    parent = np.full(requests, -1, np.int64)
    if index_lines:
        parent[rows_at] = np.flatnonzero(stream == 0)[np.arange(count) // per_line]
    of_item = np.zeros(items, np.int64)
    of_item[~is_end] = 1 + has_index
    return Trace(
        ("lookup", "end of segment"),
        (Stream("indices", 1), Stream("table", 0, reads_from="l2", entry_bytes=4 * lanes)),
        is_end.astype(np.int32),
        np.where(is_end, 1, tokens),
        np.where(is_end, 0, words),
        np.where(is_end, CaseWork(dispatches=1).cycles(machine.core), cost),
        np.concatenate([[0], np.cumsum(of_item)]),
        stream,
        line,
        np.where(stream == 1, row_lines, 1).astype(np.int32),
        parent,
    )


def geometric_mean(values: Sequence[float]) -> float:
    return float(np.exp(np.mean(np.log(values))))


def rm(name: str, level: int, locality: str, machine: DaeMachine, lookups: int = 4096) -> Trace:
    per_segment, elements = RM[name]
    indices = locality_indices(locality, lookups=lookups)
    return embedding_bag(indices, per_segment, elements, level, machine)


def gather(
    tables: Sequence[Int64s],
    elements: int,
    *,
    tokens: int,
    words: int,
    work: CaseWork,
    machine: DaeMachine,
    copies: bool = False,
) -> Trace:
    """
    Items that each look up one row of every table, `tables[t][item]`; one index line in 16 items.

    `copies` adds a store stream that writes as many rows as an item reads.
    """
    row_lines = -(-elements * 4 // machine.line_bytes)
    count = len(tables[0])
    items = np.arange(count)
    width = len(tables)
    kinds = width * (3 if copies else 2)
    line = np.zeros((count, kinds), np.int64)
    lines = np.full((count, kinds), row_lines, np.int32)
    parent = np.full((count, kinds), -1, np.int64)
    wanted = np.ones((count, kinds), np.bool_)
    for table, rows in enumerate(tables):
        line[:, table] = (table + 1) * INDICES + items // 16
        lines[:, table] = 1
        wanted[:, table] = items % 16 == 0
        line[:, width + table] = (table + 1) * TABLE + rows * row_lines
        if copies:
            line[:, 2 * width + table] = (width + table + 1) * TABLE + items * row_lines
    at = np.cumsum(wanted).reshape(wanted.shape) - 1
    for table in range(width):
        parent[:, width + table] = at[items // 16 * 16, table]
        if copies:
            parent[:, 2 * width + table] = at[:, width + table]
    streams = (
        *(Stream(f"indices {table}", 1) for table in range(width)),
        *(Stream(f"table {table}", 0, reads_from="l2", entry_bytes=32) for table in range(width)),
        *(
            Stream(f"copy {table}", 0, writes=True, entry_bytes=32)
            for table in range(width if copies else 0)
        ),
    )
    return Trace(
        ("lookup",),
        streams,
        np.zeros(count, np.int32),
        np.full(count, tokens),
        np.full(count, words),
        np.full(count, work.cycles(machine.core)),
        np.concatenate([[0], np.cumsum(wanted.sum(axis=1))]),
        np.broadcast_to(np.arange(kinds, dtype=np.int32), wanted.shape)[wanted],
        line[wanted],
        lines[wanted],
        parent[wanted],
    )
