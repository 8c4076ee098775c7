"""What cannot be put into lanes is refused with a reason, also where no frontend leads to it."""

import pytest
from xdsl.utils.exceptions import PassFailedException

from headrace.dialects import sam
from headrace.passes.sam.lanes import ParallelAxis, expand
from headrace.tests.modules import parse

JOINED = """
#S = #sparse_tensor.encoding<{ map = (i) -> (i : compressed) }>
func.func @main(%A: tensor<4xf64, #S>, %B: tensor<4xf64, #S>) -> tensor<4xf64, #S> {
  %Y = sam.graph(%A, %B) : (tensor<4xf64, #S>, tensor<4xf64, #S>) -> tensor<4xf64, #S> {
  ^bb0(%a: tensor<4xf64, #S>, %b: tensor<4xf64, #S>):
    %root = sam.root
    %n = sam.extent %a dimension 0 : tensor<4xf64, #S>
    %ai, %ra = sam.scan %root, %a level 0 axis i : !sam.stream<ref, index, []>, tensor<4xf64, #S>
    %bi, %rb = sam.scan %root, %b level 0 axis i : !sam.stream<ref, index, []>, tensor<4xf64, #S>
    %va = sam.array %ra, %a : !sam.stream<ref, index, [i]>, tensor<4xf64, #S>
    %i, %x, %r = sam.intersect %ai, %bi, OPERAND, %rb : !sam.stream<crd, index, [i]>, \
!sam.stream<crd, index, [i]>, !sam.stream<KIND, [i]>, !sam.stream<ref, index, [i]>
    %v = sam.array %r, %b : !sam.stream<ref, index, [i]>, tensor<4xf64, #S>
    %l = sam.write_coordinates %i mode keep : !sam.stream<crd, index, [i]>
    %w = sam.write_values %v : !sam.stream<val, f64, [i]>
    %y = sam.assemble levels(%l) values %w extents(%n) : !sam.values<f64> -> tensor<4xf64, #S>
    sam.yield %y : tensor<4xf64, #S>
  }
  func.return %Y : tensor<4xf64, #S>
}
""".replace("\\\n", "")


def graph(operand: str, kind: str) -> sam.GraphOp:
    """An intersection on i that carries references, or values that were read before."""
    module = parse(JOINED.replace("OPERAND", operand).replace("KIND", kind))
    return next(op for op in module.walk() if isinstance(op, sam.GraphOp))


def refusal(graph: sam.GraphOp, axis: str = "i") -> str:
    with pytest.raises(PassFailedException) as error:
        expand(graph, graph, ParallelAxis(axis, 2, sam.Balance.TURNS))
    return str(error.value)


def test_references_of_the_front_are_dealt_behind_its_joiner() -> None:
    made = graph("%ra", "ref, index")
    expand(made, made, ParallelAxis("i", 2, sam.Balance.TURNS))
    made.verify()
    (joiner,) = (op for op in made.walk() if isinstance(op, sam.IntersectOp))
    readers = [use.operation for use in joiner.outputs[1].uses]
    assert [type(op) for op in readers] == [sam.ForkOp]


def test_values_of_lanes_are_not_joined_with_the_front() -> None:
    text = refusal(graph("%va", "val, f64"))
    assert "axis i cannot have lanes, because its coordinates are joined with some that" in text


def test_an_axis_that_no_loop_has_gets_no_lanes() -> None:
    text = refusal(graph("%ra", "ref, index"), "z")
    assert "axis z cannot have lanes, because this graph does not iterate it" in text


def test_joins_that_are_too_large_to_compare_get_no_lanes(monkeypatch: pytest.MonkeyPatch) -> None:
    made = graph("%ra", "ref, index")
    monkeypatch.setattr("headrace.dialects.sam_presence.LIMIT", 2)
    text = refusal(made)
    assert "its joins are too large to tell which streams line up; cut the region" in text
