"""
From the steps of nodes to cycles.

A *curve* says when a stream comes: for each of a few shares x of the outermost loop, the time at
which all but the last share x of it has come. A node with W(x) steps left for the share x works as
its inputs come,

    done(x) = max over y >= x of (come(y) + W(y) - W(x)),

and one that sends its output in B bursts, each when 1/B of its input is there, shifts what comes
out: out(x) = done(x - 1/B). The cycles are the largest done(0). The shares 1/B of all nodes
are points of every curve, so that the work left after the last burst of an accumulator is exact if
bursts are equal. Where rows of the outermost loop have different work, W follows the rows.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from headrace.simulators.stream.estimate.nest import Nest
from headrace.simulators.stream.estimate.spread import Spread

Curve = tuple[float, ...]
"""The time for each of the shares of `Phases`."""

SMALLEST = 1e-4
"""Bursts that are smaller are as if outputs came as inputs come."""

NEAR = 0.9
"""Shares of which one is more than this part of the other are taken as one."""

PARTS = 8
"""Equal parts of the outermost loop in which work may differ."""


@dataclass(frozen=True, slots=True)
class Phases:
    """The shares left at which curves are known, from 1 down to 0."""

    left: tuple[float, ...]
    even: tuple[float, ...]
    """The share of the loop between each phase and the one before."""
    known: dict[int, tuple[float, ...]] = field(default_factory=dict[int, tuple[float, ...]])
    """The share of the work between phases, for each uneven spread."""

    @staticmethod
    def of(bursts: Iterable[float], uneven: bool) -> "Phases":
        """The phases of nodes that send in so many bursts."""
        shares = {part / count for count in set(bursts) if count > 1 for part in (1, 2)}
        if uneven:
            shares.update(part / PARTS for part in range(1, PARTS))
        left = [1.0]
        for share in sorted(shares, reverse=True):
            if SMALLEST < share < 1 and share < NEAR * left[-1]:
                left.append(share)
        left.append(0.0)
        even = [before - after for before, after in pairwise(left)]
        return Phases(tuple(left), (0.0, *even))

    def shares(self, pace: Nest | None) -> tuple[float, ...]:
        """The share of the work between each phase and the one before: of elements and stops."""
        if pace is None or not pace.spreads:
            return self.even
        elements = self._of(pace.spreads[0])
        outer = pace.parent().spreads
        stops = self._of(outer[0]) if outer else self.even
        if elements is stops or not pace.tokens:
            return elements
        part = pace.count / pace.tokens
        return tuple([part * e + (1 - part) * s for e, s in zip(elements, stops, strict=True)])

    def _of(self, spread: Spread) -> tuple[float, ...]:
        if spread.is_even:
            return self.even
        if id(spread) not in self.known:
            done = [0.0, *spread.shares.cumsum().tolist()]
            rows = spread.extent
            at: list[float] = []
            for left in self.left:
                place, part = divmod((1 - left) * rows, 1)
                below = done[min(int(place), rows)]
                at.append(below + part * (done[min(int(place) + 1, rows)] - below))
            self.known[id(spread)] = (0.0, *(after - before for before, after in pairwise(at)))
        return self.known[id(spread)]

    def work(self, come: Sequence[tuple[Curve, float]], steps: float, pace: Nest | None) -> Curve:
        """
        When a node takes the last token of all but each share.

        `come` has for each input its curve and how many tokens it has: when the last token of an
        input comes, its part of the steps is left. `pace` is the stream as whose tokens the
        steps spread over the loop.
        """
        last = len(self.left) - 1
        done: list[float] = []
        now = 0.0
        for place, share in enumerate(self.shares(pace)):
            now += share * steps
            if place == last and steps > 0:
                now -= 1
            for curve, tokens in come:
                arrived = curve[place]
                if place == last and steps > tokens > 0:
                    arrived += steps / tokens - 1
                if arrived > now:
                    now = arrived
            done.append(now)
        return tuple(done)

    def latest(self, come: Sequence[Curve]) -> Curve:
        """When the last of several streams comes; at once without any."""
        return tuple(map(max, *come)) if come else (0.0,) * len(self.left)

    def burst(self, done: Curve, bursts: float, latency: float) -> Curve:
        """When the output comes that a node sends in bursts."""
        if bursts <= 1:
            return (done[-1] + latency,) * len(done)
        return tuple([self._at(done, left - 1 / bursts) + latency for left in self.left])

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
