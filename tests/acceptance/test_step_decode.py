"""Decode attention over a paged cache, `examples/step/decode_attention.mlir`, against NumPy."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.interpreters.step import interpret
from headrace.tests.modules import parse

EXAMPLE = Path(__file__).parents[2] / "examples" / "step" / "decode_attention.mlir"
MODULE = parse(EXAMPLE.read_text(encoding="utf-8"))

REQUESTS, HEADS, WIDTH, ROWS, TILES = 3, 4, 8, 4, 3

Array = npt.NDArray[np.float64]


def attend(queries: Array, keys: Array, values: Array) -> Array:
    scores = queries @ keys.T / np.sqrt(WIDTH)
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights @ values / weights.sum(axis=1, keepdims=True)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(0, ROWS * TILES - 1), min_size=REQUESTS, max_size=REQUESTS),
    st.permutations(range(REQUESTS)),
    st.integers(0, 2**32 - 1),
)
def test_requests_of_any_length_attend_to_their_keys(
    cached: list[int], places: list[int], seed: int
) -> None:
    normal = np.random.default_rng(seed).normal
    queries = normal(size=(REQUESTS, HEADS, WIDTH))
    new = normal(size=(2, REQUESTS, WIDTH))
    caches = normal(size=(2, REQUESTS, TILES * ROWS, WIDTH))
    for place, length in zip(places, cached, strict=True):
        # What is not cached must not be read, or be masked.
        caches[:, place, length:] = np.nan
    lengths = np.array(cached) + 1
    attended, *changed = interpret(
        MODULE,
        [
            queries.reshape(-1, WIDTH),
            *new,
            *caches.reshape(2, -1, WIDTH),
            np.array(places),
            lengths,
            -(-lengths // ROWS),
            np.array(cached) % ROWS,
            np.full(REQUESTS, ROWS),
        ],
    )
    after = np.stack(changed).reshape(caches.shape)
    for request, (place, length) in enumerate(zip(places, cached, strict=True)):
        expected = np.concatenate([caches[:, place, :length], new[:, request, None]], axis=1)
        assert (after[:, place, : length + 1] == expected).all()
        rows = attended[HEADS * request : HEADS * (request + 1)]
        np.testing.assert_allclose(rows, attend(queries[request], *expected), rtol=1e-9)
