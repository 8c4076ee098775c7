"""Which streams of a graph of `step` are equal."""

from xdsl.dialects.builtin import TensorType, i1, i64
from xdsl.ir import Block, Operation, SSAValue

from headrace.dialects import step
from headrace.dialects.step_equality import Equality


def graph() -> Block:
    """Arguments: two tables of selectors of 2, and integers to select."""
    table = TensorType(i1, (6, 2))
    return Block(arg_types=(table, table, TensorType(i64, (6,))))


def add(block: Block, op: Operation) -> SSAValue:
    block.add_op(op)
    return op.results[0]


def test_the_same_operation_on_the_same_tensor_gives_equal_streams() -> None:
    block = graph()
    first, second = (add(block, step.SelectOp(block.args[0])) for _ in range(2))
    other = add(block, step.SelectOp(block.args[1]))
    equality = Equality(block)
    assert equality.of(first) == equality.of(second) != equality.of(other)


def test_what_is_known_about_selectors_does_not_change_them() -> None:
    block = graph()
    multi, one = (add(block, step.SelectOp(block.args[0], hot=hot)) for hot in (None, 1))
    equality = Equality(block)
    assert equality.of(multi) == equality.of(one)


def test_copies_are_equal_whatever_order_they_are_written_in() -> None:
    block = graph()
    numbers = step.IntegersOp(block.args[2])
    first = step.BroadcastOp(numbers.result, consumers=2)
    second = step.BroadcastOp(first.outputs[1], consumers=2)
    block.add_ops((second, first, numbers))
    equality = Equality(block)
    copies = (first.outputs[0], *second.outputs)
    assert {equality.of(copy) for copy in copies} == {equality.of(numbers.result)}


def test_lists_are_no_part_of_a_sequence() -> None:
    block = graph()
    numbers = add(block, step.IntegersOp(block.args[2]))
    flat = add(block, step.FlattenOp(numbers, min=0, max=1))
    promoted = add(block, step.PromoteOp(flat, rank=0))
    chunks = add(block, step.ReshapeOp(add(block, step.IntegersOp(block.args[2])), chunk=4))
    equality = Equality(block)
    assert equality.of(numbers) != equality.of(flat) != equality.of(promoted)
    assert equality.sequence(numbers) == equality.sequence(flat) == equality.sequence(promoted)
    assert equality.sequence(chunks) != equality.sequence(numbers)


def test_outputs_of_equal_partitions_are_equal_one_by_one() -> None:
    block = graph()
    outputs: list[SSAValue] = []
    for names in (("a", "b"), ("c", "d")):
        numbers = add(block, step.IntegersOp(block.args[2]))
        selectors = add(block, step.SelectOp(block.args[0]))
        op = step.PartitionOp(numbers, selectors, rank=0, dims=names)
        block.add_op(op)
        outputs += op.outputs
    numbers_of = [Equality(block).of(output) for output in outputs]
    assert numbers_of[:2] == numbers_of[2:]
    assert len(set(numbers_of)) == 2


def merged(block: Block) -> step.EagerMergeOp:
    numbers = step.IntegersOp(block.args[2])
    flat = step.FlattenOp(numbers.result, min=0, max=1)
    merge = step.EagerMergeOp([flat.result], rank=0)
    block.add_ops((numbers, flat, merge))
    return merge


def test_the_order_of_arrival_is_equal_to_nothing_else() -> None:
    block = graph()
    first, second = merged(block), merged(block)
    equality = Equality(block)
    assert len({equality.of(value) for op in (first, second) for value in op.results}) == 4


def test_a_reassembly_of_single_units_has_one_order() -> None:
    block = graph()
    made: dict[int | None, list[SSAValue]] = {1: [], None: []}
    for hot, results in made.items():
        for _ in range(2):
            selectors = add(block, step.SelectOp(block.args[0], hot=hot))
            inputs = [add(block, step.IntegersOp(block.args[2])) for _ in range(2)]
            dim = None if hot else "k"
            op = step.ReassembleOp(selectors, inputs, rank=1, dim=dim)
            results.append(add(block, op))
    equality = Equality(block)
    assert len({equality.of(value) for value in made[1]}) == 1
    assert len({equality.of(value) for value in made[None]}) == 2


def test_what_is_fed_back_has_a_number_of_its_own() -> None:
    block = graph()
    start = add(block, step.FlattenOp(add(block, step.IntegersOp(block.args[2])), min=0, max=1))
    selectors = add(block, step.SelectOp(block.args[0], hot=1))
    loop = step.ReassembleOp(selectors, [start, start], rank=0)
    back = step.FlattenOp(loop.result, min=0, max=2)
    loop.operands[2] = back.result
    block.add_ops((loop, back))
    equality = Equality(block)
    assert len({equality.of(value) for value in (start, loop.result, back.result)}) == 3
