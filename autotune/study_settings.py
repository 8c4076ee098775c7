"""The settings of a study, which its file keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from headrace.autotune.parameter import Value


@dataclass(frozen=True)
class StudySettings:
    """What, with the space, the seed and the history, decides every proposal."""

    strategy: str = "headrace"
    """One of `strategy.PRESETS`."""
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Of the strategy, by name."""
    objectives: tuple[str, ...] = ("value",)
    """All are minimised. The first is the value of a trial, the others are measurements of it."""
    log_objective: bool | None = None
    """Model the logarithm of the value; None: while all values are positive."""
    free: tuple[str, ...] = ()
    """Classes of failure that a budget does not count."""
    first: tuple[Mapping[str, Value], ...] = ()
    """Configurations to ask before any other but the default of the space."""

    def description(self) -> dict[str, Any]:
        """The settings as plain data."""
        return asdict(self)
