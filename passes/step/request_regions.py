"""Copies of the operations that handle requests: one region each, on streams of its own."""

from collections.abc import Mapping, Sequence

from xdsl.dialects.builtin import ArrayAttr, StringAttr
from xdsl.ir import Operation, SSAValue
from xdsl.rewriter import Rewriter

from headrace.dialects import step
from headrace.dialects.step_dimension import Dimension, symbol
from headrace.dialects.step_operation import NAMES, is_name
from headrace.dialects.stream_operation import index_attribute, names_attribute, names_of
from headrace.passes.step.graphs import stream
from headrace.passes.step.refusal import fail
from headrace.passes.step.reinfer import inferred


class Regions:
    """
    Regions made of the same operations, one after the other.

    Each region has names of its own for the sizes that its operations declare, and a size that is
    claimed to be the number of all requests is the number of those of the region. A tensor that is
    written by address goes through all regions: the next one writes into what the last one made.
    """

    def __init__(self, name: str, body: Sequence[step.StepOperation], before: Operation) -> None:
        self.name = name
        self.body = body
        self.before = before
        self.names = sorted({size for op in body for size in op.declared})
        self.written: dict[SSAValue, SSAValue] = {}
        """The tensors that the original stores start from and end in, as the last region left."""
        self._check_stores()

    def _check_stores(self) -> None:
        for op in self.body:
            if not isinstance(op, step.RandomStoreOp):
                continue
            readers = [use.operation for use in op.result.uses]
            if any(isinstance(reader, step.RandomLoadOp | step.LoadOp) for reader in readers):
                raise fail(self.name, op, "the tensor that it writes is read in the same graph")
            if sum(isinstance(reader, step.RandomStoreOp) for reader in readers) > 1:
                raise fail(self.name, op, "two stores write into the tensor that it makes")

    def add(self, number: int, streams: Mapping[SSAValue, SSAValue]) -> dict[SSAValue, SSAValue]:
        """Copy the operations onto the streams of a region; what stands for every value there."""
        values = dict(streams)
        renamed = {size: f"{size}.{number}" for size in self.names}
        for whole, part in streams.items():
            renamed[str(_outermost(whole))] = str(_outermost(part))
        for op in self.body:
            copy = _copy(op, [self._operand(op, value, values) for value in op.operands])
            if isinstance(copy, step.RandomStoreOp):
                copy.properties["region"] = index_attribute(number)
            rename_sizes(copy, renamed)
            insert(self.name, copy, self.before)
            values.update(zip(op.results, copy.results, strict=True))
        for op in self.body:
            if isinstance(op, step.RandomStoreOp):
                self.written[chain_start(op)] = values[op.result]
        return values

    def _operand(
        self, op: step.StepOperation, value: SSAValue, values: Mapping[SSAValue, SSAValue]
    ) -> SSAValue:
        if isinstance(op, step.RandomStoreOp) and value is op.tensor and value not in values:
            return self.written.get(value, value)
        return values.get(value, value)


def _outermost(value: SSAValue) -> Dimension:
    return stream(value).dimensions[0]


def _copy(op: step.StepOperation, operands: Sequence[SSAValue]) -> step.StepOperation:
    copy = type(op).create(
        operands=operands,
        result_types=op.result_types,
        properties=dict(op.properties),
        attributes=dict(op.attributes),
    )
    for result, original in zip(copy.results, op.results, strict=True):
        result.name_hint = original.name_hint
    return copy


def insert(name: str, op: step.StepOperation, before: Operation) -> None:
    """Give the results the types that follow from the operands, and the operation its place."""
    for result, type in zip(op.results, inferred(name, op), strict=True):
        if result.type != type:
            Rewriter.replace_value_with_new_type(result, type)
    block = before.parent
    assert block is not None
    block.insert_op_before(op, before)


def chain_start(store: step.RandomStoreOp) -> SSAValue:
    """The tensor that the first of a chain of stores writes into."""
    tensor = store.tensor
    while isinstance(tensor.owner, step.RandomStoreOp):
        tensor = tensor.owner.tensor
    return tensor


def rename_sizes(op: step.StepOperation, names: Mapping[str, str]) -> None:
    """
    Rename the sizes that an operation names, in claims as in declarations.

    A claim that becomes the name of a size is `assumed`: another operation declares that size.
    """
    claims = [name for name in op.named if not is_name(name)]
    for key in (*NAMES, "assumed"):
        match op.properties.get(key):
            case StringAttr(data=text):
                op.properties[key] = StringAttr(renamed(text, names))
            case ArrayAttr() as texts:
                op.properties[key] = names_attribute(
                    [renamed(text, names) for text in names_of(texts)]
                )
            case _:
                pass
    assumed = dict.fromkeys(names_of(op.properties.get("assumed")))
    assumed |= {name: None for claim in claims if is_name(name := renamed(claim, names))}
    if assumed:
        op.properties["assumed"] = names_attribute(list(assumed))


def renamed(text: str, names: Mapping[str, str]) -> str:
    """A name or a claim with other names for its sizes."""
    if text in names:
        return names[text]
    size = Dimension.of(text)
    known = {
        atom: symbol(names[name], ragged=atom != name)
        for atom in size.symbols
        if (name := atom.removeprefix("~")) in names
    }
    return str(size.substitute(known)) if known else text
