"""The kernels of a program: chosen by kind and memory model, compiled when first used."""

import functools
from collections.abc import Mapping

from headrace.simulators.stream.catalogue import variant_of
from headrace.simulators.stream.codegen import generate
from headrace.simulators.stream.kernel import Kernel, Variant
from headrace.simulators.stream.memory import MemoryModel, MemoryState
from headrace.simulators.stream.primitive import Constant


@functools.cache
def compiled(variant: Variant) -> Kernel:
    return generate(variant)


def kernel_of(
    kind: str,
    inputs: int,
    parameters: Mapping[str, object],
    memory: MemoryModel | None,
    state: MemoryState | None,
) -> Kernel:
    """The kernel of a node, with the client that the memory model has for its kind."""
    variant = variant_of(kind, inputs, parameters)
    if memory is None or state is None or kind not in memory.clients:
        return compiled(variant)
    client = memory.clients[kind]
    known = dict(variant.statics)
    statics: list[tuple[str, Constant]] = []
    for argument in client.statics:
        value = known.get(argument.name, state.parameter(argument.name, ""))
        assert isinstance(value, int | str)
        statics.append((argument.name, value))
    return compiled(Variant(client, variant.n, tuple(statics)))
