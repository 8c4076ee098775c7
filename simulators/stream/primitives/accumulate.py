"""
Sparse accumulators: reduction over an outer index, the result fiber sorted.

While the outer stream holds a coordinate, inner entries are added into a map; at its stop the
map is written out in order.

Source: "The Sparse Abstract Machine", ASPLOS 2023, section 4.5 (vector and matrix reducers).
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
    maximum,
    minimum,
    peek,
    pop,
    registers,
    reserve,
    send,
    stop,
    take,
    tick,
    token_of,
    trailing_zeros,
    value_of,
)
from headrace.simulators.stream.primitive import primitive

PRIME = 1_000_003
GOLDEN = -7046029254386353131


@primitive
def accumulate_vector(
    outer: In,
    crd: In,
    val: In,
    sorted_crd: Out,
    total: Out,
    sums: FloatWork,
    present: IntWork,
    summary: IntWork,
    op: StaticText = "add",
) -> None:
    """
    outer crd p+r, crd p+r+a, val p+r+a -> crd p+a, val p+a (order 1).

    `sums` is a dense row; `present` has a bit for every entry, `summary` one for every word of
    `present`, so that writing out costs time in proportion to the entries.
    """
    row_empty = 1
    words = 0
    while True:
        head = peek(outer)
        key = peek(crd)
        token = peek(val)
        if head == DONE:
            send(sorted_crd, DONE)
            send(total, DONE)
            if key != DONE or token != DONE:
                fail("D on the outer port against {token}", crd, key)
            finish()
        if is_stop(head):
            block = 0
            while block < words:
                while summary[block] != 0:
                    word = block * 64 + trailing_zeros(summary[block])
                    while present[word] != 0:
                        column = word * 64 + trailing_zeros(present[word])
                        send(sorted_crd, column)
                        send(total, token_of(sums[column]))
                        present[word] = present[word] & (present[word] - 1)
                    summary[block] = summary[block] & (summary[block] - 1)
                block += 1
            words = 0
            send(total, head)
            send(sorted_crd, head)
            pop(outer)
            if row_empty == 1:
                pop(crd)
                pop(val)
            row_empty = 1
        else:
            row_empty = 0
            if is_stop(token):
                if key != token:
                    fail("{token} against a stop on the val port", crd, key)
                pop(outer)
            else:
                if not is_data(key) or token == DONE:
                    fail("{token} against a value on the val port", crd, key)
                reserve(sums, key + 1)
                reserve(present, (key >> 6) + 1)
                reserve(summary, (key >> 12) + 1)
                if key >> 12 >= words:
                    words = (key >> 12) + 1
                amount = 0.0
                if token != EMPTY:
                    amount = value_of(token)
                bit = 1 << (key & 63)
                if (present[key >> 6] & bit) == 0:
                    present[key >> 6] = present[key >> 6] | bit
                    summary[key >> 12] = summary[key >> 12] | (1 << (key >> 6 & 63))
                    sums[key] = amount
                elif op == "add":
                    sums[key] = sums[key] + amount
                elif op == "max":
                    sums[key] = maximum(sums[key], amount)
                else:
                    sums[key] = minimum(sums[key], amount)
            pop(crd)
            pop(val)
        tick(1)


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
    n: StaticInt,
    op: StaticText = "add",
) -> None:
    """
    outer crd p+r, crds p+r+a1 .. p+r+a1..an, val -> crds p+a1 .. p+a1..an, val (order n).

    The map is a tree. Node i is the four words `nodes[4 i ..]`: parent, coordinate, next sibling,
    first child; node 0 is the root. `table` finds a node by parent and coordinate (open
    addressing). Siblings are linked in order of arrival and sorted when they are written out.
    `path` holds the current node of each level, then the current coordinates.
    """
    head = registers(n)
    empty = registers(n)
    reserve(nodes, 1024)
    reserve(sums, 256)
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
            for k in range(n):
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
                # New children were put in front: back to the order of arrival.
                source = nodes[4 * descend + 3]
                last = 0
                while source != 0:
                    chosen = source
                    source = nodes[4 * chosen + 2]
                    nodes[4 * chosen + 2] = last
                    last = chosen
                nodes[4 * descend + 3] = last
                # Natural merge sort: every fiber arrived in order.
                runs = 2
                while runs > 1:
                    runs = 0
                    source = nodes[4 * descend + 3]
                    last = 0
                    while source != 0:
                        left = source
                        end = left
                        while nodes[4 * end + 2] != 0 and (
                            nodes[4 * nodes[4 * end + 2] + 1] > nodes[4 * end + 1]
                        ):
                            end = nodes[4 * end + 2]
                        right = nodes[4 * end + 2]
                        nodes[4 * end + 2] = 0
                        source = 0
                        if right != 0:
                            end = right
                            while nodes[4 * end + 2] != 0 and (
                                nodes[4 * nodes[4 * end + 2] + 1] > nodes[4 * end + 1]
                            ):
                                end = nodes[4 * end + 2]
                            source = nodes[4 * end + 2]
                            nodes[4 * end + 2] = 0
                        while left != 0 or right != 0:
                            if right == 0 or (
                                left != 0 and nodes[4 * left + 1] < nodes[4 * right + 1]
                            ):
                                chosen = left
                                left = nodes[4 * left + 2]
                            else:
                                chosen = right
                                right = nodes[4 * right + 2]
                            if last == 0:
                                nodes[4 * descend + 3] = chosen
                            else:
                                nodes[4 * last + 2] = chosen
                            last = chosen
                        nodes[4 * last + 2] = 0
                        runs += 1
                path[depth] = nodes[4 * descend + 3]
                descend = 0
                while depth >= 0 and descend == 0:
                    node = path[depth]
                    if node == 0:
                        depth -= 1
                        if depth >= 0:
                            # The fiber below path[depth] ends, and maybe fibers around it.
                            ended = 0
                            above = depth
                            while above >= 0 and nodes[4 * path[above] + 2] == 0:
                                ended += 1
                                above -= 1
                            if above < 0:
                                ended += level_of(first)
                            for k in range(1, n):
                                if depth == k - 1:
                                    if k == n - 1:
                                        send(total, stop(ended, 0))
                                    send(sorted_crd[k], stop(ended, 0))
                            path[depth] = nodes[4 * path[depth] + 2]
                    elif depth == n - 1:
                        send(total, token_of(sums[node]))
                        send(sorted_crd[n - 1], nodes[4 * node + 1])
                        path[depth] = nodes[4 * node + 2]
                    else:
                        for k in range(n - 1):
                            if depth == k:
                                send(sorted_crd[k], nodes[4 * node + 1])
                        descend = node
                        depth += 1
            slot = 0
            while slot < slots:
                table[slot] = 0
                slot += 1
            nodes[3] = 0
            count = 1
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
                    amount = 0.0
                    if token != EMPTY:
                        amount = value_of(token)
                    reserve(nodes, 4 * (count + n) + 4)
                    reserve(sums, count + n + 1)
                    if 2 * (count + n) > slots:
                        reserve(table, 2 * slots)
                        slots = 2 * slots
                        slot = 0
                        while slot < slots:
                            table[slot] = 0
                            slot += 1
                        node = 1
                        while node < count:
                            slot = (
                                (nodes[4 * node] * PRIME + nodes[4 * node + 1]) * GOLDEN >> 20
                            ) & (slots - 1)
                            while table[slot] != 0:
                                slot = (slot + 1) & (slots - 1)
                            table[slot] = node
                            node += 1
                    for k in range(n):
                        path[n + k] = head[k]
                    parent = 0
                    depth = 0
                    while depth < n:
                        key = path[n + depth]
                        slot = ((parent * PRIME + key) * GOLDEN >> 20) & (slots - 1)
                        node = table[slot]
                        while node != 0 and (
                            nodes[4 * node] != parent or nodes[4 * node + 1] != key
                        ):
                            slot = (slot + 1) & (slots - 1)
                            node = table[slot]
                        if node == 0:
                            node = count
                            count += 1
                            table[slot] = node
                            nodes[4 * node] = parent
                            nodes[4 * node + 1] = key
                            nodes[4 * node + 2] = nodes[4 * parent + 3]
                            nodes[4 * node + 3] = 0
                            nodes[4 * parent + 3] = node
                            if depth == n - 1:
                                sums[node] = amount
                        elif depth == n - 1:
                            if op == "add":
                                sums[node] = sums[node] + amount
                            elif op == "max":
                                sums[node] = maximum(sums[node], amount)
                            else:
                                sums[node] = minimum(sums[node], amount)
                        parent = node
                        depth += 1
        tick(1)


@primitive
def accumulate_points(
    outer: In,
    inner: In,
    val: In,
    fiber: Out,
    element: Out,
    total: Out,
    sums: FloatWork,
    present: IntWork,
) -> None:
    """
    Outer crd, inner crd, val of points (no stops) -> outer crd, inner crd, val (no stops).

    The points of one outer coordinate come one after the other; their inner coordinates are sorted
    and equal ones added. This is the accumulator of the first published simulator.
    """
    current = -1
    words = 0
    started = 0
    while True:
        head = take(outer)
        key = take(inner)
        token = take(val)
        if head != current and current >= 0:
            if started == 1:
                send(element, stop(0, 0))
            started = 1
            send(fiber, current)
            word = 0
            while word < words:
                while present[word] != 0:
                    column = word * 64 + trailing_zeros(present[word])
                    send(element, column)
                    send(total, token_of(sums[column]))
                    tick(1)
                    present[word] = present[word] & (present[word] - 1)
                word += 1
            words = 0
        current = head
        if head == DONE:
            if key != DONE or token != DONE:
                fail("D on the outer port against {token}", inner, key)
            send(fiber, stop(0, 0))
            send(element, stop(1, 1 - started))
            send(fiber, DONE)
            send(element, DONE)
            send(total, DONE)
            finish()
        if not is_data(key) or is_stop(token) or token == DONE:
            fail("{token} against a coordinate on the outer port", inner, key)
        reserve(sums, key + 1)
        reserve(present, (key >> 6) + 1)
        amount = 0.0
        if token != EMPTY:
            amount = value_of(token)
        bit = 1 << (key & 63)
        if (present[key >> 6] & bit) == 0:
            present[key >> 6] = present[key >> 6] | bit
            sums[key] = amount
        else:
            sums[key] = sums[key] + amount
        if key >> 6 >= words:
            words = (key >> 6) + 1
        tick(1)
