"""
The sparse accumulator of order n: its map is a tree in an array.

Node i is the five words `nodes[5 i ..]`: parent, coordinate, next sibling, first child, place in
the table; node 0 is the root. A hash table finds a node by parent and coordinate. Siblings are
linked in order of arrival, last first, and sorted when they are written out.

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
    value_of,
)
from headrace.simulators.stream.primitive import helper, primitive
from headrace.simulators.stream.primitives.tiles import copy_of, fold, fold_tile

PRIME = 1_000_003
GOLDEN = -7046029254386353131
"""2^64 divided by the golden ratio, as a signed integer (multiplicative hashing)."""


@helper
def find(table: IntWork, slots: int, nodes: IntWork, parent: int, key: int) -> int:
    """The place in the table where the node is, or where it belongs (open addressing)."""
    place = ((parent * PRIME + key) * GOLDEN >> 20) & (slots - 1)
    node = table[place]
    while node != 0 and (nodes[5 * node] != parent or nodes[5 * node + 1] != key):
        place = (place + 1) & (slots - 1)
        node = table[place]
    return place


@helper
def end_of_run(nodes: IntWork, first: int) -> int:
    """The last sibling of a list whose coordinates rise from `first`."""
    last = first
    following = nodes[5 * last + 2]
    while following != 0 and nodes[5 * following + 1] > nodes[5 * last + 1]:
        last = following
        following = nodes[5 * last + 2]
    return last


@helper
def sort_children(nodes: IntWork, parent: int) -> None:
    """Natural merge sort, since every fiber arrives in order."""
    rest = nodes[5 * parent + 3]
    last = 0
    while rest != 0:
        chosen = rest
        rest = nodes[5 * chosen + 2]
        nodes[5 * chosen + 2] = last
        last = chosen
    nodes[5 * parent + 3] = last
    runs = 2
    while runs > 1:
        runs = 0
        rest = nodes[5 * parent + 3]
        last = 0
        while rest != 0:
            left = rest
            end = end_of_run(nodes, left)
            right = nodes[5 * end + 2]
            nodes[5 * end + 2] = 0
            rest = 0
            if right != 0:
                end = end_of_run(nodes, right)
                rest = nodes[5 * end + 2]
                nodes[5 * end + 2] = 0
            while left != 0 or right != 0:
                if right == 0 or (left != 0 and nodes[5 * left + 1] < nodes[5 * right + 1]):
                    chosen = left
                    left = nodes[5 * left + 2]
                else:
                    chosen = right
                    right = nodes[5 * right + 2]
                if last == 0:
                    nodes[5 * parent + 3] = chosen
                else:
                    nodes[5 * last + 2] = chosen
                last = chosen
            runs += 1


@primitive
def accumulate_tree(
    outer: In,
    crd: Ins,
    val: In,
    sorted_crd: Outs,
    total: Out,
    nodes: IntWork,
    table: IntWork,
    path: IntWork,
    sums: FloatWork,
    tiles: IntWork,
    arena: FloatWork,
    free_tiles: IntWork,
    n: StaticInt,
    op: StaticText = "add",
    tile: StaticInt = 0,
) -> None:
    """
    outer crd p+r, crds p+r+a1 .. p+r+a1..an, val -> crds p+a1 .. p+a1..an, val (order n).

    `path` holds the current node of each level, then the current coordinates.
    """
    head = registers(n)
    empty = registers(n)
    reserve(nodes, 1024)
    reserve(table, 1024)
    reserve(path, 2 * n + 2)
    slots = 1024
    count = 1
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
            descend = 0
            if count == 1:
                depth = -1
                send(total, stop(level_of(first) + n - 1, mark_of(first) + n - 1))
                for k in range(n - 1, 0, -1):
                    send(sorted_crd[k], stop(level_of(first) + k, mark_of(first) + k))
            while depth >= 0:
                sort_children(nodes, descend)
                path[depth] = nodes[5 * descend + 3]
                descend = 0
                while depth >= 0 and descend == 0:
                    node = path[depth]
                    if node == 0:
                        depth -= 1
                        if depth >= 0:
                            # The fiber below path[depth] ends, and maybe fibers around it.
                            ended = 0
                            above = depth
                            while above >= 0 and nodes[5 * path[above] + 2] == 0:
                                ended += 1
                                above -= 1
                            if above < 0:
                                ended += level_of(first)
                            for k in range(1, n):
                                if depth == k - 1:
                                    if k == n - 1:
                                        send(total, stop(ended, 0))
                                    send(sorted_crd[k], stop(ended, 0))
                            path[depth] = nodes[5 * path[depth] + 2]
                    elif depth == n - 1:
                        if tile == 0:
                            send(total, token_of(sums[node]))
                        else:
                            send(total, tiles[node])
                            tiles[node] = EMPTY
                        send(sorted_crd[n - 1], nodes[5 * node + 1])
                        path[depth] = nodes[5 * node + 2]
                    else:
                        for k in range(n - 1):
                            if depth == k:
                                send(sorted_crd[k], nodes[5 * node + 1])
                        descend = node
                        depth += 1
            while count > 1:
                count -= 1
                table[nodes[5 * count + 4]] = 0
            nodes[3] = 0
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
                pop(crd[n - 1])
                pop(val)
                if is_stop(token):
                    if head[n - 1] != token:
                        fail("{token} against a stop on the val port", crd[n - 1], head[n - 1])
                    pop(crd[n - 2])
                else:
                    if not is_data(head[n - 1]) or token == DONE:
                        fail("{token} against a value on the val port", crd[n - 1], head[n - 1])
                    if token == EMPTY:
                        token = 0  # As a number and as a tile.
                    reserve(nodes, 5 * (count + n) + 5)
                    if tile == 0:
                        reserve(sums, count + n + 1)
                    else:
                        reserve(tiles, count + n + 1)
                    if 2 * (count + n) > slots:
                        slots = 2 * slots
                        reserve(table, slots)
                        node = 0
                        while node < slots:
                            table[node] = 0
                            node += 1
                        node = 1
                        while node < count:
                            place = find(table, slots, nodes, nodes[5 * node], nodes[5 * node + 1])
                            table[place] = node
                            nodes[5 * node + 4] = place
                            node += 1
                    for k in range(n):
                        path[n + k] = head[k]
                    parent = 0
                    depth = 0
                    while depth < n:
                        key = path[n + depth]
                        place = find(table, slots, nodes, parent, key)
                        node = table[place]
                        if node == 0:
                            node = count
                            count += 1
                            table[place] = node
                            nodes[5 * node] = parent
                            nodes[5 * node + 1] = key
                            nodes[5 * node + 2] = nodes[5 * parent + 3]
                            nodes[5 * node + 3] = 0
                            nodes[5 * node + 4] = place
                            nodes[5 * parent + 3] = node
                            if depth == n - 1:
                                if tile == 0:
                                    sums[node] = value_of(token)
                                else:
                                    sum_tile = copy_of(token, arena, free_tiles, tile)
                                    tiles[node] = sum_tile
                        elif depth == n - 1:
                            if tile == 0:
                                sum = fold(sums[node], value_of(token), op)
                                sums[node] = sum
                            else:
                                fold_tile(tiles[node], token, arena, tile, op)
                        parent = node
                        depth += 1
        tick(1)
