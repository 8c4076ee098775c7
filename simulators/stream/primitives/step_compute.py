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
    Count,
    In,
    Ins,
    Int,
    Ints,
    IntWork,
    Out,
    Registers,
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
    NO_LIST_OPEN,
    PAYLOAD,
    RESIDENT,
    ROWS,
    VALID,
    absorb,
    check_size,
    closes,
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


@helper
def next_group(x: Ins, n: StaticInt, operand: Registers) -> int:
    """Wait for the next element of all operands; returns the most lists that one of them closes."""
    for k in range(n):
        operand[k] = peek(x[k])
    level = operand[0] & LEVELS
    for k in range(1, n):
        if operand[k] == DONE or operand[0] == DONE:
            if operand[k] != operand[0]:
                fail("one operand has more elements than another", x[k])
        elif (operand[k] & BARE) != (operand[0] & BARE):
            fail("a list of one operand is empty, of another it is not", x[k])
        if (operand[k] & LEVELS) > level:
            level = operand[k] & LEVELS
    return level


@helper
def pop_group(x: Ins, n: StaticInt, operand: Registers, level: int) -> None:
    """Take what `next_group` waited for, and the stops with which operands reach its level."""
    for k in range(n):
        pop(x[k])
    if n > 1:
        for k in range(n):
            absorb(x[k], operand[k] & LEVELS, level)


@primitive
def step_map(
    x: Ins,
    y: Out,
    n: StaticInt,
    fn: StaticText,
    widths: Ints,
    result_width: Int = 0,
    flops: Int = 1,
    compute: Int = 0,
    write_back: Int = 0,
    bandwidth: Count = 64,
    value: Int = 0,
) -> None:
    """elements -> elements: one result for each group of operands."""
    operand = registers(n)
    while True:
        level = next_group(x, n, operand)
        if operand[0] == DONE:
            close()
            finish()
        result = BARE + level
        if (operand[0] & BARE) == 0:
            read = 0
            for k in range(n):
                loading = load_cycles(operand[k], widths[k], bandwidth)
                read += loading
            rows = operand[0] >> ROWS
            columns = (operand[0] >> COLUMNS) & FIELD
            valid = (operand[0] >> VALID) & FIELD
            operations = 0
            least = 0
            if fn == "elementwise":
                for k in range(1, n):
                    # As in NumPy a size of 1 is repeated, even no times.
                    more_rows = operand[k] >> ROWS
                    more_columns = (operand[k] >> COLUMNS) & FIELD
                    if rows == 1 and more_rows != 1:
                        rows = more_rows
                        valid = (operand[k] >> VALID) & FIELD
                    elif more_rows != 1 and more_rows != rows:
                        fail("the tiles of two operands have unequal rows", x[k])
                    if columns == 1:
                        columns = more_columns
                    elif more_columns > 1 and more_columns != columns and columns > 0:
                        # What was strung together of nothing has no columns either.
                        fail("the tiles of two operands have unequal columns", x[k])
                operations = rows * columns * flops
            elif fn == "row_reduce":
                operations = rows * columns * flops
                columns = 1
            elif fn == "matmul":
                if columns != (operand[1] >> ROWS):
                    fail("the inner sizes of a product differ", x[1])
                operations = 2 * rows * columns * ((operand[1] >> COLUMNS) & FIELD)
                columns = (operand[1] >> COLUMNS) & FIELD
            elif fn == "matmul_transposed":
                if columns != ((operand[1] >> COLUMNS) & FIELD):
                    fail("the inner sizes of a product differ", x[1])
                operations = 2 * rows * columns * (operand[1] >> ROWS)
                columns = operand[1] >> ROWS
            elif fn == "set_offset":
                valid = operand[1] >> PAYLOAD
                if valid > rows:
                    fail("more rows are valid than a tile has; set the offset lower", x[1])
                least = 1
            elif fn == "row_append":
                if valid >= rows:
                    fail("all rows of a tile are in use; set the offset before", x[0])
                valid += 1
                least = 1
            elif fn == "number" or fn == "touch":
                least = 1
            elif fn == "transpose":
                rows = columns
                columns = operand[0] >> ROWS
                valid = rows
            else:
                reject("there is no such function of a map; see timing.md")
            result = tile(rows, columns, valid, level)
            if fn == "number":
                result = (value << PAYLOAD) | level
            written = store_cycles(result, write_back, result_width, bandwidth)
            cycles = slowest(read, operations, compute, written)
            if least > cycles:
                cycles = least
            tick(cycles)
            if write_back != 0:
                result += RESIDENT
        send(y, result)
        pop_group(x, n, operand, level)


