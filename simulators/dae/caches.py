"""
Which level answers a request: the first whose capacity the LRU stack distance does not exceed.

The stack distance of a request is the number of other lines that were kept since the row was last
kept. A least recently used cache of C lines has the row iff distance + lines of the row <= C. Rows
are the unit of reuse (`Trace.line`), so that 4 M lookups of 8 lines are 4 M steps; a line that two
rows share is counted once for each.
"""

import numpy as np

from headrace.simulators.dae.jit import compiled
from headrace.simulators.dae.machine import DaeMachine
from headrace.simulators.dae.trace import L2, LLC, MEMORY, Bools, Int8s, Int32s, Int64s, Trace

MIX = 0x1E3779B97F4A7C15
"""An odd number that spreads neighbouring lines over a hash table."""

NEVER = -1
"""The distance of a row that was never kept."""


def answering_levels(trace: Trace, machine: DaeMachine, *, hints: bool = True) -> Int8s:
    """
    [requests] L2, LLC or MEMORY.

    A stream that reads from the LLC passes over L2, which then neither answers nor keeps its
    lines. A stream that is not temporal may find lines that others keep, and keeps none. Lines
    that are written go to memory. Without `hints` all streams read from L2 and are temporal, as
    those of a core are.
    """
    near_streams = [not hints or stream.reads_from == "l2" for stream in trace.streams]
    kept_streams = [not hints or stream.temporal for stream in trace.streams]
    near = np.flatnonzero(np.array(near_streams, np.bool_)[trace.stream])
    keeps = np.array(kept_streams, np.bool_)[trace.stream]
    levels = np.full(len(trace.line), MEMORY, np.int8)
    levels[kept_in(machine.llc_lines, trace.line, trace.lines, keeps)] = LLC
    levels[near[kept_in(machine.l2_lines, trace.line[near], trace.lines[near], keeps[near])]] = L2
    levels[trace.writes] = MEMORY
    return levels


def kept_in(capacity: int, line: Int64s, lines: Int32s, keeps: Bools) -> Bools:
    """
    [requests] Whether a least recently used cache of `capacity` lines has the row at `line`.

    `lines` [requests] is the size of each row and `keeps` [requests] whether the request moves its
    row to the top of the stack. O(requests): the rows that a cache holds are those kept since some
    time, which never goes back.
    """
    return _kept_in(capacity, lines, keeps, last_kept(line, keeps))


def stack_distances(line: Int64s, lines: Int32s, keeps: Bools) -> Int64s:
    """
    [requests] Other lines kept since the row at `line` was last kept, or `NEVER`.

    Arguments are those of `kept_in`. O(requests * log requests), for all capacities at once.
    """
    return _stack_distances(lines, keeps, last_kept(line, keeps))


@compiled
def last_kept(line: Int64s, keeps: Bools) -> Int64s:
    """[requests] When, counted from 1, the row of each request was last kept; 0 for never."""
    count = len(line)
    before = np.zeros(count, np.int64)
    # An open hash table of rows, with the time of each; 0 where there is none.
    slots = 16
    while slots < 2 * count:
        slots *= 2
    table = np.zeros((slots, 2), np.int64)
    for now in range(1, count + 1):
        row = line[now - 1]
        slot = ((row * MIX) >> 17) & (slots - 1)
        while table[slot, 1] != 0 and table[slot, 0] != row:
            slot = (slot + 1) & (slots - 1)
        before[now - 1] = table[slot, 1]
        if keeps[now - 1]:
            table[slot, 0] = row
            table[slot, 1] = now
    return before


@compiled
def _kept_in(capacity: int, lines: Int32s, keeps: Bools, before: Int64s) -> Bools:
    count = len(lines)
    found = np.zeros(count, np.bool_)
    alive = np.zeros(count + 1, np.int64)  # lines of the row last kept at each time
    total = 0
    gone = 0  # rows last kept until then have left the cache
    for now in range(1, count + 1):
        last = before[now - 1]
        found[now - 1] = last > gone
        if not keeps[now - 1]:
            continue
        total += lines[now - 1] - alive[last]
        alive[last] = 0
        alive[now] = lines[now - 1]
        while total > capacity:
            gone += 1
            total -= alive[gone]
            alive[gone] = 0
    return found


@compiled
def _stack_distances(lines: Int32s, keeps: Bools, before: Int64s) -> Int64s:
    count = len(lines)
    distances = np.full(count, NEVER, np.int64)
    # A Fenwick tree over times, counted from 1: at each, the lines of the row last kept then.
    tree = np.zeros(count + 1, np.int64)
    kept = 0
    for now in range(1, count + 1):
        last = before[now - 1]
        if last > 0:
            above = kept
            at = last
            while at > 0:
                above -= tree[at]
                at &= at - 1
            distances[now - 1] = above
        if not keeps[now - 1]:
            continue
        if last > 0:
            kept -= lines[last - 1]
            at = last
            while at <= count:
                tree[at] -= lines[last - 1]
                at += at & -at
        kept += lines[now - 1]
        at = now
        while at <= count:
            tree[at] += lines[now - 1]
            at += at & -at
    return distances
