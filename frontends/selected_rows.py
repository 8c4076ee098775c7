"""
Rows selected by a mask, computed on, and added back: the dense form of a loop over experts.

    place, row = torch.where(hits)                             # hits: places x rows
    result.index_add_(0, row, expert(x[row]) * weights[row, place, None])

How many rows are selected depends on values, so no tensor of the entry IR may have that size. All
rows are computed in their place, and what is added back has the weight

    routing[row] = sum over places of hits[place, row] * weights[row, place]

which is 0 where a row is not selected. This is the same if between selection and sum every row is
computed by itself, and weights enter as factors. Both are checked operator by operator, by the
dimension whose size is that of the selection. What is computed for rows that are not selected must
be finite, since it is multiplied by 0.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, cast

from xdsl.dialects import tensor
from xdsl.dialects.linalg.ops import GenericOp, IndexOp
from xdsl.ir import SSAValue
from xdsl.ir.affine import AffineExpr, AffineMap

from headrace.frontends import composed
from headrace.frontends import torch_tracing as tracing
from headrace.frontends.aten.registry import Result, dimension
from headrace.frontends.builder import EntryBuilder, Extent, Label, View
from headrace.frontends.scalars import Scalars
from headrace.storage.errors import InputError

if TYPE_CHECKING:
    from torch.fx import Node

_ADD = "aten.index_add.default"
_INDEX = "aten.index.Tensor"

_LINEAR = {
    "aten._to_copy.default",
    "aten._unsafe_view.default",
    "aten.alias.default",
    "aten.clone.default",
    "aten.contiguous.default",
    "aten.detach.default",
    "aten.expand.default",
    "aten.matmul.default",
    "aten.mm.default",
    "aten.neg.default",
    "aten.permute.default",
    "aten.reshape.default",
    "aten.squeeze.dim",
    "aten.sum.dim_IntList",
    "aten.to.dtype",
    "aten.transpose.int",
    "aten.unsqueeze.default",
    "aten.view.default",
}
"""Operators on rows that keep 0 at 0 and sums of rows sums."""

_BY_ROW = _LINEAR | {
    f"aten.{name}"
    for name in (
        "abs.default",
        "add.Scalar",
        "add.Tensor",
        "addmm.default",
        "chunk.default",
        "clamp.default",
        "cos.default",
        "div.Scalar",
        "div.Tensor",
        "erf.default",
        "exp.default",
        "gelu.default",
        "linear.default",
        "log.default",
        "maximum.default",
        "mean.dim",
        "minimum.default",
        "mul.Scalar",
        "mul.Tensor",
        "pow.Tensor_Scalar",
        "relu.default",
        "rsqrt.default",
        "sigmoid.default",
        "silu.default",
        "sin.default",
        "slice.Tensor",
        "split.Tensor",
        "split_with_sizes.default",
        "sqrt.default",
        "square.default",
        "sub.Scalar",
        "sub.Tensor",
        "tanh.default",
    )
}
"""Operators that compute a row from that row, if the dimension of the rows stays."""


@dataclass(frozen=True)
class Selection:
    """What one `torch.where(mask)` selects."""

    mask: View
    row: int
    """The dimension of the mask whose coordinate is the number of a row."""
    size: str
    """Torch's name for how many are selected."""

    @property
    def rows(self) -> Extent:
        return self.mask.shape[self.row]


@dataclass(frozen=True)
class Coordinates:
    """One of the vectors that `torch.where(mask)` returns: those along `dimension`."""

    selection: Selection
    dimension: int


class Kind(Enum):
    """What a tensor of selected rows has at the other rows."""

    ROWS = "rows"
    """What the operators give for them."""
    WEIGHED = "weighted rows"
    """Zero."""


