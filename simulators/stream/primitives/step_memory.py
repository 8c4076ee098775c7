"""
Loads and stores of tiles of streaming tensor programs.

A tile of r x c numbers takes r * ceil(c bytes / 64) requests. A node asks for one tile at a time
and waits for it; the arbiter serves the requests in the order of time.

Source: "Streaming Tensor Programs" (ASPLOS 2026), section 5.1 and its simulator.
"""

from headrace.simulators.stream.language import (
    DONE,
    Count,
    In,
    Int,
    Ints,
    Out,
    StaticText,
    below,
    close,
    fail,
    finish,
    peek,
    pop,
    request,
    send,
    take,
    tick,
)
from headrace.simulators.stream.primitive import helper, primitive
from headrace.simulators.stream.primitives.step_word import (
    BARE,
    COLUMNS,
    FIELD,
    INTEGERS,
    LEVELS,
    PAYLOAD,
    RESIDENT,
    ROWS,
    check_size,
    ended_lists,
    product,
    send_empty,
    tile,
)


@helper
def move(rows: int, columns: int, width: int, request_bytes: int) -> None:
    """Move one tile; the clock goes to its last answer."""
    requests = rows * ((columns * width + request_bytes - 1) // request_bytes)
    if requests > 0:
        request(requests)


@helper
def move_token(token: int, width: int, request_bytes: int) -> None:
    """Move the tile that is an element; something else takes one request."""
    if (token & BARE) == 0:
        if width > 0:
            move(token >> ROWS, (token >> COLUMNS) & FIELD, width, request_bytes)
        else:
            request(1)


@primitive
def step_load(
    y: Out,
    shape: Ints,
    tile_rows: Int,
    tile_columns: Int,
    width: Int,
    dispatch: Count = 1,
    request_bytes: Count = 64,
) -> None:
    """-> tiles: `shape` is the shape of the stream."""
    check_size(tile_rows, tile_columns)
    count = product(shape)
    send_empty(y, shape, 1, 0)
    position = 0
    while position < count:
        move(tile_rows, tile_columns, width, request_bytes)
        level = ended_lists(position, 1, shape)
        token = tile(tile_rows, tile_columns, tile_rows, RESIDENT + level)
        send(y, token)
        tick(0)
        position += 1
    close()
    finish()


@primitive
def step_load_by(
    ref: In,
    y: Out,
    shape: Ints,
    tile_rows: Int,
    tile_columns: Int,
    width: Int,
    dispatch: Count = 1,
    request_bytes: Count = 64,
) -> None:
    """ref -> tiles: for each element of ref, whatever it is, the tiles of `shape`."""
    check_size(tile_rows, tile_columns)
    count = product(shape)
    while True:
        token = take(ref)
        if token == DONE:
            close()
            finish()
        if (token & BARE) != 0:
            send(y, token + len(shape))
        else:
            send_empty(y, shape, 0, token & LEVELS)
            position = 0
            while position < count:
                move(tile_rows, tile_columns, width, request_bytes)
                level = ended_lists(position, 0, shape)
                position += 1
                if position == count:
                    level += token & LEVELS
                loaded = tile(tile_rows, tile_columns, tile_rows, RESIDENT + level)
                send(y, loaded)
        tick(0)


@helper
def check_address(token: int, tiles: int, port: In) -> None:
    """Refuse an address at which the tensor has no tile."""
    if not below(token >> PAYLOAD, tiles):
        fail("an address is that of no tile of the tensor, which counts its tiles from 0", port)


@primitive
def step_random_load(
    address: In,
    y: Out,
    tile_rows: Int,
    tile_columns: Int,
    width: Int,
    tiles: Int = INTEGERS,
    dispatch: Count = 1,
    request_bytes: Count = 64,
) -> None:
    """address -> tile, of a tensor of `tiles`."""
    check_size(tile_rows, tile_columns)
    while True:
        token = take(address)
        if token == DONE:
            close()
            finish()
        if (token & BARE) == 0:
            check_address(token, tiles, address)
            move(tile_rows, tile_columns, width, request_bytes)
            token = tile(tile_rows, tile_columns, tile_rows, RESIDENT + (token & LEVELS))
        send(y, token)
        tick(0)


@primitive
def step_store(x: In, width: Int, dispatch: Count = 1, request_bytes: Count = 64) -> None:
    """tiles ->."""
    while True:
        token = peek(x)
        if token == DONE:
            close()
            finish()
        move_token(token, width, request_bytes)
        pop(x)
        tick(0)


@primitive
def step_random_store(
    address: In,
    x: In,
    done: Out,
    width: Int,
    acknowledge: StaticText = "address",
    tiles: Int = INTEGERS,
    dispatch: Count = 1,
    request_bytes: Count = 64,
) -> None:
    """address, tile -> done: an acknowledgement when the tile is in memory, of so many `tiles`."""
    while True:
        where = peek(address)
        token = peek(x)
        if where == DONE and token == DONE:
            close()
            finish()
        bare = 0
        if where != DONE and (where & BARE) != 0:
            bare = 1
            if acknowledge == "address":
                send(done, where)
            pop(address)
        if token != DONE and (token & BARE) != 0:
            bare = 1
            if acknowledge == "data":
                send(done, token)
            pop(x)
        if bare == 0:
            if where == DONE or token == DONE:
                fail("there are more addresses or more tiles", x)
            check_address(where, tiles, address)
            move_token(token, width, request_bytes)
            level = where & LEVELS
            if acknowledge == "data":
                level = token & LEVELS
            send(done, (1 << PAYLOAD) | level)
            pop(address)
            pop(x)
        tick(0)
