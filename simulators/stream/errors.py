"""The errors of the stream engine."""


class ProgramError(ValueError):
    """A program or an argument of `simulate` that cannot be run; the message says what and where."""


class SimulationError(RuntimeError):
    """A primitive met an illegal token, such as a value on one port and a stop on the other."""
