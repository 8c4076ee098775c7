"""How nested streams close their fibers: the rule that scans, repeats and selections share."""

from headrace.simulators.stream.language import (
    In,
    is_stop,
    level_of,
    mark_of,
    peek,
    pop,
    stop,
)
from headrace.simulators.stream.primitive import helper


@helper
def closing_stop(parents: In, parent: int) -> int:
    """
    The stop that ends the fiber which the token `parent`, just taken, has opened.

    It takes a stop that follows the parent: both ends merge. A stop in the parent's place opens
    no fiber and stands for an empty row: it goes one level up, with one more mark.
    """
    close = stop(0, 0)
    if is_stop(parent):
        close = stop(level_of(parent) + 1, mark_of(parent) + 1)
    else:
        ahead = peek(parents)
        if is_stop(ahead):
            pop(parents)
            close = stop(level_of(ahead) + 1, 0)
    return close
