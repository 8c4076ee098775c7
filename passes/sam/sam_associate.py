"""
`sam-associate`: chooses the order in which chains of matrix products are multiplied.

`A (X W)` and `(A X) W` are equal, but their costs are not: association matters more than fusion.

Source: "FuseFlow", ASPLOS 2026, evaluation of graph convolutions (the form that it fixes by hand).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from xdsl.context import Context
from xdsl.dialects import arith, tensor
from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    AffineMapAttr,
    AnyFloat,
    AnyTensorType,
    FloatAttr,
    IndexType,
    IntegerAttr,
    IntegerType,
    ModuleOp,
    TensorType,
)
from xdsl.dialects.func import FuncOp
from xdsl.dialects.linalg.attrs import IteratorTypeAttr
from xdsl.dialects.linalg.ops import FillOp, GenericOp
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.ir.affine import AffineExpr, AffineMap
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.utils.exceptions import PassFailedException

from headrace.dialects import sparse_tensor
from headrace.passes.sam.product_chains import Chain, Factor, Label, chains, shape_of, splits_of
from headrace.passes.sam.sam_fuse import erase_unused
from headrace.storage.levels import Format, Level

KEEP = -1
"""The form of a chain that stays as it is written."""


@dataclass(frozen=True)
class SamAssociatePass(ModulePass):
    """
    Puts other brackets into chains of products, before `sam-fuse`.

    `forms` has one number for each chain, in program order: the number of its bracketing as in
    `product_chains`, from 0 (`A (X W)`, from the right) to the last (`(A X) W`, from the left), or
    -1 to keep what is written. Floating-point results change by their rounding.

    A product takes the `headrace.*` attributes of the one that summed over the same loops. New
    intermediates are dense if those that they replace were, else compressed where a factor is.
    """

    name = "sam-associate"

    forms: tuple[int, ...]

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        functions = [function for function in op.walk() if isinstance(function, FuncOp)]
        found = [chain for function in functions for chain in chains(function)]
        if len(self.forms) != len(found):
            listed = "; ".join(chain.text(chain.written) for chain in found) or "none"
            raise PassFailedException(
                f"sam-associate: forms has {len(self.forms)} numbers, but there are {len(found)} "
                f"chains of three or more factors: {listed}"
            )
        for number, (chain, form) in enumerate(zip(found, self.forms, strict=True)):
            if not KEEP <= form < chain.bracketings:
                raise PassFailedException(
                    f"sam-associate: forms={form} for chain {number}, {chain.text(chain.written)}, "
                    f"which has {chain.bracketings} forms, numbered from 0; -1 keeps what is there"
                )
        for chain, form in zip(found, self.forms, strict=True):
            if form not in (KEEP, chain.written):
                _Rewrite(chain).run(form)
        for function in functions:
            for block in function.body.blocks:
                erase_unused(block)


class _Rewrite:
    """Makes the products of one chain anew, in front of its last one."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.made: list[Operation] = []
        inner = [product for product in chain.products if product is not chain.root]
        formats = [sparse_tensor.format_of(product.results[0].type) for product in inner]
        self.are_dense = all(format.is_dense for format in formats)

    def run(self, form: int) -> None:
        splits = splits_of(form, len(self.chain.factors))

        def part(first: int, end: int) -> Factor:
            if end - first == 1:
                return self.chain.factors[first]
            split = splits[first, end]
            return self.product(part(first, split), part(split, end), (first, split, end))

        root = self.chain.root
        result = part(0, len(self.chain.factors)).value
        result.name_hint = root.results[0].name_hint
        Rewriter.insert_op(self.made, InsertPoint.before(root))
        root.results[0].replace_all_uses_with(result)
        Rewriter.erase_op(root)

    def product(self, left: Factor, right: Factor, place: tuple[int, int, int]) -> Factor:
        first, split, end = place
        replaced = self.chain.products[split - 1]
        attributes = {k: v for k, v in replaced.attributes.items() if k.startswith("headrace.")}
        start = len(self.made)
        if (first, end) == (0, len(self.chain.factors)):
            labels, out = self.chain.labels, self.chain.root.outputs[0]
        else:
            labels = self.remaining(first, end)
            out = self.zeros(labels, first, end)
        order = [label for label in (*labels, *left.labels, *right.labels) if label is not None]
        loops = {label: loop for loop, label in enumerate(dict.fromkeys(order))}
        parallel = {label for label in labels if label is not None}
        product = GenericOp(
            [left.value, right.value],
            [out],
            self.chain.root.body.clone(),
            [_map(each, loops) for each in (left.labels, right.labels, labels)],
            [
                IteratorTypeAttr.parallel() if label in parallel else IteratorTypeAttr.reduction()
                for label in loops
            ],
            [out.type],
        )
        self.made.append(product)
        for op in self.made[start:]:
            op.attributes.update(attributes)
        return Factor(product.results[0], labels)

    def remaining(self, first: int, end: int) -> tuple[Label, ...]:
        """The loops of the product of an interval: what others or the result still need."""
        factors = self.chain.factors
        outside = {
            label for factor in (*factors[:first], *factors[end:]) for label in factor.labels
        }
        needed = outside.union(self.chain.labels) - {None}
        inside = [label for factor in factors[first:end] for label in factor.labels]
        return tuple(label for label in dict.fromkeys(inside) if label in needed)

    def zeros(self, labels: Sequence[Label], first: int, end: int) -> SSAValue:
        """A tensor of zeros over `labels`, with the sizes that the factors have."""
        owners = [
            next(
                (factor, factor.labels.index(label))
                for factor in self.chain.factors[first:end]
                if label in factor.labels
            )
            for label in labels
        ]
        shape = [shape_of(factor.value)[dimension] for factor, dimension in owners]
        sizes: list[SSAValue] = []
        for size, (factor, dimension) in zip(shape, owners, strict=True):
            if size == DYNAMIC_INDEX:
                number = self.emit(arith.ConstantOp(IntegerAttr(dimension, IndexType())))
                sizes.append(self.emit(tensor.DimOp(factor.value, number)))
        element = cast(AnyTensorType, self.chain.root.results[0].type).element_type
        format = self.format(labels, first, end)
        dense = TensorType(element, shape)
        type = dense if format.is_dense else sparse_tensor.with_format(dense, format)
        zero = self.emit(arith.ConstantOp(_zero(element)))
        empty = self.emit(tensor.EmptyOp(sizes, type))
        return self.emit(FillOp([zero], [empty], [type]))

    def format(self, labels: Sequence[Label], first: int, end: int) -> Format:
        if self.are_dense:
            return Format.dense(len(labels))
        compressed = {
            factor.labels[dimension]
            for factor in self.chain.factors[first:end]
            for format in [sparse_tensor.format_of(factor.value.type)]
            for level, dimension in zip(format.levels, format.order, strict=True)
            if level is Level.COMPRESSED
        }
        levels = [Level.COMPRESSED if label in compressed else Level.DENSE for label in labels]
        return Format(tuple(levels), tuple(range(len(labels))))

    def emit(self, op: Operation) -> SSAValue:
        self.made.append(op)
        return op.results[0]


def _map(labels: Sequence[Label], loops: dict[int, int]) -> AffineMapAttr:
    results = tuple(
        AffineExpr.constant(0) if label is None else AffineExpr.dimension(loops[label])
        for label in labels
    )
    return AffineMapAttr(AffineMap(len(loops), 0, results))


def _zero(element: Attribute) -> FloatAttr | IntegerAttr[IntegerType]:
    if isinstance(element, AnyFloat):
        return FloatAttr(0.0, element)
    return IntegerAttr(0, cast(IntegerType, element))
