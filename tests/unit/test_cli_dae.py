"""`headrace run --target dae`: tables, JSON, estimates, files, and one sentence for mistakes."""

import json
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

import headrace
from headrace.cli.main import main

EXAMPLES = Path(__file__).parents[2] / "examples" / "ember"

SOURCE = """\
import torch

def bag():
    torch.manual_seed(0)
    model = torch.nn.EmbeddingBag(10, 20, mode="sum", include_last_offset=True)
    return model, (torch.tensor([2, 0, 9, 2, 5]), torch.tensor([0, 2, 2, 5]))
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder, with a model."""
    monkeypatch.chdir(tmp_path)
    Path("model.py").write_text(SOURCE)


def run(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    assert main(["run", "model.py:bag", "--target", "dae", "--json", *options]) == 0
    return json.loads(capsys.readouterr().out)


def test_levels_send_what_is_published(capsys: pytest.CaptureFixture[str]) -> None:
    found = [run(capsys, "--opt", str(opt)) for opt in range(4)]
    assert [one["tokens"] for one in found] == [5 * 20 + 1, 5 * 3 + 1, 5 + 1, 5 + 3 + 1]
    assert [one["words"] for one in found] == [5 * 60, 5 * 30, 5 * 25, 5 * 24]
    cycles = [one["cycles"] for one in found]
    assert cycles == sorted(cycles, reverse=True)
    assert found[3]["outputs"] == [[3, 20]]
    assert any("host" in note for note in found[3]["notes"])


def test_the_level_is_3_and_a_pipeline_may_take_its_place(
    capsys: pytest.CaptureFixture[str],
) -> None:
    plain = run(capsys)
    assert plain["words"] == run(capsys, "--opt", "3")["words"]
    assert plain["words"] == run(capsys, "--pipeline", "ember-opt3")["words"]
    assert run(capsys, "--pipeline", "ember-decouple,ember-to-dlc")["words"] == 300


def test_a_table_says_what_each_operation_took(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "model.py:bag", "--target", "dae"]) == 0
    out = capsys.readouterr().out
    assert "embedding_bag_0" in out
    assert "result0: (3, 20) float32" in out
    assert "note: what the host computes" in out


def test_estimates_are_not_above_simulated_cycles(capsys: pytest.CaptureFixture[str]) -> None:
    estimate, simulated = run(capsys, "--estimate"), run(capsys)
    assert 0 < estimate["cycles"] <= simulated["cycles"]
    assert estimate["words"] == simulated["words"]


def test_a_machine_and_files(capsys: pytest.CaptureFixture[str]) -> None:
    Path("slow.toml").write_text("[dae]\noutstanding = 1\nlatency_memory = 9000.0\n")
    np.savez("inputs.npz", input=[1, 1, 1, 1, 1], offsets=[0, 5, 5, 5])
    options = ("--machine", "slow.toml", "--inputs", "inputs.npz", "--outputs", "y.npz")
    assert run(capsys, *options)["cycles"] > 3 * 9000
    with np.load("y.npz") as written:
        result = written["result0"]
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result[1:], 0)
    assert result[0].any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--target", "dae", "--opt", "7"), "there is no level of optimisation 7; give 0 to 4"),
        (("--target", "dae", "--opt", "1", "--pipeline", "ember-opt1"), "give one of both"),
        (("--target", "dae", "--pipeline", "auto"), "--pipeline auto is for --target sam"),
        (("--target", "dae", "--lanes", "2"), "--lanes is for --target sam; leave it out"),
        (("--target", "dae", "--depth", "2"), "--depth is for --target sam or step"),
        (("--target", "dae", "--memory", "exact"), "--memory is for --target sam"),
        (("--target", "dae", "--dot", "g.dot"), "--dot is for --target sam"),
        (("--target", "dae", "--trace", "t.json"), "--trace is for --target sam or step"),
        (("--target", "dae", "--accounting", "reference"), "--accounting is for --target step"),
        (("--target", "dae", "--fifos"), "--fifos is for --target step"),
        (("--target", "step", "--opt", "1"), "--opt is for --target dae"),
        (("--opt", "1"), "--opt is for --target dae"),
        (("--target", "step", "--estimate"), "--estimate is for --target sam or dae"),
        (("--target", "ember"), "there is no target 'ember'; choose from sam, step, dae"),
        (("--target", "dae", "--machine", "none.toml"), "cannot read the machine description"),
        (("--target", "dae", "--machine", "model.py"), "cannot read the machine description"),
    ],
)
def test_options_that_do_not_apply_are_refused_in_one_sentence(
    options: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "model.py:bag", *options]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert message in error


