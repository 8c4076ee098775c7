"""Scenario files: every published one, every key, and what is wrong with one."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headrace.autotune.parameter import Gaussian, Permutation, Real, Weights
from headrace.autotune.scenario import ScenarioWarning, read_scenario
from headrace.autotune.settings import (
    Design,
    Forest,
    HyperPrior,
    LocalSearch,
    Settings,
    Validity,
)
from headrace.autotune.space import Space
from headrace.storage.errors import InputError
from headrace.tests.tuner_problems import PROBLEMS, SCENARIOS, problem, read_quietly, scenario

TILE = {"parameter_type": "ordinal", "values": [1, 2, 4], "transform": "log"}


def read(
    parameters: dict[str, Any] | None = None, **settings: Any
) -> tuple[Space, Settings, list[str]]:
    """A scenario and its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        space, found = read_scenario({"input_parameters": parameters or {"a": TILE}, **settings})
    assert all(issubclass(one.category, ScenarioWarning) for one in caught)
    return space, found, [str(one.message) for one in caught]


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_published_scenario_loads_and_its_points_are_feasible(name: str) -> None:
    space, settings = scenario(name)
    described = json.loads(SCENARIOS[name].read_text())
    assert list(space.names) == list(described["input_parameters"])
    points = space.sample(20, np.random.default_rng(0))
    assert space.contains(points).all()
    configurations = space.configurations(points)
    assert (np.stack([space.point(one) for one in configurations]) == points).all()
    inputs = space.encode(points)
    assert inputs.min() >= 0
    assert inputs.max() <= 1
    assert settings.iterations == described.get("optimization_iterations", 50)
    assert settings.log_objective == described.get("log_transform_output", False)
    samples = described.get("design_of_experiment", {}).get("number_of_samples", 10)
    assert settings.design.samples == samples


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_mapping_is_read_as_its_file_is(name: str) -> None:
    path = SCENARIOS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ScenarioWarning)
        space, settings = read_scenario(json.loads(path.read_text()), path.parent)
    from_file, of_file = scenario(name)
    assert settings == of_file
    assert space.identity == from_file.identity


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_problem_loads(name: str) -> None:
    space, settings = problem(name)
    assert space.contains(space.sample(20, np.random.default_rng(0))).all()
    assert settings.validity is not None


def test_every_key_of_the_reference_has_its_field(tmp_path: Path) -> None:
    written = {
        "application_name": "kernel",
        "optimization_objectives": ["runtime"],
        "optimization_method": "bayesian_optimization",
        "optimization_iterations": 52,
        "time_budget": 30,
        "design_of_experiment": {
            "doe_type": "embedding random sampling",
            "number_of_samples": 8,
            "allow_repetitions": True,
        },
        "baco_mode": {"mode": "client-server"},
        "feasible_output": {
            "enable_feasible_predictor": True,
            "name": "works",
            "true_value": "True",
            "false_value": "False",
            "feasibility_threshold": 0.2,
        },
        "models": {
            "model": "random_forest",
            "number_of_trees": 100,
            "max_features": 0.75,
            "bootstrap": True,
            "min_samples_split": 3,
            "use_all_data_to_fit_mean": True,
            "use_all_data_to_fit_variance": True,
        },
        "GP_model": "gpy",
        "acquisition_function": "EI_PIBO",
        "exploration_augmentation": 0.001,
        "objective_value_target": 1.5,
        "predict_noiseless": False,
        "noise": False,
        "log_transform_output": True,
        "standardize_objectives": False,
        "normalize_inputs": False,
        "lengthscale_prior": {"name": "gamma", "parameters": [1.3, 0.1]},
        "outputscale_prior": {"name": "lognormal", "parameters": [0, 1]},
        "noise_prior": {"name": "none"},
        "multistart_hyperparameter_optimization": True,
        "hyperparameter_optimization_iterations": 10,
        "reuse_gp_hyperparameters": True,
        "reoptimise_hyperparameters_interval": 4,
        "local_search_random_points": 1000,
        "local_search_starting_points": 0,
        "local_search_from_best": False,
        "local_search_improvement_threshold": 0.0001,
        "local_search_step_size": 0.1,
        "log_acq_value": True,
        "epsilon_greedy_threshold": 0.1,
        "model_weight": 300,
        "resume_optimization": True,
        "resume_optimization_file": "earlier.csv",
        "run_directory": "runs",
        "log_file": "out.log",
        "output_data_file": "out.csv",
        "output_image": {"output_image_pdf_file": "out.pdf"},
        "print_best": True,
        "number_of_cpus": 2,
        "input_parameters": {"a": TILE},
    }
    path = tmp_path / "scenario.json"
    path.write_text(json.dumps(written))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, settings = read_scenario(path)
    expected = Settings(
        name="kernel",
        objectives=("runtime",),
        iterations=52,
        minutes=30,
        design=Design(walk=True, samples=8, repetitions=True),
        validity=Validity("works", "True", "False", 0.2, learned=True),
        client_server=True,
        model="random_forest",
        back_end="gpy",
        forest=Forest(100, 0.75, True, 3, True, True),
        noise=False,
        log_objective=True,
        standardize=False,
        normalize=False,
        lengthscale_prior=HyperPrior("gamma", (1.3, 0.1)),
        signal_prior=HyperPrior("lognormal", (0, 1)),
        multistart=True,
        fits=10,
        reuse_fit=True,
        fit_interval=4,
        acquisition="EI_PIBO",
        exploration=0.001,
        target=1.5,
        noiseless=False,
        log_acquisition=True,
        epsilon=0.1,
        prior_weight=300,
        local_search=LocalSearch(1000, 0, False, 0.0001, 0.1),
        resume=tmp_path / "earlier.csv",
        directory=tmp_path / "runs",
        log=tmp_path / "out.log",
        table=tmp_path / "out.csv",
        image=tmp_path / "out.pdf",
        print_best=True,
        processors=2,
    )
    assert settings == expected
    plain = Settings()
    acting = [name for name in vars(plain) if getattr(plain, name) != getattr(settings, name)]
    # `method`, `default` and `noise_prior` are as without a file; others test them.
    assert len(acting) == len(vars(plain)) - 3


