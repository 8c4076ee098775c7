"""
Programs of access-execute machines as NumPy arrays: what compiled functions are run from.

One list of instructions has the loops of the access unit and, behind them, the cases of the core,
which the tokens call. `opcodes.py` says what an instruction is.
"""

import io
import json
import zipfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.storage.atomic import replace_file
from headrace.storage.errors import InputError

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Program:
    """
    A function of buffers.

    Shapes: C instructions, R registers of L lanes, B buffers, S streams, W pieces of work.
    """

    code: Array
    """[C, 8] int64."""
    place: Array
    """[C] int64: which of `places` each instruction is at."""
    operands: Array
    """int64: index registers of memory instructions."""
    floats: Array
    """[R, L] float64: what the registers hold at first."""
    integers: Array
    """[R, L] int64."""
    elements: Array
    """[B] int64: the `Element` of each buffer."""
    sizes: Array
    """[B, 4] int64: sizes; -1 for one that the run brings; 1 for those beyond the rank."""
    sources: Array
    """[B, 4, 2] int64: of a size of a temporary, the buffer and dimension that has it, or -1."""
    ranks: Array
    """[B] int64."""
    arguments: Array
    """[1] int64: how many of the buffers are given; the others are temporaries."""
    work: Array
    """[W, 9] float64: counts as those of `CaseWork`."""
    streams: Array
    """JSON of the streams, as `trace.Stream` (str)."""
    texts: Array
    """JSON of the names of buffers, kinds of items and cases, of messages and places (str)."""

    def names(self, of: str) -> list[str]:
        """The texts called `buffers`, `kinds`, `cases` or `messages`."""
        return list(json.loads(str(self.texts))[of])

    @property
    def places(self) -> list[list[tuple[str, int]]]:
        """The loops around instructions: their names, and the registers of their variables."""
        return [
            [(name, register) for name, register in place]
            for place in json.loads(str(self.texts))["places"]
        ]

    def save(self, path: str | Path) -> None:
        """Write the program as npz; the file appears complete or not at all."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **{f.name: getattr(self, f.name) for f in fields(self)})
        replace_file(Path(path), buffer.getvalue())

    @staticmethod
    def load(path: str | Path) -> "Program":
        """Read what `save` wrote. Raises `InputError` if the file is not a whole program."""
        try:
            with np.load(path) as data:
                return Program(**{f.name: data[f.name] for f in fields(Program)})
        except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise InputError(
                f"cannot read an access-execute program from '{path}' ({error}); save it again"
            ) from None
