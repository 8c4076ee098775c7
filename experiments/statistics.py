"""Figures of merit: Pareto improvement, geometric means, correlation."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Point(NamedTuple):
    """What a schedule costs; less is better in both."""

    cycles: float
    bytes: float
    """On-chip memory."""

    def dominates(self, other: "Point") -> bool:
        """No worse in both and better in one."""
        return self.cycles <= other.cycles and self.bytes <= other.bytes and self != other


def pareto_front(points: Sequence[Point]) -> list[Point]:
    """The points that no other dominates, from few to many bytes."""
    return sorted(
        {one for one in points if not any(other.dominates(one) for other in points)},
        key=lambda point: point.bytes,
    )


def improvement_distance(point: Point, others: Sequence[Point]) -> float:
    """
    By which factor the Pareto front of `others` has to be scaled in both axes to reach `point`.

    It is the least, over the front, of the larger of the two ratios to `point`: above 1 the point
    is beyond the front. Raises ValueError without others (STeP, Section 5).
    """
    if not others:
        raise ValueError("a Pareto improvement needs other points to compare with; give some")
    return min(
        max(other.cycles / point.cycles, other.bytes / point.bytes)
        for other in pareto_front(others)
    )


def geometric_mean(values: Sequence[float]) -> float:
    return float(np.exp(np.log(values).mean()))


def correlation(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Pearson's coefficient."""
    return float(np.corrcoef(ours, theirs)[0, 1])
