"""Programs of the access unit and the core: events, counters, rows, resources."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from xdsl.dialects import func
from xdsl.utils.exceptions import PassFailedException, VerifyException

from headrace.cli.driver import make_context
from headrace.cli.parsing import parse_text
from headrace.dialects.dlc import AccessOp
from headrace.dialects.dlc_resources import Resources, check_resources, resources_of
from headrace.interpreters import dlc, slc
from headrace.passes.ember.ember_to_dlc import EmberToDlcPass
from headrace.passes.registry import get_all_passes, parse_passes
from headrace.storage.errors import InputError

Array = npt.NDArray[Any]


def parsed(body: str, arguments: str, split: bool = False) -> func.FuncOp:
    """A function with the constants %c0 to %c4 and a body, as two programs if so."""
    constants = "\n".join(f"%c{n} = arith.constant {n} : index" for n in range(5))
    text = f"func.func @f({arguments}) {{\n{constants}\n{body}\nfunc.return\n}}"
    context = make_context()
    module = parse_text(context, text, "test_ember_programs.py")
    module.verify()
    if split:
        EmberToDlcPass().apply(context, module)
        module.verify()
    function = module.body.block.first_op
    assert isinstance(function, func.FuncOp)
    return function


EVENTS = """
%at = dlc.counter %c0
%seen = dlc.counter %c1
slc.for %b = %c0 to %c3 step %c1 : index, index, index {
  %begin = slc.load %bounds, %b : memref<4xindex>, !slc.stream<index>
  %next = slc.add %b, %c1 : !slc.stream<index>, index
  %end = slc.load %bounds, %next : memref<4xindex>, !slc.stream<index>
  slc.callback(%b : !slc.stream<index>) {
  ^bb0(%bag: index):
    WRITE(100, %bag)
  }
  slc.for %p = %begin to %end step %c1 : !slc.stream<index>, !slc.stream<index>, index {
    slc.callback(%p, %b : !slc.stream<index>, !slc.stream<index>) {
    ^bb0(%place: index, %bag: index):
      WRITE(200, %place)
      dlc.advance %seen, %c2
    }
    slc.callback(%p : !slc.stream<index>) {
    ^bb0(%place: index):
      WRITE(300, %place)
    }
  }
  slc.callback() {
    %count = dlc.read %seen
    WRITE(400, %count)
  }
  slc.for %q = %c0 to %b step %c1 : index, !slc.stream<index>, index {
    slc.callback(%q : !slc.stream<index>) {
    ^bb0(%place: index):
      WRITE(500, %place)
    }
  }
  slc.callback(%end : !slc.stream<index>) {
  ^bb0(%place: index):
    WRITE(600, %place)
  }
}
slc.callback() {
  WRITE(700, %c0)
}
"""


def written(text: str) -> str:
    """`WRITE(n, %x)` appends n + %x to the log, whose length the counter %at keeps."""
    lines: list[str] = []
    for number, line in enumerate(text.splitlines()):
        if "WRITE" not in line:
            lines.append(line)
            continue
        event, value = line.strip()[len("WRITE(") : -1].split(", ")
        lines += [
            f"%e{number} = arith.constant {event} : index",
            f"%s{number} = arith.addi %e{number}, {value} : index",
            f"%a{number} = dlc.read %at",
            f"memref.store %s{number}, %log[%a{number}] : memref<64xindex>",
            "dlc.advance %at, %c1",
        ]
    return "\n".join(lines)


def order() -> list[int]:
    """What the events write, by the words of the specification."""
    bounds, log, seen = [0, 2, 2, 3], list[int](), 1
    for b in range(3):
        log.append(100 + b)
        for p in range(bounds[b], bounds[b + 1]):
            log += [200 + p, 300 + p]
            seen += 2
        log.append(400 + seen)
        log += [500 + q for q in range(b)]
        log.append(600 + bounds[b + 1])
    return [*log, 700]


@pytest.mark.parametrize("split", [False, True], ids=["slc", "dlc"])
def test_callbacks_before_between_and_after_loops_run_in_order(split: bool) -> None:
    function = parsed(written(EVENTS), "%bounds: memref<4xindex>, %log: memref<64xindex>", split)
    log = np.zeros(64, np.int64)
    (dlc if split else slc).run_function(function, [np.array([0, 2, 2, 3]), log])
    assert list(log[: len(order())]) == order()
    assert not log[len(order()) :].any()


def test_a_stream_read_by_two_callbacks_is_pushed_for_each() -> None:
    function = parsed(written(EVENTS), "%bounds: memref<4xindex>, %log: memref<64xindex>", True)
    traffic = dlc.run_function(function, [np.array([0, 2, 2, 3]), np.zeros(64, np.int64)])
    bags, places, inner = 3, 3, 0 + 1 + 2
    assert traffic.words == bags + places * 3 + inner + bags
    assert traffic.tokens == bags * 3 + places * 2 + inner + 1 + 1


ROWS = """
slc.for %b = %c0 to %c2 step %c1 : index, index, index {{
  %row = slc.fifo : !slc.fifo<f64>
  %count = slc.load %counts, %b : memref<2xindex>, !slc.stream<index>
  slc.for %p = %c0 to %count step %c1 : index, !slc.stream<index>, index {{
    slc.for %e = %c0 to %c3 step %c1 : index, index, index {{
      %v = slc.load %table, %p, %e : memref<4x4xf64>, !slc.stream<index>, !slc.stream<index>
      slc.push %v, %row : !slc.stream<f64>, !slc.fifo<f64>
    }}
  }}
  slc.callback(%row, %b, %count : !slc.fifo<f64>, !slc.stream<index>, !slc.stream<index>) {{
  ^bb0(%items: !slc.fifo<f64>, %bag: index, %n: index):
    {bound}
    scf.for %p = %c0 to %m step %c1 {{
      scf.for %e = %c0 to %c3 step %c1 {{
        %x = slc.pop %items : !slc.fifo<f64> -> f64
        %old = memref.load %out[%bag, %e] : memref<2x4xf64>
        %new = arith.addf %old, %x : f64
        memref.store %new, %out[%bag, %e] : memref<2x4xf64>
      }}
    }}
  }}
}}
"""
ROW_ARGUMENTS = "%counts: memref<2xindex>, %table: memref<4x4xf64>, %out: memref<2x4xf64>"


@pytest.mark.parametrize("split", [False, True], ids=["slc", "dlc"])
def test_a_length_that_is_popped_counts_the_loop_that_pops_the_rows(split: bool) -> None:
    function = parsed(ROWS.format(bound="%m = arith.muli %n, %c1 : index"), ROW_ARGUMENTS, split)
    table, out = np.arange(16.0).reshape(4, 4), np.zeros((2, 4))
    (dlc if split else slc).run_function(function, [np.array([3, 0]), table, out])
    np.testing.assert_array_equal(out[0, :3], table[:3, :3].sum(0))
    assert not out[1].any()
    assert not out[:, 3].any()


@pytest.mark.parametrize(
    "bound", ["%m = arith.addi %n, %c1 : index", "%m = arith.muli %n, %c2 : index"]
)
def test_another_length_does_not(bound: str) -> None:
    with pytest.raises(VerifyException, match=r"another number|not proved"):
        parsed(ROWS.format(bound=bound), ROW_ARGUMENTS)


TWO_ROWS = """
%first = slc.fifo : !slc.fifo<f64>
%second = slc.fifo : !slc.fifo<f32>
slc.for %e = %c0 to %c3 step %c1 : index, index, index {
  %v = slc.load %x, %e : memref<4xf64>, !slc.stream<index>
  %w = slc.load %y, %e : memref<4xf32>, !slc.stream<index>
  slc.push %v, %first : !slc.stream<f64>, !slc.fifo<f64>
  slc.push %w, %second : !slc.stream<f32>, !slc.fifo<f32>
}
slc.callback(%first, %second : !slc.fifo<f64>, !slc.fifo<f32>) {
^bb0(%firsts: !slc.fifo<f64>, %seconds: !slc.fifo<f32>):
  scf.for %e = %c0 to %c3 step %c1 {
    %a = slc.pop %firsts : !slc.fifo<f64> -> f64
  }
  scf.for %e = %c0 to %c3 step %c1 {
    %b = slc.pop %seconds : !slc.fifo<f32> -> f32
  }
}
"""


def test_rows_that_one_queue_mixes_are_not_popped_one_after_the_other() -> None:
    arguments = "%x: memref<4xf64>, %y: memref<4xf32>"
    parsed(TWO_ROWS, arguments)
    message = r"ember-to-dlc: 'func.func': as two programs, case 1 leaves f32, .* each trip"
    with pytest.raises(PassFailedException, match=message):
        parsed(TWO_ROWS, arguments, split=True)
    together = TWO_ROWS.replace(
        """  }
  scf.for %e = %c0 to %c3 step %c1 {
    %b""",
        "    %b",
    )
    parsed(together, arguments, split=True)


@pytest.mark.parametrize("lanes", [None, 4])
@pytest.mark.parametrize("width", [1, 4, 7])
def test_a_gather_by_store_stream_sends_nothing_but_done(lanes: int | None, width: int) -> None:
    path = Path(__file__).parents[2] / "examples/ember/block_gather.mlir"
    context = make_context()
    module = parse_text(context, path.read_text(), path.name)
    vectorize = "" if lanes is None else f"ember-vectorize{{lanes={lanes}}},"
    spec = f"ember-decouple,ember-store-stream,{vectorize}ember-to-dlc"
    parse_passes(spec, get_all_passes()).apply(context, module)
    module.verify()
    function = next(op for op in module.walk() if isinstance(op, func.FuncOp))
    blocks = np.array([2, 0, 2])
    table = np.random.default_rng(0).random((3 * 16, width), np.float32)
    out = np.full((3 * 16, width), 7, np.float32)
    traffic = dlc.run_function(function, [blocks, table, out])
    np.testing.assert_array_equal(out, table.reshape(3, 16, width)[blocks].reshape(out.shape))
    assert (traffic.control, traffic.words) == (("done",), 0)


def test_resources_are_layers_lanes_and_one_element_of_each_stream() -> None:
    body = """
    slc.for %b = %c0 to %c2 step %c1 : index, index, index {
      slc.for %e = %c0 to %c4 step %c1 lanes 4 : index, index, index {
        %v = slc.load %table, %b, %e :
          memref<2x4xf32>, !slc.stream<index>, !slc.stream<vector<4xindex>>
      }
    }"""
    function = parsed(body, "%table: memref<2x4xf32>", split=True)
    (access,) = [op for op in function.walk() if isinstance(op, AccessOp)]
    assert resources_of(access) == Resources(layers=2, lanes=4, storage_bytes=8 + 4 * 8 + 4 * 4)
    check_resources(function, 2, 4, 56)
    for layers, lanes, storage, named in (
        (1, 4, 56, "2 layers of the access unit, which has 1"),
        (2, 2, 56, "4 lanes of the access unit, which has 2"),
        (2, 4, 55, "56 bytes of storage of the access unit, which has 55"),
    ):
        with pytest.raises(InputError, match=f"@f needs {named}"):
            check_resources(function, layers, lanes, storage)
