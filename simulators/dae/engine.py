"""
The machine that runs access-execute programs: values, queue contents and the trace of a run.

One function interprets the instructions of any program, so that nothing is compiled for a model.
The case of a token runs when the token is pushed: no queue is full here, and times are what
`timing.py` makes of the trace.
"""

import math
from typing import Any

import numpy as np

from headrace.simulators.dae.jit import compiled
from headrace.simulators.dae.opcodes import Element, Failure, Op
from headrace.simulators.dae.small_floats import rounded_small, small_bits

F64, F32, F16, BF16 = (int(e) for e in (Element.F64, Element.F32, Element.F16, Element.BF16))
I64, I32, I16, I8, I1 = (
    int(e) for e in (Element.I64, Element.I32, Element.I16, Element.I8, Element.I1)
)

# Numba takes plain numbers for constants.
LOAD_F = int(Op.LOAD_F)
MASKED_STORE_I = int(Op.MASKED_STORE_I)
MASKED_LOAD_F = int(Op.MASKED_LOAD_F)
MASKED_LOAD_I = int(Op.MASKED_LOAD_I)
MASKED_STORE_F = int(Op.MASKED_STORE_F)
STORE_F = int(Op.STORE_F)
STORE_I = int(Op.STORE_I)
LOAD_I = int(Op.LOAD_I)
ADD_F = int(Op.ADD_F)
SUBTRACT_F = int(Op.SUBTRACT_F)
MULTIPLY_F = int(Op.MULTIPLY_F)
DIVIDE_F = int(Op.DIVIDE_F)
MAXIMUM_F = int(Op.MAXIMUM_F)
MINIMUM_F = int(Op.MINIMUM_F)
MAXIMUM_NUMBER_F = int(Op.MAXIMUM_NUMBER_F)
MINIMUM_NUMBER_F = int(Op.MINIMUM_NUMBER_F)
POWER = int(Op.POWER)
NEGATE = int(Op.NEGATE)
ABSOLUTE_F = int(Op.ABSOLUTE_F)
SQUARE_ROOT = int(Op.SQUARE_ROOT)
RECIPROCAL_ROOT = int(Op.RECIPROCAL_ROOT)
EXPONENTIAL = int(Op.EXPONENTIAL)
LOGARITHM = int(Op.LOGARITHM)
SINE = int(Op.SINE)
COSINE = int(Op.COSINE)
TANGENT_H = int(Op.TANGENT_H)
ERROR_FUNCTION = int(Op.ERROR_FUNCTION)
FLOOR = int(Op.FLOOR)
CEIL = int(Op.CEIL)
ADD_I = int(Op.ADD_I)
SUBTRACT_I = int(Op.SUBTRACT_I)
MULTIPLY_I = int(Op.MULTIPLY_I)
DIVIDE_I = int(Op.DIVIDE_I)
REMAINDER = int(Op.REMAINDER)
FLOOR_DIVIDE = int(Op.FLOOR_DIVIDE)
CEIL_DIVIDE = int(Op.CEIL_DIVIDE)
MAXIMUM_I = int(Op.MAXIMUM_I)
MINIMUM_I = int(Op.MINIMUM_I)
AND = int(Op.AND)
OR = int(Op.OR)
XOR = int(Op.XOR)
LOOP = int(Op.LOOP)
NEXT = int(Op.NEXT)
PUSH_F = int(Op.PUSH_F)
PUSH_I = int(Op.PUSH_I)
POP_F = int(Op.POP_F)
POP_I = int(Op.POP_I)
COST = int(Op.COST)
TOKEN = int(Op.TOKEN)
ITEM = int(Op.ITEM)
CALL = int(Op.CALL)
RETURN = int(Op.RETURN)
JUMP = int(Op.JUMP)
JUMP_UNLESS = int(Op.JUMP_UNLESS)
EXPECT = int(Op.EXPECT)
DONE = int(Op.DONE)
SIZE = int(Op.SIZE)
MOVE_F = int(Op.MOVE_F)
BROADCAST_F = int(Op.BROADCAST_F)
LANE_F = int(Op.LANE_F)
MOVE_I = int(Op.MOVE_I)
BROADCAST_I = int(Op.BROADCAST_I)
LANE_I = int(Op.LANE_I)
PUT_F = int(Op.PUT_F)
PUT_I = int(Op.PUT_I)
SELECT_F = int(Op.SELECT_F)
SELECT_I = int(Op.SELECT_I)
MASK = int(Op.MASK)
TO_FLOAT = int(Op.TO_FLOAT)
TO_INTEGER = int(Op.TO_INTEGER)
UNSIGNED = int(Op.UNSIGNED)
COMPARE_F = int(Op.COMPARE_F)
COMPARE_I = int(Op.COMPARE_I)
REDUCE_F = int(Op.REDUCE_F)
REDUCE_I = int(Op.REDUCE_I)
COPY = int(Op.COPY)
OUTSIDE = int(Failure.OUTSIDE)
STEP = int(Failure.STEP)
DIVISION = int(Failure.DIVISION)
EXPECTED = int(Failure.EXPECTED)
EMPTY = int(Failure.EMPTY)
LEFT = int(Failure.LEFT)
KIND = int(Failure.KIND)


