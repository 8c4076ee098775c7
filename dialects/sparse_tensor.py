"""
Storage formats of tensors, in the syntax of MLIR's `sparse_tensor` dialect.

An encoding on a tensor type says how its levels are stored, outermost first:

```
#CSR = #sparse_tensor.encoding<{ map = (d0, d1) -> (d0 : dense, d1 : compressed) }>
#CSC = #sparse_tensor.encoding<{ map = (d0, d1) -> (d1 : dense, d0 : compressed) }>
#BSR = #sparse_tensor.encoding<{ map = (d0, d1) -> (d0 floordiv 2 : dense,
         d1 floordiv 2 : compressed, d0 mod 2 : dense, d1 mod 2 : dense) }>
```

Only the encoding and the conversion between formats are defined here; `format_of` and
`encoding_of` connect them to the run-time form in `headrace.storage.levels`.

Source: https://mlir.llvm.org/docs/Dialects/SparseTensorOps/ (attribute and syntax);
"Compiler Support for Sparse Tensor Computations in MLIR", TACO 2022.
"""

from collections.abc import Sequence
from typing import cast

from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    AffineMapAttr,
    AnyTensorType,
    AnyTensorTypeConstr,
    ArrayAttr,
    IntAttr,
    NoneAttr,
    StringAttr,
    TensorType,
)
from xdsl.interfaces import HasFolderInterface
from xdsl.ir import Attribute, Dialect, ParametrizedAttribute, SSAValue
from xdsl.ir.affine import (
    AffineBinaryOpExpr,
    AffineBinaryOpKind,
    AffineConstantExpr,
    AffineDimExpr,
    AffineExpr,
    AffineMap,
)
from xdsl.irdl import (
    IRDLOperation,
    irdl_attr_definition,
    irdl_op_definition,
    operand_def,
    result_def,
    traits_def,
)
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from headrace.storage.errors import InputError
from headrace.storage.levels import Format, Level

LEVEL_FORMATS = ("dense", "batch", "compressed", "loose_compressed", "singleton")
LEVEL_PROPERTIES = ("nonunique", "nonordered", "soa")


@irdl_attr_definition
class EncodingAttr(ParametrizedAttribute):
    """
    `#sparse_tensor.encoding<{ map = (d0, d1) -> (d0 : dense, d1 : compressed) }>`.

    A level stores a dimension `di`, or its blocks `di floordiv n`, or the positions inside a
    block `di mod n`. Dimensions may have any name; `d0, d1, ..` are printed.
    """

    name = "sparse_tensor.encoding"

    dimensions_to_levels: AffineMapAttr
    level_types: ArrayAttr[StringAttr]
    """One a level: a format, then its properties, as in `compressed(nonunique, soa)`."""
    position_width: IntAttr
    """Bits of a position; 0 stands for the width of `index`."""
    coordinate_width: IntAttr
    """Bits of a coordinate; 0 stands for the width of `index`."""

    def __init__(
        self,
        dimensions_to_levels: AffineMap | AffineMapAttr,
        level_types: Sequence[str] | ArrayAttr[StringAttr],
        position_width: int | IntAttr = 0,
        coordinate_width: int | IntAttr = 0,
    ):
        if isinstance(dimensions_to_levels, AffineMap):
            dimensions_to_levels = AffineMapAttr(dimensions_to_levels)
        if not isinstance(level_types, ArrayAttr):
            level_types = ArrayAttr(StringAttr(level_type) for level_type in level_types)
        if isinstance(position_width, int):
            position_width = IntAttr(position_width)
        if isinstance(coordinate_width, int):
            coordinate_width = IntAttr(coordinate_width)
        super().__init__(dimensions_to_levels, level_types, position_width, coordinate_width)

    @property
    def rank(self) -> int:
        return self.dimensions_to_levels.data.num_dims

    def verify(self) -> None:
        results = self.dimensions_to_levels.data.results
        if len(results) != len(self.level_types):
            raise VerifyException(
                f"'{self.name}' maps to {len(results)} levels but gives "
                f"{len(self.level_types)} level types"
            )
        for width in (self.position_width.data, self.coordinate_width.data):
            if width not in (0, 8, 16, 32, 64):
                raise VerifyException(
                    f"'{self.name}' has a width of {width} bits; use 0, 8, 16, 32 or 64"
                )
        seen = {_split(result)[0] for result in results}
        if missing := set(range(self.rank)) - seen:
            raise VerifyException(f"'{self.name}' stores dimension d{min(missing)} in no level")

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        widths = {"posWidth": 0, "crdWidth": 0}
        with parser.in_angle_brackets(), parser.in_braces():
            parser.parse_keyword("map")
            parser.parse_punctuation("=")
            dimensions = parser.parse_comma_separated_list(
                parser.Delimiter.PAREN, parser.parse_identifier
            )
            parser.parse_punctuation("->")
            levels = parser.parse_comma_separated_list(
                parser.Delimiter.PAREN, lambda: _parse_level(parser, dimensions)
            )
            while parser.parse_optional_punctuation(","):
                width = parser.parse_keyword_in(tuple(widths))
                parser.parse_punctuation("=")
                widths[width] = parser.parse_integer(allow_boolean=False, allow_negative=False)
        expressions = tuple(expression for expression, _ in levels)
        return (
            AffineMapAttr(AffineMap(len(dimensions), 0, expressions)),
            ArrayAttr(StringAttr(level_type) for _, level_type in levels),
            IntAttr(widths["posWidth"]),
            IntAttr(widths["crdWidth"]),
        )

    def print_parameters(self, printer: Printer) -> None:
        dimensions = ", ".join(f"d{dimension}" for dimension in range(self.rank))
        levels = ", ".join(
            f"{_expression_text(expression)} : {level_type.data}"
            for expression, level_type in zip(
                self.dimensions_to_levels.data.results, self.level_types, strict=True
            )
        )
        widths = (("posWidth", self.position_width), ("crdWidth", self.coordinate_width))
        tail = "".join(f", {name} = {width.data}" for name, width in widths if width.data)
        printer.print_string(f"<{{ map = ({dimensions}) -> ({levels}){tail} }}>")


