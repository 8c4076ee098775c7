"""The recorded spaces of the tuner: published scenarios, and problems with their evaluator."""

import importlib.util
import json
import warnings
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from headrace.autotune.scenario import ScenarioWarning, read_scenario
from headrace.autotune.settings import Settings
from headrace.autotune.space import Space
from headrace.tests.reference import REFERENCE_DATA, reference_path

TUNER = REFERENCE_DATA / "tuner"
SCENARIOS = {
    str(path.relative_to(TUNER / "scenarios").with_suffix("")): path
    for path in sorted(TUNER.glob("scenarios/*/*.json"))
}
PROBLEMS = sorted(path.stem for path in TUNER.glob("problems/*.json"))


def read_quietly(source: Path | dict[str, Any]) -> tuple[Space, Settings]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ScenarioWarning)
        return read_scenario(source)


@cache
def scenario(name: str) -> tuple[Space, Settings]:
    """A published scenario by its name, such as `rise/mm__1024__bolog_cot_1024`."""
    return read_quietly(reference_path(f"tuner/scenarios/{name}.json"))


@cache
def problem(name: str) -> tuple[Space, Settings]:
    """A problem, with the design and budget of the paper."""
    path = reference_path(f"tuner/problems/{name}.json")
    described = json.loads(path.read_text())
    return read_quietly(
        {
            "application_name": name,
            "input_parameters": described["input_parameters"],
            "log_transform_output": described["log_objective"],
            "feasible_output": {"enable_feasible_predictor": described["hidden_constraints"]},
        }
    )


@cache
def evaluator() -> ModuleType:
    """The evaluator that belongs to the data."""
    path = reference_path("tuner/evaluate.py")
    found = importlib.util.spec_from_file_location("tuner_evaluator", path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module
