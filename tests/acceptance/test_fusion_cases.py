"""
The compiler cases of the fusion literature: values for legal orders and cuts, node counts.

Values are compared with dense float64 arithmetic to 1e-9, node counts with those of the
reference compiler at its granularity. Source: "FuseFlow", ASPLOS 2026.
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import pytest
import torch
from xdsl.dialects.builtin import (
    ArrayAttr,
    DictionaryAttr,
    IntegerAttr,
    ModuleOp,
    UnitAttr,
    i64,
)
from xdsl.ir import Attribute, BlockArgument
from xdsl.parser import Parser

from headrace.backends.sam import build
from headrace.cli.driver import make_context
from headrace.dialects.functions import argument_names, main_function
from headrace.dialects.sparse_tensor import ConvertOp
from headrace.frontends.einsum import import_einsum
from headrace.frontends.torch_export import import_model
from headrace.storage.levels import Format, Level
from headrace.tests.fusion import (
    Array,
    all_orders,
    axes_and_legal_orders,
    lowered,
    nodes,
    recorded_graphs,
    recorded_inputs,
    recorded_program,
    run,
    translated,
)
from headrace.tests.fusion_programs import DEVIATIONS, LARGER, PROGRAMS
from headrace.tests.imported import Lambda
from headrace.tests.oracles import attention, softmax
from headrace.tests.reference import reference_path


def sparse(seed: int, shape: tuple[int, ...], density: float) -> Array:
    """Normal numbers with some coordinates and some whole rows left out."""
    rng = np.random.default_rng(seed)
    array = rng.standard_normal(shape) * (rng.random(shape) < density)
    if len(shape) > 1:
        array[rng.random(shape[0]) < 0.15] = 0
    return array


def check(
    text: str,
    formats: Mapping[str, str],
    inputs: Mapping[str, Array],
    expected: Array,
    *,
    limit: int = 20,
) -> None:
    """Every cut into two regions, every legal order (up to `limit`), and each product alone."""
    module = translated(text, formats, inputs)
    _, orders = axes_and_legal_orders(module, limit)
    variants = [lowered(module, regions="none")]
    variants += [lowered(module, order=order) for order in orders]
    count = sum(op.name == "linalg.generic" for op in module.walk())
    variants += [lowered(module, cuts=(cut,)) for cut in range(1, count)]
    for variant in variants:
        result, _ = run(variant, inputs)
        np.testing.assert_allclose(result, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("matrix", ["ss", "ds"])
@pytest.mark.parametrize("vector", ["d", "s"])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_matrix_times_a_vector(matrix: str, vector: str, order: tuple[int, ...]):
    inputs = {"A": sparse(0, (37, 29), 0.2), "x": sparse(1, (29,), 0.5)}
    module = translated("Y(i) = A(i,j) * x(j)", {"A": matrix, "x": vector, "Y": "s"}, inputs)
    result, _ = run(lowered(module, order=order, copies="any"), inputs)
    np.testing.assert_allclose(result, inputs["A"] @ inputs["x"], atol=1e-9)


def test_a_product_of_matrices_in_every_order():
    inputs = {"A": sparse(0, (20, 30), 0.2), "B": sparse(1, (30, 25), 0.2)}
    module = translated("Y(i,j) = A(i,k) * B(k,j)", {"A": "ss", "B": "ss", "Y": "ss"}, inputs)
    for order in all_orders(module):
        result, _ = run(lowered(module, order=order, copies="any"), inputs)
        np.testing.assert_allclose(result, inputs["A"] @ inputs["B"], atol=1e-9)
    assert nodes(lowered(module, reference=True)).total() == 16


@pytest.mark.parametrize("middle", ["dd", "ss"])
def test_a_chain_of_products(middle: str):
    a, b, c = sparse(0, (34, 34), 0.2), sparse(1, (34, 34), 0.6), sparse(2, (34, 16), 0.2)
    formats = {"A": "ss", "B": middle, "C": "ss"}
    check(PROGRAMS["chain3_all_C"][0], formats, {"A": a, "B": b, "C": c}, a @ b @ c)


def test_a_sum_of_two_products():
    a, b, c, d = (sparse(seed, (12, 12), 0.5) for seed in range(4))
    text, formats = PROGRAMS["sum_of_two_products"]
    check(text, formats, {"A": a, "B": b, "C": c, "D": d}, a @ b + c @ d)


@pytest.mark.parametrize("name", ["had_plus", "had_shared"])
def test_joiners_follow_the_expression(name: str):
    a, b, c = (sparse(seed, (12, 12), 0.6) for seed in range(3))
    expected = a * b + (c if name == "had_plus" else a * c)
    text, formats = PROGRAMS[name]
    check(text, formats, {"A": a, "B": b, "C": c}, expected)


@pytest.mark.parametrize("size", [12, 34])
def test_a_cycle_of_orders_is_broken_by_one_copy(size: int):
    a, b = sparse(0, (size, size), 0.6), sparse(1, (size, size), 0.2)
    inputs = {"A": a, "B": b}
    text, formats = PROGRAMS["had_transposed"]
    module = lowered(translated(text, formats, inputs))
    result, _ = run(module, inputs)
    np.testing.assert_allclose(result, a * b.T, atol=1e-9)
    assert sum(op.name == "sparse_tensor.convert" for op in module.walk()) == 1


def declared(module: ModuleOp, attribute: str, values: Mapping[str, Attribute]) -> ModuleOp:
    """The module with an attribute more on its arguments, by their names."""
    function = main_function(module)
    assert function.arg_attrs is not None
    function.arg_attrs = ArrayAttr(
        DictionaryAttr({**known.data, attribute: values[name]} if name in values else known.data)
        for known, name in zip(function.arg_attrs, argument_names(function), strict=True)
    )
    return module


@pytest.mark.parametrize("entries", [{"A": 90, "B": 20}, {"A": 20, "B": 90}])
def test_the_operand_with_fewer_entries_is_copied(entries: dict[str, int]):
    inputs = {name: sparse(k, (12, 12), n / 144) for k, (name, n) in enumerate(entries.items())}
    module = translated(*PROGRAMS["had_transposed"], inputs)
    counts = {name: IntegerAttr(count, i64) for name, count in entries.items()}
    module = lowered(declared(module, "headrace.nonzeros", counts))
    result, _ = run(module, inputs)
    np.testing.assert_allclose(result, inputs["A"] * inputs["B"].T, rtol=0, atol=1e-9)
    # Rows by columns of A make a result by columns, which is converted too.
    copies = [op.source for op in module.walk() if isinstance(op, ConvertOp)]
    copied = [copy.name_hint for copy in copies if isinstance(copy, BlockArgument)]
    assert copied == [min(entries, key=entries.__getitem__)]


def test_a_symmetric_operand_is_not_copied():
    b = sparse(1, (12, 12), 0.6)
    inputs = {"A": sparse(0, (12, 12), 0.6), "B": b + b.T}
    module = translated(*PROGRAMS["had_transposed"], inputs)
    module = lowered(declared(module, "headrace.symmetric", {"B": UnitAttr()}))
    result, _ = run(module, inputs)
    np.testing.assert_allclose(result, inputs["A"] * inputs["B"], rtol=0, atol=1e-9)
    assert not [op for op in module.walk() if isinstance(op, ConvertOp)]


GCN_INPUTS = {
    "A": sparse(0, (34, 34), 0.1),
    "X": sparse(1, (34, 20), 0.9),
    "W": sparse(2, (20, 8), 0.4),
    "b": sparse(3, (8,), 1.0),
}


def gcn_layer(inputs: Mapping[str, Array]) -> Array:
    return np.maximum(inputs["A"] @ inputs["X"] @ inputs["W"] + inputs["b"], 0)


def test_a_gcn_layer_with_empty_rows():
    text, formats = PROGRAMS["gcn_layer"]
    check(text, formats, GCN_INPUTS, gcn_layer(GCN_INPUTS))


@pytest.mark.parametrize("name", ["axw_sp_sp", "axw_sd_sp", "axw_dn_dn"])
def test_the_other_association_in_three_formats(name: str):
    text, formats = PROGRAMS[name]
    check(text, formats, GCN_INPUTS, gcn_layer(GCN_INPUTS))


def test_a_dense_level_below_the_root_is_addressed_with_its_parent():
    inputs = {"X": sparse(0, (40, 30), 1.0), "W": sparse(1, (30, 8), 0.4)}
    text, formats = PROGRAMS["gcn_linear_mul"]
    check(text, formats, inputs, inputs["X"] @ inputs["W"])


@pytest.mark.parametrize("function", ["relu", "softmax"])
def test_isolated_nodes_get_the_bias(function: str):
    a = sparse(0, (34, 34), 0.1)
    a[[3, 9, 10, 20, 33]] = 0
    inputs = {"A": a, "X": sparse(1, (34, 6), 0.9), "b": sparse(2, (6,), 1.0)}
    dense = a @ inputs["X"] + inputs["b"]
    expected = {"relu": np.maximum(dense, 0), "softmax": softmax(dense)}
    inner = "A(i,j) * X(j,h) + b(h)"
    text = f"Y(i,h) = relu({inner})" if function == "relu" else f"Y(i,h) = softmax({inner}, h)"
    check(text, {"A": "ss", "X": "ss", "b": "d", "Y": "ss"}, inputs, expected[function])


def test_a_diamond_computes_its_shared_value_once():
    text = reference_path("fusion/diamond.mlir").read_text()
    module = Parser(make_context(), text).parse_module()
    inputs = {"A": sparse(0, (34, 34), 0.2), "X": sparse(1, (34, 16), 0.4)}
    product = inputs["A"] @ inputs["X"]
    for reference in (False, True):
        graph = lowered(module, reference=reference)
        result, _ = run(graph, inputs)
        np.testing.assert_allclose(result, np.maximum(product, 0) + product, atol=1e-5)
        assert nodes(graph)["accumulator"] == 1
        assert nodes(graph).total() <= 18


def test_one_tensor_used_twice_is_stored_once():
    inputs = {"A": sparse(0, (34, 34), 0.1), "B": sparse(1, (34, 34), 0.2)}
    text, formats = PROGRAMS["aba_same_tensor"]
    check(text, formats, inputs, inputs["A"] @ inputs["B"] @ inputs["A"])
    graph = lowered(translated(text, formats, inputs))
    assert sum(op.name == "sparse_tensor.convert" for op in graph.walk()) == 0


@pytest.mark.parametrize("name", ["sage_layer_CC", "sage_layer_DX"])
def test_a_graphsage_layer(name: str):
    text, formats = PROGRAMS[name]
    inputs = {
        "A": sparse(0, (60, 60), 0.08),
        "X": sparse(1, (60, 12), 0.7),
        "W1": sparse(2, (12, 8), 0.5),
        "W2": sparse(3, (12, 8), 0.5),
        "b1": sparse(4, (8,), 1.0),
        "b2": sparse(5, (8,), 1.0),
    }
    x = inputs["X"]
    dense = x @ inputs["W1"] + inputs["b1"] + inputs["A"] @ x @ inputs["W2"] + inputs["b2"]
    check(text, formats, inputs, np.maximum(dense, 0))


@pytest.mark.parametrize("format", ["dd", "ss", "ds"])
def test_a_softmax_counts_the_zeros_that_are_not_stored(format: str):
    x = sparse(0, (10, 7), 0.4) - 1.5 * (sparse(1, (10, 7), 0.4) != 0)
    check("Y(i,j) = softmax(X(i,j), j)", {"X": format}, {"X": x}, softmax(x))


@pytest.mark.parametrize("format", ["ddd", "sss"])
def test_a_layer_norm(format: str):
    x = sparse(0, (2, 3, 128), 0.8)
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    expected = (x - mean) / np.sqrt(variance + 1e-5)
    check(PROGRAMS["layernorm_3d"][0], {"X": format}, {"X": x}, expected)


@pytest.mark.parametrize("heads", [1, 2])
def test_masked_attention(heads: int):
    rng = np.random.default_rng(heads)
    q, k, v = (rng.standard_normal((1, heads, 16, 4)) for _ in range(3))
    mask = (rng.random((16, 16)) < 0.3) * 1.0
    np.fill_diagonal(mask, 1)
    text, formats = PROGRAMS["gpt_attention"]
    inputs = {"Q": q, "K": k.swapaxes(2, 3), "M": mask, "V": v}
    check(text, formats, inputs, attention(q, k, v, 8, mask), limit=4)


def feed_forward(
    x: torch.Tensor,
    wo: torch.Tensor,
    bo: torch.Tensor,
    residual: torch.Tensor,
    w1: torch.Tensor,
    b1: torch.Tensor,
    w2: torch.Tensor,
    b2: torch.Tensor,
) -> torch.Tensor:
    """Attention's output projected, with its residual, and the feed-forward part of a GPT block."""
    state = x @ wo + bo + residual
    hidden = torch.relu(torch.nn.functional.layer_norm(state, state.shape[-1:]) @ w1 + b1)
    return hidden @ w2 + b2 + state


