"""`headrace run`: sources, inputs, outputs, and one line for everything that is wrong."""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import scipy.sparse

from headrace.backends.compiled import Program
from headrace.cli.main import main
from headrace.frontends.einsum import import_einsum

SPMV = """\
#CSR = #sparse_tensor.encoding<{ map = (d0, d1) -> (d0 : dense, d1 : compressed) }>
#matrix = affine_map<(i, j) -> (i, j)>
#column = affine_map<(i, j) -> (j)>
#row = affine_map<(i, j) -> (i)>
func.func @main(%A: tensor<4x3xf64, #CSR>, %x: tensor<3xf64>) -> tensor<4xf64> {
  %zero = arith.constant 0.0 : f64
  %empty = tensor.empty() : tensor<4xf64>
  %init = linalg.fill ins(%zero : f64) outs(%empty : tensor<4xf64>) -> tensor<4xf64>
  %y = linalg.generic {
    indexing_maps = [#matrix, #column, #row], iterator_types = ["parallel", "reduction"]
  } ins(%A, %x : tensor<4x3xf64, #CSR>, tensor<3xf64>) outs(%init : tensor<4xf64>) {
  ^bb0(%a: f64, %b: f64, %sum: f64):
    %product = arith.mulf %a, %b : f64
    %next = arith.addf %sum, %product : f64
    linalg.yield %next : f64
  } -> tensor<4xf64>
  func.return %y : tensor<4xf64>
}
"""

MODEL = """\
import torch

def make():
    torch.manual_seed(0)
    return torch.nn.Linear(3, 2), (torch.eye(3),)

def broken():
    return 3

class Unsupported(torch.nn.Module):
    def forward(self, x):
        return torch.linalg.inv(x)

def unsupported():
    return Unsupported(), (torch.eye(3),)

def raising():
    raise KeyError("no weights")

class Scaled(torch.nn.Module):
    def forward(self, x, factor, bias):
        return x * factor

def scaled():
    return Scaled(), (torch.eye(3), 2.0, None)

class Branching(torch.nn.Module):
    def forward(self, x):
        if x.sum() > 0:
            return x + 1
        return x

def branching():
    return Branching(), (torch.eye(3),)

class Cutting(torch.nn.Module):
    def forward(self, x):
        return x[: int(x.sum().item())]

def cutting():
    return Cutting(), (torch.eye(3),)
"""

MATRIX = np.array([[0.0, 2.0, 0.0], [0.0, 0.0, 0.0], [1.0, 0.0, 3.0], [0.0, 4.0, 0.0]])
VECTOR = np.array([1.0, 2.0, 3.0])
CSR: Any = scipy.sparse.csr_array(MATRIX)


def dynamic(text: str) -> str:
    """The same function for matrices and vectors of every size."""
    for size in ("4x3x", "3x", "4x"):
        text = text.replace(f"tensor<{size}f64", f"tensor<{'?x' * size.count('x')}f64")
    sizes = "%zero_index = arith.constant 0 : index\n  "
    sizes += "%n = tensor.dim %A, %zero_index : tensor<?x?xf64, #CSR>\n  %empty"
    return text.replace("tensor.empty()", "tensor.empty(%n)").replace("%empty", sizes, 1)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a source of every kind and inputs for it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    Path("spmv.mlir").write_text(SPMV)
    Path("dynamic.mlir").write_text(dynamic(SPMV))
    Path("model_file.py").write_text(MODEL)
    np.savez("inputs.npz", x=VECTOR, **csr_arrays("A"))
    Path("wrong_syntax.py").write_text("def make(:\n")
    Path("huge.toml").write_text(f"[memory]\nlatency = {10**20}\n")
    return tmp_path


def csr_arrays(name: str, **changed: Any) -> dict[str, Any]:
    arrays = {"indptr": CSR.indptr, "indices": CSR.indices, "data": CSR.data, **changed}
    return {f"{name}_{part}": array for part, array in arrays.items() if array is not None}


