"""Bit vectors of stored levels, from the tensor to the simulator."""

import numpy as np
from xdsl.parser import Parser

from headrace.backends.graph import bit_vectors
from headrace.backends.sam import build
from headrace.cli.driver import make_context

VECTOR = "tensor<8xf64, #sparse_tensor.encoding<{ map = (d0) -> (d0 : compressed) }>>"
REF, BV = "!sam.stream<ref, index, [i]>", "!sam.stream<bv, index, [i]>"

DOT = f"""
func.func @main(%A: {VECTOR}, %B: {VECTOR}) -> tensor<f64> {{
  %Y = sam.graph(%A, %B) : ({VECTOR}, {VECTOR}) -> tensor<f64> {{
  ^bb0(%a: {VECTOR}, %b: {VECTOR}):
    %root = sam.root
    %abv, %ar = sam.scan_bitvector %root, %a level 0 axis i : !sam.stream<ref, index, []>, {VECTOR}
    %bbv, %br = sam.scan_bitvector %root, %b level 0 axis i : !sam.stream<ref, index, []>, {VECTOR}
    %bv, %r0, %r1 = sam.bitvector_intersect %abv, %ar, %bbv, %br : {BV}, {REF}, {BV}, {REF}
    %x = sam.array %r0, %a : {REF}, {VECTOR}
    %y = sam.array %r1, %b : {REF}, {VECTOR}
    %p = sam.alu %x, %y op mul : !sam.stream<val, f64, [i]>, !sam.stream<val, f64, [i]>
    %s = sam.reduce %p op add : !sam.stream<val, f64, [i]>
    %w = sam.write_values %s : !sam.stream<val, f64, []>
    %z = sam.assemble levels() values %w extents() : !sam.values<f64> -> tensor<f64>
    sam.yield %z : tensor<f64>
  }}
  func.return %Y : tensor<f64>
}}
"""


def test_a_word_has_a_bit_for_each_stored_coordinate():
    words = bit_vectors(np.array([0, 3, 3, 4]), np.array([0, 1, 3, 2]))
    assert words.tolist() == [0b1011, 0, 0b100]


def test_a_dot_product_through_bit_vectors():
    module = Parser(make_context(), DOT).parse_module()
    module.verify()
    a, b = np.array([0, 1.0, 0, 2, 0, 0, 3, 0]), np.array([5.0, 7, 0, 0, 1, 0, 4, 0])
    assert build(module).run(a, b).outputs[0] == a @ b
