"""
The parameters of nodes whose values are tiles: shapes, and what an operator on tiles costs.

*The cost rule.* A node takes one tile after the other. Control tokens take a cycle each, and a
tile of r x c elements takes

| node | cycles from tile to tile (`interval`) | cycles to the result (`latency`) |
|---|---|---|
| `array`, `reduce`, `accumulate` | r * c: an element a cycle | r * c of an array, else 1 |
| `alu`: `matmul` of r x k and k x c | the largest of r, k, c: systolic | twice that less 1 |
| any other `alu` | the largest size of operands and result: a row or column a cycle | the same |

So a tile of 1 x 1 costs what a number costs, and tiles of b x b cost b^2, b and b.

Source: "FuseFlow", ASPLOS 2026, section 7 (block mode: array reads and reductions of b x b tiles
b^2 cycles, unary operations b, and as many from tile to tile); matrix products take 2 b - 1
cycles, one every b, as in the tile mode of its simulator, where sums and products of elements take
b^2 cycles, one a cycle: here they take b, as unary operations do.
"""

from math import prod

from xdsl.ir import Operation

from headrace.dialects import sam
from headrace.simulators.stream.primitives.tiles import ONE_COLUMN, ONE_ROW
from headrace.simulators.stream.program import Parameter
from headrace.storage.errors import InputError

Shape = tuple[int, int]


def tile_parameters(op: Operation) -> dict[str, Parameter]:
    """
    What a node that carries tiles is told of them; nothing for a node on numbers.

    Raises `InputError` for tiles of more than two dimensions.
    """
    match op:
        case sam.WriteValuesOp(val=values):
            pass
        case sam.ArrayOp() | sam.AluOp() | sam.ReduceOp() | sam.AccumulateOp():
            values = op.results[-1]
        case _:
            return {}
    tile = _shape(op, values.type)
    if tile is None:
        return {}
    parameters: dict[str, Parameter] = {"rows": tile[0], "columns": tile[1]}
    match op:
        case sam.ArrayOp():
            return parameters | {"latency": prod(tile), "interval": prod(tile)}
        case sam.ReduceOp() | sam.AccumulateOp():
            return parameters | {"interval": prod(tile)}
        case sam.AluOp():
            operands = [_shape(op, operand.type) or tile for operand in op.inputs]
            return parameters | _of_alu(op.op.data, operands, tile)
        case _:
            return parameters


def _of_alu(kind: sam.AluKind, operands: list[Shape], tile: Shape) -> dict[str, Parameter]:
    parameters: dict[str, Parameter] = {}
    cycles = max(size for shape in (*operands, tile) for size in shape)
    parameters["latency"] = 2 * cycles - 1 if kind is sam.AluKind.MATMUL else cycles
    parameters["interval"] = cycles
    rows, columns = operands[0]
    if kind is sam.AluKind.MATMUL or kind in sam.ROW_FOLDS:
        parameters["inner"] = columns
    elif kind in sam.COLUMN_FOLDS:
        parameters["inner"] = rows
    elif kind is not sam.AluKind.TRANSPOSE and (bits := _repeated(operands, tile)):
        parameters["broadcast"] = bits
    return parameters


def _repeated(operands: list[Shape], tile: Shape) -> int:
    """The parameter `broadcast`: which operands have one row or column and the result more."""
    bits = 0
    for number, shape in enumerate(operands):
        row = ONE_ROW if shape[0] < tile[0] else 0
        column = ONE_COLUMN if shape[1] < tile[1] else 0
        bits |= (row | column) << 2 * number
    return bits


def _shape(op: Operation, type: object) -> Shape | None:
    """Rows and columns of the tiles of a stream; None for a stream of numbers."""
    assert isinstance(type, sam.StreamType)
    shape = sam.tile_shape(type.element_type)
    if not shape:
        return None
    if len(shape) > 2:
        raise InputError(
            f"'{op.name}' carries tiles of shape {shape}; the stream engine has tiles of rows and "
            "columns, so give sam.array a tile of two dimensions"
        )
    rows, columns = (*shape, 1)[:2]
    return rows, columns
