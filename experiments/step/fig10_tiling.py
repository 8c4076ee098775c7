"""Figure 10: static and dynamic tiles of Mixtral and Qwen layers at batch 1024."""

from headrace.experiments.experiment import Case, Experiment, Sizes
from headrace.experiments.step.netlists import available
from headrace.experiments.step.tiling import (
    DYNAMIC,
    SOURCES,
    STATIC,
    case,
    measure,
    plot,
    published_cases,
    tabulate,
)

NEAR = (64, 128, 256, 512)
"""Static tiles that can be next to the dynamic ones on the front at the compute of those."""

UNKNOWN = (128, 512)
"""Static tiles of Qwen whose published points are not recorded; those of 64 rows deadlock."""


def cases(sizes: Sizes) -> list[Case]:
    """The published sizes at all sizes, and either kind of tiles with the other's compute."""
    return [point for source in SOURCES for point in _cases(source)]


def _cases(source: str) -> list[Case]:
    return [
        *published_cases(source, "mixtral", 1024),
        case(source, "mixtral", 1024, "dynamic", STATIC),
        *(case(source, "mixtral", 1024, tile, DYNAMIC) for tile in NEAR),
        *published_cases(source, "qwen", 1024),
        *(case(source, "qwen", 1024, tile, STATIC) for tile in UNKNOWN),
        case(source, "qwen", 1024, "dynamic", STATIC),
    ]


EXPERIMENT = Experiment(
    "step-fig10",
    "static and dynamic tiles of experts, batch 1024",
    "STeP, Figure 10",
    cases,
    measure,
    tabulate,
    plot,
    available,
)