@compiled
def grown(array: Any) -> Any:
    """The array with room for as many elements more."""
    larger = np.empty(2 * len(array), array.dtype)
    larger[: len(array)] = array
    return larger


@compiled
def rounded(x: float, element: int) -> float:
    """The nearest number of a type of floats."""
    if element == F64:
        return x
    if element == F32:
        return float(np.float32(x))
    if element == F16:
        return rounded_small(x, 10, -14)
    return rounded_small(x, 7, -126)


@compiled
def wrapped(x: int, element: int) -> int:
    """The integer of a type that has the same lowest bits."""
    if element == I64:
        return x
    if element == I32:
        return ((x + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)
    if element == I16:
        return ((x + (1 << 15)) & 0xFFFF) - (1 << 15)
    if element == I8:
        return ((x + (1 << 7)) & 0xFF) - (1 << 7)
    return x & 1


@compiled
def without_sign(x: int, element: int) -> int:
    """The bits of an integer of at most 32 bits as a number."""
    if element == I32:
        return x & 0xFFFFFFFF
    if element == I16:
        return x & 0xFFFF
    if element == I8:
        return x & 0xFF
    return x & 1 if element == I1 else x


@compiled
def maximum(x: float, y: float) -> float:
    """The larger number; NaN if one is."""
    if x != x or y != y:
        return math.nan
    return x if x > y else y


@compiled
def minimum(x: float, y: float) -> float:
    if x != x or y != y:
        return math.nan
    return x if x < y else y


@compiled
def combined(op: int, x: float, y: float) -> float:
    """Two floats by an opcode."""
    if op == ADD_F:
        return x + y
    if op == SUBTRACT_F:
        return x - y
    if op == MULTIPLY_F:
        return x * y
    if op == DIVIDE_F:
        return np.divide(x, y)
    if op == MAXIMUM_F:
        return maximum(x, y)
    if op == MINIMUM_F:
        return minimum(x, y)
    if op == MAXIMUM_NUMBER_F:
        return np.fmax(x, y)
    if op == MINIMUM_NUMBER_F:
        return np.fmin(x, y)
    return np.power(x, y)


@compiled
def function_of(op: int, x: float) -> float:
    """A float by an opcode."""
    if op == NEGATE:
        return -x
    if op == ABSOLUTE_F:
        return abs(x)
    if op == SQUARE_ROOT:
        return np.sqrt(x)
    if op == RECIPROCAL_ROOT:
        return np.divide(1.0, np.sqrt(x))
    if op == EXPONENTIAL:
        return np.exp(x)
    if op == LOGARITHM:
        return np.log(x)
    if op == SINE:
        return np.sin(x)
    if op == COSINE:
        return np.cos(x)
    if op == TANGENT_H:
        return np.tanh(x)
    if op == ERROR_FUNCTION:
        return math.erf(x)
    return np.floor(x) if op == FLOOR else np.ceil(x)


@compiled
def combined_integers(op: int, x: int, y: int) -> int:
    """Two integers by an opcode; the divisor is not 0."""
    if op == ADD_I:
        return x + y
    if op == SUBTRACT_I:
        return x - y
    if op == MULTIPLY_I:
        return x * y
    if op == DIVIDE_I or op == REMAINDER:
        quotient = x // y
        if quotient < 0 and quotient * y != x:
            quotient += 1
        return quotient if op == DIVIDE_I else x - quotient * y
    if op == FLOOR_DIVIDE:
        return x // y
    if op == CEIL_DIVIDE:
        return -(-x // y)
    if op == MAXIMUM_I:
        return max(x, y)
    if op == MINIMUM_I:
        return min(x, y)
    if op == AND:
        return x & y
    return x | y if op == OR else x ^ y


@compiled
def floats_compare(predicate: int, x: float, y: float) -> bool:
    """As `arith.cmpf` numbers its predicates: false, 6 ordered, ord, 6 unordered, uno, true."""
    unordered = x != x or y != y
    if predicate == 0 or predicate == 15:
        return predicate == 15
    if predicate == 7:
        return not unordered
    if predicate == 14:
        return unordered
    if unordered:
        return predicate > 7
    relation = predicate if predicate < 7 else predicate - 7
    if relation == 1:
        return x == y
    if relation == 2:
        return x > y
    if relation == 3:
        return x >= y
    if relation == 4:
        return x < y
    return x <= y if relation == 5 else x != y


@compiled
def integers_compare(predicate: int, x: int, y: int) -> bool:
    """As `arith.cmpi` numbers them: eq, ne, slt, sle, sgt, sge, ult, ule, ugt, uge."""
    if predicate == 0:
        return x == y
    if predicate == 1:
        return x != y
    if predicate > 5 and (x < 0) != (y < 0):
        x, y = y, x
    relation = (predicate - 2) % 4
    if relation == 0:
        return x < y
    if relation == 1:
        return x <= y
    return x > y if relation == 2 else x >= y


@compiled
def read_float(memory: Any, element: int, at: int) -> float:
    """The float at a byte of memory; `memory` has a view of it for each type."""
    f64, f32, u16, _, _, _, tables = memory
    if element == F64:
        return f64[at >> 3]
    if element == F32:
        return float(f32[at >> 2])
    return tables[element - F16, u16[at >> 1]]


@compiled
def write_float(memory: Any, element: int, at: int, value: float) -> None:
    f64, f32, u16, _, _, _, _ = memory
    if element == F64:
        f64[at >> 3] = value
    elif element == F32:
        f32[at >> 2] = np.float32(value)
    elif element == F16:
        u16[at >> 1] = small_bits(value, 10, -14)
    else:
        u16[at >> 1] = small_bits(value, 7, -126)


@compiled
def read_integer(memory: Any, element: int, at: int) -> int:
    _, _, u16, i64, i32, i8, _ = memory
    if element == I64:
        return i64[at >> 3]
    if element == I32:
        return int(i32[at >> 2])
    if element == I16:
        return wrapped(int(u16[at >> 1]), I16)
    return int(i8[at])


@compiled
def write_integer(memory: Any, element: int, at: int, value: int) -> None:
    _, _, u16, i64, i32, i8, _ = memory
    if element == I64:
        i64[at >> 3] = value
    elif element == I32:
        i32[at >> 2] = value
    elif element == I16:
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
    costs: Any,
    costs_alone: Any,
    streams: int,
    cases: int,
    line_bytes: int,
) -> Any:
    """
    Run a program: the arrays of a `Program`, the cycles of its work, and `memory`, of which the
    views are described in `read_float`; buffer b begins at byte `bases[b]`.

    Gives the failure with the instruction and its details; the items (kind, tokens, words, core
    cycles, first request); the requests (stream, line, lines, parent); the cycles of the items on a
    core alone; words before the tokens of each case, at most; all tokens and words.
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
    back = 0
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
        if op >= LOAD_F and op <= MASKED_STORE_I:
            buffer_element = elements[a]
            each = bytes_of[buffer_element]
            first_lane = 0
            count = lanes
            if op >= MASKED_LOAD_F:
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
                        failure = OUTSIDE
                        details[0] = a
                        details[1] = k
                        details[2] = index if index < 0 or index >= size else end
                        break
                    at = at * size + index
                if failure != 0:
                    break
            at = bases[a] + at * each
            if op < MASKED_LOAD_F and d >= 0:
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
                        if op == STORE_F:
                            parent = max(parent, float_origin[to])
                        if op == STORE_I:
                            parent = max(parent, integer_origin[to])
                        request_stream[requests] = d
                        request_line[requests] = first_line
                        request_lines[requests] = last_line - first_line + 1
                        request_parent[requests] = parent
                        last_request[d] = requests
                        last_lines[d, 0] = first_line
                        requests += 1
                    last_lines[d, 1] = last_line
            # Loops of their own for the common types: the others look for theirs in each lane.
            if op == LOAD_F:
                if buffer_element == F64:
                    for lane in range(count):
                        floats[to, lane] = memory[0][(at >> 3) + lane]
                elif buffer_element == F32:
                    for lane in range(count):
                        floats[to, lane] = memory[1][(at >> 2) + lane]
                else:
                    for lane in range(count):
                        floats[to, lane] = read_float(memory, buffer_element, at + lane * each)
                for lane in range(count, lanes):
                    floats[to, lane] = 0.0
                if d >= 0:
                    float_origin[to] = last_request[d]
            elif op == LOAD_I:
                for lane in range(count):
                    integers[to, lane] = read_integer(memory, buffer_element, at + lane * each)
                for lane in range(count, lanes):
                    integers[to, lane] = 0
                if d >= 0:
                    integer_origin[to] = last_request[d]
            elif op == STORE_F and buffer_element == F64:
                for lane in range(count):
                    memory[0][(at >> 3) + lane] = floats[to, lane]
            elif op == STORE_F and buffer_element == F32:
                for lane in range(count):
                    memory[1][(at >> 2) + lane] = floats[to, lane]
            elif op == STORE_F:
                for lane in range(count):
                    write_float(memory, buffer_element, at + lane * each, floats[to, lane])
            elif op == STORE_I:
                for lane in range(count):
                    write_integer(memory, buffer_element, at + lane * each, integers[to, lane])
            else:
                at -= first_lane * each
                for lane in range(lanes):
                    place = at + lane * each
                    if integers[element, lane] != 0:
                        if op == MASKED_LOAD_F:
                            floats[to, lane] = read_float(memory, buffer_element, place)
                        elif op == MASKED_LOAD_I:
                            integers[to, lane] = read_integer(memory, buffer_element, place)
                        elif op == MASKED_STORE_F:
                            write_float(memory, buffer_element, place, floats[to, lane])
                        else:
                            write_integer(memory, buffer_element, place, integers[to, lane])
                    elif op == MASKED_LOAD_F:
                        floats[to, lane] = floats[d, lane]
                    elif op == MASKED_LOAD_I:
                        integers[to, lane] = integers[d, lane]
        elif op == ADD_F and element <= F32:
            for lane in range(lanes):
                x = floats[a, lane] + floats[b, lane]
                floats[to, lane] = x if element == F64 else np.float32(x)
        elif op == MULTIPLY_F and element <= F32:
            for lane in range(lanes):
                x = floats[a, lane] * floats[b, lane]
                floats[to, lane] = x if element == F64 else np.float32(x)
        elif op >= ADD_F and op <= POWER:
            for lane in range(lanes):
                x = combined(op, floats[a, lane], floats[b, lane])
                floats[to, lane] = rounded(x, element)
        elif op >= NEGATE and op <= CEIL:
            for lane in range(lanes):
                floats[to, lane] = rounded(function_of(op, floats[a, lane]), element)
        elif op >= ADD_I and op <= XOR:
            integer_origin[to] = max(integer_origin[a], integer_origin[b])
            for lane in range(lanes):
                divisor = integers[b, lane]
                if divisor == 0 and op >= DIVIDE_I and op <= CEIL_DIVIDE:
                    failure = DIVISION
                    break
                x = combined_integers(op, integers[a, lane], divisor)
                integers[to, lane] = wrapped(x, element)
            if failure != 0:
                break
        elif op == LOOP:
            if integers[c, 0] <= 0:
                failure = STEP
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
        elif op == NEXT:
            start = integers[to, 0] + integers[c, 0] * lanes
            if start < integers[b, 0]:
                for lane in range(lanes):
                    integers[to, lane] = start + lane
                if element >= 0:
                    integers[element, 0] = min(lanes, integers[b, 0] - start)
                pc = d
        elif op == PUSH_F or op == PUSH_I:
            while tail + lanes > len(queue_floats):
                queue_floats = grown(queue_floats)
                queue_integers = grown(queue_integers)
                queue_kinds = grown(queue_kinds)
            queue_kinds[tail] = lanes if op == PUSH_F else -lanes
            if op == PUSH_F:
                for lane in range(lanes):
                    queue_floats[tail + lane] = floats[a, lane]
            else:
                for lane in range(lanes):
                    queue_integers[tail + lane] = integers[a, lane]
            tail += lanes
            words += lanes
            since_token += lanes
        elif op == POP_F or op == POP_I:
            if head + lanes > tail:
                failure = EMPTY
                break
            if queue_kinds[head] != (lanes if op == POP_F else -lanes):
                failure = KIND
                break
            if op == POP_F:
                for lane in range(lanes):
                    floats[to, lane] = queue_floats[head + lane]
            else:
                for lane in range(lanes):
                    integers[to, lane] = queue_integers[head + lane]
            head += lanes
            if head == tail:
                head = 0
                tail = 0
        elif op == COST:
            core += costs[a]
            alone += costs_alone[a]
        elif op == TOKEN:
            tokens += 1
            most_words[a] = max(most_words[a], since_token)
            since_token = 0
        elif op == ITEM:
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
        elif op == CALL:
            back = pc
            pc = a
        elif op == RETURN:
            pc = back
        elif op == JUMP:
            pc = a
        elif op == JUMP_UNLESS:
            if integers[a, 0] == 0:
                pc = b
        elif op == EXPECT:
            if integers[a, 0] == 0:
                failure = EXPECTED
                details[0] = b
                break
        elif op == DONE:
            if head < tail:
                failure = LEFT
                details[0] = tail - head
                break
        elif op == SIZE:
            integers[to, 0] = sizes[a, b]
        elif op == MOVE_F or op == BROADCAST_F or op == LANE_F:
            float_origin[to] = float_origin[a]
            for lane in range(lanes):
                source = b if op == LANE_F else (0 if op == BROADCAST_F else lane)
                floats[to, lane] = rounded(floats[a, source], element)
        elif op == MOVE_I or op == BROADCAST_I or op == LANE_I:
            integer_origin[to] = integer_origin[a]
            for lane in range(lanes):
                source = b if op == LANE_I else (0 if op == BROADCAST_I else lane)
                integers[to, lane] = wrapped(integers[a, source], element)
        elif op == PUT_F:
            for lane in range(lanes):
                floats[to, lane] = floats[b, 0] if lane == c else floats[a, lane]
        elif op == PUT_I:
            for lane in range(lanes):
                integers[to, lane] = integers[b, 0] if lane == c else integers[a, lane]
        elif op == SELECT_F:
            for lane in range(lanes):
                holds = integers[a, lane * d] != 0
                floats[to, lane] = floats[b, lane] if holds else floats[c, lane]
        elif op == SELECT_I:
            for lane in range(lanes):
                holds = integers[a, lane * d] != 0
                integers[to, lane] = integers[b, lane] if holds else integers[c, lane]
        elif op == MASK:
            for lane in range(lanes):
                integers[to, lane] = 1 if lane < integers[a, 0] else 0
        elif op == TO_FLOAT:
            for lane in range(lanes):
                floats[to, lane] = rounded(float(integers[a, lane]), element)
        elif op == TO_INTEGER:
            for lane in range(lanes):
                integers[to, lane] = wrapped(int(floats[a, lane]), element)
        elif op == UNSIGNED:
            for lane in range(lanes):
                integers[to, lane] = without_sign(integers[a, lane], b)
        elif op == COMPARE_F:
            for lane in range(lanes):
                holds = floats_compare(d, floats[a, lane], floats[b, lane])
                integers[to, lane] = 1 if holds else 0
        elif op == COMPARE_I:
            for lane in range(lanes):
                holds = integers_compare(d, integers[a, lane], integers[b, lane])
                integers[to, lane] = 1 if holds else 0
        elif op == REDUCE_F:
            first = 1 if b < 0 else 0
            y = floats[a, 0] if b < 0 else floats[b, 0]
            for lane in range(first, lanes):
                y = rounded(combined(c, y, floats[a, lane]), element)
            floats[to, 0] = y
        elif op == REDUCE_I:
            first = 1 if b < 0 else 0
            n = integers[a, 0] if b < 0 else integers[b, 0]
            for lane in range(first, lanes):
                n = wrapped(combined_integers(c, n, integers[a, lane]), element)
            integers[to, 0] = n
        elif op == COPY:
            count = 1
            for k in range(ranks[a]):
                count *= sizes[a, k]
            each = bytes_of[elements[a]]
            for place in range(count * each):
                memory[5][bases[b] + place] = memory[5][bases[a] + place]
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
        (failure, pc - 1, details),
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
