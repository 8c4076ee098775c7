"""
The small programs of the fusion literature in index notation, with the formats of their operands.

Source: programs and node counts of the reference compiler, "FuseFlow", ASPLOS 2026.
"""

from dataclasses import dataclass


def attended(inner: str, outer: str) -> str:
    """Attention's output projected, with its residual: the hidden state of a GPT block."""
    return f"X(b,i,{inner}) * Wo({inner},{outer}) + bo({outer}) + R(b,i,{outer})"


GRAPH = {"A": "ss", "X": "dd", "W": "ss", "W1": "ss", "W2": "ss", "b": "d", "b1": "d", "b2": "d"}


def ten_layers() -> str:
    text = "X(a,b)"
    for layer in range(10):
        outer, inner = "bcdefghijkl"[layer : layer + 2]
        text = f"relu({text} * W{layer + 1}({outer},{inner}) + b{layer + 1}({inner}))"
    return f"Y(a,l) = {text}"


TEN = {f"W{k}": "dd" for k in range(1, 11)} | {f"b{k}": "d" for k in range(1, 11)} | {"X": "dd"}

PROGRAMS: dict[str, tuple[str, dict[str, str]]] = {
    "matmul_CC_CC": ("Y(i,j) = A(i,k) * B(k,j)", {"A": "ss", "B": "ss"}),
    "chain3_CC_DD_CC": (
        "Y(i,l) = A(i,j) * B(j,k) * C(k,l)",
        {"A": "ss", "B": "dd", "C": "ss"},
    ),
    "chain3_all_C": (
        "Y(i,l) = A(i,j) * B(j,k) * C(k,l)",
        {"A": "ss", "B": "ss", "C": "ss"},
    ),
    "aba_same_tensor": ("Y(i,l) = A(i,j) * B(j,k) * A(k,l)", {"A": "ss", "B": "ss"}),
    "sum_of_two_products": (
        "Y(i,j) = A(i,k) * B(k,j) + C(i,l) * D(l,j)",
        {"A": "ss", "B": "ss", "C": "ss", "D": "ss"},
    ),
    "vector_product4": (
        "Y(i) = a(i) * b(i) * c(i) * d(i)",
        {"a": "s", "b": "d", "c": "d", "d": "d"},
    ),
    "linear_DD": ("Y(i,j) = X(i,k) * W(k,j) + b(j)", {"X": "dd", "W": "dd", "b": "d"}),
    "sae_bias": ("Y(i,j) = X(i,j) + b(j)", {"X": "ss", "b": "d"}),
    "sae_relu": ("Y(i,j) = relu(X(i,j))", {"X": "ss"}),
    "sae_encoder": (
        "Y(i,h) = relu(X(i,f) * E(f,h) + b(h))",
        {"X": "ss", "E": "ss", "b": "d"},
    ),
    "sae_decoder": ("Y(i,o) = Z(i,h) * D(h,o) + b(o)", {"Z": "ss", "D": "ss", "b": "d"}),
    "sae_whole": (
        "Y(i,o) = relu(X(i,f) * E(f,h) + be(h)) * D(h,o) + bd(o)",
        {"X": "ss", "E": "ss", "be": "d", "D": "ss", "bd": "d"},
    ),
    "sae_single_vector": (
        "Y(i) = D(i,h) * relu(E(h,f) * x(f) + be(h)) + bd(i)",
        {"D": "ss", "E": "ss", "x": "s", "be": "s", "bd": "s"},
    ),
    "mlp10_DD": (ten_layers(), TEN),
    "gcn_adj": ("Y(i,f) = A(i,j) * X(j,f)", GRAPH),
    "gcn_linear_mul": ("Y(i,h) = X(i,f) * W(f,h)", GRAPH),
    "gcn_bias": ("Y(i,h) = X(i,h) + b(h)", GRAPH),
    "gcn_relu": ("Y(i,h) = relu(X(i,h))", GRAPH),
    "softmax_2d": ("Y(i,j) = softmax(X(i,j), j)", GRAPH),
    "gcn_layer": ("Y(i,h) = relu(A(i,k) * X(k,f) * W(f,h) + b(h))", GRAPH),
    "gcn_layer_softmax": ("Y(i,h) = softmax(A(i,k) * X(k,f) * W(f,h) + b(h), h)", GRAPH),
    "gcn_layer_all_C": (
        "Y(i,h) = relu(A(i,k) * X(k,f) * W(f,h) + b(h))",
        {"A": "ss", "X": "ss", "W": "ss", "b": "s"},
    ),
    "gcn_whole": (
        "Y(i,c) = softmax(A(i,j) * relu(A(j,k) * X(k,f) * W1(f,h) + b1(h)) * W2(h,c) + b2(c), c)",
        GRAPH,
    ),
    "cut_linear1": ("Y(i,h) = X(i,f) * W(f,h) + b(h)", GRAPH),
    "cut_linear1_relu": ("Y(i,h) = relu(X(i,f) * W(f,h) + b(h))", GRAPH),
    "cut_linear1_relu_adj": ("Y(i,h) = A(i,j) * relu(X(j,f) * W(f,h) + b(h))", GRAPH),
    "cut_linear1_relu_adj_linear2": (
        "Y(i,c) = A(i,j) * relu(X(j,f) * W1(f,h) + b1(h)) * W2(h,c) + b2(c)",
        GRAPH,
    ),
    "cut_adj_linear1": ("Y(i,h) = A(i,k) * X(k,f) * W(f,h) + b(h)", GRAPH),
    "cut_adj_linear1_relu_adj2_linear2_mul": (
        "Y(i,c) = A(i,j) * relu(A(j,k) * X(k,f) * W1(f,h) + b1(h)) * W2(h,c)",
        GRAPH,
    ),
    "cut_bias_relu": ("Y(i,h) = relu(X(i,h) + b(h))", GRAPH),
    "cut_bias_relu_adj2_linear2_mul": (
        "Y(i,c) = A(i,j) * relu(X(j,h) + b(h)) * W(h,c)",
        GRAPH,
    ),
    "cut_bias_relu_adj2_linear2_softmax": (
        "Y(i,c) = softmax(A(i,j) * relu(X(j,h) + b1(h)) * W(h,c) + b2(c), c)",
        GRAPH,
    ),
    "cut_bias_softmax": ("Y(i,h) = softmax(X(i,h) + b(h), h)", GRAPH),
    "cut_relu_adj2": ("Y(i,h) = A(i,j) * relu(X(j,h))", GRAPH),
    "cut_relu_adj2_linear2": ("Y(i,c) = A(i,j) * relu(X(j,h)) * W(h,c) + b(c)", GRAPH),
    "cut_relu_adj2_linear2_mul": ("Y(i,c) = A(i,j) * relu(X(j,h)) * W(h,c)", GRAPH),
    "sage_adds": ("Y(i,h) = X(i,h) + Z(i,h)", {"X": "dd", "Z": "dd"}),
    "sage_layer_CC": (
        "Y(i,h) = relu(relu(X(i,f) * W1(f,h) + b1(h) + (A(i,j) * X(j,g) * W2(g,h) + b2(h))))",
        {"X": "ss", "W1": "ss", "b1": "s", "A": "ss", "W2": "ss", "b2": "s"},
    ),
    "sage_layer_DX": (
        "Y(i,h) = relu(X(i,f) * W1(f,h) + b1(h) + (A(i,j) * X(j,g) * W2(g,h) + b2(h)))",
        GRAPH,
    ),
    "gpt_mul": ("Y(b,i,e) = X(b,i,d) * W(d,e)", {"X": "ddd", "W": "dd"}),
    "gpt_bias": ("Y(b,i,e) = X(b,i,e) + c(e)", {"X": "ddd", "c": "d"}),
    "gpt_relu": ("Y(b,i,e) = relu(X(b,i,e))", {"X": "ddd"}),
    "layernorm_3d": ("Y(b,i,d) = layernorm(X(b,i,d), d)", {"X": "ddd"}),
    "gpt_qk_mul": ("Y(b,h,i,j) = Q(b,h,i,d) * K(b,h,d,j)", {"Q": "dddd", "K": "dddd"}),
    "gpt_scale": ("Y(b,h,i,j) = X(b,h,i,j) / 8", {"X": "ddss"}),
    "softmax_4d": ("Y(b,h,i,j) = softmax(X(b,h,i,j), j)", {"X": "ddss"}),
    "gpt_layernorm_linear": (
        "Y(b,i,e) = layernorm(X(b,i,d), d) * W(d,e) + c(e)",
        {"X": "ddd", "W": "dd", "c": "d"},
    ),
    "gpt_attention": (
        "Y(b,h,i,e) = softmax(Q(b,h,i,d) * K(b,h,d,j) / 8 * M(i,j), j) * V(b,h,j,e)",
        {"Q": "dddd", "K": "dddd", "M": "ss", "V": "dddd"},
    ),
    "gpt_ffn_region": (
        f"Y(b,i,e) = relu(layernorm({attended('a', 'd')}, d) * W1(d,f) + b1(f)) * W2(f,e) + b2(e)"
        f" + ({attended('c', 'e')})",
        {"X": "ddd", "R": "ddd", "bo": "d", "b1": "d", "b2": "d"}
        | {name: "dd" for name in ("Wo", "W1", "W2")},
    ),
    "axw_sp_sp": (
        "Y(i,h) = relu(A(i,j) * (X(j,f) * W(f,h)) + b(h))",
        {"A": "ss", "X": "ss", "W": "ss", "b": "d"},
    ),
    "axw_sd_sp": (
        "Y(i,h) = relu(A(i,j) * (X(j,f) * W(f,h)) + b(h))",
        {"A": "ss", "X": "dd", "W": "ss", "b": "d"},
    ),
    "axw_dn_dn": (
        "Y(i,h) = relu(A(i,j) * (X(j,f) * W(f,h)) + b(h))",
        {"A": "ss", "X": "dd", "W": "dd", "b": "d"},
    ),
    "sddmm_jd": (
        "Y(i,j) = (Q(i,d) * K(j,d)) * M(i,j)",
        {"Q": "dd", "K": "dd", "M": "ss"},
    ),
    "sddmm_dj": (
        "Y(i,j) = (Q(i,d) * K(d,j)) * M(i,j)",
        {"Q": "dd", "K": "dd", "M": "ss"},
    ),
    "had_plus": (
        "Y(i,j) = A(i,j) * B(i,j) + C(i,j)",
        {"A": "ss", "B": "ss", "C": "ss"},
    ),
    "had_shared": (
        "Y(i,j) = A(i,j) * B(i,j) + A(i,j) * C(i,j)",
        {"A": "ss", "B": "ss", "C": "ss"},
    ),
    "had_transposed": ("Y(i,j) = A(i,j) * B(j,i)", {"A": "ss", "B": "ss"}),
}


