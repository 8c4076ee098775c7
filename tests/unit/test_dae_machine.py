"""Descriptions of access-execute machines: what a file may say, and what the numbers mean."""

from pathlib import Path

import pytest

from headrace.simulators.dae.machine import CoreCosts, DaeMachine
from headrace.simulators.stream.machine import MachineDescription
from headrace.storage.errors import InputError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "machine.toml"


def test_what_is_not_named_keeps_its_default(file: Path) -> None:
    file.write_text("[dae]\nlanes = 16\ncore_clock = 3\n[dae.core]\nloop_exit = 20.5\n")
    machine = DaeMachine.load(file)
    assert machine == DaeMachine(lanes=16, core_clock=3, core=CoreCosts(loop_exit=20.5))


def test_one_file_describes_machines_of_several_targets(file: Path) -> None:
    file.write_text("[dae]\nlanes = 4\n[memory]\nchannels = 2\n")
    assert DaeMachine.load(file).lanes == 4
    assert MachineDescription.load(file).memory.channels == 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[dae", "cannot read the machine description"),
        ("[memory]\nchannels = 2\n", "does not describe an access-execute machine; add .*dae"),
        ("[dea]\n", "there is no section 'dea'; use .memory., .step., .dae."),
        ("dae = 3\n", "dae must be a section"),
        ("[dae]\ncore = 3\n", "dae.core must be a section"),
        ("[dae]\nlane = 3\n", "no 'lane'; it has cores, "),
        ("[dae.core]\nexit = 3\n", "no 'exit'; it has dispatch, "),
        ("[dae]\nlanes = 0\n", "dae.lanes of a machine is 0; give a whole number from 1 to 64"),
        ("[dae]\nlanes = 65\n", "dae.lanes .* is 65; give a whole number from 1 to 64"),
        ("[dae]\nlanes = 8.0\n", "dae.lanes .* is 8.0; give a whole number"),
        ("[dae]\nlanes = true\n", "dae.lanes .* is True; give a whole number"),
        ("[dae]\nlanes = 'all'\n", "dae.lanes .* is 'all'; give a whole number"),
        ("[dae]\ncore_clock = nan\n", "dae.core_clock .* is nan; give a number from 0.001"),
        ("[dae]\nmemory_bandwidth = 0\n", "dae.memory_bandwidth .* is 0; give a number"),
        ("[dae.core]\ndispatch = -1\n", "dae.core.dispatch .* is -1; give a number from 0"),
        ("[dae]\nqueue_words = 4\nqueue_chunks = 8\n", "8, more than the 4 words of its queue"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(file: Path, text: str, reason: str) -> None:
    file.write_text(text)
    with pytest.raises(InputError, match=reason):
        DaeMachine.load(file)


def test_a_file_that_is_not_there_is_refused(file: Path) -> None:
    with pytest.raises(InputError, match="cannot read the machine description"):
        DaeMachine.load(file)


def test_clocks_are_counted_in_cycles_of_the_core() -> None:
    """The numbers that section 7.4 of the specification gives in core cycles."""
    machine = DaeMachine()
    assert machine.line_issue == 2.4
    assert machine.word_marshal == pytest.approx(2.4 / 8)
    assert machine.line_transfer == pytest.approx(4.389, abs=1e-3)
    assert (machine.l2_lines, machine.llc_lines, machine.chunk_words) == (4096, 16384, 4096)
