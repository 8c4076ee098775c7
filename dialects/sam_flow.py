"""
The order in which tokens flow through a graph.

The operations of a stream graph run at the same time; SSA does not force them into an order,
and a value may be used above the operation that makes it.
"""

from xdsl.ir import Block, Operation, OpResult


def producers_first(block: Block) -> tuple[list[Operation], list[Operation]]:
    """
    The operations of a graph, each behind those that make its operands; otherwise as written.

    Second, the operations of one cycle, if there is one. The first list has neither those on a
    cycle nor those behind one.
    """
    waiting = _waiting(block)
    order: dict[Operation, None] = {}
    for start in block.ops:
        path = [] if start in waiting or start in order else [(start, iter(_makers(start)))]
        while path:
            op, makers = path[-1]
            maker = next((maker for maker in makers if maker not in order), None)
            if maker is None:
                path.pop()
                order[op] = None
            else:
                path.append((maker, iter(_makers(maker))))
    return list(order), _cycle(waiting)


def _makers(op: Operation) -> list[Operation]:
    """The operations of the same block that make the operands."""
    makers = (operand.op for operand in op.operands if isinstance(operand, OpResult))
    return [maker for maker in dict.fromkeys(makers) if maker.parent is op.parent]


def _waiting(block: Block) -> dict[Operation, None]:
    """The operations on cycles and behind them: what is left when all others have run."""
    missing = {op: len(_makers(op)) for op in block.ops}
    ready = [op for op, count in missing.items() if count == 0]
    for op in ready:
        readers = dict.fromkeys(use.operation for result in op.results for use in result.uses)
        for reader in readers:
            if reader in missing:
                missing[reader] -= 1
                if missing[reader] == 0:
                    ready.append(reader)
    return {op: None for op, count in missing.items() if count}


def _cycle(waiting: dict[Operation, None]) -> list[Operation]:
    """One cycle; walking from maker to maker that waits ends in one."""
    walk: dict[Operation, None] = {}
    op = next(iter(waiting), None)
    while op is not None and op not in walk:
        walk[op] = None
        op = next(maker for maker in _makers(op) if maker in waiting)
    steps = list(walk)
    return steps[steps.index(op) :] if op is not None else []