@primitive
def step_to_selector(
    x: In,
    y: Out,
    selectors: Ints,
    width: Int,
    result_width: Int = 0,
    compute: Int = 0,
    write_back: Int = 0,
    bandwidth: Count = 64,
) -> None:
    """tiles -> selectors: what the values of the tiles, which are not here, select."""
    used = 0
    while True:
        token = peek(x)
        if token == DONE:
            if used < len(selectors):
                fail("fewer tiles come than selectors were made of", x)
            close()
            finish()
        result = token
        if (token & BARE) == 0:
            if used == len(selectors):
                fail("more tiles come than selectors were made of", x)
            result = (selectors[used] << PAYLOAD) | (token & LEVELS)
            used += 1
            read = load_cycles(token, width, bandwidth)
            operations = (token >> ROWS) * ((token >> COLUMNS) & FIELD)
            written = store_cycles(result, write_back, result_width, bandwidth)
            cycles = slowest(read, operations, compute, written)
            tick(cycles)
            if write_back != 0:
                result += RESIDENT
        send(y, result)
        pop(x)


@primitive
def step_accumulate(
    x: Ins,
    y: Out,
    n: StaticInt,
    fn: StaticText,
    levels: Int,
    widths: Ints,
    result_width: Int = 0,
    flops: Int = 1,
    compute: Int = 0,
    write_back: Int = 0,
    initial_rows: Int = 0,
    initial_columns: Int = 0,
    bandwidth: Count = 64,
) -> None:
    """
    elements -> elements: folds the lists of `levels` levels.

    What is written back when a list ends is the accumulator as it was at first. A sum has its size,
    or that of the elements if it has no rows.
    """
    operand = registers(n)
    initial = tile(initial_rows, initial_columns, initial_rows, 0)
    storing = store_cycles(initial, write_back, result_width, bandwidth)
    last = NO_LIST_OPEN
    started = 0
    rows = initial_rows
    columns = initial_columns
    valid = initial_rows
    resident = 0
    while True:
        level = next_group(x, n, operand)
        if operand[0] == DONE:
            if started == 1:
                fail("the stream ends inside a list", x[0])
            close()
            finish()
        group = (operand[0] & BARE) | level
        ends = closes(group, last, levels)
        read = 0
        operations = 0
        least = 0
        if (operand[0] & BARE) == 0:
            for k in range(n):
                loading = load_cycles(operand[k], widths[k], bandwidth)
                read += loading
            more_rows = operand[0] >> ROWS
            more_columns = (operand[0] >> COLUMNS) & FIELD
            more_valid = (operand[0] >> VALID) & FIELD
            if fn == "retile_rows":
                rows += more_rows
                valid += more_valid
                columns = more_columns
                resident = operand[0] & RESIDENT
            elif fn == "retile_columns":
                columns += more_columns
                rows = more_rows
                valid = more_valid
                resident = operand[0] & RESIDENT
            elif fn == "signal":
                least = 1
            else:
                if fn == "matmul":
                    if more_columns != (operand[1] >> ROWS):
                        fail("the inner sizes of a product differ", x[1])
                    more_columns = (operand[1] >> COLUMNS) & FIELD
                    operations = 2 * more_rows * more_columns * (operand[1] >> ROWS)
                elif fn == "matmul_transposed":
                    if more_columns != ((operand[1] >> COLUMNS) & FIELD):
                        fail("the inner sizes of a product differ", x[1])
                    operations = 2 * more_rows * more_columns * (operand[1] >> ROWS)
                    more_columns = operand[1] >> ROWS
                elif fn == "elementwise":
                    operations = more_rows * more_columns * flops
                else:
                    reject("there is no such function of an accumulation; see timing.md")
                valid = more_valid
                if fn != "elementwise" or initial_rows == 0:
                    rows = more_rows
                    columns = more_columns
        written = 0
        if ends == 1:
            written = storing
        cycles = slowest(read, operations, compute, written)
        if least > cycles:
            cycles = least
        tick(cycles)
        pop_group(x, n, operand, level)
        started = 1
        if ends == 1:
            if write_back != 0 and fn != "retile_rows" and fn != "retile_columns":
                resident = RESIDENT
            check_size(rows, columns)
            result = tile(rows, columns, valid, resident + level - levels)
            if fn == "signal":
                result = (1 << PAYLOAD) | (resident + level - levels)
            send(y, result)
            started = 0
            rows = initial_rows
            columns = initial_columns
            valid = initial_rows
            resident = 0
        elif level >= levels:
            send(y, BARE + level - levels)
            started = 0
        last = level


@primitive
def step_zip(x: Ins, y: Out, n: StaticInt, cells: IntWork) -> None:
    """elements -> tuples."""
    operand = registers(n)
    used = 0
    while True:
        level = next_group(x, n, operand)
        if operand[0] == DONE:
            close()
            finish()
        if (operand[0] & BARE) != 0:
            send(y, BARE + level)
        else:
            reserve(cells, used + 1 + n)
            cells[used] = n
            for k in range(n):
                cells[used + 1 + k] = operand[k]
            send(y, ((place(cells) + used) << PAYLOAD) | level)
            used += 1 + n
        pop_group(x, n, operand, level)
        tick(0)
