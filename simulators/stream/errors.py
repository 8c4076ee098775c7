"""The errors of the stream engine."""


class ProgramError(ValueError):
    """A program or an argument that cannot be run; the message says what, where and why."""


class SimulationError(RuntimeError):
    """A primitive met an illegal token, such as a value on one port and a stop on the other."""
