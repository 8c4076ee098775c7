"""Which nodes of an exported graph become one nest together."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from headrace.frontends.nests.bag_graph import matched_bags, matched_embedding, matched_gradients
from headrace.frontends.nests.graph import Match
from headrace.frontends.nests.lengths import matched_segments
from headrace.frontends.nests.message_graph import matched_messages
from headrace.frontends.nests.row_graph import matched_rows

if TYPE_CHECKING:
    from torch.fx import Node


_RECOGNISED = (
    matched_rows,
    matched_segments,
    matched_messages,
    matched_bags,
    matched_embedding,
    matched_gradients,
)


def matches(nodes: "Iterable[Node]") -> "Mapping[Node, Match]":
    """The nests by the node whose result they give."""
    found: dict[Node, Match] = {}
    for node in nodes:
        for recognise in _RECOGNISED:
            if match := recognise(node):
                found[node] = match
    return found


def left_out(nodes: "Iterable[Node]", found: "Mapping[Node, Match]") -> "set[Node]":
    """Nodes that nothing needs, because all their uses are inside of nests."""
    inner = {node for match in found.values() for node in match.inner}
    read = {node for match in found.values() for node in match.leaves}
    out: set[Node] = set()
    for node in reversed(list(nodes)):
        if node in inner and node not in read and node not in found:
            ends = [user for user in node.users if user not in out]
            if all(user in found and node in found[user].inner for user in ends):
                out.add(node)
    return out
