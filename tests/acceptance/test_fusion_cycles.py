"""
Cycles of fused regions within 3 % of the recorded token simulation.

At the granularity of the reference compiler, with unbounded channels and without a memory model,
on the recorded inputs. Source: "FuseFlow", ASPLOS 2026, and its released compiler.
"""

import importlib.util
import json
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from headrace.tests.fusion import Array, lowered, run, translated
from headrace.tests.fusion_programs import PROGRAMS
from headrace.tests.reference import reference_path


@pytest.fixture(scope="module")
def recipes() -> ModuleType:
    """The recorded recipes of the inputs."""
    path = reference_path("fusion/inputs.py")
    specification = importlib.util.spec_from_file_location("fusion_inputs", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    return json.loads(reference_path("fusion/measured_cycles.json").read_text())


def cycles(name: str, inputs: Mapping[str, Array], expected: Array | None = None) -> int:
    """Cycles of a program as one region; its values are checked where they are given."""
    text, formats = PROGRAMS[name]
    rank = text.partition(" = ")[0].count(",") + 1
    module = translated(text, {**formats, "Y": "s" * rank}, inputs)
    result, taken = run(lowered(module, reference=True), inputs)
    if expected is not None:
        np.testing.assert_allclose(result, expected, atol=1e-9)
    return taken


def near(figure: float) -> Any:
    return pytest.approx(figure, rel=0.03)


def test_one_gcn_layer(recipes: ModuleType, measured: dict[str, Any]):
    data = recipes.gcn()
    inputs = {"A": data["A"], "X": data["X"], "W": data["W1"], "b": data["b1"]}
    assert cycles("gcn_layer", inputs) == near(measured["gcn"]["layer1_fused"])


def test_a_whole_gcn_in_one_region_repeats_the_inner_layer(
    recipes: ModuleType, measured: dict[str, Any]
):
    assert cycles("gcn_whole", recipes.gcn()) == near(measured["gcn"]["full"])


def associations(recipes: ModuleType) -> Iterator[tuple[dict[str, Array], Array]]:
    for _, _, a, x, w, b in recipes.gcn_association():
        yield {"A": a, "X": x, "W": w, "b": b}, a @ x @ w


@pytest.mark.parametrize(("column", "name"), [(2, "gcn_layer"), (3, "axw_sp_sp"), (4, "axw_dn_dn")])
def test_association_of_a_gcn_layer(
    column: int, name: str, recipes: ModuleType, measured: dict[str, Any]
):
    rows = measured["gcn_association"]["rows"]
    for row, (inputs, _) in zip(rows, associations(recipes), strict=True):
        assert cycles(name, inputs) == near(row[column])


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
    small, large = measured["graphsage_small"], measured["graphsage_layer"]
    assert cycles(name, recipes.sage_small()) == near(small[key])
    assert cycles(name, recipes.sae_and_sage()[1]) == near(large[key])


@pytest.mark.parametrize("density", [0.5, 0.1])
def test_a_sparse_autoencoder(density: float, recipes: ModuleType, measured: dict[str, Any]):
    figure = measured["sae"]["hidden_dense"][f"density{density}"]["full"]
    assert cycles("sae_whole", recipes.sae_and_sage()[0][density]) == near(figure)


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
