"""
Operators that remove tokens: coordinates of empty fibers, zeros, stops, masked elements.

Source: "The Sparse Abstract Machine", ASPLOS 2023, section 4.7.
"""

from headrace.simulators.stream.language import (
    DONE,
    EMPTY,
    In,
    Out,
    StaticText,
    fail,
    finish,
    is_data,
    is_stop,
    level_of,
    peek,
    pop,
    reject,
    send,
    stop,
    take,
    tick,
    value_of,
)
from headrace.simulators.stream.primitive import primitive


@primitive
def coordinate_drop(outer: In, inner: In, kept: Out, passed: Out) -> None:
    """outer crd, inner -> both: outer coordinates whose inner fiber is empty are removed."""
    row_empty = 1
    while True:
        head = peek(outer)
        if head == DONE:
            token = take(inner)
            if token != DONE:
                fail("{token} against D on the outer port", inner, token)
            send(passed, token)
            send(kept, DONE)
            finish()
        if is_stop(head):
            if row_empty == 1:
                token = take(inner)
                if not is_stop(token):
                    fail("{token} against a stop on the outer port", inner, token)
                send(passed, token)
            row_empty = 1
            send(kept, head)
            pop(outer)
        else:
            row_empty = 0
            found = 0
            token = take(inner)
            send(passed, token)
            while not is_stop(token):
                if token == DONE:
                    fail("D against a coordinate on the outer port", inner, token)
                found = 1
                token = take(inner)
                send(passed, token)
            if found == 1:
                send(kept, head)
            pop(outer)
        tick(1)


@primitive
def coordinate_hold(outer: In, inner: In, held: Out, passed: Out) -> None:
    """outer crd, inner crd -> both: the outer coordinate once per inner one, with inner's stops."""
    while True:
        token = take(inner)
        head = peek(outer)
        if token == DONE:
            pop(outer)
            send(held, DONE)
            send(passed, DONE)
            if head != DONE:
                fail("D on the inner port against {token}", outer, head)
            finish()
        if is_stop(token):
            send(held, token)
            send(passed, token)
            pop(outer)
            if not is_stop(head) and level_of(token) > 0:
                ahead = take(outer)
                if not is_stop(ahead):
                    fail("the outer fiber goes on where the inner one ends", outer, ahead)
        else:
            if is_stop(head) or head == DONE:
                fail("{token} against a coordinate on the inner port", outer, head)
            send(held, head)
            send(passed, token)
        tick(1)


@primitive
def value_drop(val: In, crd: In, kept: Out, kept_crd: Out, empty: StaticText = "keep") -> None:
    """
    val, crd -> both: zeros are removed with their coordinates.

    Fibers that become empty stay (`keep`) or go (`drop`: a run of stops becomes its largest).
    """
    if empty != "keep" and empty != "drop":
        reject("empty is keep or drop")
    started = 0
    held = -1
    while True:
        token = take(val)
        key = take(crd)
        if is_data(token) or token == EMPTY:
            if is_stop(key) or key == DONE:
                fail("{token} against a value", crd, key)
            if token != EMPTY and value_of(token) != 0.0:
                if held >= 0:
                    send(kept, stop(held, 0))
                    send(kept_crd, stop(held, 0))
                    held = -1
                send(kept, token)
                send(kept_crd, key)
                started = 1
        else:
            if key != token:
                fail("{token} against a stop on the val port", crd, key)
            if token == DONE:
                if held >= 0:
                    send(kept, stop(held, 0))
                    send(kept_crd, stop(held, 0))
                send(kept, DONE)
                send(kept_crd, DONE)
                finish()
            if empty == "keep":
                send(kept, token)
                send(kept_crd, token)
            elif started == 1 and level_of(token) > held:
                held = level_of(token)
        tick(1)


@primitive
def stop_drop(x: In, y: Out, mode: StaticText) -> None:
    """
    stream -> stream: without any stop (`all`), or without empty fibers (`empty`).

    Without empty fibers, leading stops vanish and a run of stops becomes its largest.
    """
    if mode != "all" and mode != "empty":
        reject("mode is all or empty")
    started = 0
    held = -1
    while True:
        token = take(x)
        if is_stop(token):
            if mode == "empty" and started == 1 and level_of(token) > held:
                held = level_of(token)
        else:
            if held >= 0:
                send(y, stop(held, 0))
                held = -1
            send(y, token)
            started = 1
            if token == DONE:
                finish()
        tick(1)


@primitive
def mask(
    outer: In,
    inner: In,
    ref: In,
    kept_outer: Out,
    kept_inner: Out,
    kept_ref: Out,
    predicate: StaticText,
) -> None:
    """
    outer crd, inner crd, inner ref -> all three: inner elements are dropped where
    `outer predicate inner`.

    A fiber that becomes empty goes together with its outer coordinate. Its stop goes too, unless
    it ends a row: a row without a fiber left is a hollow stop.
    """
    in_fiber = 0
    in_row = 0
    while True:
        token = take(inner)
        item = take(ref)
        head = peek(outer)
        if token == DONE:
            if head != DONE:
                fail("{token} against D on the inner port", outer, head)
            send(kept_outer, DONE)
            send(kept_inner, DONE)
            send(kept_ref, DONE)
            finish()
        if is_stop(token):
            if item != token:
                fail("{token} against a stop on the inner port", ref, item)
            if is_stop(head):
                send(kept_outer, head)
                send(kept_inner, token)
                send(kept_ref, token)
                pop(outer)
            else:
                pop(outer)
                in_row = in_row | in_fiber
                in_fiber = 0
                if level_of(token) > 0:
                    end = take(outer)
                    if not is_stop(end):
                        fail("the outer fiber goes on where the inner one ends", outer, end)
                    close = token
                    if in_row == 0:
                        close = stop(level_of(token), 1)
                    in_row = 0
                    send(kept_outer, end)
                    send(kept_inner, close)
                    send(kept_ref, close)
        else:
            if is_stop(head) or head == DONE:
                fail("{token} against a coordinate on the inner port", outer, head)
            drop = 0
            if predicate == "gt":
                drop = head > token
            elif predicate == "ge":
                drop = head >= token
            elif predicate == "lt":
                drop = head < token
            elif predicate == "le":
                drop = head <= token
            elif predicate == "eq":
                drop = head == token
            elif predicate == "ne":
                drop = head != token
            else:
                reject("predicate is gt, ge, lt, le, eq or ne")
            if drop == 0:
                if in_fiber == 0:
                    if in_row == 1:
                        send(kept_inner, stop(0, 0))
                        send(kept_ref, stop(0, 0))
                    send(kept_outer, head)
                    in_fiber = 1
                send(kept_inner, token)
                send(kept_ref, item)
        tick(1)
