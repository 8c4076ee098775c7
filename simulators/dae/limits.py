"""
Whether what a program pushes fits in the queues of a machine: asked before its trace is timed.

What it needs of the access unit is known without a run: see `dialects/dlc_resources.py`.
"""

from headrace.simulators.dae.machine import DaeMachine


def queue_misfit(machine: DaeMachine, case: str, words: int) -> str | None:
    """
    Why the words that are pushed before a token of a case do not fit in a chunk of the data queue.

    One sentence: what, where and what to do; None if they fit.

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
