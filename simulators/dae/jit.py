"""
Compilation by numba, with the cache where it can be kept.

Numba keeps machine code in `NUMBA_CACHE_DIR` if it is set, else beside the module, else in the
user's cache. Where none can be written it refuses; then every process compiles anew.
"""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """A decorator: the function as machine code, which other threads may run beside."""
    njit = cast(Any, numba).njit
    try:
        return njit(function, nogil=True, cache=True)
    except RuntimeError:
        return njit(function, nogil=True)
