"""The kernels of a program: chosen by kind and memory model, compiled when first used."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from headrace.simulators.stream.catalogue import variant_of
from headrace.simulators.stream.codegen import generate
from headrace.simulators.stream.kernel import Kernel, Variant
from headrace.simulators.stream.memory import MemoryModel, MemoryState
from headrace.simulators.stream.primitive import Constant
from headrace.simulators.stream.primitives import compute


@functools.cache
def compiled(variant: Variant) -> Kernel:
    return generate(variant)


@dataclass(frozen=True)
class Observe:
    """What a run records, and whether it computes values."""

    moves: bool = False
    trace: bool = False
    operations: bool = False
    timing_only: bool = False
    unbounded: bool = False


NOTHING = Observe()


def kernel_of(
    kind: str,
    inputs: int,
    parameters: Mapping[str, object],
    memory: MemoryModel | None,
    state: MemoryState | None,
    observe: Observe,
) -> Kernel:
    """The kernel of a node, with the client that the memory model has for its kind."""
    variant = variant_of(kind, inputs, parameters)
    statics = dict(variant.statics)
    primitive = variant.primitive
    if memory is not None and state is not None and primitive.name in memory.clients:
        primitive = memory.clients[primitive.name]
        statics = {
            argument.name: statics.get(argument.name, state.parameter(argument.name, ""))
            for argument in primitive.statics
        }
    if observe.timing_only and "op" in statics and kind == "alu":
        statics["op"] = compute.NO_OPERATION
    return compiled(
        Variant(
            primitive,
            variant.n,
            tuple(cast(dict[str, Constant], statics).items()),
            unbounded=observe.unbounded,
            moves=observe.moves,
            trace=observe.trace,
            operations=observe.operations,
        )
    )
