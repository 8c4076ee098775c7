"""
What the core does for a case of the execute side, and how many cycles that takes.

Costs are linear: those of a case with a loop are the case's own and, times the trips, the body's.
"""

from dataclasses import astuple, dataclass, replace

from headrace.simulators.dae.machine import CoreCosts


@dataclass(frozen=True)
class CaseWork:
    """
    Counts of what a core does from one control token to the next, or in one trip of a loop.

    With the defaults they describe nothing, so that parts add up: `case + body * trips`.
    """

    dispatches: float = 0
    """Control tokens popped: 1 for a case, 0 for the body of a loop in it."""
    scalar_pops: float = 0
    """Words popped on their own."""
    vector_pops: float = 0
    """Vectors popped, of any length up to the lanes of the machine."""
    misaligned_pops: float = 0
    """
    Those of `vector_pops` at an address of the queue that is not a multiple of a vector: all of a
    kernel that also pops single words of that queue, none of one that only pops vectors.
    """
    scalar_operations: float = 0
    """Loads, stores and arithmetic operations of scalars; address arithmetic is free."""
    vector_operations: float = 0
    """Loads, stores and arithmetic operations of vectors; a fused multiply-add is one."""
    exits: float = 0
    """
    Loops that end: 1 per fiber of the innermost loop, whether the access unit runs it and ends it
    by a token or a case runs it over a buffered row.
    """
    reductions: float = 0
    """Vectors whose lanes are added up."""
    functions: float = 0
    """Divisions, roots, exponentials."""

    def __add__(self, other: "CaseWork") -> "CaseWork":
        return CaseWork(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def __mul__(self, times: float) -> "CaseWork":
        return CaseWork(*(times * count for count in astuple(self)))

    def alone(self) -> "CaseWork":
        """
        The same work by a core without an access unit, apart from waiting for its rows.

        What it would pop it loads, and there are no tokens. The end of a loop costs nothing: it is
        found while the core waits for the next row.
        """
        return replace(
            self,
            dispatches=0,
            scalar_pops=0,
            vector_pops=0,
            misaligned_pops=0,
            scalar_operations=self.scalar_operations + self.scalar_pops,
            vector_operations=self.vector_operations + self.vector_pops,
            exits=0,
        )

    def cycles(self, costs: CoreCosts) -> float:
        """Core cycles."""
        return (
            self.dispatches * costs.dispatch
            + self.scalar_pops * costs.scalar_pop
            + self.vector_pops * costs.vector_pop
            + self.misaligned_pops * costs.misalignment
            + self.scalar_operations * costs.scalar_operation
            + self.vector_operations * costs.vector_operation
            + self.exits * costs.loop_exit
            + self.reductions * costs.reduction
            + self.functions * costs.function
        )
