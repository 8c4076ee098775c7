"""Models as entry IR with loop nests, and the comparison of the interpreted nests with PyTorch."""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from xdsl.dialects.func import FuncOp

from headrace.frontends.torch_export import ImportedModel, import_model
from headrace.interpreters.nest_entry import interpret_nests
from headrace.tests.imported import Lambda, named

TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5, torch.float16: 2e-2, torch.bfloat16: 1e-1}
"""By how much results of a type may differ from PyTorch, which sums some of them more widely."""


def import_nests(model: Callable[..., Any], *args: torch.Tensor, **options: Any) -> ImportedModel:
    """A module or a function as entry IR with loop nests."""
    module = model if isinstance(model, torch.nn.Module) else Lambda(model)
    imported = import_model(module, args, nests=True, **options)
    imported.module.verify()
    return imported


def nests(imported: ImportedModel) -> list[str]:
    """The kinds of the nests that the entry function calls, without their numbers."""
    functions = [op for op in imported.module.ops if isinstance(op, FuncOp)]
    return [function.sym_name.data.rpartition("_")[0] for function in functions[1:]]


def run(imported: ImportedModel, *args: torch.Tensor) -> Any:
    """The only result of the interpreted program."""
    (result,) = interpret_nests(imported.module, imported.bind(*args))
    return result


def compare(imported: ImportedModel, model: Callable[..., Any], *args: torch.Tensor) -> None:
    """Interpret an import for these arguments, and compare with eager PyTorch, NaN for NaN."""
    found = interpret_nests(imported.module, imported.bind(*args))
    with torch.no_grad():
        expected = model(*args)
    element = cast("torch.Tensor", expected).dtype
    for result, (_, wanted) in zip(found, named(expected.double()), strict=True):
        assert result.shape == wanted.shape
        np.testing.assert_allclose(
            result, wanted, rtol=TOLERANCE[element], atol=TOLERANCE[element], equal_nan=True
        )


def check(model: Callable[..., Any], *args: torch.Tensor) -> list[str]:
    """Import, compare, and return the kinds of the nests."""
    imported = import_nests(model, *args)
    compare(imported, model, *args)
    return nests(imported)
