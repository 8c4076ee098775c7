"""What the factories of models return, and how they draw random weights."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, TypeAlias

import torch

Example: TypeAlias = tuple[torch.nn.Module, tuple[torch.Tensor, ...]]
"""A model and the arguments of one call."""


@contextmanager
def seeded(seed: int) -> Generator[None]:
    """Torch draws the same numbers inside, and its state outside is left alone."""
    random: Any = torch.random
    with random.fork_rng(devices=[]):
        random.manual_seed(seed)
        yield


def without_values(model: torch.nn.Module) -> None:
    """Make every parameter of `model`, which may be on the `meta` device, NaN without memory."""
    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            empty = torch.full((), torch.nan, dtype=parameter.dtype).expand(parameter.shape)
            setattr(module, name, torch.nn.Parameter(empty, requires_grad=False))
