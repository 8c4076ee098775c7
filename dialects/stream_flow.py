"""
The order in which tokens flow through a graph.

The operations of a stream graph run at the same time; SSA does not force them into an order,
and a value may be used above the operation that makes it.
"""

from collections.abc import Callable, Mapping, Sequence

from xdsl.ir import Block, Operation, OpResult, SSAValue

Makers = Mapping[Operation, Sequence[Operation]]


def _operands(op: Operation) -> Sequence[SSAValue]:
    return op.operands


def producers_first(
    block: Block, needs: Callable[[Operation], Sequence[SSAValue]] = _operands
) -> tuple[list[Operation], list[Operation]]:
    """
    The operations of a graph, each behind those that make its operands; otherwise as written.

    Second, the operations of one cycle, if there is one. The first list has neither those on a
    cycle nor those behind one. `needs` says which operands count: all of them unless given.
    """
    makers = {op: _makers(op, needs(op)) for op in block.ops}
    waiting = _waiting(makers)
    order: dict[Operation, None] = {}
    for start in block.ops:
        path = [] if start in waiting or start in order else [(start, iter(makers[start]))]
        while path:
            op, remaining = path[-1]
            maker = next((maker for maker in remaining if maker not in order), None)
            if maker is None:
                path.pop()
                order[op] = None
            else:
                path.append((maker, iter(makers[maker])))
    return list(order), _cycle(waiting, makers)


def _makers(op: Operation, operands: Sequence[SSAValue]) -> list[Operation]:
    """The operations of the same block that make the operands."""
    makers = (operand.op for operand in operands if isinstance(operand, OpResult))
    return [maker for maker in dict.fromkeys(makers) if maker.parent is op.parent]


def _waiting(makers: Makers) -> dict[Operation, None]:
    """The operations on cycles and behind them: what is left when all others have run."""
    missing = {op: len(needed) for op, needed in makers.items()}
    readers: dict[Operation, list[Operation]] = {op: [] for op in makers}
    for op, needed in makers.items():
        for maker in needed:
            readers[maker].append(op)
    ready = [op for op, count in missing.items() if count == 0]
    for op in ready:
        for reader in readers[op]:
            missing[reader] -= 1
            if missing[reader] == 0:
                ready.append(reader)
    return {op: None for op, count in missing.items() if count}


def _cycle(waiting: dict[Operation, None], makers: Makers) -> list[Operation]:
    """One cycle; walking from maker to maker that waits ends in one."""
    walk: dict[Operation, None] = {}
    op = next(iter(waiting), None)
    while op is not None and op not in walk:
        walk[op] = None
        op = next(maker for maker in makers[op] if maker in waiting)
    steps = list(walk)
    return steps[steps.index(op) :] if op is not None else []
