"""
From the steps of nodes to cycles.

A *curve* says when the streams of a run have come how far: for each of a few shares x, the time at
which all but the share x of a stream has come. All streams of a graph follow the same outer loops,
so that shares of different streams are comparable. A node with T steps works as its inputs come,

    done(x) = max over y >= x of (come(y) + (y - x) T),

and one that sends its output in B bursts, each when 1/B of its input is there, shifts what comes
out: out(x) = done(x - 1/B). The cycles are the largest done(0). The shares 1/B of all nodes
are points of every curve, so that the work left after the last burst of an accumulator is exact if
bursts are equal.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Curve = tuple[float, ...]
"""The time for each of the shares of `Phases`."""

SMALLEST = 1e-4
"""Bursts that are smaller are as if outputs came as inputs come."""

NEAR = 0.9
"""Shares of which one is more than this part of the other are taken as one."""


@dataclass(frozen=True, slots=True)
class Phases:
    """The shares left at which curves are known, from 1 down to 0."""

    left: tuple[float, ...]

    @staticmethod
    def of(bursts: Iterable[float]) -> "Phases":
        """The phases of nodes that send in so many bursts."""
        shares = {part / count for count in set(bursts) if count > 1 for part in (1, 2)}
        left = [1.0]
        for share in sorted(shares, reverse=True):
            if SMALLEST < share < 1 and (share < NEAR * left[-1]):
                left.append(share)
        return Phases((*left, 0.0))

    def work(self, come: Sequence[tuple[Curve, float]], steps: float) -> Curve:
        """
        When a node takes the last token of all but each share.

        `come` has for each input its curve and how many tokens it has: when the last token of an
        input comes, its part of the steps is left.
        """
        last = len(self.left) - 1
        done: list[float] = []
        now = 0.0
        before = 1.0
        for place, left in enumerate(self.left):
            now += (before - left) * steps
            if place == last and steps > 0:
                now -= 1
            for curve, tokens in come:
                arrived = curve[place]
                if place == last and steps > tokens > 0:
                    arrived += steps / tokens - 1
                if arrived > now:
                    now = arrived
            done.append(now)
            before = left
        return tuple(done)

    def burst(self, done: Curve, bursts: float, latency: float) -> Curve:
        """When the output comes that a node sends in bursts."""
        return tuple(self._at(done, left - 1 / bursts) + latency for left in self.left)

    def _at(self, curve: Curve, left: float) -> float:
        if left <= 0:
            return curve[-1]
        for place in range(1, len(self.left)):
            lower = self.left[place]
            if left >= lower:
                upper = self.left[place - 1]
                part = (upper - left) / (upper - lower)
                return curve[place - 1] + part * (curve[place] - curve[place - 1])
        return curve[-1]
