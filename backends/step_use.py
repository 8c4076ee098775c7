"""
What a run of a `step` graph used: bytes off chip and on chip, arithmetic, and their shares.

Bytes follow from the symbolic analysis and the sizes of the run. Sizes that only the order of
arrival decides are not known; then traffic is measured by the requests to the memory, and bytes on
chip are unknown.

Source: "Streaming Tensor Programs", ASPLOS 2026, arXiv 2511.07776, section 4.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from xdsl.ir import Operation

from headrace.analyses.step_bytes import bytes_of
from headrace.analyses.step_bytes import element_bytes as number_bytes
from headrace.analyses.step_compute import allocated_compute, reference_flops
from headrace.analyses.step_costs import (
    Accounting,
    CapacityError,
    CostModel,
    expect_fits,
    graph_cost,
    largest_sibling,
)
from headrace.backends.step import StepResult
from headrace.dialects import step
from headrace.dialects.step_dimension import Dimension
from headrace.dialects.step_types import StreamType, TileType
from headrace.simulators.stream.machine import UNLIMITED, StepMachine
from headrace.storage.errors import InputError

Symbols = Mapping[str, int | list[int]]

STORES = (step.StoreOp, step.RandomStoreOp)


@dataclass(frozen=True)
class StepUse:
    """What one run of a graph used; what is not known is None."""

    cycles: int | None
    """None of a run that came to a deadlock."""
    requests: int
    """To the off-chip memory."""
    traffic: int | None
    """Bytes of the tiles that were read and written off chip."""
    onchip_bytes: int | None
    """What all operations hold."""
    onchip_bytes_active: int | None
    """What those hold that get anything."""
    flops: int | None
    reference_flops: int | None
    """As the published figures count them."""
    allocated_compute: int
    """FLOPs per cycle of all operations that compute."""
    bandwidth: float
    """Bytes per cycle of the off-chip memory."""

    @property
    def utilisation(self) -> float | None:
        """The share of the allocated compute."""
        return self._share(self.flops, self.allocated_compute)

    @property
    def reference_utilisation(self) -> float | None:
        return self._share(self.reference_flops, self.allocated_compute)

    @property
    def offchip_utilisation(self) -> float | None:
        """The share of the off-chip bandwidth."""
        return self._share(self.traffic, self.bandwidth)

    def summary(self) -> dict[str, int | float | None]:
        """The numbers by name, fit for JSON."""
        return {
            "requests": self.requests,
            "traffic": self.traffic,
            "onchip_bytes": self.onchip_bytes,
            "onchip_bytes_active": self.onchip_bytes_active,
            "flops": self.flops,
            "reference_flops": self.reference_flops,
            "allocated_compute": self.allocated_compute,
            "utilisation": self.utilisation,
            "reference_utilisation": self.reference_utilisation,
            "offchip_utilisation": self.offchip_utilisation,
        }

    def _share(self, done: int | None, per_cycle: float) -> float | None:
        possible = (self.cycles or 0) * per_cycle
        return done / possible if done is not None and possible else None


def use_of(
    graph: step.GraphOp,
    result: StepResult,
    symbols: Symbols,
    machine: StepMachine,
    *,
    accounting: Accounting = Accounting.CONSISTENT,
    element_bytes: int | None = None,
) -> StepUse:
    """
    The use of a run.

    `symbols` are the sizes of the run as far as they are known, and `element_bytes` the bytes of a
    number of a tile in the simulation, None for those of its type.
    """
    operations = list(graph.body.block.ops)
    every, active = (
        graph_cost(operations, CostModel(accounting=accounting, active_only=only))
        for only in (False, True)
    )
    traffic = _known(every.traffic_size.substitute(symbols))
    ended = result.deadlock is None
    if traffic is None and ended:
        traffic = _measured_traffic(operations, result, machine, element_bytes)
    return StepUse(
        cycles=result.cycles if ended else None,
        requests=result.requests,
        traffic=traffic,
        onchip_bytes=_known(largest_sibling(every.on_chip_size, symbols)),
        onchip_bytes_active=_known(largest_sibling(active.on_chip_size, symbols)),
        flops=sum(node.operations or 0 for node in result.nodes.values()) if ended else None,
        reference_flops=_known(reference_flops(operations).substitute(symbols)),
        allocated_compute=allocated_compute(operations),
        bandwidth=machine.channels * machine.request_bytes / machine.interval,
    )


def expect_capacity(
    graph: step.GraphOp, symbols: Symbols, machine: StepMachine, accounting: Accounting
) -> None:
    """Raise `InputError` for a graph that holds more on chip than the machine has."""
    if machine.capacity == UNLIMITED:
        return
    cost = graph_cost(graph.body.block.ops, CostModel(accounting=accounting))
    if _known(largest_sibling(cost.on_chip_size, symbols)) is None:
        raise InputError(
            f"whether the graph fits the capacity of {machine.capacity} bytes on chip depends on "
            "the order of arrivals; leave the capacity out"
        )
    try:
        expect_fits(cost, machine.capacity, symbols)
    except CapacityError as error:
        raise InputError(str(error)) from None


def _known(size: Dimension) -> int | None:
    """A size, unless it depends on the order of arrivals."""
    return size.value if size.is_static else None


def _measured_traffic(
    operations: Sequence[Operation],
    result: StepResult,
    machine: StepMachine,
    element_bytes: int | None,
) -> int | None:
    """The bytes of the tiles that the memory was asked for, where all have a static shape."""
    total = 0
    for place, operation in enumerate(operations):
        node = result.nodes.get(place)
        if node is None or not node.requests:
            continue
        moved = operation.operands[-1] if isinstance(operation, STORES) else operation.results[0]
        assert isinstance(moved.type, StreamType)
        tile = moved.type.element_type
        if not isinstance(tile, TileType) or not (tile.rows * tile.columns).is_static:
            return None
        row = tile.columns.value * (element_bytes or number_bytes(tile.element_type))
        requests = tile.rows.value * ceil(row / machine.request_bytes)
        size = (
            bytes_of(tile).value if isinstance(operation, step.StoreOp) else tile.rows.value * row
        )
        total += node.requests // requests * size
    return total
