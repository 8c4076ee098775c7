"""Integers are exact up to 2^53: arguments beyond that, or beyond their type, are refused."""

import numpy as np
import pytest
from xdsl.parser import Parser

import headrace
from headrace.cli.driver import make_context
from headrace.storage.errors import InputError


def identity(type: str) -> headrace.Program:
    text = f"""
#id = affine_map<(d0) -> (d0)>
func.func @main(%a: tensor<2x{type}>) -> tensor<2x{type}> {{
  %e = tensor.empty() : tensor<2x{type}>
  %r = linalg.generic {{indexing_maps = [#id, #id], iterator_types = ["parallel"]}}
      ins(%a : tensor<2x{type}>) outs(%e : tensor<2x{type}>) {{
  ^bb0(%x: {type}, %o: {type}):
    linalg.yield %x : {type}
  }} -> tensor<2x{type}>
  func.return %r : tensor<2x{type}>
}}"""
    return headrace.compile(Parser(make_context(), text).parse_module())


@pytest.mark.parametrize(
    ("type", "numbers"), [("i8", [-128, 127]), ("i64", [-(2**53), 2**53]), ("i32", [2**31 - 1, 0])]
)
def test_an_integer_in_the_range_of_its_type_is_exact(type: str, numbers: list[int]):
    assert identity(type).run(np.array(numbers)).outputs[0].tolist() == numbers


@pytest.mark.parametrize(
    ("type", "number", "high"),
    [("i8", 300, 127), ("i8", -129, 127), ("i32", 2**31, 2**31 - 1), ("i64", 2**53 + 1, 2**53)],
)
def test_an_integer_outside_the_range_is_refused(type: str, number: int, high: int):
    with pytest.raises(InputError, match=rf"has elements outside -\d+ .. {high}, the integers"):
        identity(type).run(np.array([0, number]))
