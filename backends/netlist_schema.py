"""
What netlists may say: the operators, their operands, and the parameters that matter.

Parameters that are not named here (the shape of a stored tensor, ..) are kept and not looked at.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, TypeAlias, cast

Check: TypeAlias = Callable[[object], str | None]
"""Returns what is wrong with a value, or `None`."""


def as_object(value: object) -> dict[str, Any] | None:
    """The value if it is a JSON object."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def as_list(value: object) -> list[Any] | None:
    """The value if it is a JSON list."""
    return cast("list[Any]", value) if isinstance(value, list) else None


LARGEST = 2**40
"""Far above all numbers of a program that can be simulated, and far below the largest clock."""


def is_count(value: object) -> bool:
    """Whether the value is a whole number of 0 to 2^40; true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST


def count(value: object) -> str | None:
    return None if is_count(value) else "is no whole number of 0 to 2^40"


def positive(value: object) -> str | None:
    return None if is_count(value) and value else "is no whole number of 1 to 2^40"


def flag(value: object) -> str | None:
    return None if isinstance(value, bool) else "is neither true nor false"


def counts(value: object) -> str | None:
    listed = as_list(value)
    well = listed is not None and all(map(is_count, listed))
    return None if well else "is no list of whole numbers of 0 to 2^40"


def positives(value: object) -> str | None:
    listed = as_list(value)
    well = listed is not None and all(is_count(part) and part for part in listed)
    return None if well else "is no list of whole numbers of 1 to 2^40"


def tile(value: object) -> str | None:
    """The shape of a pad or an initial accumulator."""
    shape = as_list((as_object(value) or {}).get("shape"))
    if shape is not None and counts(shape) is None and len(shape) == 2:
        return None
    return 'is no tile; write {"fn": "Zero", "shape": [rows, columns]}'


def tile_or_nothing(value: object) -> str | None:
    return None if value is None else tile(value)


def function(*names: str) -> Check:
    """One of some functions, with the parameter that it needs."""
    needs: Mapping[str, tuple[str, Check]] = {
        "Matmul": ("weight_transposed", flag),
        "DynMatmul": ("weight_transposed", flag),
        "CacheWriteAddrGen": ("row_offset", count),
    }

    def check(value: object) -> str | None:
        given = as_object(value) or {}
        if given.get("fn") not in names:
            return f'is none of {", ".join(names)}; write {{"fn": "{names[0]}"}}'
        if given["fn"] in needs:
            parameter, kind = needs[given["fn"]]
            if parameter not in given:
                return f"lacks {parameter}"
            if problem := kind(given[parameter]):
                return f"has a {parameter} that {problem}"
        return None

    return check


def selectors(value: object) -> str | None:
    """Selected indices of every element; the innermost size is how many there are to choose."""
    given = as_object(value) or {}
    shape, hot = as_list(given.get("shape")), as_list(given.get("hot"))
    if counts(shape) or not shape:
        return 'has no shape; write {"shape": [.., n], "hot": [[..], ..]}'
    *outer, choices = shape
    if hot is None or len(hot) != prod(outer):
        return f"needs a list hot of {prod(outer)} selections"
    for selection in hot:
        chosen = as_list(selection)
        if (
            chosen is None
            or counts(chosen)
            or len(set(chosen)) != len(chosen)
            or max(chosen, default=-1) >= choices
        ):
            return f"selects {selection!r}, which are no distinct indices below {choices}"
    return None


def cycles_or_nothing(value: object) -> str | None:
    """Cycles that may be unknown."""
    return None if value is None else positive(value)


def recorded_runs(value: object) -> str | None:
    """The runs that a netlist has records of: one for each depth."""
    listed = as_list(value)
    runs = [as_object(run) for run in listed or ()]
    for run in runs:
        if run is None or cycles_or_nothing(run.get("channel_depth", "")):
            return 'is no list of runs; write [{"channel_depth": 1, "cycles": 39, ..}, ..]'
    return None if runs else "holds no run; leave it out"


def integers(value: object) -> str | None:
    """Integers of every element."""
    given = as_object(value) or {}
    shape, values = as_list(given.get("shape")), as_list(given.get("values"))
    if shape is None or counts(shape):
        return 'has no shape; write {"shape": [..], "values": [..]}'
    if values is None or counts(values) or len(values) != prod(shape):
        return f"needs a list values of {prod(shape)} whole numbers of 0 to 2^40"
    return None


@dataclass(frozen=True)
class Operator:
    """Names of the operands and checks of parameters; the operand `many` has many ports."""

    operands: tuple[str, ...] = ()
    parameters: tuple[tuple[str, Check], ...] = ()
    many: str | None = None
    switched: str | None = None
    """The number of entries that `switch_cycles` must have: of `many`, or a parameter."""


def _operator(
    operands: tuple[str, ...] = (), many: str | None = None, /, **parameters: Check
) -> Operator:
    switched = None
    if "switch_cycles" in parameters:
        switched = many or "num_consumers"
    return Operator(operands, tuple(parameters.items()), many, switched)


_MEMORY: dict[str, Check] = {"tile_row": positive, "tile_col": positive, "par_dispatch": positive}
_STORED: dict[str, Check] = {**_MEMORY, "tensor_shape_tiled": positives}
_READ: dict[str, Check] = {**_STORED, "n_byte": positive}
_COMPUTE: dict[str, Check] = {"compute_bw": count, "write_back_mu": flag}
_SWITCH: dict[str, Check] = {"switch_cycles": counts, "write_back_mu": flag}

OPERATORS: Mapping[str, Operator] = {
    "OffChipLoad": _operator(**_READ, out_shape_tiled=positives, stride=counts),
    "DynOffChipLoad": _operator(("ref",), **_READ, out_shape_tiled=positives, stride=counts),
    "RandomOffChipLoad": _operator(("raddr",), **_READ),
    "OffChipStore": _operator(("input",), **_MEMORY),
    "RandomOffChipStore": _operator(
        ("waddr", "wdata"), **_STORED, ack_based_on_waddr=flag, buffer_depth=positive
    ),
    "Bufferize": _operator(("input",), rank=positive),
    "Streamify": _operator(("input",), rank=positive, repeat_factor=positives),
    "DynStreamify": _operator(("input", "ref"), rank=positive, ref_rank=count),
    "FlatPartition": _operator(
        ("input", "control"), num_consumers=positive, partition_rank=count, **_SWITCH
    ),
    "FlatReassemble": _operator(("inputs", "control"), "inputs", reassemble_rank=count, **_SWITCH),
    "EagerMerge": _operator(("inputs",), "inputs", input_rank=count),
    "Parallelize": _operator(
        ("input",), num_consumers=positive, parallelize_rank=count, switch_cycles=counts
    ),
    "UnaryMap": _operator(("input",), fn=function("Silu", "Exp", "RowWiseSum"), **_COMPUTE),
    "BinaryMap": _operator(
        ("in1", "in2"),
        fn=function(
            "Matmul",
            "DynMatmul",
            "Add",
            "Mul",
            "Div",
            "SetOffset",
            "RowWiseAppend",
            "CacheWriteAddrGen",
        ),
        **_COMPUTE,
    ),
    "BinaryMapAccum": _operator(
        ("in1", "in2"), fn=function("Matmul", "DynMatmul"), init_fn=tile, rank=positive, **_COMPUTE
    ),
    "Accum": _operator(
        ("input",),
        fn=function("RetileRow", "Add", "SignalReqAllRead"),
        init_fn=tile,
        accum_rank=positive,
        **_COMPUTE,
    ),
    "Flatten": _operator(("input",), min_rank=count, max_rank=count),
    "Reshape": _operator(
        ("input",),
        chunk_size=positive,
        reshape_rank=count,
        pad_fn=tile_or_nothing,
        add_outer_dim=flag,
        write_back_mu=flag,
    ),
    "Promote": _operator(("input",), rank=count),
    "ExpandRef": _operator(("input", "ref"), expand_rank=positive),
    "RepeatStatic": _operator(("input",), repeat_factor=positive),
    "RetileStreamify": _operator(("input",), split_row=flag, filter_mask=flag),
    "Broadcast": _operator(("input",), num_consumers=positive),
    "SelectGen": _operator(underlying=selectors),
    "MetadataGen": _operator(underlying=integers),
    "ExpertAddrGen": _operator(("input",), num_tile_per_expert=positive, expert_addr_base=count),
    "CacheReadAddrGen": _operator(("idx", "seq_len"), row_offset=count),
    "FilterLastTile": _operator(("input",)),
    "ConsumerContext": _operator(("input",)),
}

META: Mapping[str, Check] = {"onchip_bw": positive, "elem_bytes": positive}

RECORDED: Mapping[str, Check] = {"expected": recorded_runs, "published_cycles": cycles_or_nothing}
"""What `meta` may say of runs."""

HBM: Mapping[str, Check] = {
    "addr_offset": positive,
    "channels": positive,
    "latency": count,
    "ii": positive,
    "startup": count,
}
