"""
Recorded graphs of a layer of experts for other tokens, and other static tiles, than recorded.

The graphs of two batches differ in what the selectors choose and how many tokens there are, those
of two static tiles in the rows that are packed.
"""

import re
from collections.abc import Sequence
from typing import Any

from headrace.experiments.step.netlists import Netlist, renamed

Routing = Sequence[Sequence[int]]
"""The experts of each token, in the order in which they were chosen."""


def for_routing(netlist: Netlist, routing: Routing, tile: int | None = None) -> Netlist:
    """
    A recorded graph for other tokens, and for another static tile if one is given.

    A tile can only be given to a graph with static tiles whose rows are not as many as its tokens,
    since the sizes of streams are rewritten as text.
    """
    meta = netlist["meta"]
    copy = renamed(netlist, f"{meta['name']}_for{len(routing)}_{tile or meta['tile']}")
    copy["meta"] |= {"batch": len(routing), "tile": tile or meta["tile"]}
    for node in copy["nodes"]:
        _route(node, routing)
        if tile is not None:
            _pack(node, meta["tile"], tile)
        for stream in node.get("out", []):
            stream["shape"] = [
                str(len(routing))
                if one == str(meta["batch"])
                else _retiled(one, meta["tile"], tile)
                for one in stream["shape"]
            ]
            stream["dtype"] = _retiled(stream["dtype"], meta["tile"], tile)
    return copy


def _route(node: dict[str, Any], routing: Routing) -> None:
    """The tokens that are loaded and stored, and the experts that are selected."""
    parameters, batch = node["params"], len(routing)
    match node["op"]:
        case "OffChipLoad":
            parameters["out_shape_tiled"][0] = batch
            parameters["tensor_shape_tiled"][0] = batch
            parameters["underlying"]["shape"][0] = batch
        case "OffChipStore":
            parameters["tensor_shape_tiled"][0] = batch
        case "SelectGen":
            shape = [batch, *parameters["underlying"]["shape"][1:]]
            one_by_one = [[expert] for chosen in routing for expert in chosen]
            at_once = [sorted(chosen) for chosen in routing]
            hot = one_by_one if len(shape) == 3 else at_once
            parameters["underlying"] = {"shape": shape, "hot": hot}
        case _:
            pass


def _pack(node: dict[str, Any], before: int, after: int) -> None:
    """The rows of a tile, where tokens are packed and where products are summed up."""
    parameters = node["params"]
    if parameters.get("chunk_size") == before:
        parameters["chunk_size"] = after
    start = parameters.get("init_fn", {}).get("shape", [0])
    if start[0] == before:
        start[0] = after


def _retiled(text: str, before: int, after: int | None) -> str:
    """A size of a stream or the type of a tile for other rows of a tile."""
    if after is None:
        return text
    text = re.sub(rf"/{before} \+ {before - 1}/{before}\b", f"/{after} + {after - 1}/{after}", text)
    return re.sub(rf"^{before}$|(?<=\(){before}(?=, )", str(after), text)
