"""Pictures of the stream graphs of a program: a box for each node, an arrow for each stream."""

from headrace.backends.graph import GraphStep
from headrace.backends.svg import Box, render
from headrace.simulators.stream.program import Program as StreamProgram
from headrace.simulators.stream.program import Slot

KINDS = {
    "root": "generator",
    "scan_compressed": "scan",
    "scan_dense": "scan",
    "scan_bitvector": "scan",
    "locate": "locate",
    "repeat": "repeat",
    "repeat_signal": "repeat",
    "intersect": "joiner",
    "union": "joiner",
    "array": "array_read",
    "alu": "alu",
    "reduce": "reduce",
    "accumulate": "accumulator",
    "write_coordinates": "writer",
    "write_values": "writer",
    "store": "writer",
}
"""The colour class of each primitive."""


def draw(graph: GraphStep) -> str:
    """Return the stream graph as SVG; a broadcast is drawn as several arrows from its source."""
    program = graph.program
    shown = [node for node, kind in enumerate(program.kinds) if kind != "broadcast"]
    number = {node: box for box, node in enumerate(shown)}
    writer = {c: node for node in range(len(program.kinds)) for c in program.node_outputs(node)}
    edges: list[tuple[int, int]] = []
    for node in shown:
        for channel in program.node_inputs(node):
            source = writer[channel]
            while program.kinds[source] == "broadcast":
                source = writer[program.node_inputs(source)[0]]
            edges.append((number[source], number[node]))
    boxes = [Box(_label(program, node), KINDS.get(str(program.kinds[node]), "")) for node in shown]
    return render(boxes, list(dict.fromkeys(edges)), graph.name)


def _label(program: StreamProgram, node: int) -> str:
    """The name of a node, and the tensors that it reads or writes."""
    name = str(program.names[node]).split(" #")[0]
    parameters = program.node_parameters(node)
    places = [value.name for value in parameters.values() if isinstance(value, Slot)]
    if "output" in parameters:
        places = [str(parameters["output"])]
    tensors = {place.partition(".")[0].replace("/", ".") for place in places}
    return "\n".join([name, *sorted(tensors)])
