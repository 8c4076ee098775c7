"""What does not fit in a machine is said before it is simulated; what cannot be cached runs."""

import re
from typing import Any

import pytest

from headrace.simulators.dae.jit import compiled
from headrace.simulators.dae.limits import queue_misfit, unit_misfit
from headrace.simulators.dae.machine import DaeMachine

MACHINE = DaeMachine()
STREAMS = {"indices": 8, "table": 32}


def test_a_row_fits_in_a_chunk() -> None:
    assert queue_misfit(MACHINE, "end of row", 4096) is None
    reason = queue_misfit(MACHINE, "end of row", 4097)
    assert reason is not None
    assert reason.startswith(
        "a token of case 'end of row' comes after 4097 words, but a chunk of the data queue "
        "holds 4096"
    )
    assert queue_misfit(DaeMachine(queue_words=16384), "end of row", 4097) is None


@pytest.mark.parametrize(
    ("layers", "lanes", "streams", "reason"),
    [
        (5, 8, STREAMS, "nested 5 deep, but the machine has 4 layers"),
        (3, 16, STREAMS, "vectors of 16 elements do not fit in the 8 lanes"),
        (3, 8, STREAMS | {"wide": 4096}, "3 streams take 8272 bytes .*'wide'.* stores 8192"),
    ],
)
def test_a_resource_that_does_not_suffice_is_named(
    layers: int, lanes: int, streams: dict[str, int], reason: str
) -> None:
    found = unit_misfit(MACHINE, layers=layers, lanes=lanes, entry_bytes=streams)
    assert found is not None
    assert re.search(reason, found)


def test_the_machine_of_the_paper_has_room_for_embedding_bag() -> None:
    assert unit_misfit(MACHINE, layers=3, lanes=8, entry_bytes=STREAMS) is None
    wide = DaeMachine(lanes=16)
    assert unit_misfit(wide, layers=4, lanes=16, entry_bytes=STREAMS) is None


def test_a_function_that_cannot_be_cached_is_compiled_all_the_same() -> None:
    """As in an installation that cannot be written; here, because it has no file."""
    made = dict[str, Any]()
    exec("def twice(x):\n    return 2 * x\n", made)
    assert compiled(made["twice"])(21) == 42
