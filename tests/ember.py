"""Programs at the levels of access-execute code, run by the interpreters of `slc` and `dlc`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy.typing as npt
import torch
from xdsl.dialects.func import FuncOp

from headrace.cli.driver import make_context
from headrace.frontends.torch_export import ImportedModel
from headrace.interpreters import dlc, slc
from headrace.interpreters.linalg import interpret
from headrace.interpreters.nest_entry import entry_operations
from headrace.passes.registry import get_all_passes, parse_passes
from headrace.pipelines.load import resolve_pipeline


def level(number: int, lanes: int = 8, rows: int = 16) -> str:
    """The passes of the pipeline `ember-optN`, with other options."""
    passes = resolve_pipeline(f"ember-opt{number}")
    return passes.replace("lanes=8", f"lanes={lanes}").replace("rows=16", f"rows={rows}")


def lower(imported: ImportedModel, passes: str) -> None:
    """Run passes on the imported module, and verify what they made."""
    parse_passes(passes, get_all_passes()).apply(make_context(), imported.module)
    imported.module.verify()


def copy_of(imported: ImportedModel) -> ImportedModel:
    """The same with a module of its own, which passes may change."""
    return replace(imported, module=imported.module.clone())


def run_structured(imported: ImportedModel, *args: torch.Tensor) -> list[npt.NDArray[Any]]:
    """The results of a module whose nests are `slc`."""
    operations = entry_operations(imported.module, slc.run_function)
    return interpret(imported.module, imported.bind(*args), operations)


def run_decoupled(
    imported: ImportedModel, *args: torch.Tensor
) -> tuple[list[npt.NDArray[Any]], list[dlc.QueueTraffic]]:
    """The results of a module whose nests are `dlc`, and the traffic of each nest that ran."""
    traffic: list[dlc.QueueTraffic] = []

    def run(function: FuncOp, buffers: Sequence[npt.NDArray[Any]]) -> None:
        traffic.append(dlc.run_function(function, buffers))

    operations = entry_operations(imported.module, run)
    return interpret(imported.module, imported.bind(*args), operations), traffic
