"""Regions of many operations in a chain."""

import numpy as np
from xdsl.parser import Parser

from headrace.backends.sam import build
from headrace.cli.driver import make_context
from headrace.tests.fusion import lowered

LENGTH = 300

GENERIC = """
  %{next} = linalg.generic {{indexing_maps = [#id, #id], iterator_types = ["parallel"]}}
      ins(%{this} : tensor<5xf64>) outs(%e : tensor<5xf64>) {{
  ^bb0(%in: f64, %out: f64):
    %r = arith.addf %in, %in : f64
    linalg.yield %r : f64
  }} -> tensor<5xf64>"""


def chain() -> str:
    steps = "".join(GENERIC.format(this=f"v{k}x", next=f"v{k + 1}x") for k in range(LENGTH))
    return f"""
#id = affine_map<(d0) -> (d0)>
func.func @main(%v0x: tensor<5xf64>) -> tensor<5xf64> {{
  %e = tensor.empty() : tensor<5xf64>{steps}
  func.return %v{LENGTH}x : tensor<5xf64>
}}"""


def test_a_chain_of_many_operations_is_one_region():
    module = Parser(make_context(), chain()).parse_module()
    program = build(lowered(module))
    x = np.array([-1.0, 0, 2, 0, 3])
    assert program.run(x).outputs[0].tolist() == (x * 2.0**LENGTH).tolist()
