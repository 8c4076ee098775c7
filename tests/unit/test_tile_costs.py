"""What a node costs whose values are tiles: the rule of docs/design/timing.md."""

from headrace.backends.compiled import Program
from headrace.cli.driver import lower
from headrace.frontends.einsum import FormatSpec, import_einsum

TEXT = "Y(i) = sum(k, exp(A(i,j) * X(j,k) + U(k)))"
SHAPES: dict[str, FormatSpec] = {"A": ("dd", (16, 8)), "X": ("dd", (8, 4)), "U": ("d", (4,))}


def compiled(blocks: str) -> Program:
    return lower(import_einsum(TEXT, SHAPES), f"sam-fuse{{regions=all}},{blocks}sam-lower")


def costs(program: Program, kind: str, *operations: str) -> set[tuple[object, object]]:
    """Interval and latency of the nodes of a kind, None where they have none."""
    graph = program.graphs[0].program
    nodes = [graph.node_parameters(n) for n, found in enumerate(graph.kinds) if found == kind]
    return {
        (node.get("interval"), node.get("latency"))
        for node in nodes
        if not operations or node["op"] in operations
    }


def test_a_tile_costs_what_its_shape_says():
    """Tiles of A are 8 x 4, of X 4 x 2, of U 1 x 2, of the product 8 x 2, of its sums 8 x 1."""
    program = compiled("sam-block{axes=0,1,2 sizes=8,4,2},")
    assert costs(program, "array") == {(32, 32), (8, 8), (2, 2)}
    assert costs(program, "alu", "matmul") == {(8, 15)}
    assert costs(program, "alu", "add", "exp", "row_add") == {(8, 8)}
    assert costs(program, "accumulate") == {(16, None)}
    assert costs(program, "reduce") == {(8, None)}


def test_squares_cost_what_is_published():
    """b^2 cycles to read or add b x b elements, b for a function, 2 b - 1 every b for a product."""
    program = compiled("sam-block{axes=0,1,2 sizes=4,4,4},")
    assert (16, 16) in costs(program, "array")
    assert costs(program, "accumulate") == {(16, None)}
    assert costs(program, "alu", "exp") == {(4, 4)}
    assert costs(program, "alu", "matmul") == {(4, 7)}


def test_numbers_have_no_parameters_of_tiles():
    program = compiled("")
    for kind in ("array", "alu", "reduce", "accumulate"):
        assert costs(program, kind) <= {(None, None)}