def test_an_index_outside_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    np.savez("inputs.npz", input=[1, 1, 10, 1, 1], offsets=[0, 5, 5, 5])
    options = ["--target", "dae", "--inputs", "inputs.npz", "--outputs", "y.npz"]
    assert main(["run", "model.py:bag", *options]) == 2
    assert "index 10 lies outside of dimension 0 of size 10 of %table" in capsys.readouterr().err
    assert not Path("y.npz").exists()


def test_a_loop_nest_alone_gives_what_it_writes(capsys: pytest.CaptureFixture[str]) -> None:
    table = np.arange(60, dtype=np.float32).reshape(6, 10)
    ones = np.ones((3, 10), np.float32)
    indices = [2, 0, 4, 2, 5]
    np.savez("inputs.npz", offsets=[0, 2, 2, 5], indices=indices, table=table, out=ones)
    files = ("--inputs", "inputs.npz", "--outputs", "y.npz", "--json")
    assert main(["run", str(EXAMPLES / "embedding_bag.mlir"), "--target", "dae", *files]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["tokens"], found["words"]) == (5 + 3 + 1, 5 * 16)
    with np.load("y.npz") as written:
        result = written["result0"]
    np.testing.assert_array_equal(result[1], 1)
    np.testing.assert_array_equal(result[2], 1 + table[[4, 2, 5]].sum(axis=0))


BAG = torch.nn.EmbeddingBag(10, 20, mode="sum")
ARGUMENTS = (torch.tensor([2, 0, 9]), torch.tensor([0, 2]))


@pytest.mark.parametrize(
    ("pipeline", "message"),
    [
        ("canonicalize", "no operation has a program of the access unit; add ember-decouple and"),
        ("ember-decouple", "loops of the access unit, but no program of it; add ember-to-dlc"),
        (
            "ember-decouple,ember-vectorize{lanes=16},ember-to-dlc",
            r"give a pipeline with ember-vectorize\{lanes=8\} in place of a level",
        ),
    ],
)
def test_what_the_machine_cannot_run_names_the_passes(pipeline: str, message: str) -> None:
    function = headrace.compile(BAG, ARGUMENTS, target="dae", pipeline=pipeline)
    with pytest.raises(headrace.InputError, match=message):
        function.run(*ARGUMENTS)


def test_options_of_another_type_are_refused() -> None:
    for opt in (True, 2.0):
        with pytest.raises(headrace.InputError, match=f"no level of optimisation {opt}"):
            headrace.compile(BAG, ARGUMENTS, target="dae", opt=cast(int, opt))
    function = headrace.compile(BAG, ARGUMENTS, target="dae")
    with pytest.raises(headrace.InputError, match="no fidelity 'fast'; choose from closed_form"):
        function.run(*ARGUMENTS, fidelity=cast(Any, "fast"))
    for kind in ("float32", "bool"):
        with pytest.raises(headrace.InputError, match=f"of type {kind}, but must be int64"):
            function.run(ARGUMENTS[0].numpy().astype(kind), ARGUMENTS[1])


@pytest.mark.parametrize("width", [4096, 4104, 8192, 8200])
def test_rows_beyond_a_chunk_of_the_queue_run(width: int) -> None:
    bag = torch.nn.EmbeddingBag(10, width, mode="sum")
    for opt in (2, 3, 4):
        result = headrace.compile(bag, ARGUMENTS, target="dae", opt=opt).run(*ARGUMENTS)
        torch.testing.assert_close(result.outputs[0], bag(*ARGUMENTS))
