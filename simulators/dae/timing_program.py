"""
Programs without arithmetic on floats, for runs of which only the time is asked.

The work of the core has instructions of its own (`Op.COST`), so that what is left out takes no
time with it. Integers stay: they are addresses, bounds and conditions.
"""

from dataclasses import replace

import numpy as np

from headrace.simulators.dae.opcodes import FIELDS, Element, Op
from headrace.simulators.dae.program import Program

_TO_INTEGERS = (Op.COMPARE_F, Op.TO_INTEGER)
_ON_FLOATS = (
    Op.MASKED_LOAD_F,
    Op.MASKED_STORE_F,
    Op.PUT_F,
    Op.SELECT_F,
    Op.TO_FLOAT,
    *range(Op.ADD_F, Op.CEIL + 1),
    Op.REDUCE_F,
)
_TARGETS = {Op.JUMP: "a", Op.JUMP_UNLESS: "b", Op.LOOP: "d", Op.NEXT: "d", Op.CALL: "a"}
"""The field of an instruction that is the place of another."""


def floats_decide(program: Program) -> bool:
    """Whether an integer is made of floats, on which what the program does may depend."""
    return bool(np.isin(program.code[:, 0], _TO_INTEGERS).any())


def without_floats(program: Program) -> Program:
    """
    The program of which the core neither loads, computes nor stores floats.

    Pushes and pops stay, and so does what the access unit loads and stores.
    """
    code = program.code
    op, stream = code[:, 0], code[:, FIELDS.index("d")]
    of_core = np.isin(op, (Op.LOAD_F, Op.STORE_F)) & (stream < 0)
    copied = program.elements[np.where(op == Op.COPY, code[:, FIELDS.index("a")], 0)]
    copies = (op == Op.COPY) & (copied <= Element.BF16)
    kept = ~(np.isin(op, _ON_FLOATS) | of_core | copies)
    place = np.concatenate([[0], np.cumsum(kept)])
    shorter = code[kept]
    for jump, field in _TARGETS.items():
        rows, column = shorter[:, 0] == jump, FIELDS.index(field)
        shorter[rows, column] = place[shorter[rows, column]]
    return replace(program, code=shorter, place=program.place[kept])
