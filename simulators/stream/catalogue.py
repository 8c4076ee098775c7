"""The primitives by name, and which of them serves a node."""

from collections.abc import Mapping

from headrace.simulators.stream.errors import ProgramError
from headrace.simulators.stream.kernel import Variant
from headrace.simulators.stream.primitive import Constant, Primitive
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
        lanes.concat,
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

    Raises `ProgramError` for an unknown kind, a wrong number of streams, an unknown or missing
    parameter, or a combination that the primitive rejects.
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
    lanes = parameters.get("lanes")
    if n is None:
        n = lanes if isinstance(lanes, int) else 0
    statics: list[tuple[str, Constant]] = []
    for argument in primitive.statics:
        value = parameters.get(argument.name, argument.default)
        if not isinstance(value, int if argument.kind == "StaticInt" else str):
            raise ProgramError(
                f"{kind} needs a constant '{argument.name}', but was given {value!r}"
            )
        statics.append((argument.name, value))
    order = parameters.get("order", n)
    if kind.startswith("accumulate") and order != n:
        raise ProgramError(f"an accumulator of order {order} does not have {inputs} inputs")
    known = {a.name for a in primitive.parameters} | {a.name for a in primitive.statics}
    if unknown := set(parameters) - known - {"lanes", "order", "output", "rows", "columns"}:
        raise ProgramError(
            f"{kind} has no parameter '{min(unknown)}'; it has {', '.join(sorted(known)) or 'none'}"
        )
    for argument in primitive.parameters:
        bound = argument.kind in ("Ints", "Floats", "Int", "Float") and argument.default is None
        if bound and argument.name not in parameters:
            raise ProgramError(f"{kind} needs the parameter '{argument.name}'")
        if argument.kind.endswith("Output") and "output" not in parameters:
            raise ProgramError(f"{kind} needs output=, the name of the array that it writes")
    return Variant(primitive, n, tuple(statics))
