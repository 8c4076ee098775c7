"""The primitives by name, and which of them serves a node."""

from collections.abc import Iterator, Mapping

from headrace.simulators.stream.errors import ProgramError
from headrace.simulators.stream.kernel import Variant
from headrace.simulators.stream.primitive import (
    ARRAY_KINDS,
    NUMBER_KINDS,
    OUTPUT_KINDS,
    Constant,
    Primitive,
)
from headrace.simulators.stream.primitives import (
    accumulate,
    accumulate_tree,
    bitvector,
    compute,
    drop,
    join,
    lanes,
    reduce,
    repeat,
    scan,
    select,
    shape,
    sources,
    step_buffer,
    step_compute,
    step_memory,
    step_routing,
    step_shape,
    step_sources,
    write,
)

CATALOGUE: dict[str, Primitive] = {
    primitive.name: primitive
    for primitive in (
        accumulate.accumulate_points,
        accumulate_tree.accumulate_tree,
        accumulate.accumulate_vector,
        bitvector.bitvector_build,
        bitvector.bitvector_chunk,
        bitvector.bitvector_drop,
        bitvector.bitvector_intersect,
        compute.alu,
        compute.array,
        compute.tile_alu,
        compute.tile_array,
        drop.coordinate_drop,
        drop.coordinate_hold,
        drop.mask,
        drop.stop_drop,
        drop.value_drop,
        join.intersect,
        join.union,
        lanes.balance,
        lanes.concat,
        lanes.deal,
        lanes.fork,
        lanes.gather,
        reduce.reduce,
        reduce.tile_reduce,
        repeat.repeat,
        repeat.repeat_signal,
        scan.locate,
        scan.scan_bitvector,
        scan.scan_compressed,
        scan.scan_dense,
        select.coordinates,
        select.number,
        select.select_fibers,
        select.select_values,
        shape.flatten,
        shape.points_to_fibers,
        shape.split,
        sources.broadcast,
        sources.root,
        sources.sink,
        sources.source,
        step_compute.step_accumulate,
        step_compute.step_map,
        step_compute.step_to_selector,
        step_compute.step_zip,
        step_memory.step_load,
        step_memory.step_load_by,
        step_memory.step_random_load,
        step_memory.step_random_store,
        step_memory.step_store,
        step_routing.step_broadcast,
        step_routing.step_deal,
        step_routing.step_merge,
        step_routing.step_partition,
        step_routing.step_reassemble,
        step_buffer.step_bufferize,
        step_shape.step_expand,
        step_shape.step_flat_map,
        step_shape.step_flatten,
        step_shape.step_promote,
        step_shape.step_repeat,
        step_shape.step_reshape,
        step_buffer.step_streamify,
        step_buffer.step_streamify_by,
        step_sources.step_cache_address,
        step_sources.step_expert_address,
        step_sources.step_filter_last,
        step_sources.step_integers,
        step_sources.step_record,
        step_sources.step_select,
        step_sources.step_sink,
        step_sources.step_words,
        write.store,
        write.tile_write_values,
        write.write_coordinates,
        write.write_values,
    )
}


TILED = {
    "array": "tile_array",
    "alu": "tile_alu",
    "reduce": "tile_reduce",
    "write_values": "tile_write_values",
}
"""The primitives of nodes with the parameters `rows` and `columns`: their values are tiles."""


def tile_size(kind: str, parameters: Mapping[str, object]) -> int:
    """Entries of the tiles of a node."""
    rows, columns = parameters.get("rows"), parameters.get("columns")
    if not isinstance(rows, int) or not isinstance(columns, int) or rows < 1 or columns < 1:
        raise ProgramError(f"{kind} needs tiles of rows x columns, not {rows!r} x {columns!r}")
    return rows * columns


def variant_of(kind: str, inputs: int, parameters: Mapping[str, object]) -> Variant:
    """
    The variant that runs a node of `kind` with `inputs` input streams.

    Raises `ProgramError` for an unknown kind, a wrong number of streams, or an unknown, missing or
    unsuitable parameter.
    """
    if kind == "accumulate":
        kind = "accumulate_vector" if inputs == 3 else "accumulate_tree"
    if "rows" in parameters or "columns" in parameters:
        parameters = {**parameters, "tile": tile_size(kind, parameters)}
        kind = TILED.get(kind, kind)
    if kind not in CATALOGUE:
        raise ProgramError(
            f"there is no primitive '{kind}'; there are {', '.join(sorted(CATALOGUE))}"
        )
    primitive = CATALOGUE[kind]
    n = primitive.arity(inputs)
    if n is None:
        lanes = parameters.get("lanes")
        n = lanes if isinstance(lanes, int) else 0
        if n < 1 and any(a.is_output and a.is_group for a in primitive.arguments):
            raise ProgramError(f"{primitive.name} needs lanes=, 1 or more outputs")
    order = parameters.get("order", n)
    if kind.startswith("accumulate") and order != n:
        raise ProgramError(f"an accumulator of order {order} does not have {inputs} inputs")
    _check_parameters(primitive, parameters)
    return Variant(primitive, n, tuple(_statics(primitive, parameters)))


def _check_parameters(primitive: Primitive, parameters: Mapping[str, object]) -> None:
    known = {argument.name for argument in (*primitive.parameters, *primitive.statics)}
    if unknown := set(parameters) - known - {"lanes", "order", "output", "rows", "columns"}:
        raise ProgramError(
            f"{primitive.name} has no parameter '{min(unknown)}'; it has "
            f"{', '.join(sorted(known)) or 'none'}"
        )
    for argument in primitive.parameters:
        needed = argument.kind in (*ARRAY_KINDS, *NUMBER_KINDS) and argument.default is None
        if needed and argument.name not in parameters:
            raise ProgramError(f"{primitive.name} needs the parameter '{argument.name}'")
        if argument.kind in OUTPUT_KINDS and "output" not in parameters:
            raise ProgramError(
                f"{primitive.name} needs output=, the name of the array that it writes"
            )


def _statics(
    primitive: Primitive, parameters: Mapping[str, object]
) -> Iterator[tuple[str, Constant]]:
    """The constants of a node, defaults included."""
    for argument in primitive.statics:
        value = parameters.get(argument.name, argument.default)
        if not isinstance(value, int if argument.kind == "StaticInt" else str):
            raise ProgramError(
                f"{primitive.name} needs a constant '{argument.name}', but was given {value!r}"
            )
        yield argument.name, value
