"""Pipeline files: passes, parameters, and what is wrong with a broken one."""

from pathlib import Path

import pytest

from headrace.passes.registry import get_all_passes, parse_passes
from headrace.pipelines.load import built_in_pipelines, read_pipeline, resolve_pipeline
from headrace.storage.errors import InputError


def write(folder: Path, text: str) -> Path:
    path = folder / "pipeline.toml"
    path.write_text(text)
    return path


def test_passes_of_a_file_are_joined(tmp_path: Path) -> None:
    path = write(tmp_path, '[pipeline]\npasses = ["sam-fuse{regions=all}", "sam-lower"]')
    assert read_pipeline(path) == "sam-fuse{regions=all},sam-lower"


def test_a_parameter_takes_the_value_that_is_given(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        '[pipeline]\npasses = ["sam-fuse{regions=$regions}", "sam-order{priority=$order}"]\n'
        '[parameters]\nregions = { categorical = ["none", "all"] }\norder = { permutation = 3 }',
    )
    given = {"regions": "all", "order": (2, 0, 1)}
    assert read_pipeline(path, given) == "sam-fuse{regions=all},sam-order{priority=2,0,1}"


def test_a_value_outside_its_list_is_refused(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        '[pipeline]\npasses = ["sam-fuse{regions=$regions}"]\n'
        '[parameters]\nregions = { categorical = ["none", "all"] }',
    )
    with pytest.raises(InputError, match="'regions' is one of none, all, not layer"):
        read_pipeline(path, {"regions": "layer"})


def test_a_mistyped_pipeline_is_shown_the_nearest() -> None:
    with pytest.raises(InputError, match="no pipeline 'gcn-fussed'; did you mean gcn-fused"):
        resolve_pipeline("gcn-fussed")


def test_an_open_parameter_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, '[pipeline]\npasses = ["sam-fuse{regions=$regions}"]')
    with pytest.raises(InputError, match="leaves parameter 'regions' open"):
        read_pipeline(path)


def test_an_unknown_parameter_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, '[pipeline]\npasses = ["sam-lower"]')
    with pytest.raises(InputError, match="no parameter 'depth'"):
        read_pipeline(path, {"depth": 3})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[pipeline", "is not valid TOML"),
        ("passes = []", "unknown table 'passes'"),
        ("[pipeline]", "no list `passes`"),
        ("[pipeline]\npasses = 'sam-lower'", "no list `passes`"),
        ("[pipeline]\npasses = [1]", "pass 1 is not a string"),
        ("[pipelines]\npasses = []", "unknown table 'pipelines'"),
    ],
)
def test_a_broken_file_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        read_pipeline(write(tmp_path, text))
    assert "\n" not in str(error.value)


def test_a_missing_file_lists_the_built_in_ones() -> None:
    with pytest.raises(InputError, match=r"'nowhere\.toml' does not exist.*gcn-fused"):
        resolve_pipeline("nowhere.toml")


def test_a_name_a_path_and_a_spec_are_accepted() -> None:
    by_name = resolve_pipeline("gcn-fused")
    assert by_name == resolve_pipeline("pipelines/gcn-fused.toml") == resolve_pipeline(by_name)


@pytest.mark.parametrize("name", built_in_pipelines())
def test_every_built_in_pipeline_parses(name: str) -> None:
    assert parse_passes(resolve_pipeline(name), get_all_passes()).passes


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("sam-fuze", "no pass 'sam-fuze'; did you mean sam-fuse"),
        ("sam-fuse{region=all}", "'sam-fuse' has no option 'region'; did you mean regions"),
        ("sam-fuse{regions=some}", "pass 'sam-fuse': "),
        ("sam-fuse{regions", "does not parse: "),
        ("sam-fuse,,sam-lower", "does not parse: Expected pass name here"),
    ],
)
def test_a_wrong_spec_is_one_line(spec: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        parse_passes(spec, get_all_passes())
    assert "\n" not in str(error.value)
