"""What is known of a study: the points that were asked, and what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
State = Literal["pending", "done", "failed", "censored"]


@dataclass(frozen=True)
class History:
    """Trials in the order in which they were asked."""

    points: Floats
    """[trials, columns] In the index form of the space."""
    values: Floats
    """[trials] What was measured; of a censored trial the limit that it passed, else NaN."""
    states: npt.NDArray[np.str_]
    """[trials] `State`."""
    reasons: npt.NDArray[np.str_]
    """[trials] The class of failure, empty where there was none."""

    @staticmethod
    def empty(columns: int) -> History:
        return History(np.empty((0, columns)), np.empty(0), np.empty(0, "<U8"), np.empty(0, "<U32"))

    def __len__(self) -> int:
        return len(self.values)

    def of(self, *states: State) -> npt.NDArray[np.bool_]:
        """[trials] Whether each is in one of these states."""
        return np.isin(self.states, states)

    def told(self, point: Floats, value: float, state: State, reason: str = "") -> History:
        """With one more trial."""
        return History(
            np.concatenate((self.points, point[None])),
            np.append(self.values, value),
            np.append(self.states, state).astype("<U8"),
            np.append(self.reasons, reason).astype("<U32"),
        )
