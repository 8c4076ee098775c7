"""Functions as torch modules, and the comparison of their imports with eager PyTorch."""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch

from headrace.frontends.torch_export import ImportedModel, import_model
from headrace.interpreters.linalg import interpret

Function = Callable[..., Any]


class Lambda(torch.nn.Module):
    """A function as a module."""

    def __init__(self, function: Function):
        super().__init__()
        self.function = function

    def forward(self, *args: torch.Tensor) -> Any:
        return self.function(*args)


def named(results: Any, name: str = "") -> list[tuple[str, Any]]:
    """The tensors of nested results as arrays, each with the key it stands under."""
    if isinstance(results, dict):
        entries = cast(dict[str, Any], results).items()
        return [leaf for key, result in entries for leaf in named(result, key)]
    if isinstance(results, tuple | list):
        return [leaf for result in cast(list[Any], results) for leaf in named(result, name)]
    return [(name, results.to_dense().detach().numpy())]


def compare(imported: ImportedModel, model: Function, *args: torch.Tensor) -> None:
    """Interpret an import in float64 for these arguments, and compare with eager PyTorch."""
    found = interpret(imported.module, imported.bind(*args))
    wrong: list[str] = []
    for result, (name, expected) in zip(found, named(model(*args)), strict=True):
        assert result.shape == expected.shape, name
        assert result.dtype.kind == expected.dtype.kind, name
        tolerance = 1e-9 if expected.dtype.itemsize == 8 else 1e-5
        if not np.allclose(result, expected, rtol=0, atol=tolerance):
            wrong.append(name)
    assert not wrong


def check(function: Function, *args: torch.Tensor) -> None:
    """Import `function` and compare."""
    compare(import_model(Lambda(function), args), function, *args)


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    """Random numbers in float64."""
    return torch.from_numpy(np.random.default_rng(seed + len(shape)).standard_normal(shape))
