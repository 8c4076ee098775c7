"""
The machine that runs access-execute programs: values, queue contents and the trace of a run.

One function interprets the instructions of any program, so that nothing is compiled for a model.
The case of a token runs when the token is pushed: no queue is full here, and times are what
`timing.py` makes of the trace.
"""

from typing import Any

import numpy as np

from headrace.simulators.dae.arithmetic import (
    combined,
    combined_integers,
    floats_compare,
    function_of,
    integers_compare,
    rounded,
    without_sign,
    wrapped,
)
from headrace.simulators.dae.jit import compiled
from headrace.simulators.dae.opcodes import Element, Failure, Op
from headrace.simulators.dae.small_floats import small_bits


@compiled
def grown(array: Any) -> Any:
    """The array with room for as many elements more."""
    larger = np.empty(2 * len(array), array.dtype)
    larger[: len(array)] = array
    return larger


@compiled
def read_float(memory: Any, element: int, at: int) -> float:
    """The float at a byte of memory; `memory` has a view of it for each type."""
    f64, f32, u16, _, _, _, tables = memory
    if element == Element.F64:
        return f64[at >> 3]
    if element == Element.F32:
        return float(f32[at >> 2])
    return tables[element - Element.F16, u16[at >> 1]]


@compiled
def write_float(memory: Any, element: int, at: int, value: float) -> None:
    f64, f32, u16, _, _, _, _ = memory
    if element == Element.F64:
        f64[at >> 3] = value
    elif element == Element.F32:
        f32[at >> 2] = np.float32(value)
    elif element == Element.F16:
        u16[at >> 1] = small_bits(value, 10, -14)
    else:
        u16[at >> 1] = small_bits(value, 7, -126)


@compiled
def read_integer(memory: Any, element: int, at: int) -> int:
    _, _, u16, i64, i32, i8, _ = memory
    if element == Element.I64:
        return i64[at >> 3]
    if element == Element.I32:
        return int(i32[at >> 2])
    if element == Element.I16:
        return wrapped(int(u16[at >> 1]), Element.I16)
    return int(i8[at])


@compiled
def write_integer(memory: Any, element: int, at: int, value: int) -> None:
    _, _, u16, i64, i32, i8, _ = memory
    if element == Element.I64:
        i64[at >> 3] = value
    elif element == Element.I32:
        i32[at >> 2] = value
    elif element == Element.I16:
        u16[at >> 1] = value & 0xFFFF
    else:
        i8[at] = value


