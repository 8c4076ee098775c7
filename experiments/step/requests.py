"""
Recorded graphs of decode attention for other requests than those they were recorded with.

The graphs of two windows differ only in what their sources send: how many requests there are, and
for each its index, the tiles of its cache, and the rows of the last one.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from headrace.experiments.step.netlists import Netlist, renamed

Node: TypeAlias = dict[str, Any]

TILE = 32
"""Rows of a tile of the cache."""

REGIONS = 4
BLOCK = 16
"""Consecutive requests that coarse assignment gives to one region at once."""


def tiles(length: int) -> int:
    """Tiles of the cache of a request, whose new row is included."""
    return -(-(length + 1) // TILE)


def last_rows(length: int) -> int:
    """Rows of the last tile before the new row."""
    return length % TILE


def coarse_shares(batch: int) -> list[list[int]]:
    """The requests of each region that gets any: blocks of consecutive ones, dealt in turn."""
    blocks = [list(range(first, min(first + BLOCK, batch))) for first in range(0, batch, BLOCK)]
    shares = [blocks[region::REGIONS] for region in range(REGIONS)]
    return [[index for block in share for index in block] for share in shares if share]


def for_requests(netlist: Netlist, lengths: Sequence[int], longest: int) -> Netlist:
    """
    A recorded attention graph of batch 64 for requests with caches of `lengths` rows.

    `longest` is the capacity of the cache of a request, a multiple of 32 rows.
    """
    copy = renamed(netlist, f"{netlist['meta']['name']}_for{len(lengths)}")
    copy["meta"]["max_N"] = longest
    batch = len(lengths)
    regions = dict.fromkeys((node["id"] for node in copy["nodes"]), 0)
    shares: Sequence[Sequence[int]] = [range(batch)]
    dimensions = {"64": str(batch), "60": str(batch - REGIONS)}
    if netlist["meta"]["strategy"] == "static coarse":
        regions, shares, dimensions = _connected(copy["nodes"]), coarse_shares(batch), {}
    if netlist["meta"]["strategy"] == "static interleaved":
        dimensions["16"] = str(batch // REGIONS)
    for region, share in enumerate(shares):
        nodes = [node for node in copy["nodes"] if regions[node["id"]] == region]
        _send(nodes, share, lengths)
        for node in nodes:
            _resize(node, batch, longest, dimensions or {"16": str(len(share))})
    _keep(copy, [node for node in copy["nodes"] if regions[node["id"]] < len(shares)])
    return copy


def _send(nodes: Sequence[Node], share: Sequence[int], lengths: Sequence[int]) -> None:
    """Let the sources of a region send what belongs to the requests `share`."""
    metadata = (
        list(share),
        [tiles(lengths[index]) for index in share],
        [last_rows(lengths[index]) for index in share],
    )
    # The sources of indices, of tiles and of last rows are in this order.
    sources = (node["params"] for node in nodes if node["op"] == "MetadataGen")
    for source, values in zip(sources, metadata, strict=True):
        source["underlying"] = {"shape": [len(share)], "values": values}
    for node in nodes:
        parameters = node["params"]
        if node["op"] == "OffChipLoad":
            scale = parameters["tensor_shape_tiled"][0] // parameters["out_shape_tiled"][0]
            parameters["out_shape_tiled"][0] = len(share)
            _resize_tensor(parameters, scale * len(share))
        elif node["op"] == "SelectGen" and parameters["underlying"]["shape"][1] == 2:
            # The first requests are assigned in turn, and the last `ready` signals are dropped.
            marked, others = [[0]] * REGIONS, [[1]] * (len(share) - REGIONS)
            first = parameters["underlying"]["hot"][0] == [0]
            chosen = marked + others if first else others + marked
            parameters["underlying"] = {"shape": [len(share), 2], "hot": chosen}


def _resize(node: Node, batch: int, longest: int, dimensions: Mapping[str, str]) -> None:
    """Shapes of streams and of tensors in memory, and the addresses of the caches."""
    for stream in node.get("out", []):
        stream["shape"] = [dimensions.get(one, one) for one in stream["shape"]]
    parameters = node["params"]
    match node["op"]:
        case "CacheReadAddrGen":
            parameters["row_offset"] = longest // TILE
        case "BinaryMap" if "row_offset" in parameters["fn"]:
            parameters["fn"]["row_offset"] = longest // TILE
        case "RandomOffChipLoad" | "RandomOffChipStore":
            cache = parameters["tile_row"] == TILE
            _resize_tensor(parameters, batch * (longest // TILE if cache else 1))
        case _:
            pass


def _resize_tensor(parameters: dict[str, Any], tiles: int) -> None:
    parameters["tensor_shape_tiled"][0] = tiles
    parameters["underlying"]["shape"][0] = tiles * parameters["tile_row"]


def _keep(netlist: Netlist, nodes: Sequence[Node]) -> None:
    """Leave only some nodes, which no other needs, and number them without gaps."""
    place = {node["id"]: index for index, node in enumerate(nodes)}
    for node in nodes:
        node["id"] = place[node["id"]]
        for source in _sources(node):
            source[0] = place[source[0]]
    depths: Mapping[str, int] = netlist["meta"]["channel_depth_overrides"]
    netlist["meta"]["channel_depth_overrides"] = {
        str(place[int(node)]): depth for node, depth in depths.items() if int(node) in place
    }
    netlist["nodes"] = list(nodes)


def _sources(node: Node) -> Iterator[list[Any]]:
    """The places, each a node and an output of it, from which a node gets its inputs."""
    for source in node["inputs"].values():
        yield from source if isinstance(source[0], list) else [source]


def _connected(nodes: Sequence[Node]) -> dict[int, int]:
    """The parts of a graph that are not connected, in the order of their first nodes, by node."""
    parts: list[set[int]] = []
    for node in nodes:
        part = {node["id"], *(source[0] for source in _sources(node))}
        joined = [other for other in parts if other & part]
        parts = [other for other in parts if not other & part]
        parts.append(part.union(*joined))
    parts.sort(key=min)
    return {node: number for number, part in enumerate(parts) for node in part}
