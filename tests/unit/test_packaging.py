"""The installed package is the repository: nothing missing, nothing by accident."""

import subprocess
import sys
import tomllib
from importlib.metadata import entry_points, files, metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOT_PACKAGES = {"benchmarks", "build", "dist", "docs", "tests", "typings"}
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text())


def package_folders() -> list[Path]:
    rooms = [path for path in ROOT.iterdir() if path.is_dir() and path.name[0] not in "._"]
    return [
        init.parent
        for room in rooms
        if room.name not in NOT_PACKAGES
        for init in room.rglob("__init__.py")
    ]


def test_every_package_folder_is_listed_once_and_in_order() -> None:
    found = [".".join(("headrace", *path.relative_to(ROOT).parts)) for path in package_folders()]
    assert CONFIG["tool"]["setuptools"]["packages"] == sorted(["headrace", *found])


def test_every_folder_with_modules_is_a_package() -> None:
    folders = {path.parent for folder in package_folders() for path in folder.rglob("*.py")}
    assert folders == set(package_folders())


def test_no_stray_modules_at_the_root() -> None:
    assert {path.name for path in ROOT.glob("*.py")} == {"__init__.py"}


@pytest.mark.parametrize("folder", package_folders(), ids=lambda path: path.name)
def test_only_the_root_package_has_a_public_api(folder: Path) -> None:
    assert (folder / "__init__.py").read_text() == ""


def test_every_room_is_type_checked() -> None:
    rooms = {path.relative_to(ROOT).parts[0] for path in package_folders()}
    assert rooms <= set(CONFIG["tool"]["pyright"]["include"])


def test_the_licence_goes_with_the_package() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "LLVM Exceptions to the Apache 2.0 License" in text
    assert metadata("headrace")["License-Expression"] == "Apache-2.0 WITH LLVM-exception"
    assert any(path.name == "LICENSE" for path in files("headrace") or [])


@pytest.mark.parametrize("program", ["headrace", "headrace-opt"])
def test_commands_print_the_version_of_the_package(program: str) -> None:
    command = [str(Path(sys.executable).parent / program), "--version"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    name, number, *_ = result.stdout.split()
    assert (name, number) == (program, CONFIG["project"]["version"])
    assert len(result.stdout.splitlines()) == 1


def test_pipelines_and_type_information_go_with_the_package() -> None:
    data: dict[str, list[str]] = CONFIG["tool"]["setuptools"]["package-data"]
    assert data["headrace"] == ["py.typed"]
    assert (ROOT / "py.typed").exists()
    with_toml = {
        ".".join(("headrace", *folder.relative_to(ROOT).parts))
        for folder in package_folders()
        if any(folder.glob("*.toml"))
    }
    assert with_toml == {package for package, names in data.items() if names == ["*.toml"]}


def test_xdsl_finds_the_universe_by_its_entry_point() -> None:
    (point,) = entry_points(group="xdsl.universe", name="headrace")
    assert {"sam", "sparse_tensor"} <= set(point.load().all_dialects)


def test_the_type_checker_sees_the_package_through_the_link() -> None:
    assert (ROOT / "typings" / "headrace").resolve() == ROOT
