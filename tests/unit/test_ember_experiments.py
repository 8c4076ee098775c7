"""The experiments of Ember: published values, inputs, programs that are run, tables and plots."""

import csv
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

import headrace
from headrace.experiments.ember import batch_rows, block_gather, speedup, throughput, workloads
from headrace.experiments.ember.measure import TOLERANCE, compiled, difference, measured
from headrace.experiments.ember.published import published, table
from headrace.experiments.ember.sweeps import CYCLES
from headrace.experiments.experiment import Cell, Cells, Row, WrongValueError
from headrace.experiments.registry import MODULES, load
from headrace.experiments.runner import Study
from headrace.experiments.statistics import geometric_mean
from headrace.models import embedding_bag
from headrace.models.graph_shares import lattice_share, skewed_share

EMBER = [name for name in MODULES if name.startswith("ember-")]


def test_means_follow_from_the_published_cycles() -> None:
    for mean in table("means"):
        workload, level = mean["workload"], mean["level"]
        lines = [one for one in table("ablation") if level == 1 or one["workload"] == workload]
        gains = [one["cycles"][0] / one["cycles"][level] for one in lines]
        if workload == "message passing":
            gains = [one["speedups"][2] for one in table("message_passing")]
        assert geometric_mean(gains) == pytest.approx(mean["speedup"], rel=2e-3), mean


def test_families_follow_from_the_published_speedups() -> None:
    for mean in table("families"):
        of_family = [one for one in table("speedup") if one["family"] == mean["family"]]
        gains = [one["speedup"] for one in of_family]
        assert geometric_mean(gains) == pytest.approx(mean["speedup"], rel=1e-2), mean
    assert len(table("speedup")) == 23
    assert len(table("throughput")) == len(table("ablation")) == 9


def published_row(settings: Cells) -> Row:
    """What would be measured if the published values came out."""
    found: dict[str, Cell] = {"error": 0.0, "values": "same", "refused": None, "bound by": "core"}
    if "level" in settings and "family" not in settings:
        key = {name: settings[name] for name in ("workload", "locality")}
        known, level = published("throughput", **key), int(str(settings["level"]))
        words = known["access"][0] / known["access"][level]
        found |= dict.fromkeys((throughput.WORDS, throughput.WORDS_32), words)
        found |= {throughput.ACCESS: known["access"][level]}
        found |= {throughput.COMPUTE: known["compute"][level]}
    elif "level" in settings:
        from headrace.experiments.ember.ablation import known_speedups

        gains = known_speedups(*(settings[name] for name in ("family", "workload", "locality")))
        cycles = 1e6 / gains[int(str(settings["level"]))]
        found |= {"cycles": cycles, "cycles a lookup": cycles}
    elif "value" in settings:
        by_lines, by_words = (
            published(name, value=settings["value"]) for name in ("outstanding", "queue")
        )
        found |= {CYCLES: (by_lines or by_words)["cycles"]}
    elif "reads from" in settings:
        known = published("block_gather", block=settings["keys a block"])
        place = block_gather.CACHES.index(str(settings["reads from"]))
        found |= {"cycles": 1, **{name: known[name][place] for name in block_gather.STREAMS}}
    elif "rows a token" in settings:
        found |= {"cycles": 1, CYCLES: 1.0, batch_rows.WORDS: 1.0}
    else:
        where = (
            {name: settings[name] for name in ("family", "input")}
            if "family" in settings
            else {"input": f"{settings['workload']} {settings['locality']}"}
        )
        gain = published("speedup", **where)["speedup"]
        lines = {"lines of L2": 0, "lines of LLC": 1, "lines of memory": 3}
        found |= {"cycles": 1, "core alone": gain, **lines}
    return Row(settings, found)


@pytest.mark.parametrize("name", EMBER)
def test_published_values_are_the_published_values(name: str, tmp_path: Path) -> None:
    study = Study(load(name), "reduced", tmp_path)
    for case in study.experiment.cases("reduced"):
        study.journal.append(published_row(case.settings))
    lines = study.table()
    known = [line for line in lines if line["published"] is not None]
    assert known or name == "ember-batch"
    for line in known:
        if isinstance(line["published"], str | bool):
            assert line["value"] == line["published"]
        elif name != "ember-queue":
            assert line["ratio"] == pytest.approx(1, abs=0.01), line
    study.write()
    to_csv, png, _ = study.files
    assert len(list(csv.DictReader(to_csv.read_text().splitlines()))) == len(lines)
    assert png.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", EMBER)
def test_a_part_of_the_rows_gives_a_part_of_the_table(name: str) -> None:
    experiment = load(name)
    rows = [published_row(case.settings) for case in experiment.cases("reduced")]
    few, many = experiment.tabulate(rows[:1]), experiment.tabulate(rows)
    assert 0 < len(few) < len(many)
    assert list(few[0]) == list(many[-1])


