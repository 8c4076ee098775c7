"""
Blocks of consecutive requests, each region with tensors and loads of its own.

The tensors are cut outside of the graph: a region must not wait until others have got theirs.

Source: "Streaming Tensor Programs", arXiv 2511.07776, section 4.3 (its static coarse-grained
baseline).
"""

from collections.abc import Sequence

from xdsl.builder import Builder
from xdsl.dialects import tensor
from xdsl.dialects.builtin import AnyTensorType, IntegerAttr, TensorType, i64
from xdsl.ir import BlockArgument, Operation, SSAValue
from xdsl.rewriter import InsertPoint

from headrace.dialects import step
from headrace.dialects.step_operation import expect_matrix, tensor_like
from headrace.dialects.stream_operation import integers_attribute
from headrace.passes.step.graphs import add_input
from headrace.passes.step.refusal import fail
from headrace.passes.step.request_regions import Regions, insert
from headrace.passes.step.requests import Requests, RequestStream


class RequestBlocks:
    """Cuts the tensors of a graph into those of its regions."""

    def __init__(self, name: str, graph: step.GraphOp, requests: Requests) -> None:
        self.name = name
        self.graph = graph
        self.requests = requests

    def split(self, count: int, block: int, regions: Regions, end: Operation) -> None:
        """Put the regions before `end`, each with the blocks that are its turn."""
        for number, ranges in enumerate(blocks(self.requests.count, count, block)):
            streams = {
                source.value: self._source(source, ranges, end) for source in self.requests.sources
            }
            regions.add(number, streams)

    def _source(self, source: RequestStream, ranges: Sequence[range], end: Operation) -> SSAValue:
        """The stream of the requests of one region."""
        root = source.root
        whole = root.operands[0]
        if not isinstance(whole, BlockArgument):
            raise fail(self.name, root, "its tensor is made in the graph and cannot be cut before")
        each = self._rows_of_request(source)
        part = add_input(self.graph, self._cut(self.graph.operands[whole.index], each, ranges))
        copy = type(root).create(
            operands=[part, *root.operands[1:]],
            result_types=root.result_types,
            properties=dict(root.properties),
            attributes=dict(root.attributes),
        )
        if isinstance(root, step.LoadOp):
            _, *inner = root.integers("shape")
            taken = sum(map(len, ranges))
            copy.properties["shape"] = integers_attribute((taken, *inner))
        insert(self.name, copy, end)
        flat = step.FlattenOp(
            copy.results[0],
            min=source.flatten.integer("min"),
            max=source.flatten.integer("max"),
        )
        insert(self.name, flat, end)
        return flat.results[0]

    def _rows_of_request(self, source: RequestStream) -> int:
        """How many entries of the first dimension of the tensor belong to a request."""
        root = source.root
        type = tensor_like(root.operands[0].type)
        first = type.get_shape()[0]
        if not isinstance(root, step.LoadOp):
            return 1
        rows, columns = expect_matrix(root.name, type)
        tile, stride = root.integers("tile"), root.integers("strides")[0]
        beside = columns // tile[1]
        below, rest = divmod(stride * tile[0] * first, beside * rows)
        if rest or stride % beside or not below or below * self.requests.count > first:
            raise fail(
                self.name,
                root,
                f"its requests are {stride} tiles apart, which are no whole rows of {type}",
            )
        return below

    def _cut(self, whole: SSAValue, each: int, ranges: Sequence[range]) -> SSAValue:
        """The rows of some requests."""
        type: AnyTensorType = whole.type  # pyright: ignore[reportAssignmentType]
        element, shape = type.element_type, type.get_shape()
        builder = Builder(InsertPoint.before(self.graph))
        parts: list[SSAValue] = []
        for some in ranges:
            sizes = (each * len(some), *shape[1:])
            cut = tensor.ExtractSliceOp(
                whole,
                [each * some.start, *(0 for _ in shape[1:])],
                sizes,
                [1 for _ in shape],
                TensorType(element, sizes),
            )
            parts.append(builder.insert(cut).result)
        if len(parts) == 1:
            return parts[0]
        rows = sum(each * len(some) for some in ranges)
        joined = tensor.ConcatOp(
            parts, IntegerAttr(0, i64), TensorType(element, (rows, *shape[1:]))
        )
        return builder.insert(joined).results[0]


def blocks(requests: int, regions: int, block: int) -> list[list[range]]:
    """The blocks of requests of each region that gets any: the blocks go to the regions in turn."""
    all = [range(start, min(start + block, requests)) for start in range(0, requests, block)]
    return [all[region::regions] for region in range(min(regions, len(all)))]