@pytest.mark.parametrize(
    "written",
    [{"optimization_method": "exhaustive"}, {"baco_mode": {"mode": "exhaustive"}}],
)
def test_an_exhaustive_search(written: dict[str, Any]) -> None:
    assert read(**written)[1].method == "exhaustive"


def test_dead_keys_are_accepted() -> None:
    plain = read()[1]
    _, settings, said = read(
        use_STGP=True,
        EI_BOPRO=1,
        mutation_rate=3,
        evolution_population_size=5,
        prior_estimation_file="x",
        lengthscale_constraints=[0.4, 0.6],
        allow_duplicate_samples=True,
    )
    assert said == []
    assert settings == plain


def test_unknown_keys_are_named() -> None:
    _, _, said = read(
        {"a": TILE | {"vales": 1}},
        optimisation_iterations=3,
        doe=1,
        design_of_experiment={"samples": 1},
    )
    assert said == [
        "the scenario: parameter 'a': 'vales' means nothing here; ignored",
        "the scenario: 'design_of_experiment': 'samples' means nothing here; ignored",
        "the scenario: 'optimisation_iterations', 'doe' mean nothing here; ignored",
    ]


@pytest.mark.parametrize("method", ["opentuner", "ytopt", "ytopt_ccs"])
def test_another_tuner_is_replaced_and_named(method: str) -> None:
    _, settings, said = read(optimization_method=method)
    assert settings.method == "model"
    assert len(said) == 1
    assert f"the method '{method}' is not part of headrace" in said[0]


def test_parameters_of_every_type() -> None:
    space, settings, said = read(
        {
            "x": {
                "parameter_type": "real",
                "values": [1, 10],
                "transform": "log",
                "parameter_default": 2,
                "prior": "gaussian",
                "prior_parameters": [5, 2],
            },
            "n": {
                "parameter_type": "integer",
                "values": [0, 2],
                "parameter_default": 1.0,
                "prior": [1, 0, 3],
            },
            "o": {"parameter_type": "ordinal", "values": [8, 2.0, 4], "parameter_default": 4},
            "c": {
                "parameter_type": "categorical",
                "values": ["0", "row"],
                "parameter_default": "0",
                "prior": "uniform",
                "prior_parameters": [],
            },
            "p": {
                "parameter_type": "permutation",
                "values": [3],
                "parametrization": "kendall",
                "parameter_default": [2, 0, 1],
                "constraints": ["p_i2 < p_i1"],
                "condition": "c == '0'",
            },
        }
    )
    assert said == []
    x, n, o, c, p = space.parameters
    assert isinstance(x, Real)
    assert (x.transform, x.prior) == ("log", Gaussian(5, 2))
    assert n.prior == Weights((1, 0, 3))
    assert c.prior is None
    assert o.value(np.zeros(1)) == 2
    assert isinstance(p, Permutation)
    assert p.encoding == "kendall"
    expected = {"x": 2.0, "n": 1, "o": 4, "c": "0", "p": (2, 0, 1)}
    assert settings.default == expected
    assert settings.default is not None
    assert [type(one) for one in settings.default.values()] == [float, int, int, str, tuple]


@pytest.mark.parametrize(
    ("default", "message"),
    [
        (4, "the default configuration {'a': 4, 'b': 4} breaks 'b < a'; it is left out"),
        (3, "its default is left out: parameter 'b' cannot be 3; give one of 1, 2, 4"),
    ],
)
def test_a_default_that_cannot_be_is_left_out(default: int, message: str) -> None:
    _, settings, said = read(
        {
            "a": TILE | {"parameter_default": 4},
            "b": TILE | {"parameter_default": default, "constraints": ["b < a"]},
        }
    )
    assert settings.default is None
    assert len(said) == 1
    assert said[0].endswith(message)


def test_dependencies_that_differ_from_the_constraints_are_reported() -> None:
    space, _, said = read(
        {
            "a": TILE | {"dependencies": ["b"]},
            "b": TILE,
            "c": TILE | {"constraints": ["c < b"], "dependencies": []},
        }
    )
    assert space.groups == ((0,), (1, 2))
    assert "the dependencies 'b' of 'a' are in no constraint of the parameter" in said[0]
    assert "the dependencies 'b' of 'c' are missing" in said[1]