def test_rows_that_are_not_looked_up_are_left_out() -> None:
    indices = torch.tensor([900, 7, 900, 55])
    _, (rows, places, offsets) = embedding_bag.on_indices(indices, 2, 4)
    assert rows.shape == (3, 4)
    assert places.tolist() == [2, 0, 2, 1]
    assert offsets.tolist() == [0, 2]


def test_a_share_of_a_graph_has_its_entries() -> None:
    part = skewed_share(10_000, 60_000, 1000, skew=0.6)
    assert part.shape[0] == 1000
    assert part.nnz == pytest.approx(6000, rel=0.1)
    assert (part.data == 1).all()
    roads = lattice_share(10_000, 28_000, 1000)
    assert roads.nnz == pytest.approx(2800, rel=0.1)
    assert np.diff(roads.indptr).max() <= 4
    # Every column is a neighbour of some vertex.
    for matrix in (part, roads):
        assert len(np.unique(matrix.indices)) == matrix.shape[1]


def test_levels_of_a_bag_give_the_published_steps() -> None:
    """D3, D8, D14 on two bags: values of PyTorch, static words, speed-ups that grow."""
    example = workloads.missing_bags("RM1", 128)
    cycles: list[float] = []
    for level, words in enumerate((3, 1.25, 1.03125, 1)):
        found, (run,) = measured([example], opt=level)
        assert found["error"] == 0
        assert found["words"] == words * 128 * 32
        assert throughput.static_words(compiled(example, opt=level), 128) == found["words"]
        cycles.append(run.cycles)
    steps = [before / after for before, after in pairwise(cycles)]
    assert min(steps) > 1
    assert max(steps) == steps[0]
    assert cycles[0] / cycles[3] == pytest.approx(6.6, rel=0.1)


def test_the_core_alone_waits_for_each_row() -> None:
    """All rows from memory: one round trip of 265 cycles a lookup, whatever the level."""
    example = workloads.missing_bags("RM1", 128)
    for level in (1, 3):
        _, (run,) = measured([example], opt=level)
        assert run.core_alone_cycles == pytest.approx(128 * 265, rel=0.01)
        (operation,) = run.operations
        assert len(operation.alone) == len(operation.trace.core)
        assert (operation.alone <= operation.trace.core).all()


def test_a_queue_that_is_too_short_is_said_to_be() -> None:
    experiment = load("ember-queue")
    short = experiment.measure({"value": 64, "lookups": 256})
    assert short[CYCLES] is None
    assert "128 words, but a chunk of the data queue holds 64" in str(short["refused"])
    assert experiment.measure({"value": 128, "lookups": 256})[CYCLES] == pytest.approx(
        368, rel=0.05
    )


def test_keys_from_l2_leave_the_last_cache() -> None:
    found = [
        load("ember-block-gather").measure({"keys a block": 8, "reads from": cache})
        for cache in block_gather.CACHES
    ]
    keys, indices = ([row[name] for row in found] for name in ("embeddings", "indices"))
    assert float(str(keys[1])) < 0.5 * float(str(keys[0]))
    assert indices[0] == indices[1]


def test_rows_a_token_save_the_fixed_cycles() -> None:
    cells = load("ember-batch").measure({"workload": "RM1", "rows a token": 16, "lookups": 1024})
    _, (usual,) = measured([workloads.bags("RM1", "L0", 1024)], opt=3)
    assert cells["values"] == measured([workloads.bags("RM1", "L0", 1024)], opt=4)[0]["values"]
    assert float(str(cells["cycles"])) < 0.85 * usual.cycles


@pytest.mark.parametrize(
    ("family", "input", "size"),
    [
        ("message passing", "wiki-Talk", 300),
        ("graph neural network", "arxiv", 100),
        ("block gather", "2 a block", 64),
    ],
)
def test_families_run_from_pytorch(family: str, input: str, size: int) -> None:
    found = speedup.measure({"family": family, "input": input, "size": size})
    assert float(str(found["core alone"])) > float(str(found["cycles"]))
    assert float(str(found["error"])) <= TOLERANCE


def test_a_wrong_value_is_no_row() -> None:
    one = torch.ones(2, 2)
    assert difference(one + 1e-7, one) < TOLERANCE
    with pytest.raises(WrongValueError, match="a value is wrong by 1"):
        difference(one + 1, one)
    with pytest.raises(WrongValueError, match="a value is wrong by nan"):
        difference(one * torch.nan, one)
    with pytest.raises(WrongValueError, match="has shape"):
        difference(one, one[0])


def test_static_counts_are_expressions() -> None:
    example = workloads.missing_bags("RM1", 64)
    (counts,) = compiled(example, opt=3).counts.values()
    assert [str(trips) for trips in counts.trips] == ["trips_p"]
    assert str(counts.words) == "32*trips_p"
    with pytest.raises(headrace.InputError, match="choose from L0, L1, L2"):
        headrace.locality_indices("L9")
