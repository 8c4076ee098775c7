"""Index notation means what it says: against NumPy, on formats of every kind."""

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xdsl.dialects.builtin import DYNAMIC_INDEX, ModuleOp

from headrace.dialects.sparse_tensor import format_of
from headrace.frontends.einsum import import_einsum
from headrace.frontends.einsum_syntax import Parser, accesses
from headrace.interpreters.linalg import interpret
from headrace.storage.errors import InputError
from headrace.tests.oracles import attention, softmax

Dense = Any

RNG = np.random.default_rng(0)


def sparse(*shape: int) -> Dense:
    return RNG.standard_normal(shape) * (RNG.random(shape) < 0.5)


TENSORS: dict[str, Dense] = {
    "A": sparse(6, 6),
    "X": sparse(6, 5),
    "W": sparse(5, 4),
    "b": sparse(4),
    "x": sparse(6),
    "T": sparse(6, 5, 4),
    "Q": RNG.standard_normal((6, 5)),
    "K": RNG.standard_normal((6, 5)),
    "V": RNG.standard_normal((6, 3)),
    "M": (RNG.random((6, 6)) < 0.6) | np.eye(6, dtype=bool),
}
A, X, W, b, x, T, Q, K, V, M = TENSORS.values()


def evaluate(text: str, formats: Mapping[str, Any] | None = None) -> Dense:
    module = import_einsum(text, formats)
    _, right = Parser(text).statement()
    names = dict.fromkeys(access.name for access in accesses(right))
    (result,) = interpret(module, [TENSORS[name] for name in names])
    return result


MEANING: dict[str, Dense] = {
    # products and reductions
    "Y(i,h) = relu(A(i,j) * X(j,f) * W(f,h) + b(h))": np.maximum(A @ X @ W + b, 0),
    "Y(i,h) = A(i,j) * (X(j,f) * W(f,h))": A @ X @ W,
    "y(i) = A(i,j) * x(j)": A @ x,
    "y(j) = A(i,j) * x(i)": A.T @ x,
    "s = x(i) * x(i)": x @ x,
    "s() = A(i,j) * A(j,i)": (A * A.T).sum(),
    "Y(i,j) = x(i) * x(j)": np.outer(x, x),
    "Y(i,j) = A(i,j) * A(j,i)": A * A.T,
    "y(i) = T(i,j,k) * W(j,k)": np.einsum("ijk,jk->i", T, W),
    "Y(k,i) = T(i,j,k)": T.sum(1).T,
    "Y(j,i) = A(i,j)": A.T,
    "Y(i,j) = A(i,j)": A,
    "Y(i,k) = A(i,j) * A(j,k) + A(k,j) * x(j)": A @ A + (A @ x)[None],
    "y(i) = (A(i,j) + A(j,i)) * x(j)": (A + A.T) @ x,
    "y(i) = (A(i,j) + x(i)) * x(j)": (A + x[:, None]) @ x,
    "y(i) = A(i,j) + x(i)": A.sum(1) + x,
    "y(i) = (A(i,j) * x(j) + x(i)) * x(j)": (A @ np.diag(x) + x[:, None]) @ x,
    # numbers and signs
    "y(i) = 2 * x(i) - -.5": 2 * x + 0.5,
    "y(i) = -x(i) * (1.5e1 - 3) / 2 + 1": -x * 6 + 1,
    "y(i) = 1 / (x(i) * x(i) + 1)": 1 / (x * x + 1),
    "Y(i,j) = A(i,j) / (x(i) * x(i) + 1)": A / (x * x + 1)[:, None],
    # functions
    "y(i) = exp(A(i,j))": np.exp(A.sum(1)),
    "y(i) = sum(j, exp(A(i,j)))": np.exp(A).sum(1),
    "y(i) = amax(j, A(i,j)) + amin(j, A(i,j))": A.max(1) + A.min(1),
    "y(i) = amax(j, A(i,j) * x(j))": (A * x).max(1),
    "Y(i,j) = max(A(i,j), x(j)) + min(A(i,j), 0)": np.maximum(A, x) + np.minimum(A, 0),
    "y(i) = pow(abs(x(i)) + 1, 2.5)": (abs(x) + 1) ** 2.5,
    "y(i) = sqrt(abs(x(i))) + rsqrt(abs(x(i)) + 1) + log(abs(x(i)) + 1)": (
        abs(x) ** 0.5 + (abs(x) + 1) ** -0.5 + np.log(abs(x) + 1)
    ),
    "y(i) = sin(x(i)) * cos(x(i)) + tanh(x(i))": np.sin(x) * np.cos(x) + np.tanh(x),
    "y(i) = sigmoid(x(i)) + silu(x(i))": (1 + x) / (1 + np.exp(-x)),
    "Y(i,j) = softmax(Q(i,j), j)": softmax(Q),
    "Y(i,j) = softmax(Q(i,j), i)": softmax(Q.T).T,
    "Y(i,j) = log_softmax(Q(i,j), j)": np.log(softmax(Q)),
    "Y(i,j) = layernorm(Q(i,j), j)": (
        (Q - Q.mean(1, keepdims=True)) / np.sqrt(Q.var(1, keepdims=True) + 1e-5)
    ),
    "Y(i,d) = masked_softmax(Q(i,k) * K(j,k) / 8, M(i,j), j) * V(j,d)": attention(Q, K, V, 8, M),
}


