"""
What an access program needs of the unit that runs it: layers, lanes and storage.

Source: "Ember: A Compiler for Embedding Operations on Decoupled Access-Execute Architectures",
CGO 2026, section 7. Its unit has 4 layers, 8 lanes and 8 KB.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.builtin import AnyFloat, IntegerType
from xdsl.dialects.func import FuncOp
from xdsl.ir import Attribute

from headrace.dialects import dlc
from headrace.dialects.dlc_traversal import Traversal
from headrace.dialects.slc_types import lanes_of, scalar_of
from headrace.storage.errors import InputError

_INDEX_BYTES = 8


@dataclass(frozen=True)
class Resources:
    """What a program takes."""

    layers: int
    """Units inside of each other."""
    lanes: int
    """Iterations a trip of the widest unit."""
    storage_bytes: int
    """One element of each stream, without which the unit cannot make a step."""


def resources_of(access: dlc.AccessOp) -> Resources:
    """What a legal access program takes."""
    traversal = Traversal.of(access)
    units = list(traversal.walk())
    return Resources(
        max((unit.depth + 1 for unit in units), default=0),
        max((unit.lanes for unit in units), default=0),
        sum(_bytes_of(stream.type) for stream in traversal.unit_of),
    )


def check_resources(function: FuncOp, layers: int, lanes: int, storage_bytes: int) -> None:
    """Raises `InputError`, which names the resource of which `function` needs more."""
    for access in [op for op in function.walk() if isinstance(op, dlc.AccessOp)]:
        needed = resources_of(access)
        for resource, has, needs, remedy in (
            ("layers", layers, needed.layers, "nest fewer loops"),
            (
                "lanes",
                lanes,
                needed.lanes,
                f"give a pipeline with ember-vectorize{{lanes={lanes}}} in place of a level",
            ),
            ("bytes of storage", storage_bytes, needed.storage_bytes, "vectorize with fewer lanes"),
        ):
            if needs > has:
                raise InputError(
                    f"@{function.sym_name.data} needs {needs} {resource} of the access unit, which "
                    f"has {has}; {remedy}, or take a machine with more"
                )


def _bytes_of(type: Attribute) -> int:
    """Bytes of an element of a stream."""
    scalar = scalar_of(type)
    bits = scalar.bitwidth if isinstance(scalar, IntegerType | AnyFloat) else _INDEX_BYTES * 8
    return lanes_of(type) * -(-bits // 8)