def report(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["run", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def failure(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main([*arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert len(captured.err.splitlines()) == 1
    return captured.err


# What goes in and comes out


def test_a_function_runs_on_inputs_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    result = report(capsys, "spmv.mlir", "--inputs", "inputs.npz", "--outputs", "y.npz")
    assert result["outputs"] == [[4]]
    assert result["deadlock"] is None
    assert result["cycles"] == max(node["cycles"] for node in result["nodes"])
    assert result["tokens"] > 0
    assert result["simulate_seconds"] <= result["wall_seconds"]
    np.testing.assert_array_equal(np.load("y.npz")["y"], MATRIX @ VECTOR)


def test_a_copy_of_an_operand_is_reported_with_its_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    outer = "d0 floordiv 2 : dense, d1 floordiv 3 : compressed"
    blocks = f"({outer}, d0 mod 2 : dense, d1 mod 3 : dense)"
    pairs = "#sparse_tensor.encoding<{ map = (d0) -> (d0 floordiv 2 : dense, d0 mod 2 : dense) }>"
    text = SPMV.replace("(d0 : dense, d1 : compressed)", blocks)
    Path("blocks.mlir").write_text(text.replace("tensor<3xf64>", f"tensor<3xf64, {pairs}>"))
    found, other = report(capsys, "blocks.mlir", "--inputs", "inputs.npz")["notes"]
    note = "is read element by element, because one axis in blocks of 3 and of 2"
    assert found.startswith(f"A {note}")
    assert other.startswith(f"x {note}")
    assert main(["run", "blocks.mlir", "--inputs", "inputs.npz"]) == 0
    assert f"note: {found}" in capsys.readouterr().out


def test_inputs_by_order_come_from_several_files(capsys: pytest.CaptureFixture[str]) -> None:
    scipy.io.mmwrite("matrix.mtx", CSR)
    scipy.sparse.save_npz("matrix.npz", CSR)
    np.save("vector.npy", VECTOR)
    for files in (["matrix.mtx", "vector.npy"], ["matrix.npz", "vector.npy"]):
        inputs = [word for file in files for word in ("--inputs", file)]
        report(capsys, *inputs, "spmv.mlir", "--outputs", "y.npz")
        np.testing.assert_array_equal(np.load("y.npz")["y"], MATRIX @ VECTOR)


def test_the_width_of_a_triple_follows_from_the_other_inputs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report(capsys, "dynamic.mlir", "--inputs", "inputs.npz", "--outputs", "y.npz")
    np.testing.assert_array_equal(np.load("y.npz")["y"], MATRIX @ VECTOR)


def test_an_input_file_can_be_given_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    np.save("vector.npy", VECTOR)
    np.save("matrix.npy", MATRIX)
    inputs = ("--inputs", "x=vector.npy", "--inputs", "A=matrix.npy")
    report(capsys, "spmv.mlir", *inputs, "--outputs", "y.npz")
    np.testing.assert_array_equal(np.load("y.npz")["y"], MATRIX @ VECTOR)


def test_names_that_match_are_kept_where_another_input_has_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    np.savez("x.npz", x=VECTOR)
    scipy.io.mmwrite("matrix.mtx", CSR)
    inputs = ("--inputs", "x.npz", "--inputs", "matrix.mtx")
    report(capsys, "spmv.mlir", *inputs, "--outputs", "y.npz")
    np.testing.assert_array_equal(np.load("y.npz")["y"], MATRIX @ VECTOR)


def test_a_model_may_take_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(capsys, "model_file.py:scaled")["outputs"] == [[3, 3]]


@pytest.mark.parametrize("source", ["model_file.py:make", "model_file:make"])
def test_a_factory_gives_a_model_and_its_arguments(
    capsys: pytest.CaptureFixture[str], source: str
) -> None:
    assert report(capsys, source, "--pipeline", "gcn-fused")["outputs"] == [[3, 2]]


def test_a_saved_program_runs(capsys: pytest.CaptureFixture[str]) -> None:
    import headrace

    headrace.compile("spmv.mlir").save("spmv.npz")
    first = report(capsys, "spmv.mlir", "--inputs", "inputs.npz")
    second = report(capsys, "spmv.npz", "--inputs", "inputs.npz")
    assert second["cycles"] == first["cycles"]


def test_the_json_has_the_fields_of_the_documentation(capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "getting_started.md").read_text()
    table = page.split("| field | holds |\n")[1].split("\n\n")[0]
    cells = [line.split("|")[1] for line in table.splitlines()]
    fields = {field for cell in cells for field in re.findall(r"`(\w+)`", cell)}
    assert fields == report(capsys, "spmv.mlir", "--inputs", "inputs.npz").keys()


@pytest.mark.parametrize("path", ["spmv.mlir", "./inputs.npz"])
def test_what_a_run_reads_is_not_overwritten(capsys: pytest.CaptureFixture[str], path: str) -> None:
    before = Path(path).read_bytes()
    assert main(["run", "spmv.mlir", "--inputs", "inputs.npz", "--outputs", path]) == 2
    assert "is read by this run" in capsys.readouterr().err
    assert Path(path).read_bytes() == before


def test_too_little_memory_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise MemoryError("Unable to allocate 61.0 GiB")

    monkeypatch.setattr("headrace.backends.compiled.simulate", full)
    assert main(["run", "spmv.mlir", "--inputs", "inputs.npz"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "error: not enough memory (Unable to allocate 61.0 GiB); use less depth or smaller tensors"
    ]


def test_people_get_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "spmv.mlir", "--inputs", "inputs.npz"]) == 0
    text = capsys.readouterr().out
    assert "cycles" in text
    assert "y: (4,) float64" in text


def test_a_graph_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    report(capsys, "spmv.mlir", "--inputs", "inputs.npz", "--dot", "graph.dot")
    assert Path("graph.dot").read_text().startswith("digraph")


def test_a_trace_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    report(capsys, "spmv.mlir", "--inputs", "inputs.npz", "--trace", "trace.json")
    assert json.loads(Path("trace.json").read_text())["traceEvents"]


@pytest.mark.parametrize("source", ["spmv.mlir", "spmv.npz", "dynamic.mlir", "model_file.py:make"])
def test_the_time_alone_has_the_shapes_of_the_results_but_no_values(
    capsys: pytest.CaptureFixture[str], source: str
) -> None:
    import headrace

    headrace.compile("spmv.mlir").save("spmv.npz")
    inputs = [] if ":" in source else ["--inputs", "inputs.npz"]
    full = report(capsys, source, *inputs)
    timing = report(capsys, source, *inputs, "--timing-only")
    assert timing["cycles"] == full["cycles"]
    assert timing["outputs"] == full["outputs"] == ([[3, 2]] if ":" in source else [[4]])
    assert (timing["has_values"], full["has_values"]) == (False, True)


def test_people_see_that_the_time_alone_has_no_values(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "spmv.mlir", "--inputs", "inputs.npz", "--timing-only"]) == 0
    assert "y: (4,) float64, d (no values)\n" in capsys.readouterr().out


def test_a_machine_slows_the_memory_down(capsys: pytest.CaptureFixture[str]) -> None:
    Path("machine.toml").write_text("[memory]\nlatency = 500")
    arguments = ("spmv.mlir", "--inputs", "inputs.npz")
    free, slow = report(capsys, *arguments), report(capsys, *arguments, "--machine", "machine.toml")
    assert slow["cycles"] > free["cycles"] + 500


def test_a_deadlock_is_a_result_but_leaves_no_values(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("gustavson.mlir").write_text(str(import_einsum("Y(i,k) = A(i,j) * X(j,k)", {"A": "csr"})))
    np.savez("wide.npz", A=MATRIX, X=np.ones((3, 5)))
    arguments = ("gustavson.mlir", "--inputs", "wide.npz", "--depth", "1")
    result = report(capsys, *arguments)
    assert result["outputs"] == [[4, 5]]
    assert not result["has_values"]
    assert "channels of depth 2 are enough" in result["deadlock"]["explanation"]
    assert main(["run", *arguments, "--outputs", "y.npz"]) == 1
    captured = capsys.readouterr()
    assert "deadlock: " in captured.out
    assert captured.err == "error: 'y.npz' is not written, see the deadlock\n"
    assert not Path("y.npz").exists()


# What is refused


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "spmv.mlir"], "takes arguments (A: 4 x 3 float64, ds; x: 3 float64, d)"),
        (["run", "nowhere.mlir"], "'nowhere.mlir' cannot be read"),
        (["run", "nowhere"], "is no source; give file.mlir"),
        (["run", "nowhere:make"], "no module 'nowhere'"),
        (["run", "nowhere.py:make"], "'nowhere.py' does not exist"),
        (["run", "model_file.py:nothing"], "no function 'nothing'"),
        (["run", "model_file.py:broken"], "must return a pair (model, args), not int"),
        (["run", "model_file.py:unsupported"], "model_file.py:12"),
        (["run", "model_file.py:branching"], "(at model_file.py:29); control flow and sizes must"),
        (["run", "model_file.py:cutting"], "(at model_file.py:38); control flow and sizes must"),
        (["run", "model_file.py:raising"], "raises KeyError: 'no weights' at"),
        (["run", "wrong_syntax.py:make"], "wrong_syntax.py:1"),
        (["run", ":make"], "':make' is no source"),
        (["run", "spmv.mlir", "--inputs", "B=inputs.npz"], "no argument 'B'; it has A, x"),
        (["run", "spmv.mlir", "--inputs", "nowhere.npz"], "'nowhere.npz' cannot be read"),
        (["run", "spmv.mlir", "--trace", "one", "--dot", "one"], "needs a file of its own"),
        (["run", "spmv.mlir", "--trace", "one", "--dot", "./one"], "needs a file of its own"),
        (["run", "spmv.mlir", "--outputs", ""], "needs a file of its own"),
        (["run", "spmv.mlir", "--target", "gpu"], "no target 'gpu'; choose from sam"),
        (["run", "spmv.mlir", "--pipeline", "sam-fuze"], "did you mean sam-fuse?"),
        (["run", "spmv.mlir", "--pipeline", "sam-fuse{region=all}"], "no option 'region'"),
        (["run", "spmv.mlir", "--pipeline", "nowhere.toml"], "'nowhere.toml' does not exist"),
        (["run", "spmv.mlir", "--depth", "0"], "a channel of depth 0 can hold no token"),
        (["run", "spmv.mlir", "--depth", "deep"], "'deep' is not a whole number"),
        (["run", "spmv.mlir", "--inputs", "inputs.npz", "--memory", "fast"], "no memory 'fast'"),
        (["run", "spmv.mlir", "--inputs", "inputs.npz", "--machine", "no.toml"], "'no.toml'"),
        (["run", "spmv.mlir", "--inputs", "inputs.npz", "--machine", "huge.toml"], "latency"),
        (["run", "spmv.mlir", "--inputs", "inputs.npz", "--depth", "9" * 20], "leave the depth"),
        (["run", "spmv.mlir", "--timing-only", "--outputs", "y.npz"], "leave one out"),
        (["run", "spmv.mlir", "--colour"], "unrecognized arguments: --colour"),
        (["walk"], "invalid choice: 'walk'"),
        ([], "the following arguments are required"),
    ],
)
def test_a_wrong_command_line_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert message in failure(capsys, *arguments)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"A": MATRIX.T, "x": VECTOR}, "argument A has shape (3, 4), but must have (4, 3)"),
        ({"A": MATRIX}, "takes 2 arguments (A, x), but the inputs hold 1 tensors (A)"),
        ({"x": VECTOR, **csr_arrays("A", indices=np.array([1, 2, 0, 1]))}, "must increase"),
        ({"x": VECTOR, **csr_arrays("A", indices=np.array([1, 2, 2, 1]))}, "must increase"),
        ({"x": VECTOR, **csr_arrays("A", indices=np.array([1, 2, 0, 1], "u8"))}, "must increase"),
        ({"x": VECTOR, **csr_arrays("A", indices=np.array([1, 0, 3, 1]))}, "must lie in 0..2"),
        ({"x": VECTOR, **csr_arrays("A", indices=np.array([1, 0, np.nan, 1]))}, "integers"),
        ({"x": VECTOR, **csr_arrays("A", indptr=np.array([0, 1, 1, 5, 4]))}, "segments must rise"),
        ({"x": VECTOR, **csr_arrays("A", indptr=np.array([0, 1, 1, 0, 4], "u8"))}, "must rise"),
        ({"x": np.array(["a", "b", "c"]), "A": MATRIX}, "not real numbers"),
        ({"x": np.array([1, None, 2]), "A": MATRIX}, "array x of 'bad.npz' holds Python objects"),
        ({"x": VECTOR, **csr_arrays("A", data=np.array([None] * 4))}, "array A_data of 'bad.npz'"),
        ({"x": VECTOR, **csr_arrays("A", data=None)}, "matrix A lacks its array A_data; add it"),
        ({"x": VECTOR, **csr_arrays("A", indices=None)}, "lacks its array A_indices; add it"),
        ({"x": VECTOR, **csr_arrays("A", indptr=None)}, "lacks its array A_indptr; add it"),
        ({"x": VECTOR, **csr_arrays("A", indptr=np.zeros((2, 2)))}, "A_indptr has shape (2, 2)"),
        ({"x": VECTOR, **csr_arrays("A", indptr=np.zeros(0))}, "array A_indptr is empty"),
        ({"x": VECTOR, **csr_arrays("A", data=np.array(3.0))}, "A_data has shape (); the arrays"),
        ({"x": VECTOR, **csr_arrays("A", shape=np.array("4x3"))}, "array A_shape is '4x3'; give"),
        ({"x": VECTOR, **csr_arrays("A", shape=np.array([4.5, 3]))}, "A_shape is [4.5, 3.0]"),
        ({"x": VECTOR, **csr_arrays("A", shape=np.array([4, 3, 1]))}, "A_shape is [4, 3, 1]"),
        ({"x": VECTOR, **csr_arrays("A", shape=np.array([-4, 3]))}, "A_shape is [-4, 3]"),
    ],
)
def test_inputs_that_do_not_fit_are_one_line(
    capsys: pytest.CaptureFixture[str], inputs: dict[str, Any], message: str
) -> None:
    np.savez("bad.npz", **inputs)
    assert message in failure(capsys, "run", "spmv.mlir", "--inputs", "bad.npz")


