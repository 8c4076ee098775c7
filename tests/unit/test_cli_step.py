"""`headrace run --target step` and `headrace-opt` on hostile input: one sentence each."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headrace.cli import opt
from headrace.cli.main import main
from headrace.storage.files import write_arrays
from headrace.tests.step_moe import ExpertLayer

X = "!step.stream<index, [1, 4]>"


def graph(*lines: str) -> str:
    """A function with a graph that reads four integers as %x, and stores four rows."""
    body = "\n".join(lines)
    return f"""\
func.func @main(%r: tensor<4x8xf32>, %i: tensor<4xi64>) -> tensor<4x8xf32> {{
  %y = step.graph(%r, %i) : (tensor<4x8xf32>, tensor<4xi64>) -> tensor<4x8xf32> {{
  ^bb0(%rows: tensor<4x8xf32>, %integers: tensor<4xi64>):
    %x = step.integers %integers : tensor<4xi64>
{body}
    %read = step.load %rows tile [1, 8] strides [1] shape [4] : tensor<4x8xf32>
    %z = step.store %read into tensor<4x8xf32> : !step.stream<!step.tile<f32, [1, 8]>, [1, 4]>
    step.yield %z : tensor<4x8xf32>
  }}
  func.return %y : tensor<4x8xf32>
}}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder, with inputs for `graph`."""
    monkeypatch.chdir(tmp_path)
    np.savez("inputs.npz", r=np.ones((4, 8)), i=np.arange(4))


def failure(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    status = main(["run", "--target", "step", *arguments])
    captured = capsys.readouterr()
    assert status in (1, 2)
    assert captured.err.startswith("error: ")
    assert len(captured.err.splitlines()) == 1
    return captured.err


BROKEN: list[tuple[str, str]] = [
    ("%0 = step.flatten %x min 3 max 5", "levels 0 to 1"),
    ("%0 = step.expand %x, %x rank 1", "inner sizes are 1"),
    ("%0 = step.repeat %x factor 0", "factor 0"),
    ("%0 = step.reshape %x rank 1 chunk 3", "step.reshape"),
    ("%0 = step.bufferize %x rank 4", "rank 4"),
    ('%0 = step.repeat %x factor "4', "this string does not end on its line; close it"),
    ("%0 = step.load %rows tile [a, 8] strides [1] shape [4]", "list of integers"),
]


@pytest.mark.parametrize(("line", "message"), BROKEN)
@pytest.mark.parametrize("command", ["run", "opt"])
def test_a_wrong_operation_is_one_line_with_its_place(
    capsys: pytest.CaptureFixture[str], line: str, message: str, command: str
) -> None:
    types = "tensor<4x8xf32>" if "load" in line else ", ".join([X] * line.count("%x"))
    Path("broken.mlir").write_text(graph(f"    {line} : {types}"))
    if command == "run":
        found = failure(capsys, "broken.mlir", "--inputs", "inputs.npz")
    else:
        assert opt.main(["broken.mlir"]) == 2
        found = capsys.readouterr().err
    assert message in found
    assert "broken.mlir:5:" in found
    assert len(found.splitlines()) == 1


@pytest.mark.parametrize(
    ("type", "message"),
    [
        ("!step.stream<index, [-1]>", "has the size -1: sizes are 0 or more"),
        ("!step.stream<!step.selector<0>, [1]>", "out of one or more"),
        ("!step.stream<!step.tile<index, [1, 1]>, [1]>", "holds numbers, not index"),
        ("!step.stream<tensor<4xf32>, [4]>", "a number is a tile of 1 x 1"),
    ],
)
def test_a_wrong_type_is_one_line_with_its_place(
    capsys: pytest.CaptureFixture[str], type: str, message: str
) -> None:
    Path("broken.mlir").write_text(graph(f"    %0 = step.repeat %x factor 2 : {type}"))
    found = failure(capsys, "broken.mlir", "--inputs", "inputs.npz")
    assert message in found
    assert "broken.mlir:5:" in found


@pytest.mark.parametrize("op", ["broadcast %x consumers", "deal %x rank 0 consumers"])
@pytest.mark.parametrize("count", [2**40, 10**30])
def test_more_results_than_hardware_could_have_are_not_made(
    capsys: pytest.CaptureFixture[str], op: str, count: int
) -> None:
    Path("broken.mlir").write_text(graph(f"    %0 = step.{op} {count} : {X}"))
    assert "consumers" in (found := failure(capsys, "broken.mlir", "--inputs", "inputs.npz"))
    assert "at most 65536" in found or "rank 0" in found


def test_a_value_that_is_made_later_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    text = graph().replace(
        "  func.return", "  %n = tensor.dim %y, %c : tensor<4x8xf32>\n  func.return"
    )
    text = text.replace("  func.return", "  %c = arith.constant 0 : index\n  func.return", 1)
    Path("broken.mlir").write_text(text)
    found = failure(capsys, "broken.mlir", "--inputs", "inputs.npz")
    assert "'tensor.dim' reads what 'arith.constant' makes later" in found


def test_a_cycle_of_nothing_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    lines = (f"    %0 = step.map %1 fn relu : {X}", f"    %1 = step.map %0 fn relu : {X}")
    Path("broken.mlir").write_text(graph(*lines))
    failure(capsys, "broken.mlir", "--inputs", "inputs.npz")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[step]\nchannels = 0\n", "step.channels must be a whole number from 1"),
        ("[step]\nlatency = -1\n", "step.latency"),
        ("[step]\ninterval = nan\n", "step.interval"),
        ("[step]\nrequest_bytes = true\n", "step.request_bytes"),
        (f"[step]\non_chip_bandwidth = {10**30}\n", "step.on_chip_bandwidth"),
        ("[step]\nspeed = 3\n", "has no 'speed'"),
        ("step = 3\n", "step must be a section"),
        ("[stop]\n", "no section 'stop'"),
        ("[step", "is not valid TOML"),
    ],
)
def test_a_machine_of_nonsense_is_one_line(
    capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    Path("good.mlir").write_text(graph())
    Path("machine.toml").write_text(text)
    arguments = ("good.mlir", "--inputs", "inputs.npz", "--machine", "machine.toml")
    assert message in failure(capsys, *arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--depth", "0"), "a channel of depth 0 can hold no token"),
        (("--pipeline", "step-tille"), "did you mean step-tile"),
        (("--pipeline", "step-tile{row=2}"), "no option 'row'"),
        (("--pipeline", "step-tile{rows=-2}"), "step-tile"),
        (("--pipeline", "step-parallelize{mode=fast}"), "step-parallelize"),
        (("--pipeline", "step-size-fifos"), "needs the option depths, a list of int such as 0,1"),
        (("--pipeline", "step-size-fifos{depths=2 channels=99}"), "step-size-fifos"),
        (("--lanes", "2"), "--lanes"),
    ],
)
def test_a_wrong_option_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    Path("good.mlir").write_text(graph())
    assert message in failure(capsys, "good.mlir", "--inputs", "inputs.npz", *arguments)


INPUTS: list[tuple[dict[str, Any], str]] = [
    ({"r": np.ones((4, 7))}, "argument r has shape (4, 7), but must have (4, 8)"),
    ({"r": np.ones(8)}, "argument r has shape (8,), but must have (4, 8)"),
    ({"i": np.ones(3)}, "argument i has shape (3,), but must have (4)"),
    ({"r": np.ones((4, 8)) + 1j}, "argument r"),
    ({"r": np.full((4, 8), "a")}, "argument r"),
]


@pytest.mark.parametrize(("changed", "message"), INPUTS)
def test_inputs_that_do_not_fit_are_one_line(
    capsys: pytest.CaptureFixture[str], changed: dict[str, Any], message: str
) -> None:
    Path("good.mlir").write_text(graph())
    tensors: dict[str, Any] = {"r": np.ones((4, 8)), "i": np.arange(4), **changed}
    np.savez("bad.npz", **tensors)
    assert message in failure(capsys, "good.mlir", "--inputs", "bad.npz")


@pytest.fixture
def starved() -> tuple[str, ...]:
    """Arguments for a run that stops: the first row leaves its packer after the last one only."""
    layer = ExpertLayer(rows=20, experts=2, width=4, hidden=4, tile_rows=4, tile_hidden=2)
    Path("layer.mlir").write_text(str(layer.module()))
    arguments = layer.arguments(np.random.default_rng(0), [[0], *[[1]] * 16, *[[0]] * 3])
    write_arrays("layer.npz", {f"{place:02}": array for place, array in enumerate(arguments)})
    return "run", "layer.mlir", "--target", "step", "--inputs", "layer.npz", "--depth", "1"


def test_fifos_prints_the_pass_that_frees_a_deadlock(
    capsys: pytest.CaptureFixture[str], starved: tuple[str, ...]
) -> None:
    assert main([*starved, "--fifos", "--json"]) == 0
    deadlock = json.loads(capsys.readouterr().out)["deadlock"]
    assert "step-size-fifos" in deadlock["explanation"]
    first = deadlock["channel_depths"][0]
    assert first.keys() == {"graph", "channel", "node", "result", "depth"}
    assert main([*starved, "--pipeline", deadlock["pipeline"], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["deadlock"] is None

    assert main([*starved, "--fifos"]) == 0
    shown = capsys.readouterr().out
    named = f"{first['depth']} of channel {first['channel']} ({first['node']}, result "
    assert f"{deadlock['pipeline']}: {named}" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("--target", "step"), "--fifos needs --depth"), (("--depth", "1"), "is for --target step")],
)
def test_fifos_without_channels_to_size_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    Path("good.mlir").write_text(graph())
    assert main(["run", "good.mlir", "--inputs", "inputs.npz", "--fifos", *arguments]) == 2
    assert message in capsys.readouterr().err
