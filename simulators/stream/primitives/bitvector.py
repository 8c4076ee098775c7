"""
Bit vectors: a fiber as words with one bit per coordinate (at most 63 to a word).

Source: "The Sparse Abstract Machine", ASPLOS 2023, section 4.4.
"""

from headrace.simulators.stream.language import (
    DONE,
    In,
    Int,
    IntWork,
    Out,
    below,
    fail,
    finish,
    is_stop,
    level_of,
    mark_of,
    ones,
    peek,
    pop,
    reserve,
    send,
    stop,
    take,
    tick,
    trailing_zeros,
)
from headrace.simulators.stream.primitive import primitive


@primitive
def bitvector_build(crd: In, bv: Out) -> None:
    """crd -> bv: one word for a fiber that is not empty, with a bit per coordinate."""
    word = 0
    while True:
        token = take(crd)
        if token == DONE:
            send(bv, DONE)
            finish()
        if is_stop(token):
            if word != 0:
                send(bv, word)
                tick(1)
                word = 0
            send(bv, token)
        else:
            if not below(token, 63):
                fail("coordinate {token} does not fit a word of 63 bits", crd, token)
            word = word | (1 << token)
        tick(1)


@primitive
def bitvector_chunk(bv: In, chunk: Out, ref: Out, width: Int, size: Int) -> None:
    """bv -> bv, ref: words of `width` bits, low ones first, and how many bits come before."""
    before = 0
    while True:
        word = take(bv)
        if is_stop(word) or word == DONE:
            send(chunk, word)
            send(ref, word)
            if word == DONE:
                finish()
            before = 0
            tick(1)
        else:
            position = 0
            while position < size:
                part = (word >> position) & ((1 << width) - 1)
                send(chunk, part)
                send(ref, before)
                tick(1)
                before += ones(part)
                position += width


@primitive
def bitvector_intersect(
    bv0: In, ref0: In, bv1: In, ref1: In, common: Out, found0: Out, found1: Out
) -> None:
    """bv, ref, bv, ref -> bv, ref, ref: the common bits, and for each the positions of both."""
    while True:
        a = peek(bv0)
        r = peek(ref0)
        b = peek(bv1)
        s = peek(ref1)
        pop(bv0)
        pop(ref0)
        pop(bv1)
        pop(ref1)
        if is_stop(a) or a == DONE:
            if b != a:
                fail("{token} against a stop on port bv0", bv1, b)
            if r != a:
                fail("{token} against a stop on port bv0", ref0, r)
            if s != a:
                fail("{token} against a stop on port bv0", ref1, s)
            send(common, a)
            send(found0, a)
            send(found1, a)
            if a == DONE:
                finish()
            tick(1)
        else:
            if is_stop(b) or b == DONE:
                fail("{token} against a word on port bv0", bv1, b)
            both = a & b
            send(common, both)
            tick(1)
            while both != 0:
                lower = (1 << trailing_zeros(both)) - 1
                send(found0, r + ones(a & lower))
                send(found1, s + ones(b & lower))
                tick(1)
                both = both & (both - 1)


@primitive
def bitvector_drop(outer: In, inner: In, kept_outer: Out, kept_inner: Out, fiber: IntWork) -> None:
    """
    Outer bv, inner bv -> both: outer bits whose inner fiber has no bit are cleared, their
    fibers dropped.
    """
    bits_in_row = 0
    kept_in_row = 0
    while True:
        word = take(outer)
        if word == DONE:
            token = take(inner)
            if token != DONE:
                fail("{token} against D on the outer port", inner, token)
            send(kept_outer, DONE)
            send(kept_inner, DONE)
            finish()
        if is_stop(word):
            if bits_in_row == 0:
                token = take(inner)
                if not is_stop(token):
                    fail("{token} against a stop on the outer port", inner, token)
                send(kept_inner, token)
            elif kept_in_row == 1:
                send(kept_inner, stop(level_of(word) + 1, 0))
            else:
                send(kept_inner, stop(level_of(word) + 1, mark_of(word) + 1))
            send(kept_outer, word)
            bits_in_row = 0
            kept_in_row = 0
            tick(1)
        else:
            rest = word
            kept = word
            while rest != 0:
                bits_in_row = 1
                found = 0
                words = 0
                token = take(inner)
                while not is_stop(token):
                    if token == DONE:
                        fail("D against a word on the outer port", inner, token)
                    found = found | token
                    reserve(fiber, words + 1)
                    fiber[words] = token
                    words += 1
                    tick(1)
                    token = take(inner)
                tick(1)
                if found == 0:
                    kept = kept & ~(rest & -rest)
                else:
                    if kept_in_row == 1:
                        send(kept_inner, stop(0, 0))
                    kept_in_row = 1
                    position = 0
                    while position < words:
                        send(kept_inner, fiber[position])
                        position += 1
                rest = rest & (rest - 1)
            send(kept_outer, kept)
            tick(1)
