"""
Graph networks unfused, by layers and as one region: cycles and ratios of the literature.

Kernels run on the real intermediates; their values are those of dense float64 arithmetic. Cycles at
the granularity of the reference compiler are within 3 % (5 % for the sweep over sparsity) of the
recorded token simulation.

Source: "FuseFlow", ASPLOS 2026, figures on fusion granularity and sparsity, and its released
compiler.
"""

import json
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import headrace
from headrace.frontends.einsum import import_einsum
from headrace.tests.fusion import Array, all_orders, lowered, recorded_inputs, run, translated
from headrace.tests.fusion_programs import PROGRAMS
from headrace.tests.oracles import softmax
from headrace.tests.reference import reference_path

Kernels = Iterator[tuple[str, tuple[str, dict[str, Array], Array]]]
"""The names of recorded kernels; the program, operands and result of each."""


@pytest.fixture(scope="module")
def recipes() -> ModuleType:
    return recorded_inputs()


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    return json.loads(reference_path("fusion/measured_cycles.json").read_text())


def kernels(data: Mapping[str, Array]) -> Kernels:
    """The eight kernels of a GCN of two layers, each on what the one before computed."""
    a, x = data["A"], data["X"]
    for layer in ("1", "2"):
        w, b = data[f"W{layer}"], data[f"b{layer}"]
        aggregated = a @ x
        yield f"adj_x{layer}", ("gcn_adj", {"A": a, "X": x}, aggregated)
        product = aggregated @ w
        yield f"linear{layer}_mul", ("gcn_linear_mul", {"X": aggregated, "W": w}, product)
        biased = product + b
        yield f"linear{layer}_bias", ("gcn_bias", {"X": product, "b": b}, biased)
        x = np.maximum(biased, 0)
        if layer == "1":
            yield "relu", ("gcn_relu", {"X": biased}, x)
        else:
            yield "softmax", ("softmax_2d", {"X": biased}, softmax(biased))


def layers(data: Mapping[str, Array]) -> Kernels:
    """The same as one region for each layer."""
    first = {"A": data["A"], "X": data["X"], "W": data["W1"], "b": data["b1"]}
    hidden = np.maximum(first["A"] @ first["X"] @ first["W"] + first["b"], 0)
    yield "layer1_fused", ("gcn_layer", first, hidden)
    second = {"A": data["A"], "X": hidden, "W": data["W2"], "b": data["b2"]}
    result = softmax(second["A"] @ hidden @ second["W"] + second["b"])
    yield "layer2_fused", ("gcn_layer_softmax", second, result)


def cycles(program: str, inputs: Mapping[str, Array], expected: Array) -> int:
    """Cycles at the granularity of the reference compiler; the default values are `expected`."""
    text, formats = PROGRAMS[program]
    module = translated(text, formats, inputs)
    default, _ = run(lowered(module), inputs)
    np.testing.assert_allclose(default, expected, rtol=0, atol=1e-9 * np.abs(expected).max())
    return run(lowered(module, reference=True), inputs)[1]


def near(figure: float, tolerance: float = 0.03) -> Any:
    return pytest.approx(figure, rel=tolerance)


def test_a_gcn_unfused_and_by_layers(recipes: ModuleType, measured: dict[str, Any]) -> None:
    data, figures = recipes.gcn(), measured["gcn"]
    alone = {kernel: cycles(*case) for kernel, case in kernels(data)}
    assert alone == {kernel: near(figures["kernels"][kernel]["cycles"]) for kernel in alone}
    assert sum(alone.values()) == near(figures["unfused"])
    fused = {layer: cycles(*case) for layer, case in layers(data)}
    assert fused == {layer: near(figures[layer]) for layer in fused}
    assert sum(alone.values()) / sum(fused.values()) == near(figures["u_over_p"])


def cora(recipes: ModuleType) -> dict[str, Array]:
    """The real graph with the recorded weights; all other operands are ones."""
    pointers, columns = recipes.cora_csr()
    nodes = len(pointers) - 1
    graph = scipy.sparse.csr_array((np.ones(len(columns)), columns, pointers), (nodes, nodes))
    w1, w2 = recipes.cora_like_weights()
    return {
        "A": graph.toarray(),
        "X": np.ones((nodes, len(w1))),
        "W1": w1,
        "b1": np.ones(w1.shape[1]),
        "W2": w2,
        "b2": np.ones(w2.shape[1]),
    }