class SelectedRows:
    """
    Translates the nodes that select rows and add them back, and watches those between them.

    `shape` takes sizes of torch, `value` gives what a node became.
    """

    def __init__(
        self,
        emit: EntryBuilder,
        shape: Callable[[Sequence[Any]], tuple[Extent, ...]],
        value: Callable[["Node"], Any],
    ):
        self._emit = emit
        self._shape = shape
        self._value = value
        self._selections: dict[str, Selection] = {}
        self._kinds: dict[Node, Kind] = {}

    def shape(self, sizes: Sequence[Any]) -> tuple[Extent, ...]:
        """Sizes as extents; that of a selection is the number of all rows."""
        return tuple(
            self._selections[extent].rows if extent in self._selections else extent
            for extent in cast("Sequence[str]", self._shape(sizes))
        )

    def translate(self, node: "Node") -> "Result | tuple[Coordinates, ...] | None":
        """The result of a node that selects rows or adds them back; None for any other node."""
        operator = str(node.target)
        if operator in tracing.SELECT:
            return self._select(node)
        if operator == _INDEX:
            given = [self._known(one) for one in cast("tuple[Any, ...]", node.args[1])]
            return self._gathered(node, given) if any(_are_coordinates(given)) else None
        if operator == _ADD and isinstance(index := self._known(node.args[2]), Coordinates):
            return self._added(node, index)
        return None

    def follow(self, node: "Node") -> None:
        """
        Note what `node` makes of selected rows.

        Raises `InputError` where rows are mixed, or weighted by more than a product.
        """
        kinds = {one: self._kinds[one] for one in node.all_input_nodes if one in self._kinds}
        if not kinds:
            if any(isinstance(self._known(one), Coordinates) for one in node.all_input_nodes):
                raise InputError("the numbers of selected rows may only index, or add back")
            return
        if tracing.is_size(node.meta.get("val")) or tracing.is_condition(node.meta.get("val")):
            return
        if tracing.is_item(node):
            self._kinds[node] = next(iter(kinds.values()))
            return
        operator = str(node.target)
        for result in _tensors(node):
            if sum(extent in self._selections for extent in self._shape(result.shape)) != 1:
                raise InputError(
                    f"{operator} mixes rows that a mask selects; compute every row by itself, and "
                    "add them back by index_add"
                )
        if operator not in _BY_ROW:
            raise InputError(
                f"{operator} of rows that a mask selects is not supported; apply it to all rows "
                "before they are selected, or after index_add"
            )
        weighed = [one for one, kind in kinds.items() if kind is Kind.WEIGHED]
        if weighed and not _is_linear(node, operator, weighed):
            raise InputError(
                f"{operator} of rows that are already weighted is not supported; multiply by the "
                "weights last, before index_add"
            )
        self._kinds[node] = Kind.WEIGHED if weighed else Kind.ROWS

    def is_selected(self, node: "Node") -> bool:
        """Whether the tensor of `node` has a row for each selected one."""
        return node in self._kinds or isinstance(self._value(node), Coordinates)

    # --- the three operators ---------------------------------------------------------------

    def _select(self, node: "Node") -> tuple[Coordinates, ...]:
        mask = self._value(cast("Node", node.args[0]))
        if not isinstance(mask, View):
            mask = None
        items: dict[int, Node] = {}
        for user in node.users:
            if tracing.is_item(user):
                items[cast(int, user.args[1])] = user
        added = {
            number
            for number, item in items.items()
            for user in item.users
            if str(user.target) == _ADD and user.args[2] is item
        }
        if mask is None or mask.rank > 2 or len(added) != 1:
            raise InputError(
                "rows are selected by a mask of at most two dimensions, and one of the results "
                "says where index_add puts them; multiply by the mask instead, or use torch.where "
                "with three operands"
            )
        size = str(self._shape(_tensors(node)[0].shape)[0])
        selection = Selection(mask, added.pop(), size)
        self._selections[selection.size] = selection
        return tuple(Coordinates(selection, d) for d in range(mask.rank))

    def _gathered(self, node: "Node", given: Sequence[Any]) -> View:
        """`x[row]` is `x`; with other coordinates, the sum over the places of a row."""
        x = self._value(cast("Node", node.args[0]))
        used = [(d, one) for d, one in enumerate(given) if one is not None]
        if not isinstance(x, View) or not all(isinstance(one, Coordinates) for _, one in used):
            raise InputError("index by the results of one torch.where only")
        places = [d for d, _ in used]
        selection = used[0][1].selection
        together = places == list(range(places[0], places[-1] + 1))
        if any(one.selection is not selection for _, one in used) or not together:
            raise InputError(
                "index dimensions next to each other by the results of one torch.where"
            )
        labels: list[Label] = list(range(x.rank))
        for d, one in used:
            labels[d] = ("mask", one.dimension)
            if selection.mask.shape[one.dimension] != x.shape[d]:
                raise InputError(
                    f"dimension {d} of size {x.shape[d]} is indexed by a mask of size "
                    f"{selection.mask.shape[one.dimension]}; they must be equal"
                )
        row: Label = ("mask", selection.row)
        if [one.dimension for _, one in used] == [selection.row]:
            self._kinds[node] = Kind.ROWS
            return x
        kept = [*labels[: places[0]], row, *labels[places[-1] + 1 :]]
        self._kinds[node] = Kind.WEIGHED
        return self._selected_sum(selection, (x, labels), kept, self.shape(_tensors(node)[0].shape))

    def _added(self, node: "Node", index: Coordinates) -> View:
        into, d, _, source = cast("tuple[Node, int, Node, Node]", node.args)
        x, rows = self._value(into), self._value(source)
        kind, selection = self._kinds.get(source), index.selection
        if not isinstance(x, View) or not isinstance(rows, View) or kind is None:
            raise InputError("index_add adds rows that the same mask selected")
        d = dimension(d, x.rank)
        sizes = self._shape(_tensors(source)[0].shape)
        if into in self._kinds or sizes[d] != selection.size or x.shape != rows.shape:
            raise InputError(
                f"index_add puts rows of {rows.shape}, selected along dimension {d}, into a "
                f"tensor of {x.shape}; both must have all rows there"
            )
        emit = self._emit
        if kind is Kind.ROWS:
            one = emit.view(emit.filled((), 1, rows.element), ())
            row: Label = ("mask", selection.row)
            count = self._selected_sum(selection, (one, []), [row], (selection.rows,))
            for axis in range(x.rank):
                count = count if axis == d else count.insert(axis)
            rows = composed.binary(emit, "mul", rows, count)
        if (alpha := node.kwargs.get("alpha", 1)) != 1:
            rows = composed.binary(emit, "mul", rows, cast(float, alpha))
        return rows if emit.uniform(x) == 0 else composed.binary(emit, "add", x, rows)

    def _selected_sum(
        self,
        selection: Selection,
        source: tuple[View, Sequence[Label]],
        out: Sequence[Label],
        shape: Sequence[Extent],
    ) -> View:
        """The elements of `source` where the mask holds, summed over labels that `out` lacks."""
        view, hit = _hits(selection.mask)
        mask = (view, [("mask", d) for d in range(view.rank)])

        def body(s: Scalars, values: Sequence[SSAValue]) -> SSAValue:
            found, value = values
            return s.select(hit(s, found), value, s.constant(0, value.type))

        with self._emit.composite("routing"):
            return self._emit.generic(
                [mask, source], out, shape, source[0].element, body, reduction="add"
            )

    def _known(self, value: Any) -> Any:
        """What an operand that is a node became; anything else as it is."""
        return self._value(value) if hasattr(value, "meta") else value


