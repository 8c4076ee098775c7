"""
The walls between the rooms, drawn from the imports.

A room may import what its line names, and itself. Imports inside functions count too. As in xDSL,
a dialect reaches its canonicalization patterns through an import inside a function.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

MAY_IMPORT = {
    "agent": {"dialects", "storage"},
    "analyses": {"numpy", "sympy", "xdsl", "dialects"},
    "autotune": {"botorch", "gpytorch", "matplotlib", "numpy", "scipy", "storage", "torch"},
    "storage": {"numpy", "scipy"},
    "dialects": {"xdsl", "storage", "passes.canonicalization"},
    "interpreters": {"numpy", "xdsl", "dialects", "storage"},
    "frontends": {"numpy", "scipy", "torch", "xdsl", "dialects", "storage"},
    "passes": {"xdsl", "dialects", "pipelines", "storage", "passes.canonicalization"},
    "simulators": {"llvmlite", "numpy", "numba", "storage"},
    "backends": {
        "numpy",
        "xdsl",
        "analyses",
        "dialects",
        "interpreters",
        "storage",
        "simulators",
    },
    "models": {"networkx", "numpy", "scipy", "storage", "torch"},
    "experiments": {"headrace", "matplotlib", "models", "numpy", "scipy", "storage", "torch"},
    "pipelines": {"xdsl", "storage"},
    "scheduling": {"xdsl", "backends", "dialects", "passes", "storage"},
}
MAY_IMPORT_EVERYTHING = {"cli"}
HEAVY = {"botorch", "gpytorch", "llvmlite", "matplotlib", "networkx", "numba", "sympy", "torch"}


def imports(file: Path) -> Iterator[str]:
    """
    What a module imports: a room of headrace by its name, else the top-level package.

    The public API is the package `headrace` itself.
    """
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: write the import in full"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            top, *rest = name.split(".")
            if rest[:2] == ["passes", "canonicalization"]:
                yield "passes.canonicalization"
            else:
                yield rest[0] if top == "headrace" and rest else top


def modules(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def test_every_room_has_its_walls() -> None:
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"typings"}
    assert rooms == MAY_IMPORT.keys() | MAY_IMPORT_EVERYTHING


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_what_it_may_know(room: str) -> None:
    allowed = MAY_IMPORT[room] | {room, "typing_extensions"} | sys.stdlib_module_names
    crossed = [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in modules(room)
        for name in imports(file)
        if name not in allowed
    ]
    assert not crossed


@pytest.mark.parametrize(
    "room", ["cli", "frontends", "passes", "dialects", "pipelines", "scheduling"]
)
def test_a_room_of_the_driver_imports_nothing_heavy_at_the_top(room: str) -> None:
    heavy = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in modules(room)
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in [getattr(node, "module", None) or node.names[0].name]
        if name.split(".")[0] in HEAVY
    ]
    assert not heavy
