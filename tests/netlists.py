"""The recorded netlists of streaming tensor programs, as modules of `step`."""

from functools import lru_cache

from xdsl.context import Context
from xdsl.dialects.builtin import Builtin
from xdsl.dialects.func import Func
from xdsl.parser import Parser

from headrace.backends.netlist import read_netlist
from headrace.backends.step_netlist import ImportedNetlist, import_netlist
from headrace.dialects import step
from headrace.dialects.step_dimension import Dimension
from headrace.dialects.step_types import StreamType
from headrace.simulators.stream.netlist import Netlist, Port
from headrace.tests.reference import reference_path

GOLDEN = "step/golden"

MICRO = (
    "m01_one_request_load_store",
    "m02_load_store_4tiles",
    "m03_load_store_par4",
    "m04_unary_chain",
    "m05_matmul_accum",
    "m06_buffer_streamify",
    "m07_repeat",
    "m08_hbm_contention",
    "m09_moe_static_tile4",
    "m10_moe_dynamic_tile",
    "m11_pack_reassemble_deadlock",
)


def netlist_names() -> list[str]:
    """All recorded netlists, the eleven micro graphs first; none where the data is absent."""
    folder = reference_path(GOLDEN)
    micro = sorted(path.name for path in (folder / "micro").glob("*.json"))
    graphs = sorted(path.name for path in (folder / "netlists").glob("*.json.gz"))
    return [name.partition(".")[0] for name in (*micro, *graphs)]


@lru_cache(maxsize=8)
def recorded(name: str) -> Netlist:
    """A recorded netlist by its name; skips the calling test where it is absent."""
    if name.startswith("m"):
        return read_netlist(reference_path(f"{GOLDEN}/micro/{name}.json"))
    return read_netlist(reference_path(f"{GOLDEN}/netlists/{name}.json.gz"))


@lru_cache(maxsize=8)
def imported(name: str) -> ImportedNetlist:
    """A recorded netlist as a module, which callers must not change."""
    return import_netlist(recorded(name))


def read_back(text: str) -> str:
    """A module as text, after it was parsed and verified."""
    context = Context()
    for dialect in (Builtin, Func, step.STEP):
        context.load_dialect(dialect)
    module = Parser(context, text).parse_module()
    module.verify()
    return str(module)


def shapes_differ(name: str) -> list[str]:
    """Outputs whose recorded shape is not the inferred one, with the sizes known before the run."""
    found, netlist = imported(name), recorded(name)
    known = {key: value for key, value in found.symbols.items() if isinstance(value, int)}

    def seen(shape: tuple[Dimension, ...]) -> list[Dimension]:
        return [size.substitute(known) for size in shape]

    differing: list[str] = []
    for node in netlist.nodes:
        for output in range(node.output_count):
            type = found.streams[Port(node.id, output)].type
            assert isinstance(type, StreamType)
            if seen(found.sizes.shape(Port(node.id, output))) != seen(type.dimensions):
                differing.append(f"{node.label}: {node.outputs[output].shape} and {type}")
    return differing
