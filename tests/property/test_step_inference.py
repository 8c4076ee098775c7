"""Whatever is written, `step` infers the types of its results or says what is wrong."""

from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st
from xdsl.context import Context
from xdsl.dialects.builtin import Builtin, ModuleOp, UnitAttr
from xdsl.dialects.test import Test
from xdsl.irdl import OptionalDef
from xdsl.parser import Parser
from xdsl.utils.exceptions import ParseError

from headrace.dialects import step
from headrace.dialects.step_functions import Function

SIZES = st.sampled_from(("0", "1", "2", "4", "e0", "~r", "ceil(e0, 4)", "positive(e0)"))
ELEMENTS = st.sampled_from(
    (
        "index",
        "i1",
        "!step.tile<f32, [1, 4]>",
        "!step.tile<f32, [4, 4]>",
        "!step.tile<f32, [e0, 4]>",
        "!step.tile<f32, [~m, 4]>",
        "!step.tile<i64, [1, 1]>",
        "!step.selector<1, hot 1>",
        "!step.selector<2>",
        "!step.buffer<index, [2, 2]>",
        "!step.buffer<index, [~r]>",
        "tuple<index, !step.tile<f32, [4, 4]>>",
    )
)
SHAPES = st.lists(SIZES, min_size=1, max_size=3).filter(lambda sizes: sizes[0] != "~r")


def stream(element: str, sizes: list[str]) -> str:
    return f"!step.stream<{element}, [{', '.join(sizes)}]>"


STREAMS = st.builds(stream, ELEMENTS, SHAPES)
TENSORS = st.sampled_from(
    ("tensor<4x2xi1>", "tensor<4xi64>", "tensor<0x4xf32>", "tensor<8x4xf32>", "tensor<?xf32>")
)
INTEGERS = st.integers(-1, 4).map(str)
LISTS = st.lists(INTEGERS, max_size=3).map(lambda items: f"[{', '.join(items)}]")
NAMES = st.sampled_from(("a", "e0", '""', '"4"', '"a +"', '"ceil(e0, 2)"'))
PROPERTIES = {
    "IntegerAttr": INTEGERS,
    "ArrayAttr": LISTS,
    "StringAttr": NAMES,
    "FunctionAttr": st.sampled_from([function.value for function in Function]),
    "AcknowledgeAttr": st.sampled_from(("address", "data")),
    "FloatAttr": st.sampled_from(("1.0 : f64", "-2.5 : f64")),
    "TensorType": TENSORS,
    "UnitAttr": st.just(""),
}
NAMED = st.lists(NAMES, max_size=3).map(lambda names: f"[{', '.join(names)}]")


@cache
def context() -> Context:
    loaded = Context()
    for dialect in (Builtin, Test, step.STEP):
        loaded.load_dialect(dialect)
    return loaded


@st.composite
def operations(draw: st.DrawFn) -> str:
    """The text of one operation of `step`, with operands and properties of the right kinds."""
    operation = draw(
        st.sampled_from([op for op in step.STEP.operations if issubclass(op, step.StepOperation)])
    )
    definition = operation.get_irdl_definition()
    kinds = draw(
        st.lists(
            st.one_of(STREAMS, STREAMS, TENSORS),
            min_size=len(definition.operands),
            max_size=len(definition.operands) + 1,
        )
    )
    if "tensor" in dict(definition.operands):
        kinds[0] = draw(TENSORS)
    text = f'"test.op"() : () -> ({", ".join(kinds)})\n'
    operands = [f"%in#{index}" for index in range(len(kinds))]
    properties = ""
    for name, defined in definition.properties.items():
        (kind,) = defined.constr.get_bases() or (UnitAttr,)
        if not isinstance(defined, OptionalDef) or draw(st.booleans()):
            value = NAMED if name in ("dims", "assumed") else PROPERTIES[kind.__name__]
            properties += f" {name} {draw(value)}"
    return f"%in:{len(kinds)} = {text}{operation.name} {', '.join(operands)}{properties} : " + (
        ", ".join(kinds)
    )


def parsed(text: str) -> ModuleOp | str:
    """The module, or why it is refused."""
    try:
        return Parser(context(), text).parse_module()
    except ParseError as error:
        return str(error)


@settings(max_examples=300, deadline=None)
@given(operations())
def test_every_operation_is_refused_with_a_reason_or_printed_as_it_is_read(text: str) -> None:
    module = parsed(text)
    if isinstance(module, str):
        assert "'step." in module or "dimension" in module
    else:
        module.verify()
        again = parsed(str(module))
        assert isinstance(again, ModuleOp)
        assert again.is_structurally_equivalent(module)
