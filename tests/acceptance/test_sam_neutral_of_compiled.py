"""
Compiled programs in the neutral form: printed, read back and replayed, they are the same programs.
"""

import json

import numpy as np
import pytest
from xdsl.dialects.arith import ConstantOp
from xdsl.dialects.builtin import IndexType
from xdsl.dialects.tensor import DimOp

from headrace.backends.neutral import NeutralGraph, parse_graph
from headrace.backends.neutral_case import make_case
from headrace.backends.neutral_json import neutral_graph
from headrace.backends.neutral_module import neutral_module
from headrace.backends.sam import build
from headrace.cli.driver import lower
from headrace.dialects import sam
from headrace.frontends.einsum import import_einsum
from headrace.storage.levels import Storage
from headrace.tests.kernels import random_tensor
from headrace.tests.simulators import ENGINE

FUSED = "sam-fuse{regions=all},sam-lower"
IN_LANES = "sam-fuse{regions=all},sam-parallelize{axis=0 factor=2},sam-lower"
BALANCED = "sam-fuse{regions=all},sam-parallelize{axis=0 factor=3 balance=nonzeros},sam-lower"

PRODUCT = "Y(i,j) = A(i,k) * B(k,j)"

PROGRAMS: dict[str, dict[str, str]] = {
    PRODUCT: {"A": "csr", "B": "csr"},
    "Y(i,h) = relu(A(i,j) * X(j,f) * W(f,h) + b(h))": {"A": "csr"},
    "Y(i,j) = A(i,j) + B(i,j)": {"A": "ss", "B": "sd"},
    "Y(i,j) = A(i,j) * (C(i,k) * D(k,j))": {"A": "dcsr"},
    "Y(i) = A(i,j) * x(j)": {"A": "csc", "x": "s"},
    "y = A(i,j) * B(i,j)": {"A": "csr", "B": "ss"},
    "Y(i,j) = 2.5 * A(i,j)": {"A": "ss"},
}


@pytest.mark.parametrize(
    ("expression", "pipeline"),
    [*((expression, FUSED) for expression in PROGRAMS), (PRODUCT, IN_LANES), (PRODUCT, BALANCED)],
)
def test_compiled_graph_replays_with_equal_values_and_cycles(
    expression: str, pipeline: str
) -> None:
    module = import_einsum(expression, PROGRAMS[expression])
    program = lower(module, pipeline)
    graphs = [op for op in module.walk() if isinstance(op, sam.GraphOp)]
    assert len(program.steps) == len(graphs) == 1
    graph = parse_graph(neutral_graph(graphs[0]).to_json())
    numbers = np.random.default_rng(len(expression))
    for _ in range(5):
        sizes = {index: int(numbers.integers(1, 6)) for index in "ijkfh"}
        tensors = random_tensors(expression, graph, sizes, numbers)
        compiled = program.run(*(tensors[spec.name] for spec in program.arguments))
        case = make_case(expression, graph, tensors)
        replayed = ENGINE.run(case.program, case.arrays)
        assert replayed.cycles == compiled.cycles
        result = case.result(replayed.outputs)
        np.testing.assert_allclose(result.to_dense(), compiled.outputs[0], rtol=1e-12)
        shapes = {name: tensor.shape for name, tensor in tensors.items()}
        again = build(neutral_module(graph, shapes))
        found = again.run(*(tensors[spec.name] for spec in again.arguments))
        assert found.cycles == compiled.cycles
        np.testing.assert_array_equal(found.outputs[0], compiled.outputs[0])


def random_tensors(
    expression: str, graph: NeutralGraph, sizes: dict[str, int], numbers: np.random.Generator
) -> dict[str, Storage]:
    """Every input tensor, its dimensions sized by the indices at its first place."""
    tensors: dict[str, Storage] = {}
    right = expression.partition("=")[2]
    for name, format in graph.formats.items():
        if name != graph.output:
            indices = right.partition(f"{name}(")[2].partition(")")[0].split(",")
            shape = [sizes[index] for index in indices]
            tensors[name] = Storage.from_dense(random_tensor(shape, numbers), format)
    return tensors


def test_the_text_is_json_with_the_shape_of_a_dense_result() -> None:
    module = import_einsum("Y(i,j) = A(i,k) * B(k,j)", {"A": "csr"})
    lower(module, FUSED)
    (graph,) = (op for op in module.walk() if isinstance(op, sam.GraphOp))
    data = json.loads(neutral_graph(graph).to_json())
    assert data["fmt"] == {"X": "dd01", "A": "ds01", "B": "dd01"}
    assert data["shape"] == [["A", 0], ["B", 1]]
    assert data["nodes"][-1]["type"] == "store"


def test_a_size_that_tensor_dim_gives_is_printed_as_that_of_an_extent() -> None:
    module = import_einsum("Y(i,j) = A(i,j) + B(i,j)", {"A": "ss", "B": "sd", "Y": "ss"})
    lower(module, FUSED)
    (graph,) = (op for op in module.walk() if isinstance(op, sam.GraphOp))
    expected = neutral_graph(graph).to_json()
    (assemble,) = (op for op in graph.walk() if isinstance(op, sam.AssembleOp))
    for place, value in enumerate(assemble.operands):
        if isinstance(extent := value.owner, sam.ExtentOp):
            index = ConstantOp.from_int_and_width(extent.dimension.value.data, IndexType())
            size = DimOp(extent.tensor, index)
            graph.body.block.insert_ops_before([index, size], assemble)
            assemble.operands[place] = size.result
    graph.verify()
    assert "tensor.dim" in str(graph)
    assert neutral_graph(graph).to_json() == expected
