"""The machines that there are programs for, and which options of `headrace run` each takes."""

import argparse
from collections.abc import Mapping

from headrace.storage.errors import InputError

TARGETS: Mapping[str, str] = {
    "sam": "sparse dataflow graphs",
    "step": "streaming tensor programs",
    "dae": "access-execute programs",
}
"""The machines, and what runs on them."""

_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "lanes": ("sam",),
    "memory": ("sam",),
    "dot": ("sam", "step"),
    "estimate": ("sam", "dae"),
    "depth": ("sam", "step"),
    "trace": ("sam", "step"),
    "accounting": ("step",),
    "fifos": ("step",),
    "opt": ("dae",),
}
"""Of options that not all targets have, those that do."""

_NOT_GIVEN: Mapping[str, object] = {"lanes": 1, "estimate": False, "fifos": False}
"""What options have that are not given; None for the others."""

AUTOMATIC = "auto"
"""The pipeline that the scheduler chooses from the statistics of the arguments."""


def check_target(target: str) -> None:
    """Raise `InputError` if there is no such machine."""
    if target not in TARGETS:
        raise InputError(f"there is no target '{target}'; choose from {', '.join(TARGETS)}")


def check_options(options: argparse.Namespace) -> None:
    """Raise `InputError` for an option that the chosen target has not."""
    check_target(options.target)
    for name, targets in _OPTIONS.items():
        if getattr(options, name) != _NOT_GIVEN.get(name) and options.target not in targets:
            listed = " or ".join(targets)
            raise InputError(f"--{name} is for --target {listed}; leave it out")
    if options.target != "sam" and options.pipeline == AUTOMATIC:
        raise InputError(f"--pipeline {AUTOMATIC} is for --target sam; leave it out")