def test_broken_ir_is_one_line_with_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    Path("broken.mlir").write_text("func.func @main(\n  %x: tensr<3xf64>) {}")
    assert "broken.mlir:2:" in failure(capsys, "run", "broken.mlir")


@pytest.mark.parametrize("text", ["[pipeline", "[pipeline]\npasses = 3", "passes = []"])
def test_broken_toml_is_one_line(capsys: pytest.CaptureFixture[str], text: str) -> None:
    Path("broken.toml").write_text(text)
    arguments = ["run", "spmv.mlir", "--inputs", "inputs.npz", "--pipeline", "broken.toml"]
    assert "pipeline file 'broken.toml'" in failure(capsys, *arguments)


def test_a_truncated_program_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    import headrace

    headrace.compile("spmv.mlir").save("spmv.npz")
    Path("spmv.npz").write_bytes(Path("spmv.npz").read_bytes()[:700])
    assert "is not a complete npz file" in failure(capsys, "run", "spmv.npz")


@pytest.mark.parametrize("option", ["--outputs", "--trace", "--dot"])
@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("nowhere/file", "No such file or directory"),
        ("inputs.npz/file", "Not a directory"),
        (".", "Is a directory"),
        ("/proc/file", "No such file or directory"),
        (256 * "x", "File name too long"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_before_the_simulation(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    option: str,
    path: str,
    reason: str,
) -> None:
    def simulated(*_: object, **__: object) -> None:
        pytest.fail("the program was simulated")

    monkeypatch.setattr(Program, "run", simulated)
    before = sorted(folder.iterdir())
    other = "--trace" if option == "--outputs" else "--outputs"
    arguments = ["run", "spmv.mlir", "--inputs", "inputs.npz", other, "other", option, path]
    message = f"'{path}' cannot be written: {reason}; give a file in a folder that exists and is"
    assert message in failure(capsys, *arguments)
    assert sorted(folder.iterdir()) == before


def test_a_device_can_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    report(capsys, "spmv.mlir", "--inputs", "inputs.npz", "--outputs", "/dev/null")
    assert Path("/dev/null").is_char_device()


def test_a_pipe_can_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    reader, writer = os.pipe()
    report(capsys, "spmv.mlir", "--inputs", "inputs.npz", "--outputs", f"/dev/fd/{writer}")
    os.close(writer)
    with open(reader, "rb") as file:
        (written,) = np.load(io.BytesIO(file.read())).values()
    np.testing.assert_allclose(written, MATRIX @ VECTOR)


def test_a_name_may_be_as_long_as_the_file_system_allows(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    name = 251 * "x" + ".npz"
    report(capsys, "spmv.mlir", "--inputs", "inputs.npz", "--outputs", name)
    assert (folder / name).is_file()
    assert not list(folder.glob(".*"))


def test_the_installed_command_exits_with_status_2() -> None:
    program = Path(sys.executable).parent / "headrace"
    result = subprocess.run(
        [str(program), "run", "nowhere.mlir"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert result.stderr.startswith("error: 'nowhere.mlir' cannot be read")


@pytest.mark.parametrize("arguments", [["replay", "nowhere"], ["--version"]])
def test_the_command_starts_without_torch(arguments: list[str]) -> None:
    code = (
        "import atexit, sys; from headrace.cli.main import main;"
        "atexit.register(lambda: print([m for m in ('torch', 'xdsl') if m in sys.modules]));"
        "main(sys.argv[1:])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True
    )
    assert result.stdout.splitlines()[-1] == "[]"
