"""
Instructions of access-execute programs, for the builder and the machine.

An instruction is a row of integers: opcode, lanes, element type, destination, a, b, c, d. Floats
and integers have registers of their own, each of as many lanes as the longest vector; a scalar is
lane 0. Float registers hold float64, rounded to the element type after each operation; integers
wrap to theirs.
"""

from enum import IntEnum

FIELDS = ("op", "lanes", "element", "to", "a", "b", "c", "d")
"""Of an instruction, in this order."""


class Element(IntEnum):
    """Types of elements in memory and of operations; `BYTES` has their sizes."""

    F64 = 0
    F32 = 1
    F16 = 2
    BF16 = 3
    I64 = 4
    I32 = 5
    I16 = 6
    I8 = 7
    I1 = 8


BYTES = (8, 4, 2, 2, 8, 4, 2, 1, 1)


class Op(IntEnum):
    """`F`: float registers, `I`: integer registers; `type` is the field of the element type."""

    # --- control ---------------------------------------------------------------------------
    HALT = 0
    JUMP = 1
    """To a."""
    JUMP_UNLESS = 2
    """To b, unless integer a holds."""
    LOOP = 3
    """
    Enter a loop of variable `destination` from integers a to b by c, or go to d. With several
    lanes, `type` is the register of how many are inside.
    """
    NEXT = 4
    """The loop's next trip, at d, if there is one."""
    CALL = 5
    RETURN = 6
    EXPECT = 7
    """Fail with message b unless integer a holds."""

    # --- queues and trace --------------------------------------------------------------------
    COST = 8
    """The core does work a."""
    ITEM = 9
    """An item of kind a ends; one without tokens and words only if b and lines were requested."""
    TOKEN = 10
    """Push the token of case a."""
    PUSH_F = 11
    PUSH_I = 12
    POP_F = 13
    POP_I = 14
    DONE = 15
    """The access unit ends; the queue must be empty."""

    # --- memory: buffer a, indices in operands b to b + c, stream d or -1 ----------------------
    LOAD_F = 16
    """`type`: register of how many lanes are inside of their loop, or -1."""
    LOAD_I = 17
    STORE_F = 18
    STORE_I = 19
    MASKED_LOAD_F = 20
    """`type`: register of the mask; d: register of what the other lanes have."""
    MASKED_LOAD_I = 21
    MASKED_STORE_F = 22
    MASKED_STORE_I = 23
    SIZE = 24
    """Of dimension b of buffer a."""
    COPY = 25
    """Buffer a into buffer b."""

    # --- moves -------------------------------------------------------------------------------
    MOVE_F = 26
    MOVE_I = 27
    BROADCAST_F = 28
    BROADCAST_I = 29
    LANE_F = 30
    """Lane b of a."""
    LANE_I = 31
    PUT_F = 32
    """a, with the scalar b in lane c."""
    PUT_I = 33
    SELECT_F = 34
    """b where a holds, else c; d: whether a has lanes."""
    SELECT_I = 35
    MASK = 36
    """Whether each lane is less than a."""
    TO_FLOAT = 37
    TO_INTEGER = 38
    UNSIGNED = 39
    """Integer a as one without a sign, of element type b."""

    # --- arithmetic ----------------------------------------------------------------------------
    ADD_F = 40
    SUBTRACT_F = 41
    MULTIPLY_F = 42
    DIVIDE_F = 43
    MAXIMUM_F = 44
    """NaN if one is."""
    MINIMUM_F = 45
    MAXIMUM_NUMBER_F = 46
    """The other if one is NaN."""
    MINIMUM_NUMBER_F = 47
    POWER = 48
    NEGATE = 49
    ABSOLUTE_F = 50
    SQUARE_ROOT = 51
    RECIPROCAL_ROOT = 52
    EXPONENTIAL = 53
    LOGARITHM = 54
    SINE = 55
    COSINE = 56
    TANGENT_H = 57
    ERROR_FUNCTION = 58
    FLOOR = 59
    CEIL = 60
    ADD_I = 61
    SUBTRACT_I = 62
    MULTIPLY_I = 63
    DIVIDE_I = 64
    """Rounded towards zero."""
    REMAINDER = 65
    FLOOR_DIVIDE = 66
    CEIL_DIVIDE = 67
    MAXIMUM_I = 68
    MINIMUM_I = 69
    AND = 70
    OR = 71
    XOR = 72
    COMPARE_F = 73
    """By predicate d, as those of `arith.cmpf`."""
    COMPARE_I = 74
    """By predicate d, as those of `arith.cmpi`; c: the element type, for those without a sign."""
    REDUCE_F = 75
    """Combine the lanes of a by opcode c, lane 0 first, behind the scalar b if that is not -1."""
    REDUCE_I = 76


class Failure(IntEnum):
    """Why a run ends early."""

    NONE = 0
    OUTSIDE = 1
    """details: buffer, dimension, index"""
    STEP = 2
    """details: the step"""
    DIVISION = 3
    EXPECTED = 4
    """details: the message"""
    EMPTY = 5
    """A pop from the empty queue."""
    LEFT = 6
    """details: words that are never popped"""
    KIND = 7
    """A pop of a float where an integer was pushed, or the reverse, or of other lanes."""
