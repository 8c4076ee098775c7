"""
Cycles of fused regions within 3 % of the recorded token simulation.

At the granularity of the reference compiler, with unbounded channels and without a memory model,
on the recorded inputs. The values on these inputs are those of dense float64 arithmetic: by default
all of them, at that granularity those of the rows that it does not leave out.
Source: "FuseFlow", ASPLOS 2026, and its released compiler.
"""

import json
import re
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from xdsl.context import Context

from headrace.passes.sam.sam_drop_zeros import SamDropZerosPass
from headrace.tests.fusion import Array, lowered, recorded_inputs, run, translated
from headrace.tests.fusion_programs import PROGRAMS
from headrace.tests.oracles import softmax
from headrace.tests.reference import reference_path


@pytest.fixture(scope="module")
def recipes() -> ModuleType:
    return recorded_inputs()


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    return json.loads(reference_path("fusion/measured_cycles.json").read_text())


def cycles(name: str, inputs: Mapping[str, Array], expected: Array) -> int:
    """Cycles of a program as one region, whose values are `expected`."""
    text, formats = PROGRAMS[name]
    rank = text.partition(" = ")[0].count(",") + 1
    module = translated(text, {**formats, "Y": "s" * rank}, inputs)
    default, _ = run(lowered(module), inputs)
    np.testing.assert_allclose(default, expected, rtol=0, atol=1e-9)
    result, taken = run(lowered(module, reference=True), inputs)
    rows = stored_rows(text, inputs)
    np.testing.assert_allclose(result[rows], expected[rows], rtol=0, atol=1e-9)
    return taken


def stored_rows(text: str, inputs: Mapping[str, Array]) -> npt.NDArray[np.int64]:
    """The coordinates of the result's first axis with which any operand has an entry."""
    result, *operands = re.findall(r"(\w+)\(([\w,]+)\)", text)
    axis = result[1].split(",")[0]
    stored: list[npt.NDArray[np.int64]] = [
        inputs[name].nonzero()[axes.split(",").index(axis)]
        for name, axes in operands
        if name in inputs and axis in axes.split(",")
    ]
    return np.unique(np.concatenate(stored))


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def near(figure: float) -> Any:
    return pytest.approx(figure, rel=0.03)


def test_one_gcn_layer(recipes: ModuleType, measured: dict[str, Any]):
    data = recipes.gcn()
    inputs = {"A": data["A"], "X": data["X"], "W": data["W1"], "b": data["b1"]}
    expected = relu(data["A"] @ data["X"] @ data["W1"] + data["b1"])
    assert cycles("gcn_layer", inputs, expected) == near(measured["gcn"]["layer1_fused"])


def test_a_whole_gcn_in_one_region_repeats_the_inner_layer(
    recipes: ModuleType, measured: dict[str, Any]
):
    data = recipes.gcn()
    hidden = relu(data["A"] @ data["X"] @ data["W1"] + data["b1"])
    expected = softmax(data["A"] @ hidden @ data["W2"] + data["b2"])
    assert cycles("gcn_whole", data, expected) == near(measured["gcn"]["full"])


def associations(recipes: ModuleType) -> Iterator[tuple[dict[str, Array], Array]]:
    for _, _, a, x, w, b in recipes.gcn_association():
        yield {"A": a, "X": x, "W": w, "b": b}, relu(a @ x @ w + b)


@pytest.mark.parametrize(("column", "name"), [(2, "gcn_layer"), (3, "axw_sp_sp"), (4, "axw_dn_dn")])
def test_association_of_a_gcn_layer(
    column: int, name: str, recipes: ModuleType, measured: dict[str, Any]
):
    rows = measured["gcn_association"]["rows"]
    for row, (inputs, expected) in zip(rows, associations(recipes), strict=True):
        assert cycles(name, inputs, expected) == near(row[column])


def test_the_other_association_computes_a_row_of_the_product_for_each_entry(recipes: ModuleType):
    """With X dense and W compressed: entries of A times what a scan of all of W takes."""
    inputs, expected = list(associations(recipes))[2]
    scanned = np.count_nonzero(inputs["W"]) + len(inputs["W"])
    figure = float(np.count_nonzero(inputs["A"]) * scanned)
    assert cycles("axw_sd_sp", inputs, expected) == near(figure)


def test_a_sum_of_two_products(recipes: ModuleType, measured: dict[str, Any]):
    a, b, c, d, expected = recipes.sum_of_two_products()
    figure = measured["sum_of_two_products_12"]["cycles"]
    taken = cycles("sum_of_two_products", {"A": a, "B": b, "C": c, "D": d}, expected)
    assert taken == near(figure)


@pytest.mark.parametrize(
    ("name", "key"),
    [("sage_layer_CC", "fused_compressed_X"), ("sage_layer_DX", "fused_dense_X")],
)
def test_a_graphsage_layer(name: str, key: str, recipes: ModuleType, measured: dict[str, Any]):
    cases = {
        "graphsage_small": recipes.sage_small(),
        "graphsage_layer": recipes.sae_and_sage()[1],
    }
    for case, data in cases.items():
        a, x = data["A"], data["X"]
        dense = x @ data["W1"] + data["b1"] + a @ x @ data["W2"] + data["b2"]
        assert cycles(name, data, relu(dense)) == near(measured[case][key])