@pytest.mark.parametrize("text", MEANING)
def test_meaning(text: str) -> None:
    np.testing.assert_allclose(evaluate(text), MEANING[text], rtol=0, atol=1e-12)


@pytest.mark.parametrize("text", MEANING)
def test_formats_do_not_change_the_meaning(text: str) -> None:
    left, right = Parser(text).statement()
    formats = {access.name: "s" * len(access.indices) or "none" for access in accesses(right)}
    formats[left.name] = "s" * len(left.indices) or "none"
    np.testing.assert_allclose(evaluate(text, formats), MEANING[text], rtol=0, atol=1e-12)


ATTENTION = "Y(i,d) = softmax(Q(i,k) * K(j,k) * M(i,j), j) * V(j,d)"


def test_softmax_of_a_product_with_a_sparse_factor_is_structural() -> None:
    np.testing.assert_allclose(
        evaluate(ATTENTION, {"M": "csr"}), attention(Q, K, V, 1, M), atol=1e-12
    )


def test_a_scaled_product_is_a_product() -> None:
    found = evaluate("Y(i,j) = softmax(-Q(i,k) * K(j,k) * M(i,j) / 8, j)", {"M": "csr"})
    np.testing.assert_allclose(found, softmax(-Q @ K.T / 8, mask=M), atol=1e-12)
    scaled = evaluate("Y(i,j) = softmax(2 * A(i,j) / 8, j)", {"A": "csr"})
    np.testing.assert_allclose(scaled, softmax(A / 4), atol=1e-12)


def test_a_row_without_any_position_is_zero() -> None:
    mask = M.copy()
    mask[2] = False
    (found,) = interpret(import_einsum(ATTENTION, {"M": "csr"}), [Q, K, mask, V])
    assert (found[2] == 0).all()
    np.testing.assert_allclose(np.delete(found, 2, 0), np.delete(attention(Q, K, V, 1, M), 2, 0))


def test_softmax_of_a_product_of_dense_tensors_is_dense() -> None:
    np.testing.assert_allclose(evaluate(ATTENTION), softmax(Q @ K.T * M) @ V, atol=1e-12)


def test_softmax_of_a_lone_sparse_tensor_is_dense() -> None:
    found = evaluate("Y(i,j) = softmax(A(i,j), j)", {"A": "csr"})
    np.testing.assert_allclose(found, softmax(A), atol=1e-12)


def operations(module: ModuleOp) -> list[Any]:
    return [op for op in module.walk() if op.name == "linalg.generic"]


def test_every_product_multiplies_two_tensors_and_is_reduced_at_once() -> None:
    module = import_einsum("Y(i,h) = A(i,j) * X(j,f) * W(f,h)")
    assert [len(op.inputs) for op in operations(module)] == [2, 2]
    assert [op.get_num_loops() for op in operations(module)] == [3, 3]


def test_operations_know_their_column_and_composed_function() -> None:
    module = import_einsum("Y(i,j) = softmax(2 * Q(i,j), j)")
    first, *rest = operations(module)
    assert first.attributes["headrace.source"].data == "einsum:20"
    assert "headrace.composite" not in first.attributes
    assert {op.attributes["headrace.composite"].data for op in rest} == {"softmax_1"}


def types(module: ModuleOp) -> list[Any]:
    main: Any = module.body.block.first_op
    return [*main.function_type.inputs, *main.function_type.outputs]


def test_shapes_come_from_formats_and_sizes_and_else_stay_open() -> None:
    text = "y(i) = A(i,j) * x(j) * z(k)"
    module = import_einsum(text, {"A": ("csr", (3, None)), "z": "d"}, sizes={"j": 4})
    shapes = [type.get_shape() for type in types(module)]
    assert shapes == [(3, 4), (4,), (DYNAMIC_INDEX,), (3,)]


