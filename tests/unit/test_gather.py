"""Gathers by a vector of integers: right in every order, format and region, or refused."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from xdsl.context import Context
from xdsl.utils.exceptions import PassFailedException

import headrace
from headrace.backends.sam import build
from headrace.dialects import sam
from headrace.frontends.torch_export import import_model
from headrace.interpreters import linalg
from headrace.passes.sam.sam_fuse import SamFusePass
from headrace.simulators.stream.errors import SimulationError
from headrace.storage.levels import Format, Level
from headrace.tests.fusion import all_orders, lowered
from headrace.tests.imported import Lambda, draw
from headrace.tests.modules import parse

TABLE, PLACES = draw(6, 5), torch.tensor([3, 0, 5, 5, 1, 3, 0])
FIXED = torch.tensor([5, 4, 3, 2, 1, 0, 5])
SPARSE = torch.where(draw(4, 7) > 0.3, 1.5, 0.0).double()
WEIGHT = draw(5, 3)

Model = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def rows(x: torch.Tensor, i: torch.Tensor) -> torch.Tensor:
    return x[i]


MODELS: dict[str, Model] = {
    "rows": lambda x, i: x.index_select(0, i),
    "indexed": rows,
    "columns": lambda x, i: x.index_select(1, i.clamp(max=4)),
    "embedding": lambda x, i: torch.nn.functional.embedding(i, x) * 2,
    "a product of rows": lambda x, i: x.index_select(0, i) @ WEIGHT,
    "messages": lambda x, i: SPARSE @ torch.relu(x[i]),
    "a sum": lambda x, i: x.index_select(0, i).sum(0),
    "twice": lambda x, i: x.index_select(0, i) * x[FIXED] + x.index_select(0, i),
    "two tables": lambda x, i: (x[i] @ x[FIXED].T) * (SPARSE.T @ SPARSE),
    "softmax": lambda x, i: torch.softmax(x.index_select(0, i) - 1, 1),
    "of what was computed": lambda x, i: torch.relu(x)[i] + 1,
    "by what was computed": lambda x, i: x[i.clamp(max=3) + 1] + 1,
    "of what was gathered": lambda x, i: x[i][i[:2]],
    "from the end": lambda x, i: x[i - 6] * x[torch.tensor([0, -1, -6, 5, -2, 3, -3])],
    "the last": lambda x, i: x[torch.tensor([-1])] + x[:, torch.tensor([[-2, 0]])].sum(),
    "by a table": lambda x, i: torch.nn.functional.embedding(i[:6].reshape(2, 3), x) + 1,
}


@pytest.mark.parametrize("regions", ["none", "all"])
@pytest.mark.parametrize("layout", ["dense", "csr", "coo", "csc"])
@pytest.mark.parametrize("name", ["rows", "a product of rows", "messages", "softmax"])
def test_a_gather_reads_any_format(name: str, layout: str, regions: str) -> None:
    dense = torch.where(TABLE > 0, TABLE, 0.0)
    formats = {"args_0": layout}
    program = headrace.compile(
        Lambda(MODELS[name]),
        (dense, PLACES),
        formats=formats,
        pipeline=f"sam-fuse{{regions={regions}}},sam-lower",
    )
    expected = MODELS[name](dense, PLACES)
    torch.testing.assert_close(program.run(dense, PLACES).outputs[0], expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("regions", ["none", "all"])
@pytest.mark.parametrize("name", MODELS)
def test_a_gather_means_what_it_means_in_torch(name: str, regions: str) -> None:
    model = Lambda(MODELS[name])
    program = headrace.compile(
        model, (TABLE, PLACES), pipeline=f"sam-fuse{{regions={regions}}},sam-lower"
    )
    expected = model(TABLE, PLACES)
    imported = import_model(model, (TABLE, PLACES))
    meant = linalg.interpret(imported.module, imported.bind(TABLE, PLACES))[0]
    np.testing.assert_allclose(meant, expected, rtol=0, atol=1e-9)
    np.testing.assert_allclose(program.run(TABLE, PLACES).outputs[0], expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("index", ["d", "s"])
@pytest.mark.parametrize("name", ["rows", "a product of rows", "a sum", "twice", "softmax"])
def test_a_gather_is_right_in_every_order(name: str, index: str) -> None:
    """
    Also where the gathered dimension is the inner one of a table that is stored permuted, and where
    an index that is not stored names the first row.
    """
    dense = torch.where(TABLE > 0, TABLE, 0.0)
    model = Lambda(MODELS[name])
    imported = import_model(model, (dense, PLACES), formats={"args_0": "csr", "args_1": index})
    expected = MODELS[name](dense, PLACES)
    for order in all_orders(imported.module):
        program = build(lowered(imported.module, order=order, copies="any"))
        found = program.run(*imported.bind(dense, PLACES)).outputs[0]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9, err_msg=str(order))


class Sized(torch.nn.Module):
    def forward(self, x: torch.Tensor, i: torch.Tensor) -> torch.Tensor:
        return x[i] @ WEIGHT


@pytest.mark.parametrize("regions", ["none", "all"])
def test_sizes_are_known_when_the_program_runs(regions: str) -> None:
    sizes = {"x": {0: "n"}, "i": {0: "m"}}
    pipeline = f"sam-fuse{{regions={regions}}},sam-lower"
    program = headrace.compile(Sized(), (TABLE, PLACES), dynamic_shapes=sizes, pipeline=pipeline)
    for n, places in ((6, [5, -5]), (9, [8, 0, -9, 3])):
        table, index = draw(n, 5), torch.tensor(places)
        found = program.run(table, index).outputs[0]
        torch.testing.assert_close(found, table[index] @ WEIGHT, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "wrong"), [("indexed", 6), ("indexed", -7), ("embedding", 6), ("embedding", -1)]
)
def test_an_index_outside_of_the_tensor_is_an_error(name: str, wrong: int) -> None:
    model = Lambda(MODELS[name])
    program = headrace.compile(model, (TABLE, PLACES))
    with pytest.raises(SimulationError, match=f"index {wrong} lies outside of the tensor"):
        program.run(TABLE, torch.tensor([0, 1, 2, 3, 4, 5, wrong]))
    imported = import_model(model, (TABLE, PLACES))
    places = torch.tensor([0, 1, 2, 3, 4, 5, wrong])
    with pytest.raises(headrace.InputError, match=f"index {wrong} lies outside"):
        linalg.interpret(imported.module, imported.bind(TABLE, places))


def test_the_time_of_a_gather_depends_on_its_indices() -> None:
    """So the values of the indices are needed also where only the time is asked for."""
    table = torch.triu(torch.ones(6, 6, dtype=torch.float64))
    program = headrace.compile(Lambda(rows), (table, PLACES), formats={"args_0": "csr"})
    full, short = torch.zeros(7, dtype=torch.int64), torch.full((7,), 5)
    cycles = [program.run(table, index).cycles for index in (full, short)]
    timed = [program.run(table, index, timing_only=True).cycles for index in (full, short)]
    assert cycles == timed
    assert cycles[0] > cycles[1]


def test_blocks_are_read_element_by_element() -> None:
    dense = torch.kron(torch.eye(3), torch.ones(2, 2)).double()
    blocks = Format((Level.DENSE, Level.COMPRESSED), (0, 1), (2, 2))
    model = Lambda(rows)
    program = headrace.compile(model, (dense, PLACES), formats={"args_0": blocks})
    assert "a gather does not work tile by tile" in program.notes[0]
    torch.testing.assert_close(program.run(dense, PLACES).outputs[0], dense[PLACES])


def test_what_is_gathered_from_is_stored_first() -> None:
    module = import_model(Lambda(MODELS["of what was computed"]), (TABLE, PLACES)).module
    SamFusePass("all").apply(Context(), module)
    assert sum(isinstance(op, sam.RegionOp) for op in module.walk()) == 2


def test_an_index_that_is_computed_beside_the_access_is_refused() -> None:
    module = parse(
        """
        #id = affine_map<(d0) -> (d0)>
        func.func @main(%x: tensor<4xf64>, %i: tensor<4xi64>) -> tensor<4xf64> {
          %e = tensor.empty() : tensor<4xf64>
          %y = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]}
            ins(%i : tensor<4xi64>) outs(%e : tensor<4xf64>) {
          ^bb0(%in: i64, %out: f64):
            %twice = arith.addi %in, %in : i64
            %place = arith.index_cast %twice : i64 to index
            %r = tensor.extract %x[%place] : tensor<4xf64>
            linalg.yield %r : f64
          } -> tensor<4xf64>
          func.return %y : tensor<4xf64>
        }
        """
    )
    with pytest.raises(PassFailedException, match="by something else than one vector"):
        lowered(module)