@pytest.mark.parametrize("density", [0.5, 0.1])
def test_a_sparse_autoencoder(density: float, recipes: ModuleType, measured: dict[str, Any]):
    data = recipes.sae_and_sage()[0][density]
    hidden = relu(data["X"] @ data["E"] + data["be"])
    figure = measured["sae"]["hidden_dense"][f"density{density}"]["full"]
    assert cycles("sae_whole", data, hidden @ data["D"] + data["bd"]) == near(figure)


@pytest.mark.parametrize("density", [0.5, 0.1])
def test_the_kernels_and_halves_of_a_sparse_autoencoder(
    density: float, recipes: ModuleType, measured: dict[str, Any]
):
    """Unfused and in two regions, with a hidden tensor of which every entry is stored."""
    data = recipes.sae_and_sage()[0][density]
    x, e, be, d, bd = (data[name] for name in ("X", "E", "be", "D", "bd"))
    product, sum = x @ e, x @ e + be
    never_zero = 1e-3
    hidden = relu(sum) + never_zero
    taken = {
        "enc_matmul": cycles("matmul_CC_CC", {"A": x, "B": e}, product),
        "enc_bias": cycles("sae_bias", {"X": product, "b": be}, sum),
        "enc_relu": cycles("sae_relu", {"X": sum}, relu(sum)),
        "dec_matmul_hidden_dense": cycles("matmul_CC_CC", {"A": hidden, "B": d}, hidden @ d),
        "dec_bias": cycles("sae_bias", {"X": hidden @ d, "b": bd}, hidden @ d + bd),
        "encoder_fused": cycles("sae_encoder", {"X": x, "E": e, "b": be}, relu(sum)),
        "decoder_fused_hidden_dense": cycles(
            "sae_decoder", {"Z": hidden, "D": d, "b": bd}, hidden @ d + bd
        ),
    }
    figures = measured["sae"][f"kernels_density_{str(density).replace('.', '_')}"]
    assert {kernel: near(figures[kernel]) for kernel in taken} == taken


@pytest.mark.parametrize("density", [0.5, 0.1])
def test_a_sparse_autoencoder_without_the_zeros_of_its_hidden_layer(
    density: float, recipes: ModuleType, measured: dict[str, Any]
):
    """Kernel by kernel and in two regions as recorded; as one region faster than with the zeros."""
    data = recipes.sae_and_sage()[0][density]
    expected = relu(data["X"] @ data["E"] + data["be"]) @ data["D"] + data["bd"]
    text, formats = PROGRAMS["sae_whole"]
    module = translated(text, {**formats, "Y": "ss"}, data)
    dropping = module.clone()
    SamDropZerosPass(stored=True).apply(Context(), dropping)
    taken: dict[str, int] = {}
    for name, variant in {
        "unfused": lowered(dropping, regions="none"),
        "partial": lowered(dropping, cuts=(3,)),
        "full": lowered(dropping),
        "with zeros": lowered(module),
    }.items():
        result, taken[name] = run(variant, data)
        np.testing.assert_allclose(result, expected, rtol=0, atol=1e-9)
    figures = measured["sae"]["hidden_nonzero"][f"density{density}"]
    assert taken["unfused"] == near(figures["unfused"])
    assert taken["partial"] == near(figures["partial"])
    assert taken["full"] < taken["with zeros"]
    assert taken["unfused"] / taken["full"] >= figures["u_over_f"]


def test_a_layer_norm(recipes: ModuleType, measured: dict[str, Any]):
    x, expected = recipes.layernorm()
    figure = measured["layernorm_2x3x128"]["cycles"]
    assert cycles("layernorm_3d", {"X": x}, expected) == near(figure)


def test_a_sampled_product_is_cheaper_with_the_second_factor_transposed(
    recipes: ModuleType, measured: dict[str, Any]
):
    q, k, m = recipes.sddmm()
    expected, figures = (q @ k.T) * m, measured["sddmm"]
    by_mask = cycles("sddmm_jd", {"Q": q, "K": k, "M": m}, expected)
    dense = cycles("sddmm_dj", {"Q": q, "K": np.ascontiguousarray(k.T), "M": m}, expected)
    assert by_mask == near(figures["K_stored_jd_order_ijd"])
    assert dense == near(figures["K_stored_dj_order_idj"])


def test_masked_attention_of_one_and_two_heads(recipes: ModuleType, measured: dict[str, Any]):
    rows = measured["attention"]["rows"]
    for row, (_, _, _, q, k, v, mask, expected) in zip(rows, recipes.attention(), strict=True):
        taken = cycles("gpt_attention", {"Q": q, "K": k, "M": mask, "V": v}, expected)
        assert taken == near(row[3])


def test_a_chain_on_the_karate_club(recipes: ModuleType, measured: dict[str, Any]):
    a, b, c, expected = recipes.karate_chain()
    figure = measured["karate_chain"]["cycles"]
    assert cycles("chain3_CC_DD_CC", {"A": a, "B": b, "C": c}, expected) == near(figure)
