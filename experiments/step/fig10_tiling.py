"""Figure 10: static and dynamic tiles of Mixtral and Qwen layers at batch 1024."""

from headrace.experiments.experiment import Case, Experiment, Sizes
from headrace.experiments.step.netlists import available
from headrace.experiments.step.tiling import (
    DYNAMIC,
    STATIC,
    case,
    measure,
    plot,
    published_cases,
    tabulate,
)

NEAR = (64, 128, 256, 512)
"""Static tiles that can be next to the dynamic ones on the front at the compute of those."""

UNKNOWN = (64, 128, 512)
"""Static tiles of Qwen whose published points are not recorded."""


def cases(sizes: Sizes) -> list[Case]:
    """The published sizes at all sizes, and either kind of tiles with the other's compute."""
    return [
        *published_cases("mixtral", 1024),
        case("mixtral", 1024, "dynamic", STATIC),
        *(case("mixtral", 1024, tile, DYNAMIC) for tile in NEAR),
        *published_cases("qwen", 1024),
        *(case("qwen", 1024, tile, STATIC) for tile in UNKNOWN),
        case("qwen", 1024, "dynamic", STATIC),
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
