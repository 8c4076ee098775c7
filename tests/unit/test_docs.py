"""The documentation is true: its examples run, its commands parse, its links lead somewhere."""

import re
import shlex
from dataclasses import asdict
from pathlib import Path

import pytest

from headrace.backends.compiled import MEMORIES
from headrace.cli.main import make_parser
from headrace.cli.opt import HeadraceOptMain
from headrace.simulators.stream.machine import MemoryDescription

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_python_of_a_page_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for text in blocks(page, "toml"):
        named = re.match(r"# (\w+\.toml)\n", text)
        assert named, f"the first line of a file is its name: {text}"
        Path(named[1]).write_text(text)
    # Classes of the example must find their source: torch.export reads it.
    module = tmp_path / f"{page.stem}.py"
    module.write_text("\n".join(blocks(page, "python")))
    exec(compile(module.read_text(), str(module), "exec"), {"__name__": page.stem})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_commands_of_a_page_exist(page: Path) -> None:
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    lines = [line for block in blocks(page, "sh") for line in block.splitlines() if line]
    for line in lines:
        command, *arguments = shlex.split(line, comments=True)
        match command:
            case "make":
                assert set(arguments) <= set(targets)
            case "headrace":
                make_parser().parse_args(arguments)
            case "headrace-opt":
                with pytest.MonkeyPatch.context() as patch:
                    patch.chdir(ROOT)
                    HeadraceOptMain("", arguments)
            case _:
                pytest.fail(f"{page.name}: {command} is no command of ours")


def test_the_keys_of_a_machine_have_their_defaults() -> None:
    text = (ROOT / "docs" / "machines.md").read_text()
    table = {
        key: int(default) for key, default in re.findall(r"^\| `(\w+)` \| (\d+) \|", text, re.M)
    }
    assert table == asdict(MemoryDescription())


def test_the_models_of_memory_are_those_of_a_program() -> None:
    text = (ROOT / "docs" / "machines.md").read_text()
    assert tuple(re.findall(r'^\| `"(\w+)"` \|', text, re.M)) == MEMORIES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert target.startswith("https://") or (page.parent / target).exists(), target
