"""
Decode attention as the published graphs have it, for one region: what the timing of them rests on.

The scores of padding are not masked and exponentials are not made safe, as in the reference.

Source: "Streaming Tensor Programs", arXiv 2511.07776, section 5 and the recorded netlists.
"""

HEAD, QUERIES, ROWS = 64, 8, 32
"""Columns of a head, queries of a key-value head, and rows of a tile of the cache."""


def attention_module(requests: int, row_tiles: int) -> str:
    """The module of a batch whose caches have room for `row_tiles` tiles of each request."""
    cache = f"tensor<{requests * row_tiles * ROWS}x{HEAD}xf32>"
    query = f"tensor<{requests * QUERIES}x{HEAD}xf32>"
    new = f"tensor<{requests}x{HEAD}xf32>"
    integers = f"tensor<{requests}xi64>"
    unit = f"[{requests}, 1]"
    tile = f"!step.tile<f32, [{ROWS}, {HEAD}]>"
    row = f"!step.tile<f32, [1, {HEAD}]>"
    head = f"!step.tile<f32, [{QUERIES}, {HEAD}]>"
    scores = f"!step.tile<f32, [{QUERIES}, {ROWS}]>"
    numbers = f"!step.stream<index, [{requests}]>"
    types = f"{query}, {new}, {new}, {cache}, {cache}, {integers}, {integers}, {integers}, {query}"
    results = f"({cache}, {cache}, {query})"
    tiles = f"[{requests}, ~tiles]"

    def path(letter: str, extra: int) -> str:
        stream = f"!step.stream<{tile}, {tiles}>"
        last = f"!step.stream<{tile}, [{requests}]>"
        return f"""
    %a{letter} = step.cache_read_address %index#{extra}, %length#{extra} row_tiles {row_tiles}
      dim tiles {"" if letter == "k" else "assumed [tiles]"} : {numbers}, {numbers}
    %t{letter} = step.random_load %{letter.upper()}, %a{letter} tile [{ROWS}, {HEAD}] :
      {cache}, !step.stream<index, {tiles}>
    %f{letter} = step.filter_last %length#{extra + 1} dim tiles assumed [tiles] : {numbers}
    %g{letter}:2 = step.broadcast %f{letter} consumers 2 :
      !step.stream<!step.selector<2, hot 1>, {tiles}>
    %p{letter}:2 = step.partition %t{letter}, %g{letter}#0 rank 0 dims ["{requests}", others]
      {"" if letter == "k" else "assumed [others]"} :
      {stream}, !step.stream<!step.selector<2, hot 1>, {tiles}>
    %o{letter} = step.map %p{letter}#0, %offset#{extra // 2} fn set_offset : {last}, {numbers}
    %r{letter} = step.flatten %n{letter} min 0 max 1 : !step.stream<{row}, {unit}>
    %w{letter} = step.map %o{letter}, %r{letter} fn row_append : {last},
      !step.stream<{row}, [{requests}]>
    %b{letter}:2 = step.broadcast %w{letter} consumers 2 : {last}
    %j{letter} = step.reassemble %g{letter}#1, %b{letter}#0, %p{letter}#1 rank 0 :
      !step.stream<!step.selector<2, hot 1>, {tiles}>, {last}, !step.stream<{tile}, [others]>
    %c{letter} = step.flatten %j{letter} min 0 max 1 :
      !step.stream<{tile}, [{requests}, ~tiles, 1]>
    %d{letter} = step.map %index#{extra + 1}, %length#{extra + 4} fn cache_write_address
      scalar {float(row_tiles)} : f64 : {numbers}, {numbers}
    %done{letter}, %new{letter} = step.random_store %{letter.upper()}, %d{letter}, %b{letter}#1
      buffers 4 : {cache}, {numbers}, {last}"""

    text = f"""
func.func @main(%0: {query}, %1: {new}, %2: {new}, %3: {cache}, %4: {cache},
    %5: {integers}, %6: {integers}, %7: {integers}, %8: {query}) -> {results} {{
  %9:3 = step.graph(%0, %1, %2, %3, %4, %5, %6, %7, %8) : ({types}) -> {results} {{
  ^bb0(%q: {query}, %k: {new}, %v: {new}, %K: {cache}, %V: {cache},
      %i: {integers}, %l: {integers}, %o: {integers}, %y: {query}):
    %q1 = step.load %q tile [{QUERIES}, {HEAD}] strides [1, 1] shape {unit} : {query}
    %q2 = step.flatten %q1 min 1 max 2 : !step.stream<{head}, [1, {requests}, 1]>
    %k1 = step.load %k tile [1, {HEAD}] strides [1, 1] shape {unit} : {new}
    %nk = step.flatten %k1 min 1 max 2 : !step.stream<{row}, [1, {requests}, 1]>
    %v1 = step.load %v tile [1, {HEAD}] strides [1, 1] shape {unit} : {new}
    %nv = step.flatten %v1 min 1 max 2 : !step.stream<{row}, [1, {requests}, 1]>
    %i1 = step.integers %i : {integers}
    %i2 = step.flatten %i1 min 0 max 1 : !step.stream<index, [1, {requests}]>
    %l1 = step.integers %l : {integers}
    %l2 = step.flatten %l1 min 0 max 1 : !step.stream<index, [1, {requests}]>
    %o1 = step.integers %o : {integers}
    %o2 = step.flatten %o1 min 0 max 1 : !step.stream<index, [1, {requests}]>
    %index:5 = step.broadcast %i2 consumers 5 : {numbers}
    %length:8 = step.broadcast %l2 consumers 8 : {numbers}
    %offset:2 = step.broadcast %o2 consumers 2 : {numbers}
    {path("k", 0)}
    {path("v", 2)}
    %ck2:2 = step.broadcast %ck consumers 2 : !step.stream<{tile}, {tiles}>
    %qs = step.expand %q2, %ck2#0 rank 1 : !step.stream<{head}, {unit}>,
      !step.stream<{tile}, {tiles}>
    %s = step.map %qs, %ck2#1 fn matmul_transposed compute 2048 : !step.stream<{head}, {tiles}>,
      !step.stream<{tile}, {tiles}>
    %e = step.map %s fn exp compute 2048 : !step.stream<{scores}, {tiles}>
    %e2:2 = step.broadcast %e consumers 2 : !step.stream<{scores}, {tiles}>
    %n = step.accumulate %e2#0, %cv fn matmul rank 1 compute 2048 :
      !step.stream<{scores}, {tiles}>, !step.stream<{tile}, {tiles}>
    %z = step.accumulate %e2#1 fn add rank 1 compute 2048 : !step.stream<{scores}, {tiles}>
    %zs = step.map %z fn row_sum compute 2048 : !step.stream<{scores}, [{requests}]>
    %out = step.map %n, %zs fn div compute 2048 write_back : !step.stream<{head}, [{requests}]>,
      !step.stream<!step.tile<f32, [{QUERIES}, 1]>, [{requests}]>
    %doney, %newy = step.random_store %y, %index#4, %out : {query}, {numbers},
      !step.stream<{head}, [{requests}]>
    step.yield %newk, %newv, %newy : {cache}, {cache}, {query}
  }}
  return %9#0, %9#1, %9#2 : {cache}, {cache}, {query}
}}
"""
    return text
