"""
Random graphs of tensor operations, with values used again, are right under every schedule.

Three to eight operations on matrices in random formats, some with empty rows; up to 20 orders of
the whole as one region, every cut into two regions, and each operation alone; other brackets in
chains of products; and with zeros dropped behind some operations.
Source: the acceptance cases of "FuseFlow", ASPLOS 2026.
"""

import string
from random import Random

import numpy as np
import numpy.typing as npt
import pytest
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, f64
from xdsl.dialects.func import FuncOp

from headrace.backends.sam import build
from headrace.frontends import composed
from headrace.frontends.builder import EntryBuilder, View
from headrace.passes.sam.product_chains import chains
from headrace.passes.sam.sam_associate import SamAssociatePass
from headrace.passes.sam.sam_drop_zeros import SamDropZerosPass
from headrace.storage.levels import Format
from headrace.tests.fusion import axes_and_legal_orders, lowered
from headrace.tests.oracles import softmax

Array = npt.NDArray[np.float64]

BATCH = 10
BATCHES, BATCHES_SLOW = 4, 20


class RandomDag:
    """Operations on values of which every one may be used again, and their dense results."""

    def __init__(self, seed: int) -> None:
        self.draw, self.rng = Random(seed), np.random.default_rng(seed)
        self.emit = EntryBuilder()
        self.sizes = [self.draw.randint(5, 12) for _ in range(3)]
        self.inputs: list[Array] = []
        self.values: list[tuple[View, Array]] = []
        view, value = self.operand(*self.draw.choices(self.sizes, k=2))
        for _ in range(self.draw.randint(3, 8)):
            view, value = self.operation(view, value)
            self.values.append((view, value))
        self.expected = value
        self.module = self.emit.finish([self.emit.materialize(view)])

    def operand(self, *shape: int) -> tuple[View, Array]:
        """A value of this shape: one that is known, now and then, else a new argument."""
        known = [entry for entry in self.values if entry[1].shape == shape]
        if known and self.draw.random() < 0.5:
            return self.draw.choice(known)
        density = self.draw.choice([0.2, 0.4, 0.8])
        array = self.rng.standard_normal(shape) * (self.rng.random(shape) < density)
        if len(shape) == 2:
            array[self.rng.random(shape[0]) < 0.2] = 0
        levels = "".join(self.draw.choice("ds") for _ in shape)
        name = string.ascii_uppercase[len(self.inputs)]
        kind = Format.parse(levels, len(shape))
        view = self.emit.argument(name, shape, f64, None if kind.is_dense else kind)
        self.inputs.append(array)
        self.values.append((view, array))
        return view, array

    def operation(self, x: View, a: Array) -> tuple[View, Array]:
        match self.draw.choice(["matmul", "add", "sub", "mul", "relu", "bias", "scale", "softmax"]):
            case "matmul":
                y, b = self.operand(a.shape[1], self.draw.choice(self.sizes))
                return self.emit.contract((x, "ik"), (y, "kj"), "ij"), a @ b
            case "add" | "sub" | "mul" as name:
                y, b = self.operand(*a.shape)
                function = {"add": np.add, "sub": np.subtract, "mul": np.multiply}[name]
                return composed.binary(self.emit, name, x, y), function(a, b)
            case "relu":
                return composed.relu(self.emit, x), np.maximum(a, 0)
            case "bias":
                y, b = self.operand(a.shape[1])
                return composed.binary(self.emit, "add", x, y.insert(0, a.shape[0])), a + b
            case "scale":
                return composed.binary(self.emit, "mul", x, 0.5), a * 0.5
            case _:
                return composed.softmax(self.emit, x, 1), softmax(a)


def associated(module: ModuleOp, draw: Random) -> ModuleOp:
    """The same with other brackets in its chains of products."""
    module = module.clone()
    function = module.body.block.first_op
    assert isinstance(function, FuncOp)
    forms = tuple(draw.randrange(-1, chain.bracketings) for chain in chains(function))
    SamAssociatePass(forms).apply(Context(), module)
    return module


def dropping(module: ModuleOp, draw: Random, count: int) -> ModuleOp:
    """The same without the zeros of some of `count` operations, also where these are stored."""
    which = tuple(draw.sample(range(count), draw.randint(1, min(count, 3))))
    leaves = count - 1 in which
    module = module.clone()
    SamDropZerosPass(which, stored=not leaves and draw.random() < 0.5).apply(Context(), module)
    return module


def check(seed: int) -> None:
    dag = RandomDag(seed)
    _, orders = axes_and_legal_orders(dag.module, 20)
    cuts = sum(op.name == "linalg.generic" for op in dag.module.walk())
    variants = [lowered(dag.module, regions="none")]
    variants += [lowered(dag.module, order=order) for order in orders]
    variants += [lowered(dag.module, cuts=(cut,)) for cut in range(1, cuts)]
    other = associated(dag.module, dag.draw)
    if str(other) != str(dag.module):
        variants += [lowered(other, regions="none"), lowered(other, regions="all")]
    for _ in range(2):
        other = dropping(dag.module, dag.draw, cuts)
        variants += [lowered(other, regions="none"), lowered(other, order=dag.draw.choice(orders))]
    for variant in variants:
        result = build(variant).run(*dag.inputs)
        found = np.asarray(result.outputs[0])
        np.testing.assert_allclose(
            found, dag.expected, rtol=1e-9, atol=1e-9, err_msg=f"seed {seed}"
        )


@pytest.mark.parametrize("batch", range(BATCHES))
def test_random_dags_are_right_under_every_cut_and_order(batch: int) -> None:
    for seed in range(batch * BATCH, (batch + 1) * BATCH):
        check(seed)


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(BATCHES, BATCHES_SLOW))
def test_many_random_dags_are_right_under_every_cut_and_order(batch: int) -> None:
    for seed in range(batch * BATCH, (batch + 1) * BATCH):
        check(seed)