def _parse_level(parser: AttrParser, dimensions: Sequence[str]) -> tuple[AffineExpr, str]:
    dimension = parser.parse_identifier()
    if dimension not in dimensions:
        parser.raise_error(
            f"'{dimension}' is not a dimension of the map; it has {', '.join(dimensions)}"
        )
    expression: AffineExpr = AffineExpr.dimension(dimensions.index(dimension))
    match parser.parse_optional_keyword_in(("floordiv", "mod")):
        case "floordiv":
            expression = AffineBinaryOpExpr(
                AffineBinaryOpKind.FloorDiv, expression, _parse_block_size(parser)
            )
        case "mod":
            expression = AffineBinaryOpExpr(
                AffineBinaryOpKind.Mod, expression, _parse_block_size(parser)
            )
        case _:
            pass
    parser.parse_punctuation(":")
    level_type = parser.parse_keyword_in(LEVEL_FORMATS)
    properties = parser.parse_optional_comma_separated_list(
        parser.Delimiter.PAREN, lambda: parser.parse_keyword_in(LEVEL_PROPERTIES)
    )
    return expression, f"{level_type}({', '.join(properties)})" if properties else level_type


def _parse_block_size(parser: AttrParser) -> AffineConstantExpr:
    size = parser.parse_integer(allow_boolean=False, allow_negative=False)
    if size == 0:
        parser.raise_error("a block needs a size of at least 1")
    return AffineConstantExpr(size)


def _split(expression: AffineExpr) -> tuple[int, AffineBinaryOpKind | None, int]:
    """Dimension, operator (floordiv, mod or none) and block size of a level's expression."""
    match expression:
        case AffineDimExpr(position):
            return position, None, 1
        case AffineBinaryOpExpr(
            AffineBinaryOpKind.FloorDiv | AffineBinaryOpKind.Mod as kind,
            AffineDimExpr(position),
            AffineConstantExpr(size),
        ):
            return position, kind, size
        case _:
            raise VerifyException(
                f"a level stores '{expression}', but must store a dimension d, d floordiv n, "
                "or d mod n"
            )


def _expression_text(expression: AffineExpr) -> str:
    dimension, kind, size = _split(expression)
    return f"d{dimension}" if kind is None else f"d{dimension} {kind.get_token()} {size}"