def _are_coordinates(given: Sequence[Any]) -> list[bool]:
    return [isinstance(one, Coordinates) for one in given]


def _tensors(node: "Node") -> list[Any]:
    value = node.meta["val"]
    return list(cast("Sequence[Any]", value)) if isinstance(value, tuple | list) else [value]


def _is_linear(node: "Node", operator: str, weighed: Sequence["Node"]) -> bool:
    """Whether the result is 0 where the weighted operands are, and linear in them."""
    if operator in _LINEAR:
        # A conversion to integers rounds.
        return len(weighed) == 1 and all(one.is_floating_point() for one in _tensors(node))
    if operator == "aten.linear.default" and len(node.args) > 2:
        return False
    if operator in ("aten.add.Tensor", "aten.sub.Tensor"):
        return all(one in weighed for one in node.args)
    if operator in ("aten.mul.Tensor", "aten.mul.Scalar"):
        return len(weighed) == 1 and node.args.count(weighed[0]) == 1
    if operator in ("aten.div.Tensor", "aten.div.Scalar"):
        return node.all_input_nodes.count(weighed[0]) == 1 and node.args[:1] == (weighed[0],)
    return operator == "aten.linear.default" and weighed == node.all_input_nodes[:1]


def _hits(mask: View) -> tuple[View, Callable[[Scalars, SSAValue], SSAValue]]:
    """
    A tensor over the dimensions of `mask`, and how its elements say whether the mask holds.

    For a slice of a one-hot tensor these are the classes, compared with the number of the slice.
    """
    cut = mask.base.owner
    if isinstance(cut, tensor.ExtractSliceOp) and isinstance(cut.source.owner, GenericOp):
        hot = cut.source.owner
        last = len(mask.type.get_shape()) - 1
        if _is_one_hot(hot) and last not in mask.axes and cut.static_sizes.get_values()[-1] == 1:
            number = cut.static_offsets.get_values()[-1]
            kept = View(hot.inputs[0], mask.axes, mask.shape)

            def equals(s: Scalars, value: SSAValue) -> SSAValue:
                return s.compare("eq", value, s.constant(number, value.type))

            return kept, equals
    return mask, lambda s, value: s.nonzero(value)


def _is_one_hot(op: GenericOp) -> bool:
    """Whether `op` compares its only input, along all dimensions but the last, with that one's."""
    names = [inner.name for inner in op.body.block.ops]
    wanted = ["linalg.index", "arith.index_cast", "arith.cmpi", "arith.extui", "linalg.yield"]
    place, rank = op.body.block.first_op, len(op.iterator_types)
    outer = AffineMap(rank, 0, tuple(AffineExpr.dimension(d) for d in range(rank - 1)))
    return (
        names == wanted
        and isinstance(place, IndexOp)
        and place.dim.value.data == rank - 1
        and op.indexing_maps.data[0].data == outer
    )
