"""
Between the interpreter's values and nested lists: the dynamic checks of every stream.

A stream is a tuple of tokens; signals are the only streams that lose their structure (`R`, `S`
and `D`), and are read as the number of repetitions before each `S`.
"""

from collections.abc import Sequence
from typing import Any

from xdsl.ir import Attribute, Operation
from xdsl.utils.exceptions import InterpretationError

from headrace.dialects import sam
from headrace.interpreters.sam_nested import Nested, decode, encode, expect_increasing, leaves
from headrace.interpreters.sam_tokens import DONE, NEXT, REPEAT, Stop, Token, Tokens, format_tokens


def read_streams(op: Operation, arguments: Sequence[Any]) -> tuple[Any, ...]:
    """The operands of `op`, streams as nested lists and signals as counts."""
    return tuple(
        _read(op, number, type, argument)
        for number, (type, argument) in enumerate(zip(op.operand_types, arguments, strict=True))
    )


def write_streams(op: Operation, *results: Any, increasing: bool = True) -> tuple[Any, ...]:
    """
    The results of `op`, nested lists as streams.

    Coordinates must increase in every fiber, unless `increasing` is false because the operation
    repeats them.
    """
    return tuple(
        _write(op, type, result, increasing)
        for type, result in zip(op.result_types, results, strict=True)
    )


def depth_of(type: Attribute) -> int:
    """How deep the streams of this type are nested."""
    assert isinstance(type, sam.StreamType)
    return type.depth


def _read(op: Operation, number: int, type: Attribute, argument: Any) -> Any:
    where = f"'{op.name}', operand {number}"
    if not isinstance(type, sam.StreamType):
        return argument
    if type.kind.data is sam.Kind.SIG:
        return _counts(argument, where)
    return decode(argument, type.depth, where)


def _write(op: Operation, type: Attribute, result: Any, increasing: bool) -> Any:
    if not isinstance(type, sam.StreamType):
        return result
    if type.kind.data is sam.Kind.SIG:
        return _signals(result, type.depth)
    if type.kind.data is sam.Kind.CRD and increasing and type.depth:
        expect_increasing(f"'{op.name}'", leaves(result, type.depth - 1))
    return encode(result, type.depth)


def _counts(tokens: Sequence[Token], where: str) -> list[int]:
    counts = [0]
    for token in tokens:
        if token is NEXT:
            counts.append(0)
        else:
            counts[-1] += token is REPEAT
    marks = [token in (REPEAT, NEXT) for token in tokens]
    if not all(marks[:-1]) or tokens[-1:] != (DONE,) or counts.pop():
        raise InterpretationError(f"{where}: '{format_tokens(tokens)}' is no stream of signals")
    return counts


def _signals(nested: Nested, depth: int) -> Tokens:
    tokens = encode(nested, depth)[:-1]
    return (*(NEXT if isinstance(token, Stop) else REPEAT for token in tokens), DONE)
