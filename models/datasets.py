"""
The graphs of the evaluation, as statistics: synthetic graphs stand in for the data sets.

Cycles of a graph network depend on the number of nodes, entries and features, and, where an
aggregation is computed again for each edge, on the sum of the squared degrees. A power law with
the given exponent meets the published sum.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headrace.models.graphs import Graph, random_adjacency, with_random_features


@dataclass(frozen=True)
class DataSet:
    """What is known of a graph."""

    nodes: int
    entries: int
    """Of the symmetric adjacency, without self loops: twice the edges."""
    features: int
    hidden: int
    """Width of the hidden layer of the published models."""
    classes: int
    skew: float
    """Exponent of the power law of degrees, as in `random_adjacency`."""
    squared_degrees: float | None = None
    """Sum over the nodes, from the published cycles of the fully fused GCN; None if unknown."""

    def adjacency(self, scale: float = 1.0, seed: int = 0) -> Any:
        """A CSR matrix of these statistics; nodes and entries are multiplied by `scale`."""
        nodes, edges = (max(1, round(scale * n)) for n in (self.nodes, self.entries // 2))
        return random_adjacency(nodes, edges, skew=self.skew, seed=seed)


DATASETS: Mapping[str, DataSet] = {
    "cora": DataSet(2708, 10_556, 1433, 16, 7, 0.532, 116.0e3),
    "cora_ml": DataSet(2995, 16_316, 2879, 16, 7, 0.584, 292e3),
    "dblp": DataSet(17_716, 105_734, 1639, 16, 4, 0.532, 2.19e6),
    "ogb_collab": DataSet(235_868, 2_358_104, 128, 16, 16, 0.532),
    "ogb_mag": DataSet(1_939_743, 42_222_014, 128, 16, 349, 0.3735, 1.44e9),
}
"""
Sources: "FuseFlow", ASPLOS 2026, table of data sets; Open Graph Benchmark (entries).

Of `ogb_mag` all 21,111,007 relations between its nodes are edges; its classes are the venues. Which
entries and classes the published figures used is not known, nor any of `ogb_collab`, which has no
classes: skew, hidden and classes are ours there.
"""


def dataset(name: str, scale: float = 1.0, seed: int = 0) -> Graph:
    """
    A synthetic graph of the statistics of a data set, with random features and classes.

    `scale` multiplies nodes, entries and features. `ogb_mag` takes about a minute and 2.5 GB;
    `DATASETS["ogb_mag"].adjacency()` leaves its 2 GB of features out.
    """
    one = DATASETS[name]
    features = max(1, round(scale * one.features))
    return with_random_features(one.adjacency(scale, seed), features, one.classes, seed)
