"""
How the reference would search a space: what a scenario file says besides its parameters.

The fields have headrace's names; `scenario` reads them from the keys of the reference. Defaults are
those of the reference's schema. A strategy uses the fields that mean something to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from headrace.autotune.parameter import Value


@dataclass(frozen=True)
class HyperPrior:
    """A prior on a hyperparameter, on inputs in [0, 1]: gamma (shape, rate) or log-normal."""

    family: Literal["gamma", "lognormal"]
    parameters: tuple[float, float]


@dataclass(frozen=True)
class Design:
    """The points that are evaluated before there is a model."""

    walk: bool = False
    """Whether they are drawn by walking down the trees, else uniformly."""
    samples: int = 10
    repetitions: bool = False


@dataclass(frozen=True)
class Validity:
    """The column that says whether an evaluation was valid."""

    name: str = "Valid"
    true: str = "1"
    false: str = "0"
    threshold: float = 0.1
    """The largest probability of validity below which points are ignored."""
    learned: bool = True
    """Whether there is a model of it."""


@dataclass(frozen=True)
class Forest:
    """The random forest, where it is the model."""

    trees: int = 200
    features: float = 0.5
    """The share of inputs that a split looks at."""
    bootstrap: bool = False
    split: int = 5
    """The fewest points that are split."""
    mean_of_all: bool = False
    variance_of_all: bool = False
    """Whether leaves are fitted to all points, else to those of the bootstrap."""


@dataclass(frozen=True)
class LocalSearch:
    """How the acquisition is maximised."""

    candidates: int = 30_000
    starts: int = 10
    from_best: bool = True
    """Whether the best evaluated points are starts as well."""
    threshold: float = 0.0
    """A move that gains no more ends a climb."""
    step: float = 0.03
    """The deviation of moves of reals, as a share of their range."""


@dataclass(frozen=True)
class Settings:
    """What the reference's settings say, by what they do."""

    name: str = ""
    objectives: tuple[str, ...] = ("Value",)
    method: Literal["model", "exhaustive"] = "model"
    default: Mapping[str, Value] | None = None
    """The configuration to begin with; None unless it is complete and feasible."""

    iterations: int = 50
    """Evaluations after the design."""
    minutes: float | None = None
    design: Design = Design()
    validity: Validity | None = None
    """None if every evaluation is valid."""
    client_server: bool = False
    """Whether evaluations are asked for on standard output."""

    model: Literal["gaussian_process", "random_forest"] = "gaussian_process"
    back_end: str = "botorch"
    """The library that the reference fits its process with; ours is one for all of them."""
    forest: Forest = Forest()
    noise: bool = True
    log_objective: bool = False
    standardize: bool = True
    normalize: bool = True
    lengthscale_prior: HyperPrior | None = None
    signal_prior: HyperPrior | None = None
    noise_prior: HyperPrior | None = None
    multistart: bool = False
    fits: int = 5
    """Starts of the fit."""
    reuse_fit: bool = False
    fit_interval: int = 1

    acquisition: Literal["EI", "UCB", "EI_PIBO"] = "EI"
    exploration: float = 1e-4
    target: float | None = None
    noiseless: bool = True
    """Whether the acquisition leaves the noise out of the prediction."""
    log_acquisition: bool = False
    epsilon: float = 0.0
    """The probability of a random proposal."""
    prior_weight: float = 10.0
    """How long the priors of parameters count, with EI_PIBO."""
    local_search: LocalSearch = LocalSearch()

    resume: Path | None = None
    """The table of an earlier run."""
    directory: Path = Path()
    log: Path | None = None
    table: Path | None = None
    image: Path | None = None
    print_best: bool = False
    processors: int = 0
    """0 is all of them."""
