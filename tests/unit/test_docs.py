"""The documentation is true: its examples run, its commands parse, its links lead somewhere."""

import re
import shlex
from dataclasses import asdict
from pathlib import Path

import pytest

from headrace.backends.compiled import MEMORIES
from headrace.cli.main import main, make_parser
from headrace.cli.opt import HeadraceOptMain
from headrace.simulators.dae.machine import DaeMachine
from headrace.simulators.stream.machine import MemoryDescription, StepMachine
from headrace.tests.reference import REFERENCE_DATA

ROOT = Path(__file__).parents[2]
RECORDED = "../shared/data"
"""How pages write the folder of recorded data: its default, seen from the repository."""
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "docs" / "design" / "search_space.md",
]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def printed(page: Path, language: str) -> list[tuple[str, str]]:
    """The blocks that are followed by what they print (a block `text`), with that."""
    pattern = rf"^```{language}\n((?:(?!^```).)*?)^```\n\n^```text\n(.*?)^```"
    return re.findall(pattern, page.read_text(), re.MULTILINE | re.DOTALL)


def lines_of(text: str) -> list[str]:
    """The lines, without spaces at the ends and without seconds, which differ."""
    return [re.sub(r"\b[\d.e-]+ s\b", "_ s", line.rstrip()) for line in text.splitlines()]


def expect_printed(wanted: str, found: str) -> None:
    """Lines of a page follow each other in what is printed; `..` leaves out the end of a line."""
    lines, expected = lines_of(found), lines_of(wanted)

    def is_here(start: int) -> bool:
        there = lines[start : start + len(expected)]
        return len(there) == len(expected) and all(
            line.startswith(wanted[:-2]) if wanted.endswith(" ..") else line == wanted
            for line, wanted in zip(there, expected, strict=True)
        )

    assert any(map(is_here, range(len(lines)))), f"{wanted}\nis not printed, but\n{found}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_examples_of_a_page_run(
    page: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And print what the page says that they print; commands on recorded data if there are any."""
    monkeypatch.chdir(tmp_path)
    for language, comment in (("toml", "# "), ("mlir", "// ")):
        for text in blocks(page, language):
            named = re.match(rf"{comment}(\w+\.{language})\n", text)
            assert named, f"the first line of a file is its name: {text}"
            Path(named[1]).write_text(text)
    # Classes of the example must find their source: torch.export reads it.
    module = tmp_path / f"{page.stem}.py"
    module.write_text("\n".join(blocks(page, "python")))
    exec(compile(module.read_text(), str(module), "exec"), {"__name__": page.stem})
    found = capsys.readouterr().out
    for _, wanted in printed(page, "python"):
        expect_printed(wanted, found)
    for block, wanted in printed(page, "sh"):
        command, *arguments = shlex.split(block.replace(RECORDED, f"{REFERENCE_DATA}"))
        assert command == "headrace"
        if RECORDED in block and not REFERENCE_DATA.is_dir():
            continue
        assert main(arguments) == 0
        expect_printed(wanted, capsys.readouterr().out)


def test_a_line_that_is_not_printed_is_found() -> None:
    expect_printed("1 in 0.2 s\nlong ..", "0\n1 in 30 s\nlong story\n")
    with pytest.raises(AssertionError, match="is not printed"):
        expect_printed("0\nlong ..", "0\n1\nlong story\n")


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
    tables = [
        {
            key: float(default)
            for key, default in re.findall(r"^\| `(\w+)` \| ([\d.]+) \|", part, re.M)
        }
        for part in re.split(r"^\| key of ", text, flags=re.M)[1:]
    ]
    dae = asdict(DaeMachine())
    core = dae.pop("core")
    assert tables == [asdict(MemoryDescription()), asdict(StepMachine()), dae, core]


def test_the_models_of_memory_are_those_of_a_program() -> None:
    text = (ROOT / "docs" / "machines.md").read_text()
    assert tuple(re.findall(r'^\| `"(\w+)"` \|', text, re.M)) == MEMORIES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_the_tests_that_pages_name_exist() -> None:
    """A page names a test behind the file that has it."""
    there = {path.name: path.read_text() for path in (ROOT / "tests").rglob("test_*.py")}
    for page in (ROOT / "docs").rglob("*.md"):
        for line in page.read_text().splitlines():
            file = ""
            for name in re.findall(r"`(?:tests/\w+/)?(test_\w+(?:\.py)?)`", line):
                if name.endswith(".py"):
                    file = name
                    assert file in there, f"{page.name}: {file}"
                elif file:
                    assert f"def {name}(" in there[file], f"{page.name}: {file}: {name}"