@compiled
def run_program(
    code: Any,
    operands: Any,
    floats: Any,
    integers: Any,
    memory: Any,
    elements: Any,
    bytes_of: Any,
    sizes: Any,
    ranks: Any,
    bases: Any,
    places: Any,
    costs: Any,
    costs_alone: Any,
    streams: int,
    cases: int,
    line_bytes: int,
    values: bool,
) -> Any:
    """
    Run a program: the arrays of a `Program`, the cycles of its work, and `memory`, of which the
    views are described in `read_float`; buffer b has address `bases[b]` and begins at byte
    `places[b]` of it. Without `values`, the access unit asks for the lines of floats but neither
    reads nor writes them.

    Gives the failure with the instruction, the call that it is behind or -1, and details; the
    items (kind, tokens, words, core cycles, first request); the requests (stream, line, lines,
    parent); the cycles of the items on a core alone; words before the tokens of each case, at most;
    all tokens and words.
    """
    details = np.zeros(3, np.int64)
    failure = 0
    item_kind = np.empty(64, np.int32)
    item_tokens = np.empty(64, np.int64)
    item_words = np.empty(64, np.int64)
    item_core = np.empty(64, np.float64)
    item_alone = np.empty(64, np.float64)
    item_first = np.empty(64, np.int64)
    items = 0
    item_first[0] = 0
    request_stream = np.empty(64, np.int32)
    request_line = np.empty(64, np.int64)
    request_lines = np.empty(64, np.int32)
    request_parent = np.empty(64, np.int64)
    requests = 0
    last_request = np.full(streams + 1, -1, np.int64)
    last_lines = np.full((streams + 1, 2), -1, np.int64)
    float_origin = np.full(len(floats), -1, np.int64)
    integer_origin = np.full(len(integers), -1, np.int64)
    queue_floats = np.empty(1024, np.float64)
    queue_integers = np.empty(1024, np.int64)
    queue_kinds = np.empty(1024, np.int64)
    head = 0
    tail = 0
    most_words = np.zeros(cases + 1, np.int64)
    all_tokens = 0
    all_words = 0
    tokens = 0
    words = 0
    since_token = 0
    core = 0.0
    alone = 0.0
    back = -1
    pc = 0
    while True:
        op = code[pc, 0]
        lanes = code[pc, 1]
        element = code[pc, 2]
        to = code[pc, 3]
        a = code[pc, 4]
        b = code[pc, 5]
        c = code[pc, 6]
        d = code[pc, 7]
        pc += 1
        if op >= Op.LOAD_F and op <= Op.MASKED_STORE_I:
            buffer_element = elements[a]
            each = bytes_of[buffer_element]
            first_lane = 0
            count = lanes
            if op >= Op.MASKED_LOAD_F:
                while first_lane < lanes and integers[element, first_lane] == 0:
                    first_lane += 1
                count = 0
                for lane in range(first_lane, lanes):
                    if integers[element, lane] != 0:
                        count = lane - first_lane + 1
            elif element >= 0:
                count = integers[element, 0]
            at = 0
            if count > 0:
                for k in range(c):
                    index = integers[operands[b + k], 0]
                    size = sizes[a, k]
                    end = index
                    if k == c - 1:
                        index += first_lane
                        end = index + count - 1
                    if index < 0 or end >= size:
                        failure = Failure.OUTSIDE
                        details[0] = a
                        details[1] = k
                        details[2] = index if index < 0 or index >= size else end
                        break
                    at = at * size + index
                if failure != 0:
                    break
            at = bases[a] + at * each
            if op < Op.MASKED_LOAD_F and d >= 0:
                first_line = at // line_bytes
                last_line = (at + count * each - 1) // line_bytes
                old = last_request[d]
                if last_lines[d, 0] <= first_line <= last_lines[d, 1]:
                    first_line = last_lines[d, 1] + 1
                if first_line <= last_line:
                    follows = old >= item_first[items] and first_line == last_lines[d, 1] + 1
                    if follows:
                        request_lines[old] += last_line - first_line + 1
                    else:
                        if requests == len(request_line):
                            request_stream = grown(request_stream)
                            request_line = grown(request_line)
                            request_lines = grown(request_lines)
                            request_parent = grown(request_parent)
                        parent = -1
                        for k in range(c):
                            parent = max(parent, integer_origin[operands[b + k]])
                        if op == Op.STORE_F:
                            parent = max(parent, float_origin[to])
                        if op == Op.STORE_I:
                            parent = max(parent, integer_origin[to])
                        request_stream[requests] = d
                        request_line[requests] = first_line
                        request_lines[requests] = last_line - first_line + 1
                        request_parent[requests] = parent
                        last_request[d] = requests
                        last_lines[d, 0] = first_line
                        requests += 1
                    last_lines[d, 1] = last_line
            if not values and (op == Op.LOAD_F or op == Op.STORE_F):
                count = 0
            at += places[a] - bases[a]
            # Loops of their own for the common types: the others look for theirs in each lane.
            if op == Op.LOAD_F:
                if buffer_element == Element.F64:
                    for lane in range(count):
                        floats[to, lane] = memory[0][(at >> 3) + lane]
                elif buffer_element == Element.F32:
                    for lane in range(count):
                        floats[to, lane] = memory[1][(at >> 2) + lane]
                else:
                    for lane in range(count):
                        floats[to, lane] = read_float(memory, buffer_element, at + lane * each)
                for lane in range(count, lanes):
                    floats[to, lane] = 0.0
                if d >= 0:
                    float_origin[to] = last_request[d]
            elif op == Op.LOAD_I:
                for lane in range(count):
                    integers[to, lane] = read_integer(memory, buffer_element, at + lane * each)
                for lane in range(count, lanes):
                    integers[to, lane] = 0
                if d >= 0:
                    integer_origin[to] = last_request[d]
            elif op == Op.STORE_F and buffer_element == Element.F64:
                for lane in range(count):
                    memory[0][(at >> 3) + lane] = floats[to, lane]
            elif op == Op.STORE_F and buffer_element == Element.F32:
                for lane in range(count):
                    memory[1][(at >> 2) + lane] = floats[to, lane]
            elif op == Op.STORE_F:
                for lane in range(count):
                    write_float(memory, buffer_element, at + lane * each, floats[to, lane])
            elif op == Op.STORE_I:
                for lane in range(count):
                    write_integer(memory, buffer_element, at + lane * each, integers[to, lane])
            else:
                at -= first_lane * each
                for lane in range(lanes):
                    place = at + lane * each
                    if integers[element, lane] != 0:
                        if op == Op.MASKED_LOAD_F:
                            floats[to, lane] = read_float(memory, buffer_element, place)
                        elif op == Op.MASKED_LOAD_I:
                            integers[to, lane] = read_integer(memory, buffer_element, place)
                        elif op == Op.MASKED_STORE_F:
                            write_float(memory, buffer_element, place, floats[to, lane])
                        else:
                            write_integer(memory, buffer_element, place, integers[to, lane])
                    elif op == Op.MASKED_LOAD_F:
                        floats[to, lane] = floats[d, lane]
                    elif op == Op.MASKED_LOAD_I:
                        integers[to, lane] = integers[d, lane]
        elif op == Op.ADD_F and element <= Element.F32:
            for lane in range(lanes):
                x = floats[a, lane] + floats[b, lane]
                floats[to, lane] = x if element == Element.F64 else np.float32(x)
        elif op == Op.MULTIPLY_F and element <= Element.F32:
            for lane in range(lanes):
                x = floats[a, lane] * floats[b, lane]
                floats[to, lane] = x if element == Element.F64 else np.float32(x)
        elif op >= Op.ADD_F and op <= Op.POWER:
            for lane in range(lanes):
                x = combined(op, floats[a, lane], floats[b, lane])
                floats[to, lane] = rounded(x, element)
        elif op >= Op.NEGATE and op <= Op.CEIL:
            for lane in range(lanes):
                floats[to, lane] = rounded(function_of(op, floats[a, lane]), element)
        elif op >= Op.ADD_I and op <= Op.XOR:
            integer_origin[to] = max(integer_origin[a], integer_origin[b])
            for lane in range(lanes):
                divisor = integers[b, lane]
                if divisor == 0 and op >= Op.DIVIDE_I and op <= Op.CEIL_DIVIDE:
                    failure = Failure.DIVISION
                    break
                x = combined_integers(op, integers[a, lane], divisor)
                integers[to, lane] = wrapped(x, element)
            if failure != 0:
                break
        elif op == Op.LOOP:
            if integers[c, 0] <= 0:
                failure = Failure.STEP
                details[0] = integers[c, 0]
                break
            if integers[a, 0] >= integers[b, 0]:
                pc = d
            else:
                start = integers[a, 0]
                integer_origin[to] = max(integer_origin[a], integer_origin[b])
                for lane in range(lanes):
                    integers[to, lane] = start + lane
                if element >= 0:
                    integers[element, 0] = min(lanes, integers[b, 0] - start)
        elif op == Op.NEXT:
            start = integers[to, 0] + integers[c, 0] * lanes
            if start < integers[b, 0]:
                for lane in range(lanes):
                    integers[to, lane] = start + lane
                if element >= 0:
                    integers[element, 0] = min(lanes, integers[b, 0] - start)
                pc = d
        elif op == Op.PUSH_F or op == Op.PUSH_I:
            while tail + lanes > len(queue_floats):
                queue_floats = grown(queue_floats)
                queue_integers = grown(queue_integers)
                queue_kinds = grown(queue_kinds)
            queue_kinds[tail] = lanes if op == Op.PUSH_F else -lanes
            if op == Op.PUSH_F:
                for lane in range(lanes):
                    queue_floats[tail + lane] = floats[a, lane]
            else:
                for lane in range(lanes):
                    queue_integers[tail + lane] = integers[a, lane]
            tail += lanes
            words += lanes
            since_token += lanes
        elif op == Op.POP_F or op == Op.POP_I:
            if head + lanes > tail:
                failure = Failure.EMPTY
                break
            if queue_kinds[head] != (lanes if op == Op.POP_F else -lanes):
                failure = Failure.KIND
                break
            if op == Op.POP_F:
                for lane in range(lanes):
                    floats[to, lane] = queue_floats[head + lane]
            else:
                for lane in range(lanes):
                    integers[to, lane] = queue_integers[head + lane]
            head += lanes
            if head == tail:
                head = 0
                tail = 0
        elif op == Op.COST:
            core += costs[a]
            alone += costs_alone[a]
        elif op == Op.TOKEN:
            tokens += 1
            most_words[a] = max(most_words[a], since_token)
            since_token = 0
        elif op == Op.ITEM:
            if tokens > 0 or words > 0 or (b > 0 and requests > item_first[items]):
                item_kind[items] = a
                item_tokens[items] = tokens
                item_words[items] = words
                item_core[items] = core
                item_alone[items] = alone
                items += 1
                if items == len(item_kind):
                    item_kind = grown(item_kind)
                    item_tokens = grown(item_tokens)
                    item_words = grown(item_words)
                    item_core = grown(item_core)
                    item_alone = grown(item_alone)
                    item_first = grown(item_first)
                item_first[items] = requests
                all_tokens += tokens
                all_words += words
                tokens = 0
                words = 0
                core = 0.0
                alone = 0.0
        elif op == Op.CALL:
            back = pc
            pc = a
        elif op == Op.RETURN:
            pc = back
            back = -1
        elif op == Op.JUMP:
            pc = a
        elif op == Op.JUMP_UNLESS:
            if integers[a, 0] == 0:
                pc = b
        elif op == Op.EXPECT:
            if integers[a, 0] == 0:
                failure = Failure.EXPECTED
                details[0] = b
                break
        elif op == Op.DONE:
            if head < tail:
                failure = Failure.LEFT
                details[0] = tail - head
                break
        elif op == Op.SIZE:
            integers[to, 0] = sizes[a, b]
        elif op == Op.MOVE_F or op == Op.BROADCAST_F or op == Op.LANE_F:
            float_origin[to] = float_origin[a]
            for lane in range(lanes):
                source = b if op == Op.LANE_F else (0 if op == Op.BROADCAST_F else lane)
                floats[to, lane] = rounded(floats[a, source], element)
        elif op == Op.MOVE_I or op == Op.BROADCAST_I or op == Op.LANE_I:
            integer_origin[to] = integer_origin[a]
            for lane in range(lanes):
                source = b if op == Op.LANE_I else (0 if op == Op.BROADCAST_I else lane)
                integers[to, lane] = wrapped(integers[a, source], element)
        elif op == Op.PUT_F:
            for lane in range(lanes):
                floats[to, lane] = floats[b, 0] if lane == c else floats[a, lane]
        elif op == Op.PUT_I:
            for lane in range(lanes):
                integers[to, lane] = integers[b, 0] if lane == c else integers[a, lane]
        elif op == Op.SELECT_F:
            for lane in range(lanes):
                holds = integers[a, lane * d] != 0
                floats[to, lane] = floats[b, lane] if holds else floats[c, lane]
        elif op == Op.SELECT_I:
            for lane in range(lanes):
                holds = integers[a, lane * d] != 0
                integers[to, lane] = integers[b, lane] if holds else integers[c, lane]
        elif op == Op.MASK:
            for lane in range(lanes):
                integers[to, lane] = 1 if lane < integers[a, 0] else 0
        elif op == Op.TO_FLOAT:
            for lane in range(lanes):
                floats[to, lane] = rounded(float(integers[a, lane]), element)
        elif op == Op.TO_INTEGER:
            for lane in range(lanes):
                integers[to, lane] = wrapped(int(floats[a, lane]), element)
        elif op == Op.UNSIGNED:
            for lane in range(lanes):
                integers[to, lane] = without_sign(integers[a, lane], b)
        elif op == Op.COMPARE_F:
            for lane in range(lanes):
                holds = floats_compare(d, floats[a, lane], floats[b, lane])
                integers[to, lane] = 1 if holds else 0
        elif op == Op.COMPARE_I:
            for lane in range(lanes):
                holds = integers_compare(d, integers[a, lane], integers[b, lane])
                integers[to, lane] = 1 if holds else 0
        elif op == Op.REDUCE_F:
            first = 1 if b < 0 else 0
            y = floats[a, 0] if b < 0 else floats[b, 0]
            for lane in range(first, lanes):
                y = rounded(combined(c, y, floats[a, lane]), element)
            floats[to, 0] = y
        elif op == Op.REDUCE_I:
            first = 1 if b < 0 else 0
            n = integers[a, 0] if b < 0 else integers[b, 0]
            for lane in range(first, lanes):
                n = wrapped(combined_integers(c, n, integers[a, lane]), element)
            integers[to, 0] = n
        elif op == Op.COPY:
            count = 1
            for k in range(ranks[a]):
                count *= sizes[a, k]
            each = bytes_of[elements[a]]
            for place in range(count * each):
                memory[5][places[b] + place] = memory[5][places[a] + place]
        else:
            break
    if failure == 0 and requests > item_first[items]:
        item_kind[items] = 0
        item_tokens[items] = 0
        item_words[items] = 0
        item_core[items] = core
        item_alone[items] = alone
        items += 1
        if items == len(item_first):
            item_first = grown(item_first)
        item_first[items] = requests
    return (
        (failure, pc - 1, back - 1 if back >= 0 else -1, details),
        (
            item_kind[:items],
            item_tokens[:items],
            item_words[:items],
            item_core[:items],
            item_first[: items + 1],
        ),
        (
            request_stream[:requests],
            request_line[:requests],
            request_lines[:requests],
            request_parent[:requests],
        ),
        item_alone[:items],
        most_words,
        (all_tokens, all_words),
    )
