"""Views, reshapes and labelled operations of the builder, against NumPy on random chains."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xdsl.dialects.builtin import f64

from headrace.frontends import composed
from headrace.frontends.builder import EntryBuilder, Extent, View, broadcast
from headrace.frontends.reshape import as_tensor, reshape
from headrace.interpreters.linalg import interpret
from headrace.storage.errors import InputError

Dense = Any


def factorisations(size: int) -> list[tuple[int, ...]]:
    """Shapes of up to three dimensions with `size` elements."""
    pairs = [(a, size // a) for a in range(1, size + 1) if size % a == 0] if size else [(0, 1)]
    triples = [(a, b, c // b) for a, c in pairs for b in range(1, c + 1) if c % b == 0]
    return [(size,), *pairs, *triples]


@st.composite
def steps(draw: st.DrawFn, emit: EntryBuilder, view: View, array: Dense) -> tuple[View, Dense]:
    """One random step on a view and on the array that it stands for."""
    rank = array.ndim
    choices = ["insert", "reshape", "square"]
    choices += ["permute", "slice", "reduce"] if rank else []
    choices += ["drop"] if 1 in array.shape else []
    choices += ["expand"] if array.size < 200 else []
    match draw(st.sampled_from(choices)):
        case "insert":
            position = draw(st.integers(0, rank))
            return view.insert(position), np.expand_dims(array, position)
        case "drop":
            units = [d for d in range(rank) if array.shape[d] == 1]
            unit = draw(st.sampled_from(units))
            return view.drop(unit), np.squeeze(array, unit)
        case "permute":
            order = draw(st.permutations(range(rank)))
            return view.permute(order), array.transpose(order)
        case "expand":
            shape = [draw(st.integers(1, 3)) if size == 1 else size for size in array.shape]
            shape = [draw(st.integers(1, 2)), *shape] if draw(st.booleans()) else shape
            return view.expand(shape), np.broadcast_to(array, shape)
        case "slice":
            d = draw(st.integers(0, rank - 1))
            start = draw(st.integers(0, max(array.shape[d] - 1, 0)))
            step = draw(st.integers(1, 2))
            size = draw(st.integers(0, -(-(array.shape[d] - start) // step)))
            window = [slice(None)] * rank
            window[d] = slice(start, start + size * step, step)
            return emit.slice(view, d, start, size, step), array[tuple(window)]
        case "reduce":
            dimensions = sorted(draw(st.sets(st.integers(0, rank - 1), min_size=1)))
            return emit.reduce(view, dimensions, "add"), array.sum(tuple(dimensions))
        case "reshape":
            shape = draw(st.sampled_from(factorisations(array.size)))
            if array.size == 0:
                return view, array
            return reshape(emit, view, shape), array.reshape(shape)
        case _:
            return composed.binary(emit, "mul", view, view), array * array


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_chains_of_views_and_operations(data: st.DataObject) -> None:
    shape = data.draw(st.lists(st.integers(1, 4), max_size=3))
    argument = np.random.default_rng(0).standard_normal(shape)
    emit = EntryBuilder()
    view, array = emit.argument("x", shape, f64), argument
    for _ in range(data.draw(st.integers(1, 6))):
        view, array = data.draw(steps(emit, view, array))
        assert view.shape == array.shape
    (found,) = interpret(emit.finish([as_tensor(emit, view)]), [argument])
    assert found.shape == array.shape
    np.testing.assert_allclose(found, array, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("source", "target", "operations"),
    [
        ((2, 3), (6,), ["tensor.collapse_shape"]),
        ((6,), (2, 3), ["tensor.expand_shape"]),
        ((2, 6), (3, 4), ["tensor.collapse_shape", "tensor.expand_shape"]),
        ((2, 3), (2, 3), []),
        ((2, 1, 3), (1, 2, 3), []),
        ((4, 6, 5), (4, 2, 3, 5), ["tensor.expand_shape"]),
    ],
)
def test_a_reshape_is_a_collapse_then_an_expansion(
    source: tuple[int, ...], target: tuple[int, ...], operations: list[str]
) -> None:
    emit = EntryBuilder()
    reshape(emit, emit.argument("x", source, f64), target)
    assert [op.name for op in emit.block.ops] == operations


def test_reshapes_of_sizes_known_at_run_time() -> None:
    for source, target in (
        (("n", 6), ("n", 2, 3)),
        (("n", 2, 3), ("6*n",)),
        (("n", 4), ("2*n", 2)),
    ):
        emit = EntryBuilder()
        view = emit.argument("x", source, f64)
        if target[0] == "2*n":
            with pytest.raises(InputError, match="is not the size"):
                reshape(emit, view, target)
            continue
        module = emit.finish([as_tensor(emit, reshape(emit, view, target))])
        for n in (1, 5):
            array = np.arange(n * math.prod(s for s in source if isinstance(s, int)), dtype=float)
            array = array.reshape([n if size == "n" else int(size) for size in source])
            sizes = {"n": n, "6*n": 6 * n}
            shape = [size if isinstance(size, int) else sizes[size] for size in target]
            np.testing.assert_array_equal(interpret(module, [array])[0], array.reshape(shape))


def test_reshapes_that_are_impossible() -> None:
    emit = EntryBuilder()
    for source, target in (((2, 3), (4,)), (("n", 2), ("m", 2)), ((2, 3), (2, 3, 2))):
        shape: tuple[Extent, ...] = source
        with pytest.raises(InputError, match="cannot be reshaped"):
            reshape(emit, emit.argument("x", shape, f64), target)


def test_broadcasting_follows_numpy() -> None:
    assert broadcast((3, 1), (4,)) == (3, 4)
    assert broadcast((), ("n", 2), (1, 2)) == ("n", 2)
    with pytest.raises(InputError, match=r"\(3,\) and \(4,\) cannot be broadcast"):
        broadcast((3,), (4,))


def test_a_size_that_no_argument_has() -> None:
    emit = EntryBuilder()
    with pytest.raises(InputError, match="the size n is not the size of any argument"):
        emit.empty(("n",), f64)


def test_products_of_disagreeing_sizes() -> None:
    emit = EntryBuilder()
    x, y = emit.argument("x", (2, 3), f64), emit.argument("y", (4, 2), f64)
    with pytest.raises(InputError, match="sizes 3 and 4 do not agree"):
        emit.contract((x, "ij"), (y, "jk"), "ik")


def test_operations_that_nobody_reads_disappear() -> None:
    emit = EntryBuilder()
    x = emit.argument("x", (2,), f64)
    composed.softmax(emit, x, 0)
    module = emit.finish([composed.relu(emit, x).base])
    assert [op.name for op in module.walk() if op.name == "linalg.generic"] == ["linalg.generic"]


def test_a_tensor_of_one_number_becomes_a_constant_of_its_reader() -> None:
    emit = EntryBuilder()
    x = emit.argument("x", (2,), f64)
    three = emit.view(emit.filled((2,), 3.0, f64), (2,))
    module = emit.finish([composed.binary(emit, "mul", x, three).base])
    assert "linalg.fill" not in str(module)
    np.testing.assert_array_equal(interpret(module, [[1, 2]])[0], [3, 6])
