"""
The sparse accumulator of order n: inner entries are added into a map of n levels, which is written
out in order when the outer stream stops.

Source: "The Sparse Abstract Machine", ASPLOS 2023, section 4.5 (matrix reducer).
"""

from headrace.simulators.stream.language import (
    DONE,
    EMPTY,
    FloatWork,
    In,
    Ins,
    IntWork,
    Out,
    Outs,
    StaticInt,
    StaticText,
    fail,
    finish,
    idle,
    is_data,
    is_stop,
    level_of,
    mark_of,
    peek,
    pop,
    registers,
    reserve,
    send,
    stop,
    tick,
    token_of,
    trailing_zeros,
    value_of,
)
from headrace.simulators.stream.primitive import primitive
from headrace.simulators.stream.primitives.pages import (
    BLOCK,
    HEADER,
    MASK,
    NUMBER,
    ROOT,
    WIDTH,
    begin,
    clear,
    entry_of,
    new_fiber,
    page_of,
    place_in,
    start,
    turn,
)
from headrace.simulators.stream.primitives.tiles import copy_of, fold, fold_tile


@primitive
def accumulate_tree(
    outer: In,
    crd: Ins,
    val: In,
    sorted_crd: Outs,
    total: Out,
    table: IntWork,
    pages: IntWork,
    fibers: IntWork,
    entries: IntWork,
    path: IntWork,
    arena: FloatWork,
    free_tiles: IntWork,
    n: StaticInt,
    op: StaticText = "add",
    tile: StaticInt = 0,
) -> None:
    """
    outer crd p+r, crds p+r+a1 .. p+r+a1..an, val -> crds p+a1 .. p+a1..an, val (order n).

    While it writes out, `path` holds for each level the page where the next entry is, 0 if there
    is none, and the mask of the entries to come.
    """
    head = registers(n)
    empty = registers(n)
    reserve(path, 2 * n)
    start(table, pages, fibers)
    for k in range(n):
        empty[k] = 1
    while True:
        first = peek(outer)
        for k in range(n):
            head[k] = peek(crd[k])
        token = peek(val)
        if first == DONE:
            for k in range(n - 1, -1, -1):
                if head[k] != DONE:
                    fail("{token} against D on the outer port", crd[k], head[k])
                send(sorted_crd[k], DONE)
            send(total, DONE)
            finish()
        if is_stop(first):
            depth = 0
            if fibers[ROOT] == 0:
                depth = -1
                send(total, stop(level_of(first) + n - 1, mark_of(first) + n - 1))
                for k in range(n - 1, 0, -1):
                    send(sorted_crd[k], stop(level_of(first) + k, mark_of(first) + k))
            else:
                begin(pages, fibers, path, 0, ROOT)
            while depth >= 0:
                page = path[2 * depth]
                if page == 0:
                    # The fiber of this level ends, and maybe fibers around it.
                    ended = 0
                    above = depth - 1
                    while above >= 0 and path[2 * above] == 0:
                        ended += 1
                        above -= 1
                    if above < 0:
                        ended += level_of(first)
                    for k in range(1, n):
                        if depth == k:
                            if k == n - 1:
                                send(total, stop(ended, 0))
                            send(sorted_crd[k], stop(ended, 0))
                    depth -= 1
                else:
                    rest = path[2 * depth + 1]
                    mask = pages[HEADER * page + MASK]
                    block = pages[HEADER * page + BLOCK]
                    coordinate = WIDTH * pages[HEADER * page + NUMBER]
                    if depth == n - 1:
                        while rest != 0:
                            position = trailing_zeros(rest)
                            entry = place_in(mask, block, position)
                            send(total, entries[entry])
                            if tile != 0:
                                entries[entry] = EMPTY
                            send(sorted_crd[n - 1], coordinate + position)
                            rest = rest & (rest - 1)
                        turn(pages, path, depth)
                    else:
                        position = trailing_zeros(rest)
                        for k in range(n - 1):
                            if depth == k:
                                send(sorted_crd[k], coordinate + position)
                        path[2 * depth + 1] = rest & (rest - 1)
                        if path[2 * depth + 1] == 0:
                            turn(pages, path, depth)
                        depth += 1
                        entry = place_in(mask, block, position)
                        begin(pages, fibers, path, depth, entries[entry])
            clear(table, pages, fibers)
            send(sorted_crd[0], first)
            pop(outer)
            if empty[0] == 1:
                for k in range(n):
                    pop(crd[k])
                pop(val)
            empty[0] = 1
        else:
            empty[0] = 0
            settled = 0
            for k in range(n - 1):
                if settled == 0:
                    if is_stop(head[k]):
                        pop(crd[k])
                        if k == 0:
                            pop(outer)
                        else:
                            pop(crd[k - 1])
                        if empty[k + 1] == 1:
                            for j in range(k + 1, n):
                                pop(crd[j])
                            pop(val)
                        empty[k + 1] = 1
                        settled = 1
                    else:
                        empty[k + 1] = 0
            if settled == 0:
                key = head[n - 1]
                if not is_stop(token):
                    fiber = ROOT
                    page = fibers[ROOT]
                    for k in range(n - 1):
                        page = page_of(table, pages, fibers, entries, fiber, head[k] >> 6, page)
                        present = pages[HEADER * page + MASK] & (1 << (head[k] & 63))
                        entry = entry_of(pages, entries, page, head[k] & 63)
                        if present == 0:
                            fiber = new_fiber(pages, fibers)
                            entries[entry] = fiber
                        fiber = entries[entry]
                        page = fibers[fiber]
                    number = pages[HEADER * page + NUMBER]
                    while not is_stop(token):
                        if token == EMPTY:
                            token = 0  # As a number and as a tile.
                        if not is_data(key) or token == DONE:
                            fail("{token} against a value on the val port", crd[n - 1], key)
                        if key >> 6 != number:
                            number = key >> 6
                            page = page_of(table, pages, fibers, entries, fiber, number, page)
                        present = pages[HEADER * page + MASK] & (1 << (key & 63))
                        entry = entry_of(pages, entries, page, key & 63)
                        if tile == 0:
                            sum = fold(value_of(entries[entry]), value_of(token), op)
                            entries[entry] = token_of(sum) if present != 0 else token
                        elif present != 0:
                            fold_tile(entries[entry], token, arena, tile, op)
                        else:
                            sum_tile = copy_of(token, arena, free_tiles, tile)
                            entries[entry] = sum_tile
                        pop(crd[n - 1])
                        pop(val)
                        tick(1)
                        key = peek(crd[n - 1])
                        token = peek(val)
                if key != token:
                    fail("{token} against a stop on the val port", crd[n - 1], key)
                pop(crd[n - 1])
                pop(val)
                pop(crd[n - 2])
        idle(1)
        tick(1)
