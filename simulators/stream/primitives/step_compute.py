"""
Operators of streaming tensor programs that compute: Map, Accum, and Zip before them.

An element costs the largest of three: reading the operands that reside in a memory unit, the
operations, writing the result back to a memory unit. The operations are those of the whole tile,
whatever rows of it are valid.

Source: "Streaming Tensor Programs" (ASPLOS 2026), section 5.1 (the roofline of an operator) and its
simulator.
"""

from headrace.simulators.stream.language import (
    DONE,
    Ins,
    Int,
    Ints,
    IntWork,
    Out,
    StaticInt,
    StaticText,
    close,
    fail,
    finish,
    peek,
    place,
    pop,
    registers,
    reject,
    reserve,
    send,
    tick,
    transfer,
)
from headrace.simulators.stream.primitive import helper, primitive
from headrace.simulators.stream.primitives.step_word import (
    BARE,
    COLUMNS,
    FIELD,
    LEVELS,
    PAYLOAD,
    RECORD,
    RESIDENT,
    ROWS,
    VALID,
    bytes_of,
    load_cycles,
    store_cycles,
    tile,
)


@helper
def slowest(read: int, operations: int, compute: int, written: int) -> int:
    """The cycles of an element; `compute` operations a cycle, any number if 0."""
    transfer(operations)
    cycles = read
    if compute > 0:
        computed = (operations + compute - 1) // compute
        if computed > cycles:
            cycles = computed
    if written > cycles:
        cycles = written
    return cycles


@primitive
def step_map(
    x: Ins,
    y: Out,
    n: StaticInt,
    fn: StaticText,
    widths: Ints,
    memory: IntWork,
    result_width: Int = 0,
    flops: Int = 1,
    compute: Int = 0,
    write_back: Int = 0,
    bandwidth: Int = 64,
    value: Int = 0,
) -> None:
    """elements -> elements: one result for each group of operands."""
    operand = registers(n)
    while True:
        for k in range(n):
            operand[k] = peek(x[k])
        for k in range(1, n):
            if operand[k] == DONE or operand[0] == DONE:
                if operand[k] != operand[0]:
                    fail("one operand has more elements than another", x[k], operand[k])
            elif (operand[k] & (LEVELS + BARE)) != (operand[0] & (LEVELS + BARE)):
                fail("the stops of the operands differ", x[k], operand[k])
        if operand[0] == DONE:
            close()
            finish()
        result = operand[0]
        if (operand[0] & BARE) == 0:
            read = 0
            for k in range(n):
                loading = load_cycles(operand[k], widths[k], bandwidth, memory)
                read += loading
            rows = operand[0] >> ROWS
            columns = (operand[0] >> COLUMNS) & FIELD
            valid = (operand[0] >> VALID) & FIELD
            operations = 0
            least = 0
            if fn == "elementwise":
                for k in range(1, n):
                    if (operand[k] >> ROWS) > rows:
                        rows = operand[k] >> ROWS
                        valid = (operand[k] >> VALID) & FIELD
                    if ((operand[k] >> COLUMNS) & FIELD) > columns:
                        columns = (operand[k] >> COLUMNS) & FIELD
                operations = rows * columns * flops
            elif fn == "row_reduce":
                operations = rows * columns * flops
                columns = 1
            elif fn == "matmul":
                if columns != (operand[1] >> ROWS):
                    fail("the inner sizes of a product differ", x[1], operand[1])
                operations = 2 * rows * columns * ((operand[1] >> COLUMNS) & FIELD)
                columns = (operand[1] >> COLUMNS) & FIELD
            elif fn == "matmul_transposed":
                if columns != ((operand[1] >> COLUMNS) & FIELD):
                    fail("the inner sizes of a product differ", x[1], operand[1])
                operations = 2 * rows * columns * (operand[1] >> ROWS)
                columns = operand[1] >> ROWS
            elif fn == "set_offset":
                valid = (operand[1] >> PAYLOAD) & FIELD
                least = 1
            elif fn == "row_append":
                valid += 1
                least = 1
            elif fn == "number":
                least = 1
            elif fn != "retype":
                reject("there is no such function of a map; see timing.md")
            level = operand[0] & LEVELS
            result = tile(rows, columns, valid, level)
            if fn == "number":
                result = (value << PAYLOAD) | level
            written = store_cycles(result, write_back, result_width, bandwidth, memory)
            cycles = slowest(read, operations, compute, written)
            if least > cycles:
                cycles = least
            tick(cycles)
            if write_back != 0:
                result += RESIDENT
        send(y, result)
        for k in range(n):
            pop(x[k])


