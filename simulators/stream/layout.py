"""
Records in memory that compiled primitives and the scheduler share.

A record is a row of 64-bit words. Addresses are absolute, so that arrays of the caller are read
in place and rings and outputs can be replaced by larger ones between two visits of a node.

A ring slot is two words: the stamp and the token. When the reader takes the token it overwrites
the stamp with the time at which the slot is free again, exactly where the writer finds it when it
comes round to this slot: no second queue is needed for back-pressure.
"""

WORD = 8
SLOT = 2 * WORD

# Node record ------------------------------------------------------------------------------------
STEP = 0
"""Address of the compiled step function."""
POINT = 1
"""The suspension point at which the node resumes; 0 is the beginning."""
TIME = 2
STATUS = 3
WAIT_CELL, WAIT_VALUE = 4, 5
"""The node cannot move while the word at address WAIT_CELL equals WAIT_VALUE."""
STALL_IN, STALL_OUT = 6, 7
"""Cycles in which the clock waited for a token, for a slot."""
DETAIL = 8
"""The message of a failure, the size wanted by a growing array, or the words of a request."""
OFFENDER = 9
"""The token that caused a failure."""
TRAFFIC = 10
"""Words moved to or from memory; for a node that computes, its busy cycles without operation."""
BUSY_START, BUSY_END = 11, 12
"""The busy interval that is not yet recorded, if a trace is."""
PORTS = 13
"""First port word: addresses of channel records, inputs first."""

RUNNING, FINISHED, FAILED, GROWING, SERVED = 0, 1, 2, 3, 4
"""Values of STATUS."""

# Channel record ---------------------------------------------------------------------------------
BASE, END = 0, 1
HEAD, TAIL = 2, 3
FILLED = 4
"""Bytes of the ring that hold tokens."""
RESPONSE = 5
"""Cycles until a slot is free after its token was taken; hugely negative if unbounded."""
PUSHED = 6
"""Bytes pushed so far."""
DISCARD = 7
"""1 if nobody reads the channel; what is sent to it is overwritten when its ring is full."""
CLOSED = 7
"""
If somebody reads the channel: 0, or 1 + the time at which its writer closed it.

Closing an empty channel also sets FILLED to -SLOT, so that a reader that waits there wakes.
"""
CHANNEL_WORDS = 8

NEVER_BINDS = -(1 << 60)
"""RESPONSE of an unbounded channel."""
