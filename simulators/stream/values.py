"""What a caller gives for the parameters of a program, as primitives read it."""

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from headrace.simulators.stream import tokens
from headrace.simulators.stream.errors import ProgramError
from headrace.simulators.stream.program import Slot

Array = npt.NDArray[Any]

LARGEST = 2**63 - 1
"""The largest integer of a primitive."""


class Values:
    """
    Numbers and arrays: of the program, or of the caller where the program has a slot.

    Methods raise `ProgramError`, with `where`, if there is none or it is of the wrong kind.
    """

    def __init__(self, arrays: Mapping[str, Any]) -> None:
        self.arrays = arrays

    def lookup(self, value: Any, where: str) -> Any:
        if not isinstance(value, Slot):
            return value
        if value.name not in self.arrays:
            given = ", ".join(sorted(self.arrays)) or "nothing"
            raise ProgramError(f"slot '{value.name}', {where}, is not bound; given: {given}")
        return self.arrays[value.name]

    def integer(self, value: Any, where: str) -> int:
        number = self.lookup(value, where)
        if isinstance(number, np.integer):
            number = number.item()
        if isinstance(number, bool) or not isinstance(number, int):
            raise ProgramError(f"{where} must be an integer, not {number!r}")
        if not -LARGEST <= number <= LARGEST:
            raise ProgramError(f"{where} is {number}; it must fit in 64 bits")
        return number

    def count(self, value: Any, where: str) -> int:
        number = self.integer(value, where)
        if number < 1:
            raise ProgramError(f"{where} is {number}; give 1 or more")
        return number

    def number(self, value: Any, where: str) -> float:
        number = self.lookup(value, where)
        try:
            return float(tokens.canonical(np.array(float(number))))
        except (TypeError, ValueError):
            raise ProgramError(f"{where} must be a number, not {number!r}") from None

    def array(self, value: Any, kind: str, where: str) -> Array:
        """An array as the primitive reads it; what the primitive grows is empty at first."""
        if value is None:
            return np.zeros(0, dtype=np.int64)
        if isinstance(value, tuple):
            parts = cast(tuple[Any, ...], value)
            return np.array([self.integer(part, where) for part in parts], dtype=np.int64)
        array = np.asarray(self.lookup(value, where))
        floats = kind == "Floats"
        kinds, ranked = ("iubf", True) if floats else ("iub", array.ndim == 1)
        if array.dtype.kind not in kinds or not ranked:
            wanted = "float64" if floats else "a vector of int64"
            raise ProgramError(
                f"{where} must be {wanted}, not {array.dtype} of shape {array.shape}"
            )
        if floats:
            return tokens.canonical(np.ascontiguousarray(array, dtype=np.float64).reshape(-1))
        array = np.ascontiguousarray(array, dtype=np.int64)
        if where.startswith("'coordinates'") and array.min(initial=0) < 0:
            raise ProgramError(f"{where} holds {array.min()}; coordinates count from 0")
        return array
