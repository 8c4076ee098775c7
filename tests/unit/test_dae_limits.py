"""A row that does not fit in the queue is refused; what cannot be cached runs."""

from typing import Any

from headrace.simulators.dae.jit import compiled
from headrace.simulators.dae.limits import queue_misfit
from headrace.simulators.dae.machine import DaeMachine

MACHINE = DaeMachine()


def test_a_row_fits_in_a_chunk() -> None:
    assert queue_misfit(MACHINE, "end of row", 4096) is None
    reason = queue_misfit(MACHINE, "end of row", 4097)
    assert reason is not None
    assert reason.startswith(
        "a token of case 'end of row' comes after 4097 words, but a chunk of the data queue "
        "holds 4096"
    )
    assert queue_misfit(DaeMachine(queue_words=16384), "end of row", 4097) is None


def test_a_function_that_cannot_be_cached_is_compiled_all_the_same() -> None:
    """As in an installation that cannot be written; here, because it has no file."""
    made = dict[str, Any]()
    exec("def twice(x):\n    return 2 * x\n", made)
    assert compiled(made["twice"])(21) == 42