FEED_FORWARD = {
    "X": sparse(0, (2, 5, 6), 1.0),
    "Wo": sparse(1, (6, 6), 1.0),
    "bo": sparse(2, (6,), 1.0),
    "R": sparse(3, (2, 5, 6), 1.0),
    "W1": sparse(4, (6, 10), 1.0),
    "b1": sparse(5, (10,), 1.0),
    "W2": sparse(6, (10, 6), 1.0),
    "b2": sparse(7, (6,), 1.0),
}
TENSORS = [torch.from_numpy(value) for value in FEED_FORWARD.values()]


def test_the_feed_forward_region_of_gpt():
    text, formats = PROGRAMS["gpt_ffn_region"]
    check(text, formats, FEED_FORWARD, feed_forward(*TENSORS).numpy())


@pytest.mark.parametrize(("regions", "products"), [("all", 4), ("none", 3)])
def test_a_value_under_two_axes_is_computed_twice_in_a_region(
    regions: Literal["all", "none"], products: int
):
    """The state is contracted by a weight and added to the result; a cut stores it."""
    graphs = lowered(import_model(Lambda(feed_forward), TENSORS).module, regions=regions)
    result = build(graphs).run(*TENSORS)
    expected = feed_forward(*TENSORS).numpy()
    np.testing.assert_allclose(np.asarray(result.outputs[0]), expected, rtol=0, atol=1e-9)
    assert nodes(graphs)["accumulator"] == products