def test_a_gcn_on_the_graph_of_cora(recipes: ModuleType, measured: dict[str, Any]) -> None:
    data, figures = cora(recipes), measured["cora_real"]
    alone = {kernel: cycles(*case) for kernel, case in kernels(data)}
    assert alone == {kernel: near(figures["kernels"][kernel]) for kernel in alone}
    fused = {layer: cycles(*case) for layer, case in layers(data)}
    assert fused == {layer: near(figures[layer]) for layer in fused}
    published = figures["paper"]["unfused"] / figures["paper"]["partial"]
    assert sum(alone.values()) / sum(fused.values()) == pytest.approx(published, abs=0.15)


@pytest.mark.slow
def test_the_graph_of_cora_in_one_region(recipes: ModuleType, measured: dict[str, Any]) -> None:
    data, figures = cora(recipes), measured["cora_real"]
    hidden = np.maximum(data["A"] @ data["X"] @ data["W1"] + data["b1"], 0)
    expected = softmax(data["A"] @ hidden @ data["W2"] + data["b2"])
    taken = cycles("gcn_whole", data, expected)
    assert taken == near(figures["full_closed_form"])
    assert taken == near(figures["paper"]["full"], 0.05)


@pytest.mark.parametrize("kind", ["uniform", "block"])
def test_the_sweep_over_sparsity(kind: str, recipes: ModuleType, measured: dict[str, Any]) -> None:
    """Fusion by layers gains more on sparser graphs."""
    gains: list[float] = []
    for sparsity, _, unfused, by_layers, _ in measured["sweep"][kind]:
        data = recipes.sweep(kind, sparsity)
        alone = sum(cycles(*case) for _, case in kernels(data))
        fused = sum(cycles(*case) for _, case in layers(data))
        assert (alone, fused) == (near(unfused, 0.05), near(by_layers, 0.05))
        gains.append(alone / fused)
    assert gains == sorted(gains)
    assert gains[0] > 1


def test_masked_attention_follows_its_mask(recipes: ModuleType) -> None:
    """At a density of 0.32 at least 2.5 times fewer cycles than all of Q K, then the mask."""
    text = PROGRAMS["gpt_attention"][0]
    heads, length, _, q, k, v, mask, expected = list(recipes.attention())[1]
    assert (heads, length) == (1, 64)
    inputs = {"Q": q, "K": k, "M": mask, "V": v}
    formats = {"Q": "dddd", "K": "dddd", "M": "ss", "V": "dddd"}
    module = import_einsum(text, {n: (formats[n], array.shape) for n, array in inputs.items()})
    first, _ = run(lowered(module), inputs)
    in_order = run(lowered(module), inputs)[1]
    decision = headrace.schedule(module, tuple(inputs.values()))
    program = headrace.compile(module, pipeline=decision.schedule.pipeline)
    result = program.run(*inputs.values())
    for values in (first, result.outputs[0]):
        np.testing.assert_allclose(values, expected, rtol=0, atol=1e-9)
    assert result.cycles < in_order / 2.5


def test_the_order_of_a_chain_matters_and_the_scheduler_finds_a_good_one(
    recipes: ModuleType,
) -> None:
    a, b, c, expected = recipes.karate_chain()
    inputs = {"A": a, "B": b, "C": c}
    module = translated(*PROGRAMS["chain3_CC_DD_CC"], inputs)
    taken: list[int] = []
    for order in all_orders(module):
        values, order_cycles = run(lowered(module, order=order, copies="any"), inputs)
        np.testing.assert_allclose(values, expected, rtol=0, atol=1e-9)
        taken.append(order_cycles)
    assert len(taken) == 24
    assert max(taken) >= 10 * min(taken)
    decision = headrace.schedule(module, (a, b, c))
    chosen = headrace.compile(module, pipeline=decision.schedule.pipeline).run(a, b, c)
    assert chosen.cycles <= 1.1 * min(taken)
