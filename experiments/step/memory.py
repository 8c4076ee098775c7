"""On-chip memory of a layer of experts: the share of the experts that get no token."""

from headrace.experiments.experiment import Row, integer
from headrace.experiments.step.published import published

HIDDEN_TILE = 64
"""Columns of a tile of the width of an expert."""


def expert_memory(hidden: int, tile: int | None, hidden_tile: int = HIDDEN_TILE) -> int:
    """
    Bytes of one expert: three bfloat16 tiles of weights, and three float32 tiles of `tile` rows.

    Dynamic tiles (none) take memory by the rows that arrive, so that an idle expert has none.
    """
    return 6 * hidden * hidden_tile + (12 * hidden * tile if tile else 0)


def without_idle(row: Row) -> float:
    """On-chip bytes of a row that counts all experts, less those of experts without tokens."""
    layer = published("layers", model=row["model"], batch=row["batch"])
    tile = None if row["tile"] == "dynamic" else integer(row["tile"])
    idle = layer["experts"] - layer["active"]
    return row.number("onchip_bytes") - idle * expert_memory(layer["hidden"], tile)