def test_two_uses_of_one_tensor_share_its_sizes() -> None:
    module = import_einsum("y(i) = A(i,j) * A(j,k) * x(k)", sizes={"k": 5})
    assert [type.get_shape() for type in types(module)] == [(5, 5), (5,), (5,)]


def test_arguments_stand_in_the_order_of_their_first_use_and_know_their_names() -> None:
    module = import_einsum("Y(i,j) = B(i,k) * A(k,j) + B(i,j)")
    main: Any = module.body.block.first_op
    assert [entry.data["headrace.name"].data for entry in main.arg_attrs] == ["B", "A"]


def test_element_type() -> None:
    assert str(types(import_einsum("y(i) = x(i)", dtype="f32"))[0].element_type) == "f32"
    with pytest.raises(InputError, match="use f32 or f64"):
        import_einsum("y(i) = x(i)", dtype="i32")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Y(i,j) = A(i,j) * B(i,j)", "ss"),
        ("Y(i,j) = A(i,j) * D(i,j)", "ds"),
        ("Y(i,j) = A(i,j) + B(i,j)", "ds"),
        ("Y(i,j) = B(i,j) + B(j,i)", "ss"),
        ("Y(i,j) = A(i,j) + D(i,j)", "dd"),
        ("Y(i,j) = A(i,j) - 1", "dd"),
        ("Y(i,j) = A(i,k) * B(k,j)", "ds"),
        ("Y(i,j) = B(i,k) * B(k,j)", "ss"),
        ("Y(i,j) = B(i,k) * D(k,j)", "sd"),
        ("Y(i,j) = relu(2 * B(i,j))", "ss"),
        ("Y(i,j) = exp(B(i,j))", "dd"),
        ("Y(i,j) = B(i,j) / D(i,j)", "ss"),
        ("Y(i,j) = B(i,j) / B(j,i)", "dd"),
        ("y(i) = B(i,j)", "s"),
        ("Y(j,i) = A(i,j)", "sd"),
    ],
)
def test_the_result_is_compressed_where_it_is_certainly_sparse(text: str, expected: str) -> None:
    used = {access.name for access in accesses(Parser(text).statement()[1])}
    formats = {name: format for name, format in (("A", "csr"), ("B", "ss")) if name in used}
    module = import_einsum(text, formats)
    assert str(format_of(types(module)[-1])) == expected


@pytest.mark.parametrize("wanted", ["dd", "ss", "ds10", "sd"])
def test_a_format_of_the_result_that_is_asked_for(wanted: str) -> None:
    for text in ("Y(i,j) = A(i,k) * A(k,j)", "Y(i,j) = A(j,i)", "Y(i,j) = softmax(A(i,j), j)"):
        module = import_einsum(text, {"Y": wanted, "A": "csr"})
        assert str(format_of(types(module)[-1])) == wanted
        np.testing.assert_allclose(interpret(module, [A])[0], evaluate(text), atol=1e-12)


LETTERS = "ijkl"


@st.composite
def programs(draw: st.DrawFn) -> tuple[str, dict[str, str], dict[str, tuple[int, ...]]]:
    """A sum of products of tensors with random indices, and their formats and shapes."""
    sizes = dict(zip(LETTERS, (3, 4, 2, 5), strict=True))
    result = "".join(draw(st.permutations("ij")))
    terms: list[str] = []
    formats: dict[str, str] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    for _ in range(draw(st.integers(1, 2))):
        factors: list[str] = []
        covered: set[str] = set()
        for _ in range(draw(st.integers(1, 3))):
            indices = draw(st.permutations(LETTERS))[: draw(st.integers(1, 3))]
            factors.append("".join(indices))
            covered |= set(indices)
        factors += [letter for letter in result if letter not in covered]
        named: list[str] = []
        for indices in factors:
            name = f"T{len(shapes)}"
            levels = draw(
                st.lists(st.sampled_from("ds"), min_size=len(indices), max_size=len(indices))
            )
            order = draw(st.permutations(range(len(indices))))
            formats[name] = "".join(levels) + "".join(map(str, order))
            shapes[name] = tuple(sizes[index] for index in indices)
            named.append(f"{name}({','.join(indices)})")
        terms.append("*".join(named))
    return f"Y({','.join(result)}) = {' + '.join(terms)}", formats, shapes


