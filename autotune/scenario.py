"""
Scenario files of the reference: a space and settings, as JSON or as a mapping.

Of a parameter, `condition` is ours: an expression under which it is active. All else is
the reference's. What cannot be used stops the reading with an `InputError`; what is ignored or
replaced is said in a `ScenarioWarning`.

Source: "BaCO: A Fast and Portable Bayesian Compiler Optimization Framework", ASPLOS 2023, and the
keys of its published scenarios.
"""

from __future__ import annotations

import json
import math
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeVar, cast

from headrace.autotune.constraint import Constraint
from headrace.autotune.parameter import (
    Categorical,
    Gaussian,
    Integer,
    Ordinal,
    Parameter,
    Permutation,
    Prior,
    Real,
    Transform,
    Weights,
)
from headrace.autotune.permutations import ENCODINGS, Encoding
from headrace.autotune.settings import (
    Design,
    Forest,
    HyperPrior,
    LocalSearch,
    Settings,
    Validity,
)
from headrace.autotune.space import Space
from headrace.autotune.trees import names_of
from headrace.storage.errors import InputError

DEAD = frozenset(
    "number_of_repetitions acquisition_function_optimizer allow_duplicate_samples naive_cot_rs "
    "EI_BOPRO use_STGP mutation_rate regularize_evolution prior_floor model_good_quantile "
    "prior_limit_estimation_points lengthscale_constraints "
    "evaluations_per_optimization_iteration".split()
)
DEAD_PREFIXES = ("evolution_", "prior_estimation_")
"""Keys, and beginnings of keys, that do nothing in the reference."""

OTHER_TUNERS = ("gaussian_process", "opentuner", "ytopt", "ytopt_ccs", "ytopt_cs")
"""Methods that hand the space to another tuner, or are old names of the reference's own."""

BACK_ENDS = ("botorch", "botorch_fixed", "botorch_heteroskedastic", "gpytorch", "gpy")
"""The first is the default."""

Choice = TypeVar("Choice", bound=str)


class ScenarioWarning(UserWarning):
    """Something in a scenario was ignored or replaced."""


def read_scenario(
    source: str | Path | Mapping[str, Any], directory: str | Path | None = None
) -> tuple[Space, Settings]:
    """
    Read a scenario from a file, or from a mapping of the same content.

    Paths in it are relative to the file, or of a mapping to `directory` (by default the current
    one). Raises `InputError`; warns with `ScenarioWarning`.
    """
    if isinstance(source, Mapping):
        where, content, base = "the scenario", source, Path(directory or ".")
    else:
        path = Path(source)
        where, content = str(path), _load(path)
        base = path.parent if directory is None else Path(directory)
    entries = _Entries(where, content)
    space = _space(entries)
    settings = replace(_settings(entries, base), default=_default(space, where))
    entries.finish(DEAD, DEAD_PREFIXES)
    return space, settings


def _load(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(
            path.read_text(encoding="utf-8"),
            object_pairs_hook=_without_repetition,
            parse_constant=_refuse_constant,
        )
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise InputError(f"{path} is not JSON: {error.msg} in {place}") from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except RecursionError:
        raise InputError(f"{path} nests too deep for a scenario") from None
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path} is no scenario: it must hold an object in braces")
    return cast(dict[str, Any], content)


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise InputError(f"the key '{key}' occurs twice in one object; leave one out")
        found[key] = value
    return found


def _refuse_constant(word: str) -> NoReturn:
    raise InputError(f"{word} is not a number that JSON has; give a finite one")


