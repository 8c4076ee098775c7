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