@settings(max_examples=60, deadline=None)
@given(programs(), st.integers(0, 1000))
def test_random_sums_of_products(
    program: tuple[str, dict[str, str], dict[str, tuple[int, ...]]], seed: int
) -> None:
    text, formats, shapes = program
    random = np.random.default_rng(seed)
    tensors = {
        name: random.standard_normal(shape) * (random.random(shape) < 0.6)
        for name, shape in shapes.items()
    }
    left, right = text.split(" = ")
    expected = 0.0
    for term in right.split(" + "):
        names = [factor.partition("(")[0] for factor in term.split("*")]
        inputs = ",".join(
            factor.partition("(")[2].strip(")").replace(",", "") for factor in term.split("*")
        )
        result = left.partition("(")[2].strip(")").replace(",", "")
        expected = expected + np.einsum(f"{inputs}->{result}", *(tensors[n] for n in names))
    (found,) = interpret(import_einsum(text, formats), list(tensors.values()))
    np.testing.assert_allclose(found, expected, atol=1e-9)


ERRORS = {
    "Y(i,j) = A(i,k)*": ("expected a tensor, a number or '(', found 'the end'", 17),
    "Y(i) = A(i,i)": ("index 'i' stands twice in A", 12),
    "Y(i,j) = A(i,k)": ("index 'j' of the result walks no tensor on the right", 1),
    "Y(i) = A(i) + $": ("unexpected character '$'", 15),
    "Y(i) = A(i) B(i)": ("expected an operator or the end, found 'B'", 13),
    "Y(i) = x(i) * sum(i, A(i,j))": ("index 'i' is reduced here, but used outside as well", 15),
    "Y(i) = x(i) + sum(k, A(i,j))": ("index 'k' is reduced here, but walks no tensor inside", 15),
    "Y(i) = softmax(A(i,j))": ("expected ',', found ')'; write softmax(x, index)", 22),
    "Y(i) = softmax(x(i), k)": ("index 'k' walks no tensor inside softmax", 8),
    "Y(i) = sum(2, x(i))": ("expected an index, found '2'; write sum(index, x)", 12),
    "Y(i) = A(i) + A(i,j)": ("'A' is used with 1 indices and with 2", 15),
    "Y(i) = Y(i)": ("the result 'Y' cannot stand on the right", 8),
    "relu(i) = A(i)": ("'relu' is a function and cannot name the result", 1),
    "Y = 2 + 3": ("the right side has no tensor", 7),
    "Y(i) = A(i) * exp(2)": ("exp of a constant; write the number", 15),
    "Y(i) = A(i) * (1 / 0)": ("the constant div(1.0, 0.0) is not known", 18),
    "Y(i) = masked_softmax(A(i), 1, i)": ("the mask must be a tensor", 8),
    "(i) = A(i)": ("expected the name of the result, found '('", 1),
    "Y(i = A(i)": ("expected ',', found '='", 5),
    "": ("expected the name of the result, found 'the end'", 1),
}


@pytest.mark.parametrize("text", ERRORS)
def test_errors_show_the_place(text: str) -> None:
    message, column = ERRORS[text]
    with pytest.raises(InputError) as caught:
        import_einsum(text)
    first, shown, caret = str(caught.value).splitlines()
    assert message in first
    assert f"(column {column})" in first
    assert shown == f"  {text}"
    assert caret.index("^") == column + 1


def test_sizes_and_formats_that_do_not_fit() -> None:
    text = "y(i) = A(i,j) * x(j)"
    with pytest.raises(InputError, match="index 'j' has size 4 and size 5"):
        import_einsum(text, {"A": ("csr", (3, 4)), "x": ("d", (5,))})
    with pytest.raises(InputError, match="index 'j' has size 5 and size 4"):
        import_einsum(text, {"A": ("csr", (3, 4))}, sizes={"j": 5})
    with pytest.raises(InputError, match=r"its shape \(3,\) has 1 sizes"):
        import_einsum(text, {"A": ("csr", (3,))})
    with pytest.raises(InputError, match="format for 'C', but the tensors are y, A, x"):
        import_einsum(text, {"C": "csr"})
    with pytest.raises(InputError, match="size for 'k', but the indices are i, j"):
        import_einsum(text, sizes={"k": 3})
    with pytest.raises(InputError, match="'csr' does not describe a tensor of rank 1"):
        import_einsum(text, {"x": "csr"})
    with pytest.raises(InputError, match="the format of 'A' is a text or a Format, not 3"):
        import_einsum(text, {"A": cast("Any", 3)})
    with pytest.raises(InputError, match="the size of index 'i' is -3"):
        import_einsum(text, sizes={"i": -3})
