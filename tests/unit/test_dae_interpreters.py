"""The interpreters of `slc` and `dlc` on EmbeddingBag written by hand."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from headrace.interpreters import dlc, slc
from headrace.storage.errors import InputError
from headrace.tests import dae_programs

Array = npt.NDArray[Any]


def buffers(lengths: list[int], width: int, seed: int = 0) -> list[Array]:
    """Indices, offsets, a table of 6 rows, and a result of zeros."""
    random = np.random.default_rng(seed)
    indices = random.integers(0, 6, sum(lengths))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return [indices, offsets, random.normal(size=(6, width)), np.zeros((len(lengths), width))]


def expected(indices: Array, offsets: Array, table: Array, out: Array) -> Array:
    """The sums, added in order."""
    result = np.zeros_like(out)
    for bag in range(len(out)):
        for p in range(offsets[bag], offsets[bag + 1]):
            result[bag] += table[indices[p]]
    return result


CASES: list[tuple[list[int], int, int]] = [
    ([2, 1], 4, 2),
    ([0, 3, 0, 1, 0], 7, 4),
    ([2], 1, 2),
    ([], 4, 2),
    ([0, 0], 5, 8),
]


@pytest.mark.parametrize("level", range(4))
@pytest.mark.parametrize(("lengths", "width", "lanes"), CASES)
def test_structured_loops_sum_rows(level: int, lengths: list[int], width: int, lanes: int) -> None:
    given = buffers(lengths, width)
    slc.run_function(dae_programs.structured(level, lanes), given)
    np.testing.assert_array_equal(given[3], expected(*given))


@pytest.mark.parametrize("level", range(4))
@pytest.mark.parametrize(("lengths", "width", "lanes"), CASES)
def test_decoupled_programs_sum_rows_and_send_what_section_2_says(
    level: int, lengths: list[int], width: int, lanes: int
) -> None:
    given = buffers(lengths, width)
    traffic = dlc.run_function(dae_programs.decoupled(level, lanes), given)
    np.testing.assert_array_equal(given[3], expected(*given))
    lookups, vectors = sum(lengths), math.ceil(width / lanes)
    tokens, words = [
        (lookups * width, lookups * 3 * width),
        (lookups * vectors, lookups * vectors * (lanes + 2)),
        (lookups, lookups * (1 + vectors * lanes)),
        (lookups + len(lengths), lookups * vectors * lanes),
    ][level]
    assert (traffic.tokens, traffic.words) == (tokens + 1, words)


def test_tokens_come_in_the_order_of_events() -> None:
    traffic = dlc.run_function(dae_programs.decoupled(3), buffers([2, 1], 4))
    assert traffic.control == (1, 1, 2, 1, 2, "done")


Run = Callable[..., object]


@pytest.mark.parametrize(
    ("run", "program"),
    [(slc.run_function, dae_programs.structured), (dlc.run_function, dae_programs.decoupled)],
)
def test_an_index_outside_names_tensor_index_and_place(run: Run, program: Any) -> None:
    given = buffers([2, 1], 4)
    given[0][2] = 6
    with pytest.raises(InputError, match=r"index 6 .* size 6 of %table .*%p (=|is) 2"):
        run(program(1), given)


def changed(old: str, new: str, level: int = 0) -> Any:
    """A program with an error, which the verifier would find before the interpreter does."""
    text = str(dae_programs.decoupled(level))
    assert old in text
    return dae_programs.parse(text.replace(old, new, 1), verify=False)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("%column = dlc.pop : index\n", "%column = arith.constant 0 : index\n", "pops f64, but"),
        ("dlc.operand %es ite %b : !slc.stream<index>\n", "", "case 1 pops index, but f64"),
        ("dlc.operand %es ite %v : !slc.stream<f64>\n", "", "case 1 pops f64, but index"),
        ("dlc.token %es ite 1\n", "", "items of the data queue are pushed and popped by no case"),
        ("dlc.token %es ite 1\n", "dlc.token %es ite 7\n", "token 7, of which there is no case"),
        ("dlc.token %es ite 1\n", "dlc.token %es ite 1 dlc.token %es ite 1\n", "which is empty"),
    ],
)
def test_a_program_whose_queues_do_not_match_is_refused(old: str, new: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        dlc.run_function(changed(old, new), buffers([2, 1], 4))
