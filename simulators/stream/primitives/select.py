"""
Sequential access to a stream as if it were memory: elements are numbered, then selected.

The output of an accumulator, say, need not be stored to be joined with another operand: its
fibers and values are picked from the stream in the order in which they come.
"""

from headrace.simulators.stream.language import (
    DONE,
    EMPTY,
    In,
    Int,
    Out,
    fail,
    finish,
    is_data,
    is_stop,
    mark_of,
    send,
    take,
    tick,
    value_of,
)
from headrace.simulators.stream.primitive import primitive
from headrace.simulators.stream.primitives.closing import closing_stop


@primitive
def number(x: In, ref: Out) -> None:
    """crd -> ref: the elements of the whole stream numbered 0, 1, 2, .."""
    count = 0
    while True:
        token = take(x)
        if is_data(token):
            send(ref, count)
            count += 1
        else:
            send(ref, token)
            if token == DONE:
                finish()
        tick(1)


@primitive
def coordinates(val: In, crd: Out, extent: Int) -> None:
    """val -> crd: integers from 0 to extent - 1 as coordinates, in any order; N counts as 0."""
    while True:
        token = take(val)
        if token == DONE:
            send(crd, DONE)
            finish()
        if is_stop(token):
            send(crd, token)
        else:
            index = 0.0 if token == EMPTY else value_of(token)
            if not (index >= 0.0 and index < float(extent)):
                fail("index {value} lies outside of the tensor that it reads", val, token)
            if float(int(index)) != index:
                fail("index {value} is no integer", val, token)
            send(crd, int(index))
        tick(1)


@primitive
def select_fibers(ref: In, crd: In, picked: Out, child: Out) -> None:
    """
    ref, crd -> crd, ref: the fibers with the given, increasing numbers.

    As a scan, but of a stream: fibers that are not named are skipped, N gives an empty fiber. The
    result refs number the coordinates of the input. A hollow stop ends no fiber and has no number.
    """
    fiber = 0
    position = 0
    while True:
        wanted = take(ref)
        if wanted == DONE:
            token = take(crd)
            while token != DONE:
                tick(1)
                token = take(crd)
            send(picked, DONE)
            send(child, DONE)
            finish()
        if not is_stop(wanted) and wanted != EMPTY:
            if wanted < fiber:
                fail("fiber {token} was wanted after a later one", ref, wanted)
            while fiber <= wanted:
                token = take(crd)
                if token == DONE:
                    fail("the stream ends before a fiber that is wanted", crd, token)
                ends = 0
                if is_stop(token):
                    if mark_of(token) == 0:
                        ends = 1
                else:
                    if fiber == wanted:
                        send(picked, token)
                        send(child, position)
                    position += 1
                if ends == 0 or fiber < wanted:
                    tick(1)
                fiber += ends
        close = closing_stop(ref, wanted)
        send(picked, close)
        send(child, close)
        tick(1)


@primitive
def select_values(ref: In, val: In, picked: Out) -> None:
    """ref, val -> val: the values with the given numbers, in order; N gives 0."""
    position = 0
    found = 0
    while True:
        wanted = take(ref)
        if wanted == DONE:
            token = take(val)
            while token != DONE:
                tick(1)
                token = take(val)
            send(picked, DONE)
            finish()
        if is_stop(wanted):
            send(picked, wanted)
        elif wanted == EMPTY:
            send(picked, 0)
        else:
            if wanted < position - 1:
                fail("value {token} was wanted after a later one", ref, wanted)
            while position <= wanted:
                found = take(val)
                if found == DONE:
                    fail("the stream ends before a value that is wanted", val, found)
                if not is_stop(found):
                    position += 1
                if position <= wanted:
                    tick(1)
            send(picked, found)
        tick(1)