@primitive
def step_accumulate(
    x: Ins,
    y: Out,
    n: StaticInt,
    fn: StaticText,
    levels: Int,
    widths: Ints,
    memory: IntWork,
    result_width: Int = 0,
    flops: Int = 1,
    compute: Int = 0,
    write_back: Int = 0,
    initial_rows: Int = 0,
    initial_columns: Int = 0,
    bandwidth: Int = 64,
) -> None:
    """
    elements -> elements: folds the lists of `levels` levels.

    What is written back when a list ends is the accumulator as it was at first.
    """
    operand = registers(n)
    initial = tile(initial_rows, initial_columns, initial_rows, 0)
    storing = store_cycles(initial, write_back, result_width, bandwidth, memory)
    started = 0
    rows = initial_rows
    columns = initial_columns
    valid = initial_rows
    resident = 0
    while True:
        for k in range(n):
            operand[k] = peek(x[k])
        for k in range(1, n):
            if operand[k] == DONE or operand[0] == DONE:
                if operand[k] != operand[0]:
                    fail("one operand has more elements than another", x[k], operand[k])
            elif (operand[k] & (LEVELS + BARE)) != (operand[0] & (LEVELS + BARE)):
                fail("the stops of the operands differ", x[k], operand[k])
        if operand[0] == DONE:
            if started == 1:
                fail("the stream ends inside a list", x[0], operand[0])
            close()
            finish()
        level = operand[0] & LEVELS
        read = 0
        operations = 0
        least = 0
        if (operand[0] & BARE) == 0:
            for k in range(n):
                loading = load_cycles(operand[k], widths[k], bandwidth, memory)
                read += loading
            r = operand[0] >> ROWS
            c = (operand[0] >> COLUMNS) & FIELD
            v = (operand[0] >> VALID) & FIELD
            if fn == "retile_rows":
                if started == 0:
                    rows = 0
                    valid = 0
                rows += r
                valid += v
                columns = c
                resident = operand[0] & RESIDENT
            elif fn == "retile_columns":
                if started == 0:
                    columns = 0
                columns += c
                rows = r
                valid = v
                resident = operand[0] & RESIDENT
            elif fn == "signal":
                least = 1
            else:
                if fn == "matmul":
                    if c != (operand[1] >> ROWS):
                        fail("the inner sizes of a product differ", x[1], operand[1])
                    operations = 2 * r * c * ((operand[1] >> COLUMNS) & FIELD)
                    c = (operand[1] >> COLUMNS) & FIELD
                elif fn == "matmul_transposed":
                    if c != ((operand[1] >> COLUMNS) & FIELD):
                        fail("the inner sizes of a product differ", x[1], operand[1])
                    operations = 2 * r * c * (operand[1] >> ROWS)
                    c = operand[1] >> ROWS
                elif fn == "elementwise":
                    operations = r * c * flops
                else:
                    reject("there is no such function of an accumulation; see timing.md")
                if started == 0 or r >= rows:
                    rows = r
                    valid = v
                if started == 0 or c > columns:
                    columns = c
        ends = 0
        written = 0
        if level >= levels:
            ends = 1
            written = storing
        cycles = slowest(read, operations, compute, written)
        if least > cycles:
            cycles = least
        tick(cycles)
        for k in range(n):
            pop(x[k])
        if ends == 0:
            started = 1
        else:
            if (operand[0] & BARE) != 0 and started == 0 and level > levels:
                send(y, BARE + level - levels)
            elif fn == "signal":
                send(y, level - levels)
            else:
                if (operand[0] & BARE) != 0 and started == 0:
                    rows = initial_rows
                    columns = initial_columns
                    valid = initial_rows
                    resident = 0
                if write_back != 0:
                    resident = RESIDENT
                result = tile(rows, columns, valid, resident + level - levels)
                send(y, result)
            started = 0


@primitive
def step_zip(x: Ins, y: Out, n: StaticInt, widths: Ints, cells: IntWork, memory: IntWork) -> None:
    """elements -> tuples."""
    operand = registers(n)
    used = 0
    while True:
        for k in range(n):
            operand[k] = peek(x[k])
        for k in range(1, n):
            if operand[k] == DONE or operand[0] == DONE:
                if operand[k] != operand[0]:
                    fail("one operand has more elements than another", x[k], operand[k])
            elif (operand[k] & (LEVELS + BARE)) != (operand[0] & (LEVELS + BARE)):
                fail("the stops of the operands differ", x[k], operand[k])
        if operand[0] == DONE:
            close()
            finish()
        if (operand[0] & BARE) != 0:
            send(y, operand[0])
        else:
            reserve(cells, used + RECORD + n)
            total = 0
            for k in range(n):
                size = bytes_of(operand[k], widths[k], memory)
                total += size
                cells[used + RECORD + k] = operand[k]
            cells[used] = n
            cells[used + 1] = total
            send(y, ((place(cells) + used) << PAYLOAD) | (operand[0] & (LEVELS + RESIDENT)))
            used += RECORD + n
        for k in range(n):
            pop(x[k])
        tick(0)
