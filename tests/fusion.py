"""Compiling and running the programs of the fusion tests."""

import importlib.util
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice, permutations
from types import ModuleType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser

from headrace.backends.sam import build, histogram
from headrace.cli.driver import make_context
from headrace.dialects import sam
from headrace.dialects.sparse_tensor import format_of
from headrace.frontends.einsum import import_einsum
from headrace.passes.sam.order import legal_orders
from headrace.passes.sam.region_expression import read_region
from headrace.passes.sam.region_order import stored_uses
from headrace.passes.sam.sam_fuse import SamFusePass
from headrace.passes.sam.sam_lower import SamLowerPass
from headrace.passes.sam.sam_order import SamOrderPass
from headrace.tests.fusion_programs import PROGRAMS
from headrace.tests.reference import reference_path

Array = npt.NDArray[np.floating]
Order = tuple[int, ...]


def translated(
    text: str, formats: Mapping[str, str], inputs: Mapping[str, Array] | None = None
) -> ModuleOp:
    """The entry IR of a program; shapes are those of `inputs`, else known at run time."""
    named = {name: format for name, format in formats.items() if f"{name}(" in text}
    shapes = {name: value.shape for name, value in (inputs or {}).items()}
    return import_einsum(
        text,
        {
            name: (format, shapes[name]) if name in shapes else format
            for name, format in named.items()
        },
    )


def recorded_graphs() -> dict[str, dict[str, Any]]:
    """What the reference compiler made of each program, by its name."""
    return json.loads(reference_path("fusion/gold_graphs.json").read_text())["graphs"]


def recorded_inputs() -> ModuleType:
    """The recipes of the inputs on which cycles were recorded."""
    path = reference_path("fusion/inputs.py")
    specification = importlib.util.spec_from_file_location("fusion_inputs", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def recorded_program(name: str, graph: Mapping[str, Any]) -> ModuleOp:
    """
    The program that a graph was recorded for, with a result compressed on every level.

    It is read from its file where there is one, else it has the recorded shapes.
    """
    if file := graph.get("input_file"):
        text = reference_path(f"fusion/{file}").read_text()
        return Parser(make_context(), text).parse_module()
    text, formats = PROGRAMS[name]
    rank = text.partition(" = ")[0].count(",") + 1
    shaped = {use: (formats[use], input["shape"]) for use, input in graph["inputs"].items()}
    return import_einsum(text, {**shaped, "Y": "s" * rank})


def lowered(
    module: ModuleOp,
    *,
    cuts: Sequence[int] = (),
    regions: Literal["none", "all"] = "all",
    order: Order | None = None,
    copies: Literal["none", "any"] = "none",
    reference: bool = False,
) -> ModuleOp:
    """A copy of `module` as stream graphs; `order` is the priority of the first region."""
    module = module.clone()
    context = Context()
    SamFusePass(regions, tuple(cuts)).apply(context, module)
    if order:
        SamOrderPass(order, copies=copies).apply(context, module)
    SamLowerPass(reference=reference).apply(context, module)
    module.verify()
    return module


def axes_and_legal_orders(module: ModuleOp, limit: int = 20) -> tuple[int, list[Order]]:
    """How many axes the whole program has as one region, and its legal orders as priorities."""
    module = module.clone()
    SamFusePass("all").apply(Context(), module)
    (region,) = (op for op in module.walk() if isinstance(op, sam.RegionOp))
    read = read_region(region)
    formats = [format_of(value.type) for value in region.inputs]
    uses = stored_uses(region, read.results, formats)
    orders = legal_orders(read.order, uses, limit)
    return len(read.order), [tuple(read.order.index(a) for a in order) for order in orders]


def all_orders(module: ModuleOp, limit: int = 24) -> list[Order]:
    """Orders of all axes, legal with permuted copies."""
    count, _ = axes_and_legal_orders(module, 1)
    return list(islice(permutations(range(count)), limit))


def nodes(module: ModuleOp) -> Counter[str]:
    """Node counts of all graphs by the names of the literature."""
    counts: Counter[str] = Counter()
    for graph in module.walk():
        if isinstance(graph, sam.GraphOp):
            counts += Counter(histogram(graph))
    return counts


def run(module: ModuleOp, inputs: Mapping[str, Array]) -> tuple[Array, int]:
    """The dense result and the cycles of the stream engine with unbounded channels."""
    program = build(module)
    result = program.run(*(inputs[spec.name] for spec in program.arguments))
    return np.asarray(result.outputs[0]), result.cycles