def test_two_directions_of_the_same_dependency_are_one_space() -> None:
    one, _, first = read(
        {"a": TILE | {"constraints": ["a <= b"], "dependencies": ["b"]}, "b": TILE}
    )
    two, _, second = read(
        {"a": TILE, "b": TILE | {"constraints": ["a <= b"], "dependencies": ["a"]}}
    )
    assert first == second == []
    assert one.identity == two.identity
    assert one.count == 6


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        (TILE | {"values": [0, 1]}, "parameter 'a' has the value 0, which has no logarithm"),
        (TILE | {"values": []}, "distinct numbers, ascending"),
        (TILE | {"values": ["1"]}, "'values' must be a list of numbers"),
        (TILE | {"values": [1, True]}, "'values' must be a list of numbers"),
        (TILE | {"values": 4}, "'values' must be a list, but is 4"),
        ({"parameter_type": "ordinal"}, "'values' must be a list, but is missing"),
        (TILE | {"parameter_type": "ordnal"}, "'parameter_type' must be one of real, integer"),
        (TILE | {"transform": "sqrt"}, "'transform' must be one of none, log"),
        ({"parameter_type": "real", "values": [0]}, "the smallest and the largest value"),
        ({"parameter_type": "integer", "values": [0.5, 3]}, "the bound 0.5; give whole"),
        ({"parameter_type": "permutation", "values": [3, 4]}, "one whole number"),
        ({"parameter_type": "permutation", "values": [3], "parametrization": "x"}, "spearman"),
        (TILE | {"prior": [1, 2]}, "3 weights, one a value"),
        (TILE | {"prior": "normal"}, "'uniform', 'gaussian' or a list of weights"),
        (TILE | {"prior": "gaussian"}, "a mean and a deviation"),
        (TILE | {"constraints": "a < 2"}, "'constraints' must be a list of strings"),
        (TILE | {"constraints": ["a < q"]}, "there is no parameter 'q'"),
        (TILE | {"constraints": ["2 < 1"]}, "'2 < 1' never holds"),
        (TILE | {"condition": "a < "}, "expected a value, but got the end"),
        (3, "parameter 'a' must be an object with entries"),
    ],
)
def test_a_parameter_that_cannot_be_is_refused(parameter: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read({"a": parameter})
    assert str(caught.value).startswith("the scenario: ")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("optimization_iterations", -1, "a number of at least 0"),
        ("optimization_iterations", 1.5, "a whole number"),
        ("optimization_iterations", "5", "a number"),
        ("optimization_iterations", True, "a number"),
        ("epsilon_greedy_threshold", 2, "a number of at least 0 and of at most 1"),
        ("epsilon_greedy_threshold", 10**400, "a number"),
        ("noise", 1, "true or false"),
        ("acquisition_function", "PI", "one of EI, UCB, EI_PIBO"),
        ("optimization_method", "hyperband", "one of bayesian_optimization"),
        ("GP_model", "sklearn", "one of botorch"),
        ("models", {"model": "svm"}, "one of gaussian_process, random_forest"),
        ("models", [], "must be an object with entries"),
        ("lengthscale_prior", {"name": "Gamma"}, "one of none, gamma, lognormal"),
        ("lengthscale_prior", {"name": "gamma", "parameters": [1]}, "a positive shape and rate"),
        ("noise_prior", {"name": "lognormal", "parameters": [1, 0]}, "a mean and a deviation"),
        ("feasible_output", {"true_value": "0"}, "another than 'true_value'"),
        ("resume_optimization", True, "'resume_optimization_file' must be the table"),
        ("optimization_objectives", "runtime", "a list of strings"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(key: str, value: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(**{key: value})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{\n  "a": [1, 2,]\n}', "is not JSON: .* in line 2, column 1[34]"),
        ("", "is not JSON: Expecting value in line 1, column 1"),
        ("[1]", "is no scenario: it must hold an object"),
        ('{"a": 1, "a": 2}', "the key 'a' occurs twice"),
        ('{"a": NaN}', "NaN is not a number that JSON has"),
        ("[" * 100_000, "nests too deep"),
        ('{"a": ' + "9" * 5000 + "}", "is not JSON"),
        ("{}", "has no 'input_parameters'"),
        ('{"input_parameters": {}}', "has no 'input_parameters'"),
    ],
    ids=lambda text: text[:20],
)
def test_a_file_that_is_no_scenario_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "scenario.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_scenario(path)
    assert str(caught.value).startswith(str(path))


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.json cannot be read: No such file"):
        read_scenario(tmp_path / "none.json")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(InputError, match=r"binary\.json is not JSON"):
        read_scenario(tmp_path / "binary.json")


def test_reading_leaves_a_mapping_as_it_is() -> None:
    written = {"input_parameters": {"a": dict(TILE)}, "models": {"model": "gaussian_process"}}
    before = json.dumps(written)
    read_quietly(written)
    assert json.dumps(written) == before