class _Entries:
    """The entries of an object of a scenario, which are taken one by one with their types."""

    def __init__(self, where: str, content: Any):
        if not isinstance(content, Mapping):
            raise InputError(f"{where} must be an object with entries, but is {_shown(content)}")
        self.where = where
        self.content = dict(cast(Mapping[str, Any], content))

    def refuse(self, key: str, wanted: str, value: Any) -> NoReturn:
        raise InputError(f"{self.where}: '{key}' must be {wanted}, but is {_shown(value)}")

    def warn(self, message: str) -> None:
        warnings.warn(f"{self.where}: {message}", ScenarioWarning, stacklevel=2)

    def has(self, key: str) -> bool:
        return self.content.get(key) is not None

    def take(self, key: str) -> Any:
        """The entry, or None."""
        return self.content.pop(key, None)

    def number(
        self, key: str, default: float, low: float = -math.inf, high: float = math.inf
    ) -> float:
        value = self.take(key)
        if value is None:
            return float(default)
        if not _is_number(value) or not low <= value <= high:
            low_ = f" of at least {low:g}" if low > -math.inf else ""
            high_ = f" of at most {high:g}" if high < math.inf else ""
            self.refuse(key, f"a number{low_}{' and' if low_ and high_ else ''}{high_}", value)
        return float(value)

    def whole(self, key: str, default: int, low: int = 0) -> int:
        value = self.number(key, default, low)
        if not value.is_integer():
            self.refuse(key, "a whole number", value)
        return int(value)

    def truth(self, key: str, default: bool) -> bool:
        value = self.take(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.refuse(key, "true or false", value)
        return value

    def text(self, key: str, default: str) -> str:
        value = self.take(key)
        if value is None:
            return default
        if not isinstance(value, str):
            self.refuse(key, "a string", value)
        return value

    def choice(self, key: str, default: Choice, *others: Choice) -> Choice:
        value = self.text(key, default)
        for one in (default, *others):
            if value == one:
                return one
        self.refuse(key, f"one of {', '.join((default, *others))}", value)

    def list(self, key: str, wanted: str, *, needed: bool = False) -> list[Any]:
        value = self.take(key)
        if value is None and not needed:
            return []
        if not isinstance(value, Sequence) or isinstance(value, str):
            self.refuse(key, wanted, value)
        return list(cast(Sequence[Any], value))

    def texts(self, key: str) -> list[str]:
        values = self.list(key, "a list of strings")
        if not all(isinstance(value, str) for value in values):
            self.refuse(key, "a list of strings", values)
        return values

    def entries(self, key: str) -> _Entries:
        """The entries of an object; none if it is missing."""
        value = self.take(key)
        return _Entries(f"{self.where}: '{key}'", {} if value is None else value)

    def path(self, key: str, base: Path) -> Path | None:
        value = self.text(key, "")
        return base / value if value else None

    def finish(self, dead: frozenset[str] = frozenset(), prefixes: tuple[str, ...] = ()) -> None:
        """Warns of entries that nobody took."""
        unknown = [
            key for key in self.content if key not in dead and not str(key).startswith(prefixes)
        ]
        if unknown:
            names = ", ".join(f"'{key}'" for key in unknown)
            self.warn(f"{names} mean{'s' if len(unknown) == 1 else ''} nothing here; ignored")


def _shown(value: Any) -> str:
    text = "missing" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _is_number(value: Any) -> bool:
    """Whether a value is a finite number, and no larger than a float can be."""
    usable = isinstance(value, int | float) and not isinstance(value, bool)
    return usable and abs(value) <= sys.float_info.max


def _space(scenario: _Entries) -> Space:
    described = scenario.entries("input_parameters")
    if not described.content:
        raise InputError(f"{scenario.where} has no 'input_parameters'; a space needs one at least")
    parameters: list[Parameter] = []
    owners: dict[str, list[str]] = {}
    dependencies: dict[str, list[str]] = {}
    conditions: dict[str, str] = {}
    for name in tuple(described.content):
        entries = _Entries(f"{scenario.where}: parameter '{name}'", described.take(name))
        owners[name] = entries.texts("constraints")
        if entries.has("dependencies"):
            dependencies[name] = entries.texts("dependencies")
        if condition := entries.text("condition", ""):
            conditions[name] = condition
        parameters.append(_parameter(str(name), entries))
        entries.finish()
    texts = [text for constraints in owners.values() for text in constraints]
    try:
        space = Space(parameters, tuple(dict.fromkeys(texts)), conditions)
    except InputError as error:
        raise InputError(f"{scenario.where}: {error}") from None
    _compare_dependencies(scenario, space, owners, dependencies)
    return space


def _parameter(name: str, entries: _Entries) -> Parameter:
    kinds = ("real", "integer", "ordinal", "categorical", "permutation")
    kind = entries.take("parameter_type")
    if kind not in kinds:
        entries.refuse("parameter_type", f"one of {', '.join(kinds)}", kind)
    values = entries.list("values", "a list", needed=True)
    prior = _prior(entries)
    try:
        parameter = _of_kind(name, kind, values, prior, entries)
    except InputError as error:
        raise InputError(f"{entries.where}: {error}") from None
    return _with_default(parameter, entries)


def _of_kind(
    name: str, kind: str, values: list[Any], prior: Prior | None, entries: _Entries
) -> Parameter:
    if kind == "permutation":
        if len(values) != 1 or not isinstance(values[0], int):
            entries.refuse("values", "a list of one whole number, the elements", values)
        encoding: Encoding = entries.choice("parametrization", "spearman", *ENCODINGS[1:])
        return Permutation(name, length=values[0], encoding=encoding, prior=prior)
    if kind == "categorical":
        if not all(isinstance(value, str | int) for value in values):
            entries.refuse("values", "a list of strings", values)
        return Categorical(name, values=tuple(map(str, values)), prior=prior)
    if not all(map(_is_number, values)):
        entries.refuse("values", "a list of numbers", values)
    transform: Transform = entries.choice("transform", "none", "log")
    if kind == "ordinal":
        return Ordinal(name, values=tuple(sorted(values)), transform=transform, prior=prior)
    if len(values) != 2:
        entries.refuse("values", "the smallest and the largest value", values)
    low, high = values
    if kind == "integer":
        return Integer(name, low=low, high=high, transform=transform, prior=prior)
    return Real(name, low=float(low), high=float(high), transform=transform, prior=prior)


def _prior(entries: _Entries) -> Prior | None:
    prior = entries.take("prior")
    parameters = entries.list("prior_parameters", "a list of numbers")
    if prior is None or prior == "uniform":
        return None
    if prior == "gaussian":
        if len(parameters) != 2 or not all(map(_is_number, parameters)):
            entries.refuse("prior_parameters", "a mean and a deviation", parameters)
        return Gaussian(float(parameters[0]), float(parameters[1]))
    if isinstance(prior, Sequence) and not isinstance(prior, str):
        weights = cast(Sequence[Any], prior)
        if all(map(_is_number, weights)):
            return Weights(tuple(float(weight) for weight in weights))
    entries.refuse("prior", "'uniform', 'gaussian' or a list of weights", prior)


def _with_default(parameter: Parameter, entries: _Entries) -> Parameter:
    """With its default, if that is one of its values."""
    value = entries.take("parameter_default")
    if value is None:
        return parameter
    if isinstance(parameter, Categorical) and not isinstance(value, bool):
        value = str(value)
    try:
        return replace(parameter, default=parameter.value(parameter.point(value)))
    except InputError as error:
        entries.warn(f"its default is left out: {error}")
        return parameter


def _default(space: Space, where: str) -> Mapping[str, Any] | None:
    """The configuration of the defaults, if there is one that satisfies the constraints."""
    point = space.default
    if point is None:
        return None
    (configuration,) = space.configurations(point[None])
    if space.contains(point[None])[0]:
        return configuration
    broken = " and ".join(f"'{text}'" for text in space.broken(point))
    warnings.warn(
        f"{where}: the default configuration {configuration} breaks {broken}; it is left out",
        ScenarioWarning,
        stacklevel=2,
    )
    return None


def _compare_dependencies(
    scenario: _Entries,
    space: Space,
    owners: Mapping[str, Sequence[str]],
    dependencies: Mapping[str, Sequence[str]],
) -> None:
    """Warns where the dependencies that are written are not those of the constraints."""
    read: dict[str, Constraint] = {one.text: one for one in space.constraints}
    unmentioned: list[str] = []
    undeclared: list[str] = []
    for name, declared in dependencies.items():
        named = frozenset[str]().union(*(read[text].names for text in owners[name]))
        mentioned = {one.name for one in space.parameters if names_of(one) & named} - {name}
        unmentioned += [f"'{other}' of '{name}'" for other in declared if other not in mentioned]
        undeclared += [f"'{other}' of '{name}'" for other in sorted(mentioned - set(declared))]
    for found, what in (
        (unmentioned, "are in no constraint of the parameter"),
        (undeclared, "are missing, but its constraints mention them"),
    ):
        if found:
            scenario.warn(
                f"the dependencies {', '.join(found)} {what}; the constraints count, not the "
                "dependencies"
            )


def _settings(scenario: _Entries, base: Path) -> Settings:
    plain = Settings()
    minutes = scenario.number("time_budget", -1)
    image = scenario.entries("output_image")
    resumed = scenario.path("resume_optimization_file", base)
    resume = scenario.truth("resume_optimization", False)
    if resume and resumed is None:
        scenario.refuse("resume_optimization_file", "the table of the run to resume", None)
    client_server, method = _method(scenario)
    settings = Settings(
        name=scenario.text("application_name", plain.name),
        objectives=tuple(scenario.texts("optimization_objectives")) or plain.objectives,
        method=method,
        iterations=scenario.whole("optimization_iterations", plain.iterations),
        minutes=None if minutes < 0 else minutes,
        design=_design(scenario.entries("design_of_experiment")),
        validity=_validity(scenario) if scenario.has("feasible_output") else None,
        client_server=client_server,
        back_end=scenario.choice("GP_model", *BACK_ENDS),
        noise=scenario.truth("noise", plain.noise),
        log_objective=scenario.truth("log_transform_output", plain.log_objective),
        standardize=scenario.truth("standardize_objectives", plain.standardize),
        normalize=scenario.truth("normalize_inputs", plain.normalize),
        lengthscale_prior=_hyper_prior(scenario, "lengthscale_prior"),
        signal_prior=_hyper_prior(scenario, "outputscale_prior"),
        noise_prior=_hyper_prior(scenario, "noise_prior"),
        multistart=scenario.truth("multistart_hyperparameter_optimization", plain.multistart),
        fits=scenario.whole("hyperparameter_optimization_iterations", plain.fits, 1),
        reuse_fit=scenario.truth("reuse_gp_hyperparameters", plain.reuse_fit),
        fit_interval=scenario.whole("reoptimise_hyperparameters_interval", plain.fit_interval, 1),
        acquisition=_acquisition(scenario),
        exploration=scenario.number("exploration_augmentation", plain.exploration),
        target=_number_or_none(scenario, "objective_value_target"),
        noiseless=scenario.truth("predict_noiseless", plain.noiseless),
        log_acquisition=scenario.truth("log_acq_value", plain.log_acquisition),
        epsilon=scenario.number("epsilon_greedy_threshold", plain.epsilon, 0, 1),
        prior_weight=scenario.number("model_weight", plain.prior_weight, 0),
        local_search=_local_search(scenario),
        resume=resumed if resume else None,
        directory=base / scenario.text("run_directory", "."),
        log=scenario.path("log_file", base),
        table=scenario.path("output_data_file", base),
        image=image.path("output_image_pdf_file", base),
        print_best=_print_best(scenario),
        processors=scenario.whole("number_of_cpus", plain.processors),
    )
    image.finish()
    return _with_model(settings, scenario.entries("models"))


def _number_or_none(scenario: _Entries, key: str) -> float | None:
    return scenario.number(key, 0.0) if scenario.has(key) else None


def _print_best(scenario: _Entries) -> bool:
    """Where the reference decides by itself ("auto"), nothing is printed."""
    if scenario.content.get("print_best") == "auto":
        scenario.take("print_best")
    return scenario.truth("print_best", False)


def _method(scenario: _Entries) -> tuple[bool, Any]:
    """Whether a client evaluates, and how points are chosen."""
    mode = scenario.entries("baco_mode")
    how = mode.choice("mode", "default", "client-server", "exhaustive")
    mode.finish()
    method = scenario.choice(
        "optimization_method", "bayesian_optimization", "exhaustive", *OTHER_TUNERS
    )
    if method in OTHER_TUNERS:
        scenario.warn(
            f"the method '{method}' is not part of headrace, which searches in its own way instead"
        )
    exhaustive = "exhaustive" in (method, how)
    return how == "client-server", "exhaustive" if exhaustive else "model"


def _acquisition(scenario: _Entries) -> Any:
    found = scenario.choice("acquisition_function", "EI", "UCB", "EI_PIBO", "EI_BOPRO")
    if found == "EI_BOPRO":
        scenario.warn("the acquisition function 'EI_BOPRO' does nothing of its own; 'EI' is used")
        return "EI"
    return found


def _design(entries: _Entries) -> Design:
    plain = Design()
    kind = entries.choice("doe_type", "random sampling", "embedding random sampling")
    design = Design(
        walk=kind == "embedding random sampling",
        samples=entries.whole("number_of_samples", plain.samples),
        repetitions=entries.truth("allow_repetitions", plain.repetitions),
    )
    entries.finish()
    return design


def _validity(scenario: _Entries) -> Validity:
    plain = Validity()
    entries = scenario.entries("feasible_output")
    marks: dict[str, str] = {}
    for key, default in (("true_value", plain.true), ("false_value", plain.false)):
        value = entries.take(key)
        if value is not None and not isinstance(value, str | int):
            entries.refuse(key, "a string", value)
        marks[key] = default if value is None else str(value)
    validity = Validity(
        name=entries.text("name", plain.name),
        true=marks["true_value"],
        false=marks["false_value"],
        threshold=entries.number("feasibility_threshold", plain.threshold, 0, 1),
        learned=entries.truth("enable_feasible_predictor", False),
    )
    if validity.true == validity.false:
        entries.refuse("false_value", "another than 'true_value'", validity.false)
    entries.finish()
    return validity


def _with_model(settings: Settings, entries: _Entries) -> Settings:
    plain = Forest()
    settings = replace(
        settings,
        model=entries.choice("model", "gaussian_process", "random_forest"),
        forest=Forest(
            trees=entries.whole("number_of_trees", plain.trees, 1),
            features=entries.number("max_features", plain.features, 0, 1),
            bootstrap=entries.truth("bootstrap", plain.bootstrap),
            split=entries.whole("min_samples_split", plain.split, 2),
            mean_of_all=entries.truth("use_all_data_to_fit_mean", plain.mean_of_all),
            variance_of_all=entries.truth("use_all_data_to_fit_variance", plain.variance_of_all),
        ),
    )
    entries.finish()
    return settings


def _hyper_prior(scenario: _Entries, key: str) -> HyperPrior | None:
    entries = scenario.entries(key)
    family: Literal["none", "gamma", "lognormal"] = entries.choice(
        "name", "none", "gamma", "lognormal"
    )
    parameters = entries.list("parameters", "a list of two numbers")
    entries.finish()
    if family == "none":
        return None
    # Both parameters of a gamma are positive, of a log-normal the deviation.
    positive = parameters if family == "gamma" else parameters[1:]
    if (
        len(parameters) != 2
        or not all(map(_is_number, parameters))
        or not all(one > 0 for one in positive)
    ):
        wanted = {"gamma": "a positive shape and rate", "lognormal": "a mean and a deviation"}
        entries.refuse("parameters", wanted[family], parameters)
    return HyperPrior(family, (float(parameters[0]), float(parameters[1])))


def _local_search(scenario: _Entries) -> LocalSearch:
    plain = LocalSearch()
    key = "local_search_"
    return LocalSearch(
        candidates=scenario.whole(f"{key}random_points", plain.candidates, 1),
        starts=scenario.whole(f"{key}starting_points", plain.starts),
        from_best=scenario.truth(f"{key}from_best", plain.from_best),
        threshold=scenario.number(f"{key}improvement_threshold", plain.threshold, 0),
        step=scenario.number(f"{key}step_size", plain.step, 0),
    )
