"""The recorded netlists of streaming tensor programs, as modules of `step`."""

from functools import lru_cache

from headrace.backends.netlist import read_netlist
from headrace.backends.step_netlist import ImportedNetlist, import_netlist
from headrace.simulators.stream.netlist import Netlist
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
