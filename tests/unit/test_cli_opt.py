"""The pass driver, as a user runs it."""

import subprocess
import sys
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent
IR = """\
func.func @main(%x: tensor<4xf64, #sparse_tensor.encoding<{ map = (d0) -> (d0 : compressed) }>>) {
  func.return
}
"""


def run(
    *arguments: str, program: str = "headrace-opt", text: str = IR
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BIN / program), *arguments], input=text, capture_output=True, text=True, check=False
    )


def test_ir_comes_back() -> None:
    result = run()
    assert result.returncode == 0
    assert "map = (d0) -> (d0 : compressed)" in result.stdout


def test_a_pipeline_file_runs_before_the_passes(tmp_path: Path) -> None:
    path = tmp_path / "pipeline.toml"
    path.write_text('[pipeline]\npasses = ["canonicalize"]')
    result = run("--pipeline", str(path), "-p", "cse", "--time-passes")
    assert result.returncode == 0
    assert result.stdout.index("Pass canonicalize") < result.stdout.index("Pass cse")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-p", "sam-fuze"), "no pass 'sam-fuze'"),
        (("-p", "sam-fuse{region=all}"), "no option 'region'"),
        (("-p", "sam-fuse{"), "does not parse"),
        (("--pipeline", "nowhere.toml"), "does not exist"),
        (("-t", 'dot{rankdr="LR"}'), "has no option 'rankdr'; did you mean rankdir?"),
        (("-t", 'dot{rankdir="XX"}'), "target 'dot': rankdir is one of TB, LR, BT, RL; but"),
        (("-t", "fusion-table{json=3}"), "target 'fusion-table': json is of type bool; but"),
        (("-t", "nope"), "invalid choice: 'nope' (choose from dot, fusion-table,"),
        (("--nope",), "unrecognized arguments: --nope; see headrace-opt --help"),
        (("-t",), "argument -t/--target: expected one argument; see headrace-opt --help"),
        (("-t", "fusion-table"), "no sam.graph to print; make one with -p sam-fuse"),
        (("nowhere.mlir",), "nowhere.mlir"),
        (("Makefile",), "Unrecognized file extension"),
    ],
)
def test_bad_arguments_give_one_line_and_status_2(arguments: tuple[str, ...], message: str) -> None:
    result = run(*arguments)
    assert result.returncode == 2
    assert result.stderr.startswith("error: ")
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_broken_ir_gives_its_place() -> None:
    result = run(text="func.func @main( {")
    assert result.returncode == 2
    assert result.stderr.startswith("error: stdin:1:")
    assert len(result.stderr.splitlines()) == 1


def test_the_stock_driver_sees_our_passes() -> None:
    listed = "".join(run("--help", program="xdsl-opt").stdout.split())
    assert "sam-fuse" in listed
    assert run("-p", "sam-fuse{regions=none}", program="xdsl-opt").returncode == 0


def test_the_driver_starts_without_heavy_modules() -> None:
    code = (
        "import sys; from headrace.cli.opt import HeadraceOptMain; HeadraceOptMain('', []);"
        "print([m for m in ('torch', 'numba', 'botorch', 'matplotlib') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout == "[]\n"


@pytest.mark.parametrize(
    "start",
    [
        "from headrace.cli.opt import HeadraceOptMain; HeadraceOptMain('', [])",
        "from headrace.cli.main import make_parser; make_parser()",
    ],
)
def test_versions_are_looked_up_only_when_they_are_asked_for(start: str) -> None:
    code = (
        "import importlib.metadata as metadata; versions = [];"
        f"metadata.version = lambda name: versions.append(name) or '0'; {start}; print(versions)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout == "[]\n"


def test_the_public_api_is_lazy() -> None:
    code = (
        "import sys, headrace; assert 'compile' in dir(headrace);"
        "print([m for m in ('torch', 'numba', 'xdsl', 'numpy') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout == "[]\n"


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary.mlir").write_bytes(b"\xff\xfe\x00")
    result = run(str(tmp_path / "binary.mlir"))
    assert result.returncode == 2
    assert result.stderr == "error: the input is not text in UTF-8; give IR in MLIR's syntax\n"
