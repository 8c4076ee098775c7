"""Figure 9: static and dynamic tiles of Mixtral and Qwen layers at batch 64."""

from headrace.experiments.experiment import Case, Experiment, Sizes
from headrace.experiments.step.netlists import available
from headrace.experiments.step.tiling import (
    SOURCES,
    STATIC,
    case,
    measure,
    plot,
    published_cases,
    tabulate,
)

MODELS = ("mixtral", "qwen")


def cases(sizes: Sizes) -> list[Case]:
    """The published sizes at all sizes, and dynamic tiles with the compute of static ones."""
    return [
        point
        for source in SOURCES
        for model in MODELS
        for point in (
            *published_cases(source, model, 64),
            case(source, model, 64, "dynamic", STATIC),
        )
    ]


EXPERIMENT = Experiment(
    "step-fig9",
    "static and dynamic tiles of experts, batch 64",
    "STeP, Figure 9",
    cases,
    measure,
    tabulate,
    plot,
    available,
)
