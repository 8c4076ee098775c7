"""
Whether a program fits in the resources of a machine: asked before there is a trace to time.

Each function returns a sentence that says what does not fit, where and what to do, or None.
"""

from collections.abc import Mapping

from headrace.simulators.dae.machine import DaeMachine


def queue_misfit(machine: DaeMachine, case: str, words: int) -> str | None:
    """
    Whether the words that are pushed before a token of a case fit in a chunk of the data queue.

    The access unit pushes the words of a token before the token, and the core pops nothing before
    it has the token. Words beyond the queue would wait for the core for ever; the core is given
    whole chunks, so words beyond a chunk would, too.
    """
    if words <= machine.chunk_words:
        return None
    return (
        f"a token of case '{case}' comes after {words} words, but a chunk of the data queue holds "
        f"{machine.chunk_words}; send rows in pieces with --opt 1 or ember-buffer{{queue="
        f"{machine.chunk_words}}}, or give the machine more queue_words"
    )


def unit_misfit(
    machine: DaeMachine, *, layers: int, lanes: int, entry_bytes: Mapping[str, int]
) -> str | None:
    """
    Whether loops, vectors and buffers fit in the access unit.

    `entry_bytes` of each stream by its name, as `trace.Stream.entry_bytes`; a buffer has two
    entries at least, one to fill while the other is read.
    """
    if layers > machine.layers:
        return (
            f"the loops of the access unit are nested {layers} deep, but the machine has "
            f"{machine.layers} layers; offload fewer loops, or give it more"
        )
    if lanes > machine.lanes:
        return (
            f"vectors of {lanes} elements do not fit in the {machine.lanes} lanes of the machine; "
            "vectorize by fewer, or give it more"
        )
    least = 2 * sum(entry_bytes.values())
    if least > machine.storage_bytes:
        largest = max(entry_bytes, key=entry_bytes.__getitem__)
        return (
            f"the buffers of {len(entry_bytes)} streams take {least} bytes at least (most for "
            f"'{largest}'), but the access unit stores {machine.storage_bytes}; vectorize by "
            "fewer, or give it more storage_bytes"
        )
    return None