def format_of(type: Attribute) -> Format:
    """
    The storage format of a tensor type; without an encoding every level is dense, row-major.

    `singleton` levels and `compressed(nonunique)` ones (coordinate lists) become compressed
    levels with unique coordinates: the run-time form of a tensor is always a tree of levels,
    and readers of coordinate lists build it. Widths do not matter at run time.

    Raises `InputError` for a type that is not a ranked tensor and for level types and block
    layouts that have no run-time form.
    """
    tensor = _ranked(type)
    if isinstance(tensor.encoding, NoneAttr):
        return Format.dense(tensor.get_num_dims())
    if not isinstance(tensor.encoding, EncodingAttr):
        raise InputError(f"'{tensor.encoding}' is not a storage format; use '{EncodingAttr.name}'")
    encoding = tensor.encoding
    results = [_split(result) for result in encoding.dimensions_to_levels.data.results]
    types = [_level(level_type.data) for level_type in encoding.level_types]
    rank = encoding.rank
    outer, inner = results[:rank], results[rank:]
    if any(kind is AffineBinaryOpKind.Mod for _, kind, _ in outer):
        raise InputError(f"{encoding}: levels inside a block must follow all levels of blocks")
    block = {dimension: size for dimension, _, size in outer}
    blocked = sorted(dimension for dimension, kind, _ in outer if kind is not None)
    if inner != [(dimension, AffineBinaryOpKind.Mod, block[dimension]) for dimension in blocked]:
        raise InputError(
            f"{encoding}: a blocked format needs one level 'd mod n' for each 'd floordiv n', "
            "in the order of the dimensions"
        )
    if Level.COMPRESSED in types[rank:]:
        raise InputError(f"{encoding}: levels inside a block must be dense")
    return Format(
        tuple(types[:rank]),
        tuple(dimension for dimension, _, _ in outer),
        tuple(block[dimension] for dimension in range(rank)) if blocked else (),
    )


def _ranked(type: Attribute) -> AnyTensorType:
    if not isinstance(type, TensorType):
        raise InputError(f"'{type}' has no storage format because it is not a ranked tensor")
    return cast(AnyTensorType, type)


def _level(level_type: str) -> Level:
    match level_type.split("(")[0]:
        case "dense":
            return Level.DENSE
        case "compressed" | "singleton" if "nonordered" not in level_type:
            return Level.COMPRESSED
        case _:
            raise InputError(
                f"a level of type '{level_type}' has no run-time form; "
                "use dense, compressed or singleton"
            )


def encoding_of(format: Format) -> EncodingAttr | NoneAttr:
    """The encoding of a storage format; no encoding where all levels are dense, row-major."""
    if format == Format.dense(format.rank):
        return NoneAttr()
    dimensions = [AffineExpr.dimension(dimension) for dimension in format.order]
    names = ["dense" if level is Level.DENSE else "compressed" for level in format.levels]
    expressions: list[AffineExpr] = list(dimensions)
    for dimension, size in enumerate(format.block):
        outer, number = AffineExpr.dimension(dimension), AffineConstantExpr(size)
        expressions[format.order.index(dimension)] = AffineBinaryOpExpr(
            AffineBinaryOpKind.FloorDiv, outer, number
        )
        expressions.append(AffineBinaryOpExpr(AffineBinaryOpKind.Mod, outer, number))
        names.append("dense")
    return EncodingAttr(AffineMap(format.rank, 0, tuple(expressions)), names)


def with_format(type: Attribute, format: Format) -> AnyTensorType:
    """The tensor type stored in another format; raises `InputError` for another type."""
    tensor = _ranked(type)
    return TensorType(tensor.element_type, tensor.get_shape(), encoding_of(format))


def shapes_agree(one: Sequence[int], other: Sequence[int]) -> bool:
    """Whether two shapes can describe the same tensor; an unknown size agrees with any."""
    return len(one) == len(other) and all(
        a == b or DYNAMIC_INDEX in (a, b) for a, b in zip(one, other, strict=True)
    )


@irdl_op_definition
class ConvertOp(IRDLOperation, HasFolderInterface):
    """
    The same tensor in another storage format.

    `%1 = sparse_tensor.convert %0 : tensor<4x4xf64> to tensor<4x4xf64, #CSR>`
    """

    name = "sparse_tensor.convert"

    source = operand_def(AnyTensorTypeConstr)
    result = result_def(AnyTensorTypeConstr)

    traits = traits_def(Pure())
    assembly_format = "$source attr-dict `:` type($source) `to` type($result)"

    def __init__(self, source: SSAValue, result_type: AnyTensorType):
        super().__init__(operands=[source], result_types=[result_type])

    def verify_(self) -> None:
        source = cast(AnyTensorType, self.source.type)
        result = self.result.type
        if not shapes_agree(source.get_shape(), result.get_shape()):
            raise VerifyException(
                f"'{self.name}' must keep the shape, but converts {source} to {result}"
            )
        if source.element_type != result.element_type:
            raise VerifyException(
                f"'{self.name}' must keep the element type, but converts {source} to {result}"
            )

    def fold(self) -> Sequence[SSAValue | Attribute] | None:
        return (self.source,) if self.source.type == self.result.type else None


def operand_behind(value: SSAValue) -> SSAValue:
    """The tensor in whose place a copy with a `headrace.reason` is read; any other is itself."""
    copy = value.owner
    if isinstance(copy, ConvertOp) and "headrace.reason" in copy.attributes:
        return copy.source
    return value


SparseTensor = Dialect("sparse_tensor", [ConvertOp], [EncodingAttr])