@pytest.mark.parametrize("name", ["sddmm_jd", "sddmm_dj"])
def test_a_sampled_product(name: str):
    q, k = sparse(0, (64, 8), 1.0), sparse(1, (64, 8), 1.0)
    mask = (np.random.default_rng(2).random((64, 64)) < 0.3) * 1.0
    inputs = {"Q": q, "K": k if name == "sddmm_jd" else np.ascontiguousarray(k.T), "M": mask}
    text, formats = PROGRAMS[name]
    check(text, formats, inputs, (q @ k.T) * mask)


def test_a_sparse_autoencoder():
    inputs = {
        "X": sparse(0, (8, 60), 1.0),
        "E": sparse(1, (60, 12), 0.5),
        "be": sparse(2, (12,), 1.0),
        "D": sparse(3, (12, 60), 0.5),
        "bd": sparse(4, (60,), 1.0),
    }
    hidden = np.maximum(inputs["X"] @ inputs["E"] + inputs["be"], 0)
    text, formats = PROGRAMS["sae_whole"]
    check(text, formats, inputs, hidden @ inputs["D"] + inputs["bd"])


def test_one_compiled_layer_serves_every_number_of_rows():
    text, formats = PROGRAMS["gcn_layer"]
    module = lowered(translated(text, formats))
    for size in (60, 200, 500):
        inputs = GCN_INPUTS | {
            "A": sparse(size, (size, size), 5 / size),
            "X": sparse(1, (size, 20), 1.0),
        }
        result, _ = run(module, inputs)
        np.testing.assert_allclose(result, gcn_layer(inputs), atol=1e-9)


