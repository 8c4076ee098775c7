"""
The order in which tokens flow through a graph.

The operations of a stream graph run at the same time; SSA does not force them into an order,
and a value may be used above the operation that makes it.
"""

from xdsl.ir import Block, Operation, OpResult


def producers_first(block: Block) -> tuple[list[Operation], list[Operation]]:
    """
    The operations of a graph, each behind those that make its operands; otherwise as written.

    Second, the operations that wait for themselves: those on a cycle and all behind it.
    """
    waits = {
        op: len({o.op for o in op.operands if isinstance(o, OpResult) and o.op.parent is block})
        for op in block.ops
    }
    ready = [op for op, count in waits.items() if count == 0]
    for op in ready:
        readers = dict.fromkeys(use.operation for result in op.results for use in result.uses)
        for reader in readers:
            if reader in waits:
                waits[reader] -= 1
                if waits[reader] == 0:
                    ready.append(reader)
    return ready, [op for op, count in waits.items() if count]
