"""The recorded graphs of the paper's figures: where they are, and a graph with other compute."""

import gzip
import json
import os
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any, TypeAlias

import headrace

Netlist: TypeAlias = dict[str, Any]
"""`meta` and `nodes`, as the JSON files have them."""


def recorded(relative: str) -> Path:
    """
    A file of the recorded data, which is in the folder HEADRACE_REFERENCE_DATA, or beside the
    repository. Raises `InputError` where it is absent.
    """
    beside = Path(headrace.__file__).parents[1] / "shared" / "data"
    path = Path(os.environ.get("HEADRACE_REFERENCE_DATA", beside)) / "step" / relative
    if not path.exists():
        remedy = "set HEADRACE_REFERENCE_DATA to the folder of the recorded data"
        raise headrace.InputError(f"the recorded file '{path}' is absent; {remedy}")
    return path


def path_of(name: str) -> Path:
    """The file of a recorded netlist; raises `InputError` where it is absent."""
    return recorded(f"golden/netlists/{name}.json.gz")


def read(name: str) -> Netlist:
    """A recorded netlist; raises `InputError` where it is absent."""
    netlist: Netlist = json.loads(gzip.decompress(path_of(name).read_bytes()))
    return netlist


@contextmanager
def written(netlist: Netlist) -> Generator[Path]:
    """A netlist as a file, as long as the context lasts."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{netlist['meta']['name']}.json"
        path.write_text(json.dumps(netlist))
        yield path


def renamed(netlist: Netlist, name: str) -> Netlist:
    """A copy under another name, for which no cycles are recorded."""
    copy = deepcopy(netlist)
    kept: Mapping[str, Any] = copy["meta"]
    copy["meta"] = {
        key: value
        for key, value in kept.items()
        if key not in ("published_cycles", "model_cycles", "model_stuck_nodes")
    }
    copy["meta"]["name"] = name
    return copy


def with_compute(netlist: Netlist, compute: int) -> Netlist:
    """
    The same graph with `compute` FLOPs/cycle in each operator that computes.

    Operators with 0 FLOPs/cycle are free and stay so. Retiling has no FLOPs.
    """
    copy = renamed(netlist, f"{netlist['meta']['name']}_compute{compute}")
    for node in copy["nodes"]:
        if node["params"].get("compute_bw"):
            node["params"]["compute_bw"] = compute
    return copy


def available() -> None:
    """Raises `InputError` where the recorded netlists are absent."""
    recorded("golden/netlists")
