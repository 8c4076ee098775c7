"""
What an access-execute program did, as far as its time depends on it.

A run that computes values records a trace; timing reads nothing else. Two sequences make it up,
both in program order:

* REQUESTS: what the access unit asked of memory. One request is a run of consecutive lines that
  one stream read or wrote within one item: a row, a segment bound, an index. Elements that follow
  each other in one line, or in the next, belong to one request. A line that the last request of
  the same stream brought is not requested again, even by a later item.
* ITEMS: what the access unit pushed and the core then did. One item is all tokens and words from
  one innermost fiber (one lookup), or those of one event of an outer unit on their own (the end
  of a segment).

Level 3 of EmbeddingBag on one bag of rows 7 and 2, of 32 elements of 4 bytes, with 64-byte lines:

    requests  offsets line 0 (1 line); indices line 10 (1); table line 114 (2); table line 104 (2)
    items     lookup (1 token, 32 words), lookup (1, 32), end of segment (1, 0)

with `first_request` 0, 3, 4, 4: bounds and index belong to the first item that needs them; and
`parent` -1, 0, 1, 1: the index needs the bounds, and both rows need the line of indices.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Int8s = npt.NDArray[np.int8]
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Float64s = npt.NDArray[np.float64]

L2, LLC, MEMORY = 0, 1, 2
"""The levels that may answer a request; `caches.py` says which one does."""


@dataclass(frozen=True)
class Stream:
    """A load or store stream of the access unit."""

    name: str
    height: int
    """
    How far ahead it runs: 0 for rows of a table, 1 for the indices of the rows, 2 for the bounds of
    the segments; a stream that brings addresses for another one of its unit stands above that.
    """
    reads_from: Literal["l2", "llc"] = "llc"
    """The first cache that is asked; one that is passed over does not keep the line."""
    temporal: bool = True
    """Whether caches keep the line."""
    writes: bool = False
    """
    A store stream of an innermost unit: the access unit writes the lines when it has their values,
    the parent of the request, and the item does not wait for them.
    """
    entry_bytes: int = 8
    """Of one entry in the buffers of the access unit: an element, or the elements of a vector."""


@dataclass(frozen=True)
class Trace:
    """
    Items and requests of one run of one program on one core; see above.

    Raises `ValueError` for arrays that do not fit each other.
    """

    kinds: tuple[str, ...]
    """Names of the kinds of items, such as those of the cases of the execute side."""
    streams: tuple[Stream, ...]

    kind: Int32s
    """[items] Index in `kinds`."""
    tokens: Int64s
    """[items] Control tokens pushed; without `done`, which costs no time."""
    words: Int64s
    """[items] Data words pushed; a padded vector has as many as lanes."""
    core: Float64s
    """[items] Core cycles, by `CaseWork.cycles`."""
    first_request: Int64s
    """[items + 1] Item i has requests first_request[i] to first_request[i + 1], without the end."""

    stream: Int32s
    """[requests] Index in `streams`."""
    line: Int64s
    """
    [requests] First line: byte address // line bytes, in one address space of all tensors. The
    unit of reuse: two requests of one stream with the same first line are for the same row.
    """
    lines: Int32s
    """[requests] Lines requested, at least 1."""
    parent: Int64s
    """
    [requests] The earlier request that brought the value from which the address is computed (the
    latest, if there are several), or -1 if counters suffice. The height of its stream is that of
    this one at least.
    """

    def __post_init__(self) -> None:
        items, requests = len(self.kind), len(self.stream)
        for name, array, length, dtype in (
            ("kind", self.kind, items, np.int32),
            ("tokens", self.tokens, items, np.int64),
            ("words", self.words, items, np.int64),
            ("core", self.core, items, np.float64),
            ("first_request", self.first_request, items + 1, np.int64),
            ("stream", self.stream, requests, np.int32),
            ("line", self.line, requests, np.int64),
            ("lines", self.lines, requests, np.int32),
            ("parent", self.parent, requests, np.int64),
        ):
            if array.shape != (length,) or array.dtype != dtype:
                raise ValueError(
                    f"{name} of a trace is {array.dtype} of shape {array.shape} instead of "
                    f"{np.dtype(dtype)} of shape ({length},)"
                )
        bounds = self.first_request
        if bounds[0] != 0 or bounds[-1] != requests or bool((np.diff(bounds) < 0).any()):
            raise ValueError("first_request of a trace must grow from 0 to the number of requests")
        if bool((self.parent >= np.arange(requests)).any()) or bool((self.parent < -1).any()):
            raise ValueError("a parent of a trace must be an earlier request, or -1")
        if requests and int(self.lines.min()) < 1:
            raise ValueError("a request of a trace has at least 1 line")
        for name, index, table in (
            ("kind", self.kind, self.kinds),
            ("stream", self.stream, self.streams),
        ):
            if len(index) and not 0 <= int(index.min()) <= int(index.max()) < len(table):
                raise ValueError(f"a {name} of a trace is none of the {len(table)} that it names")
        height = self.height
        child = np.flatnonzero(self.parent >= 0)
        if bool((height[self.parent[child]] < height[child]).any()):
            raise ValueError("a parent of a trace belongs to an inner unit, which runs behind")
        if bool(self.writes[self.parent[child]].any()):
            raise ValueError("a parent of a trace is written, and brings no value")
        if bool((self.writes & (height > 0)).any()):
            raise ValueError("a store stream of a trace does not belong to an innermost unit")

    @property
    def height(self) -> Int32s:
        """[requests] That of their streams."""
        return np.array([s.height for s in self.streams], np.int32)[self.stream]

    @property
    def writes(self) -> Bools:
        """[requests] Whether they are of store streams."""
        return np.array([s.writes for s in self.streams], np.bool_)[self.stream]

    @property
    def item(self) -> Int64s:
        """[requests] The item that each belongs to."""
        return np.repeat(np.arange(len(self.kind)), np.diff(self.first_request))

    @property
    def total_tokens(self) -> int:
        """Without `done`."""
        return int(self.tokens.sum())

    @property
    def total_words(self) -> int:
        return int(self.words.sum())

    def slice(self, start: int, stop: int) -> "Trace":
        """
        Items `start` to `stop`, without the end, as a run of their own.

        What an earlier item requested for them has been received.
        """
        first, last = int(self.first_request[start]), int(self.first_request[stop])
        requests = slice(first, last)
        return Trace(
            self.kinds,
            self.streams,
            self.kind[start:stop],
            self.tokens[start:stop],
            self.words[start:stop],
            self.core[start:stop],
            self.first_request[start : stop + 1] - first,
            self.stream[requests],
            self.line[requests],
            self.lines[requests],
            np.maximum(self.parent[requests] - first, -1),
        )