@dataclass(frozen=True)
class Deviation:
    """How many nodes more of each kind than recorded the reference mode has, and why."""

    nodes: dict[str, int]
    reason: str


DEVIATIONS = {
    "aba_same_tensor": Deviation(
        {"repeat": -1},
        "Four streams lack an axis: the roots of B and of the second A lack i, the entries of the "
        "first A lack k, those of A B lack l. chain3_all_C, which is the same graph over three "
        "tensors, is recorded with these four; what the fifth repeats is not known.",
    ),
    "gpt_attention": Deviation(
        {"joiner": 2, "alu": 3},
        "Right values need three ALUs more: a choice of minus infinity where M is 0, and two "
        "maxima that make a row without any position 0. The choice is present where M is, so the "
        "scores are read beside M (a union, an intersection); the reference compiler intersects "
        "M, V and the scores at once.",
    ),
    "gpt_ffn_region": Deviation(
        {"joiner": -2},
        "Each sum is one union on each row, and each of its products one intersection. The last "
        "sum adds two values of the same rows i0 and i1; there, as in the diamond, the reference "
        "compiler may have left a union with one operand on each row.",
    ),
    "diamond": Deviation({"joiner": -2}, "Two recorded unions have one operand each."),
}
"""Programs whose graphs in reference mode are not the recorded ones."""

LARGER = {"sae_bias": 1}
"""
Nodes more than recorded in default mode.

`sae_bias` visits the rows of X without entries too, where the result is the bias: a range and its
union, less a generator.
"""
