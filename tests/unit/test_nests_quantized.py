"""Tables with 8 bits an element are dequantized row by row, and compute what PyTorch computes."""

import re
from collections.abc import Callable
from typing import Any, cast

import pytest
import torch

import headrace
from headrace.models.quantized_bag import QuantizedBag, quantize, quantized_bag
from headrace.tests.nests import check, compare, import_nests, nests

INDICES, OFFSETS = torch.tensor([2, 0, 2, 4, 5]), torch.tensor([0, 1, 1])
WEIGHTS = torch.tensor([2.0, 1.0, 0.5, -1.0, 3.0])
ROWS = torch.arange(-128, 128, 6, dtype=torch.int8)[:42].reshape(6, 7)
SCALE = torch.tensor([0.5, 1.5, -0.25, 0.1, 3.0, 0.01])
BIAS = torch.tensor([1.0, -1.0, 0.0, 0.3, 7.0, -0.2])

bag: Any = torch.nn.functional.embedding_bag
Form = Callable[[Any, Any, Any, Any, Any], Any]
FORMS: list[tuple[str, Form]] = [
    ("embedding_bag", lambda q, s, b, i, o: bag(i, q.to(s.dtype) * s[:, None] + b[:, None], o)),
    ("embedding_bag", lambda q, s, b, i, o: bag(i, q * s[:, None] + b[:, None], o, mode="max")),
    ("embedding_bag", lambda q, s, b, i, o: bag(i, q.double() * s.unsqueeze(1), o, mode="mean")),
    ("embedding_bag", lambda q, s, b, i, o: bag(i, (q.float() - 3) / 64, o, padding_idx=2)),
    ("embedding_bag", lambda q, s, b, i, o: bag(i[:4].reshape(2, 2), q.half() * s.half()[:, None])),
    ("embedding", lambda q, s, b, i, o: torch.nn.functional.embedding(i, q * s[:, None])),
    ("embedding", lambda q, s, b, i, o: (q * s[:, None] + b[:, None])[i - 6]),
    ("embedding", lambda q, s, b, i, o: (q.float() * 0.5).index_select(0, i)),
]


@pytest.mark.parametrize(("kind", "function"), FORMS)
def test_the_table_is_never_made(kind: str, function: Form) -> None:
    args = (ROWS, SCALE, BIAS, INDICES, OFFSETS)
    program = import_nests(function, *args)
    assert nests(program) == [kind]
    assert not re.search("tensor<6x7xf", str(program.module))
    assert "memref<6x7xi8>" in str(program.module)
    compare(program, function, *args)


def test_bags_by_lengths() -> None:
    def lengths(q: Any, s: Any, i: Any, n: Any) -> Any:
        offsets = torch.cat([torch.zeros(1, dtype=torch.int64), n.cumsum(0)])
        return bag(i, q.to(s.dtype) * s[:, None], offsets, mode="sum", include_last_offset=True)

    args = (ROWS, SCALE, INDICES, torch.tensor([1, 0, 4]))
    assert "%lengths" in str(import_nests(lengths, *args).module)
    assert check(lengths, *args) == ["embedding_bag"]


def test_a_table_of_floats_is_computed_once() -> None:
    def scaled(x: Any, s: Any, i: Any, o: Any) -> Any:
        return bag(i, x * s[:, None], o, mode="sum")

    program = import_nests(scaled, ROWS.float(), SCALE, INDICES, OFFSETS)
    assert "linalg.generic" in str(program.module)
    assert "memref<6x7xf32>" in str(program.module)


def test_scores_of_dequantized_rows() -> None:
    norm = cast("Any", torch.linalg).vector_norm

    def score(q: Any, s: Any, i: Any) -> Any:
        table = q.to(s.dtype) * s[:, None]
        return norm(table[i] - table[i + 1], dim=-1)

    assert check(score, ROWS, SCALE, torch.tensor([0, 3])) == ["embedding", "embedding"]


@pytest.mark.parametrize("weighted", [False, True])
def test_every_level(weighted: bool) -> None:
    model = QuantizedBag(ROWS, SCALE.double(), BIAS.double())
    args = (INDICES, OFFSETS, *([WEIGHTS.double()] if weighted else []))
    expected, more = model(*args), int(weighted)
    width, vectors, lookups = 7, 1, 5
    words = {
        0: lookups * width * (5 + more),
        1: lookups * vectors * (8 + 4 + more),
        2: lookups * (8 * vectors + 3 + more),
        3: lookups * 8 * (vectors + 2 + more),
    }
    program = import_nests(model, *args)
    results: list[torch.Tensor] = []
    for level in range(5):
        function = headrace.compile(program.module, target="dae", opt=level)
        run = function.bind(program.constants).run(*args)
        results.append(run.outputs[0])
        if level in words:
            assert run.words == words[level]
    torch.testing.assert_close(results[0], expected, rtol=1e-14, atol=1e-14)
    assert all(torch.equal(result, results[0]) for result in results)


def test_a_row_of_bytes_is_fewer_lines_of_memory() -> None:
    found: Any = quantized_bag(bags=16, categories=5000, width=64, longest=40)
    model, args = found
    table = model.rows.float() * model.scale[:, None] + model.bias[:, None]
    wide = torch.nn.EmbeddingBag.from_pretrained(table, mode="sum")
    narrow, whole = (
        headrace.compile(one, args, target="dae", opt=3).run(*args).operations[0]
        for one in (model, wide)
    )
    heights = {stream.name: stream.height for stream in narrow.trace.streams}
    assert (heights["indices"], heights["scale"], heights["rows"]) == (2, 1, 0)
    assert narrow.timing.memory_bytes < whole.timing.memory_bytes / 1.6


def test_quantize_keeps_the_extremes_of_a_row() -> None:
    table = torch.tensor([[1.0, -2.0, 0.5], [3.0, 3.0, 3.0]], dtype=torch.float64)
    rows, scale, bias = quantize(table)
    assert rows[0].tolist() == [127, -128, 84]
    torch.testing.assert_close(rows * scale[:, None] + bias[:, None], table, rtol=0, atol=2e-2)
