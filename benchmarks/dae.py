"""
Speed of access-execute timing, and how far it is from the published times.

Goals: 4 M lookups of 8 lines in 2 s on one core, caches included. Times are processor time.

`python -m headrace.benchmarks.dae [--small]`
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from headrace.cli.report import print_table
from headrace.simulators.dae.caches import answering_levels
from headrace.simulators.dae.locality import ZIPF, locality_indices
from headrace.simulators.dae.machine import DaeMachine
from headrace.simulators.dae.recurrence import recurrence_cycles
from headrace.simulators.dae.timing import simulate
from headrace.tests.dae_families import FAMILIES, few_relations, speedups
from headrace.tests.dae_traces import RM, embedding_bag, geometric_mean, rm

REPETITIONS = 3
ROWS = 1_000_000
MACHINE = DaeMachine()

PUBLISHED = {
    ("RM1", "L0"): (23484296, 5930378, 4156513, 3596370),
    ("RM1", "L1"): (24527029, 5717256, 4280459, 3773389),
    ("RM1", "L2"): (14551703, 3337547, 2397315, 2143108),
    ("RM2", "L0"): (45421053, 8442575, 5024453, 3823321),
    ("RM2", "L1"): (43981604, 8640787, 5055357, 3602097),
    ("RM2", "L2"): (35705791, 6612184, 4071356, 2912381),
    ("RM3", "L0"): (66407009, 10922205, 4897272, 3136845),
    ("RM3", "L1"): (60137562, 10006250, 4514832, 2902392),
    ("RM3", "L2"): (53200396, 8650471, 3964262, 2516575),
}
"""Cycles of levels 0 to 3 (Ember, CGO 2026); only ratios within a row mean something."""

CALIBRATED = {
    "RM1": (229.5, 57.1, 39.8, 34.4),
    "RM2": (431.4, 84.7, 47.0, 36.0),
    "RM3": (835.3, 139.9, 61.4, 39.3),
}
"""Cycles per lookup at low locality of a simulation with one fit for each level."""

FAMILY = {"MP": 2.64, "GNN": 4.59, "EB": 6.48, "KG": 6.76, "SpAttn": 11.7}
"""Decoupled over the same core alone (Ember, CGO 2026), geometric means."""

COLD_START = """
import time
start = time.process_time()
from headrace.simulators.dae.timing import simulate
from headrace.simulators.dae.machine import DaeMachine
from headrace.tests.dae_traces import rm
simulate(rm("RM1", 3, "L0", DaeMachine()), DaeMachine())
print(time.process_time() - start)
"""


def seconds(action: Callable[[], object]) -> float:
    """The best of several, after one to compile."""
    action()
    best = float("inf")
    for _ in range(REPETITIONS):
        start = time.process_time()
        action()
        best = min(best, time.process_time() - start)
    return best


def print_speed(lookups: int) -> None:
    indices = np.random.default_rng(0).integers(0, ROWS, lookups)
    trace = embedding_bag(indices, 256, 128, 3, MACHINE)
    levels = answering_levels(trace, MACHINE)
    rows = [
        (name, f"{taken:.3f}", f"{1e9 * taken / lookups:.0f}")
        for name, taken in (
            ("caches", seconds(lambda: answering_levels(trace, MACHINE))),
            ("recurrence", seconds(lambda: recurrence_cycles(trace, levels, MACHINE))),
            ("closed form", seconds(lambda: simulate(trace, MACHINE, "closed_form", levels))),
            ("all of a simulation", seconds(lambda: simulate(trace, MACHINE))),
        )
    ]
    print_table(f"{lookups} lookups of 8 lines", ("part", "seconds", "ns a lookup"), rows)


def print_reference(lookups: int) -> None:
    """How many times the plain reference is slower per lookup."""
    trace = rm("RM3", 3, "L0", MACHINE, lookups)
    levels = answering_levels(trace, MACHINE)
    slow = seconds(lambda: simulate(trace, MACHINE, "reference", levels))
    # Enough of them that the call itself does not count.
    long = rm("RM3", 3, "L0", MACHINE, 100_000)
    long_levels = answering_levels(long, MACHINE)
    fast = seconds(lambda: recurrence_cycles(long, long_levels, MACHINE))
    ratio = (slow / lookups) / (fast / 100_000)
    row = (f"{1e6 * slow / lookups:.0f}", f"{1e9 * fast / 100_000:.0f}", f"{ratio:.0f}")
    print_table(
        "The event-driven reference", ("us a lookup", "recurrence, ns a lookup", "ratio"), [row]
    )


def start_seconds(cache: str) -> float:
    """Processor time of the first simulation of a fresh process."""
    environment = os.environ | {"NUMBA_CACHE_DIR": cache}
    command = [sys.executable, "-c", COLD_START]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)


def print_start() -> None:
    with tempfile.TemporaryDirectory() as cache:
        row = (f"{start_seconds(cache):.1f}", f"{start_seconds(cache):.1f}")
    print_table("Start of a process, s", ("cold", "from the cache"), [row])


def print_calibration() -> None:
    """Cycles per lookup and speedups over level 0, found and published."""
    cycles = list[tuple[object, ...]]()
    ratios = list[tuple[object, ...]]()
    for (name, locality), published in PUBLISHED.items():
        lookups = 16384
        found = [
            simulate(rm(name, level, locality, MACHINE, lookups), MACHINE).cycles / lookups
            for level in range(4)
        ]
        if locality == "L0":
            entries = zip(found, CALIBRATED[name], strict=True)
            cycles.append((name, *(f"{f:.1f} ({100 * (f / c - 1):+.1f} %)" for f, c in entries)))
        speedup = [(found[0] / f, published[0] / p) for f, p in zip(found, published, strict=True)]
        ratios.append((f"{name} {locality}", *(f"{f:.2f} ({p:.2f})" for f, p in speedup[1:])))
    levels = [f"level {level}" for level in range(4)]
    print_table("Cycles per lookup (off the calibrated)", ("workload", *levels), cycles)
    print_table("Speedup over level 0 (published)", ("workload", *levels[1:]), ratios)


def print_sweeps() -> None:
    """RM3, level 3, every lookup from memory; the closed form in parentheses."""
    lookups = 16384
    trace = embedding_bag(np.arange(lookups), 256, 128, 3, MACHINE, index_lines=False)
    for name, values in (
        ("outstanding", (1, 2, 4, 8, 16, 32, 48, 64, 256)),
        ("queue_words", (64, 128, 256, 1024, 8192)),
    ):
        rows = list[tuple[object, ...]]()
        for value in values:
            machine = replace(MACHINE, **{name: value})
            fast, closed = (
                simulate(trace, machine, fidelity).cycles / lookups
                for fidelity in ("recurrence", "closed_form")
            )
            rows.append((value, f"{fast:.1f} ({closed:.1f})"))
        print_table(f"Cycles per lookup by {name}", (name, "cycles (closed form)"), rows)


def print_hits() -> None:
    """Share of lookups that caches answer, at each locality."""
    rows = list[tuple[object, ...]]()
    for locality, exponent in ZIPF.items():
        shares = list[str]()
        for per_segment, elements in RM.values():
            trace = embedding_bag(
                locality_indices(locality), per_segment, elements, 3, MACHINE, index_lines=False
            )
            shares.append(f"{100 * np.mean(answering_levels(trace, MACHINE) < 2):.1f}")
        rows.append((locality, f"{exponent}", *shares))
    print_table("Rows in L2 or the LLC, %", ("locality", "Zipf exponent", *RM), rows)


def print_families() -> None:
    rows = list[tuple[object, ...]]()
    for family, cases in (FAMILIES | {"KG, few relations": few_relations}).items():
        found = speedups(cases(MACHINE), MACHINE)
        each = " ".join(f"{speedup:.2f}" for speedup in found)
        rows.append((family, f"{geometric_mean(found):.2f}", FAMILY.get(family), each))
    columns = ("family", "geometric mean", "published", "inputs")
    print_table("Decoupled over the core alone", columns, rows)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="fewer lookups")
    small = parser.parse_args().small
    print_speed(100_000 if small else 4_000_000)
    print_reference(64 if small else 512)
    if not small:
        print_start()
    print_calibration()
    print_sweeps()
    print_hits()
    print_families()


if __name__ == "__main__":
    main()
