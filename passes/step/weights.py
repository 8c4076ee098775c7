"""Weights of several experts as one tensor, below each other: the e-th part is of expert e."""

from collections.abc import Sequence

from xdsl.builder import Builder
from xdsl.dialects import tensor
from xdsl.dialects.builtin import TensorType
from xdsl.ir import Attribute, BlockArgument, SSAValue
from xdsl.rewriter import InsertPoint

from headrace.dialects import step
from headrace.dialects.step_operation import tensor_like
from headrace.passes.step.graphs import add_input, erase


def stack(graph: step.GraphOp, weights: Sequence[BlockArgument]) -> BlockArgument:
    """
    A new argument of the graph with all weights, which are tensors of one type.

    It is made outside of the graph: from the tensor that they are consecutive parts of, if there
    is one, else by `tensor.concat`.
    """
    given = [graph.inputs[weight.index] for weight in weights]
    build = Builder(InsertPoint.before(graph))
    return add_input(graph, _consecutive(build, given) or _concatenated(build, given))


def drop_unused(graph: step.GraphOp, weights: Sequence[BlockArgument]) -> None:
    """Take those out of the arguments that nothing reads now, with the slices they were."""
    unused = {weight.index: weight for weight in weights if not any(weight.uses)}
    kept = [value for index, value in enumerate(graph.inputs) if index not in unused]
    slices = {graph.inputs[index].owner for index in unused}
    for _, weight in sorted(unused.items(), reverse=True):
        graph.body.block.erase_arg(weight)
    graph.operands = kept
    for op in slices:
        if isinstance(op, tensor.ExtractSliceOp) and not any(op.result.uses):
            erase([op])


def _concatenated(build: Builder, weights: Sequence[SSAValue]) -> SSAValue:
    type = tensor_like(weights[0].type)
    rows, *others = type.get_shape()
    result: TensorType[Attribute] = TensorType(type.element_type, [rows * len(weights), *others])
    return build.insert(tensor.ConcatOp(weights, 0, result)).results[0]


def _consecutive(build: Builder, weights: Sequence[SSAValue]) -> SSAValue | None:
    """The part of a tensor [experts, ..] that the weights, slices of one expert each, make up."""
    slices = [weight.owner for weight in weights]
    first = slices[0]
    if not isinstance(first, tensor.ExtractSliceOp):
        return None
    source = first.source
    shape = tensor_like(source.type).get_shape()
    start = first.static_offsets.get_values()[0]
    for number, one in enumerate(slices):
        if not isinstance(one, tensor.ExtractSliceOp) or one.source != source:
            return None
        offsets = one.static_offsets.get_values()
        sizes = one.static_sizes.get_values()
        if offsets != (start + number, *[0] * (len(shape) - 1)) or sizes != (1, *shape[1:]):
            return None
    if len(slices) == shape[0]:
        return source
    sizes = [len(slices), *shape[1:]]
    result = TensorType(tensor_like(source.type).element_type, sizes)
    part = tensor.ExtractSliceOp(
        source, [start, *[0] * (len(shape) - 1)], sizes, [1] * len(shape), result
    )
    return build.insert(part).results[0]