@pytest.mark.parametrize("block", [4, 8, 16, 24])
def test_blocks_divide_the_tokens_by_their_size(block: int):
    grid = -(-64 // block)
    kept = np.random.default_rng(0).random((grid, grid)) < 0.3
    a = sparse(1, (64, 64), 1.0) * np.kron(kept, np.ones((block, block)))[:64, :64]
    inputs = {"A": a, "X": sparse(2, (64, 6), 1.0)}
    tokens: list[int] = []
    for stored in (Format((Level.COMPRESSED,) * 2, (0, 1), (block, block)), "ss"):
        formats = {"A": (stored, (64, 64)), "X": ("dd", (64, 6)), "Y": ("dd", (64, 6))}
        program = build(lowered(import_einsum("Y(i,f) = A(i,j) * X(j,f)", formats)))
        result = program.run(a, inputs["X"])
        np.testing.assert_allclose(result.outputs[0], a @ inputs["X"], atol=1e-9)
        tokens.append(result.tokens)
    assert tokens[0] * block**2 < 2 * tokens[1]


def test_a_chain_in_all_24_orders():
    a, b, c, expected = recorded_inputs().karate_chain()
    inputs = {"A": a, "B": b, "C": c}
    module = translated(*PROGRAMS["chain3_CC_DD_CC"], inputs)
    cycles: list[int] = []
    for order in all_orders(module):
        result, taken = run(lowered(module, order=order, copies="any"), inputs)
        np.testing.assert_allclose(result, expected, rtol=0, atol=1e-9)
        cycles.append(taken)
    assert len(cycles) == 24
    assert max(cycles) >= 10 * min(cycles)


RECORDED = [name for name in (*PROGRAMS, "diamond") if name != "had_transposed"]
"""The programs of which the reference compiler made a graph; it stops at a cycle of orders."""


def test_every_recorded_graph_has_its_program():
    assert set(recorded_graphs()) == {*RECORDED, "had_transposed"}


@pytest.mark.parametrize("name", RECORDED)
def test_nodes_are_those_of_the_reference_compiler(name: str):
    graph = recorded_graphs()[name]
    counts = nodes(lowered(recorded_program(name, graph), reference=True))
    counts.subtract(graph["histogram"])
    expected = DEVIATIONS[name].nodes if name in DEVIATIONS else {}
    assert {kind: count for kind, count in counts.items() if count} == expected


@pytest.mark.parametrize("name", RECORDED)
def test_the_default_has_no_more_nodes_than_the_reference_compiler(name: str):
    graph = recorded_graphs()[name]
    count = nodes(lowered(recorded_program(name, graph))).total()
    assert count <= graph["nodes"] + LARGER.get(name, 0)


FEWER_ORDERS = {
    "gcn_layer_softmax": 1,
    "gcn_whole": 1,
    "cut_bias_relu_adj2_linear2_softmax": 1,
    "gpt_attention": 1,
    "gpt_ffn_region": 4,
}
"""
The orders here of graphs with more than 20 recorded: the reference compiler counts the orders of
axes that a softmax or a layer norm shares here.
"""


@pytest.mark.parametrize("name", [*PROGRAMS])
def test_legal_orders_are_as_many_as_recorded(name: str):
    graph = recorded_graphs()[name]
    _, orders = axes_and_legal_orders(recorded_program(name, graph), 21)
    assert (graph["legal_orders"] == "21 or more") == (name in FEWER_ORDERS)
    assert len(orders) == FEWER_ORDERS.get(name, graph["legal_orders"])
