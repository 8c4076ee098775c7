"""What each primitive of streaming tensor programs makes of values and stops."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from headrace.simulators.stream.errors import ProgramError, SimulationError
from headrace.simulators.stream.program import ProgramBuilder, Stream
from headrace.simulators.stream.simulate import simulate
from headrace.simulators.stream.step_tokens import bare, item, sizes_of, text, tile, words

Build = Callable[[ProgramBuilder, Sequence[Stream]], Sequence[Stream]]


def run_words(
    inputs: Sequence[Sequence[int]], build: Build, depth: int | None = None
) -> list[list[int]]:
    """The words that come out of some nodes."""
    builder = ProgramBuilder()
    sources = [builder.node("step_words", words=tuple(stream))[0] for stream in inputs]
    outputs = build(builder, sources)
    for k, stream in enumerate(outputs):
        builder.node("step_record", stream, output=f"out{k}")
    result = simulate(builder.build(), {}, depth=depth)
    assert result.deadlock is None
    return [result.outputs[f"out{k}.words"].tolist() for k in range(len(outputs))]


def run(kind: str, inputs: Sequence[str], **parameters: Any) -> list[str]:
    """The streams that come out of one node, as text."""

    def build(builder: ProgramBuilder, sources: Sequence[Stream]) -> Sequence[Stream]:
        return builder.node(kind, *sources, **parameters)

    streams = [words(one) for one in inputs]
    outputs = [run_words(streams, build, depth) for depth in (None, 8)]
    assert outputs[0] == outputs[1], "what comes out does not depend on the depth of channels"
    return [text(stream) for stream in outputs[0]]


SELECTORS = {"starts": (0, 1, 2, 4, 4), "members": (0, 1, 0, 1)}
"""{0}, {1}, {0, 1}, {}."""

TILES = {"tile_rows": 4, "tile_columns": 4, "width": 2}

RAGGED = "1 2 S1 3 S2 4 S1 5 6 7 S2"


@pytest.mark.parametrize(
    ("kind", "inputs", "outputs", "parameters"),
    [
        ("step_flatten", [RAGGED], ["1 2 3 S1 4 5 6 7 S1"], {"minimum": 0, "maximum": 1}),
        ("step_flatten", [RAGGED], ["1 2 S1 3 S1 4 S1 5 6 7 S1"], {"minimum": 1, "maximum": 2}),
        ("step_flatten", [RAGGED], ["1 2 3 4 5 6 7"], {"minimum": 0, "maximum": 2}),
        ("step_flatten", ["S1 S3 1 S3"], ["S1 S2 1 S2"], {"minimum": 0, "maximum": 1}),
        ("step_flatten", ["1 S2 S2"], ["1 S1 S1"], {"minimum": 0, "maximum": 1}),
        ("step_flatten", ["1 S2 S1 S2"], ["1 S1 S1"], {"minimum": 1, "maximum": 2}),
        ("step_promote", ["1 2 3"], ["1 2 3 S1"], {"unit": -1, "levels": 0}),
        ("step_promote", [""], [""], {"unit": -1, "levels": 0}),
        ("step_promote", ["1 S1 2 S1"], ["1 S1 2 S2"], {"unit": -1, "levels": 1}),
        ("step_promote", ["1 S1 S1"], ["1 S1 S1 S2"], {"unit": -1, "levels": 1}),
        ("step_promote", ["0 1 S1 2 S1"], ["0 S1 1 S2 2 S2"], {"unit": 0}),
        ("step_promote", ["1 S1 S1"], ["1 S2 S1 S2"], {"unit": 1}),
        ("step_repeat", ["1 2 S1 S1"], ["1 1 1 S1 2 2 2 S2 S2"], {"factor": 3}),
        (
            "step_reshape",
            ["1 2 S1 3 4 5 6 S1"],
            ["1 2 0 S2 3 4 5 S1 6 0 0 S2", "0 0 1 S2 0 0 0 S1 0 1 1 S2"],
            {"unit": 0, "chunk": 3},
        ),
        ("step_reshape", [""], ["", ""], {"unit": 0, "chunk": 3}),
        (
            "step_reshape",
            ["1 2 3"],
            ["1 2 S1 3 0 S2", "0 0 S1 0 1 S2"],
            {"unit": 0, "chunk": 2, "outer": 1, "levels": 0},
        ),
        (
            "step_reshape",
            ["1 S1 2 S1 3 S1 4 S2"],
            ["1 S1 2 S2 3 S1 4 S3", "0 S1 0 S2 0 S1 0 S3"],
            {"unit": 1, "chunk": 2},
        ),
        ("step_expand", ["1 S1 2 S1", "0 0 0 S1 0 S1"], ["1 1 1 S1 2 S1"], {"levels": 1}),
        ("step_expand", ["5 S2", "0 S1 0 0 S2"], ["5 S1 5 5 S2"], {"levels": 2}),
        ("step_flat_map", ["1 3 S1 2 S1"], ["1 3 3 3 S1 2 2 S1"], {"fn": "copies"}),
        ("step_flat_map", ["2 1 S1 3 S1"], ["0 1 S1 0 S2 0 1 2 S2"], {"fn": "range"}),
        ("step_flat_map", ["0 1 S1 0 S1"], ["S1 0 S2 S1 S2"], {"fn": "range"}),
        ("step_flat_map", ["0 1 S1 0 S1"], ["1 S1 S1"], {"fn": "copies"}),
        ("step_flat_map", ["1 S2 0 0 S2 1 0 S2"], ["1 S2 S1 S2 1 S2"], {"fn": "copies"}),
        ("step_flat_map", ["1 S1 0 S2 0 0 S2"], ["1 S1 S1 S2 S1 S2"], {"fn": "copies"}),
        ("step_flat_map", ["1 0 S2 S2"], ["1 S2 S2"], {"fn": "copies"}),
        (
            "step_partition",
            ["10 11 12 13 14", "0 1 2 3 1"],
            ["10 12", "11 12 14"],
            {"unit": 0, "lanes": 2, "width": -8, "control_width": -2, **SELECTORS},
        ),
        (
            "step_partition",
            ["1 S1 2 3 S2 4 S2", "1 0 S1 1 S1"],
            ["2 3 S1", "1 S1 4 S1"],
            {"unit": 1, "lanes": 2, "width": -8, "control_width": -2, **SELECTORS},
        ),
        (
            "step_reassemble",
            ["7 7 S1 8 S1", "5 S1", "2 3 0"],
            ["7 7 S1 5 S2 S2 8 S2"],
            {
                "unit": 1,
                "width": -8,
                "control_width": -2,
                "output": "order",
                **SELECTORS,
            },
        ),
        ("step_merge", ["1 S1 2 S1", ""], ["1 S1 2 S1", "0 0"], {"unit": 1, "output": "merge"}),
        ("step_deal", ["0 1 2 3 4"], ["0 2 4", "1 3"], {"unit": 0, "lanes": 2}),
        ("step_cache_address", ["1 S1 0 S1", "2 S1 0 S1"], ["4 5 S2 S1 S2"], {"row_tiles": 4}),
        ("step_filter_last", ["3 1 S1"], ["1 1 0 S1 0 S2"], {}),
        (
            "step_expert_address",
            ["1 0 S1"],
            ["12 S1 13 S2 10 S1 11 S3"],
            {"tiles": 2, "base": 10, **SELECTORS},
        ),
        ("step_select", [], ["1 S1 0 S1 1 S2"], {"shape": (1, 3, 1), "selectors": (1, 0, 1)}),
        (
            "step_to_selector",
            ["5 6 S1 S1 7 S1"],
            ["2 0 S1 S1 1 S1"],
            {"selectors": (2, 0, 1), "width": 2},
        ),
        ("step_integers", [], ["5 6 S1 7 8 S1"], {"shape": (2, 2), "values": (5, 6, 7, 8)}),
        ("step_broadcast", [RAGGED], [RAGGED] * 3, {"lanes": 3}),
        ("step_integers", [], ["S1"], {"shape": (1, 0), "values": ()}),
        ("step_integers", [], ["S1 S1 S2 S1 S1 S2"], {"shape": (2, 2, 0), "values": ()}),
        ("step_integers", [], ["S2 S2"], {"shape": (2, 0, 3), "values": ()}),
        ("step_integers", [], [""], {"shape": (0, 2), "values": ()}),
        ("step_load", [], ["S1 S1"], {**TILES, "shape": (2, 0)}),
        ("step_load_by", ["7 8 S1"], ["S1 S1 S2"], {**TILES, "shape": (0,)}),
    ],
)
def test_stops(
    kind: str, inputs: list[str], outputs: list[str], parameters: dict[str, Any]
) -> None:
    assert run(kind, inputs, **parameters) == outputs


def replayed(content: str, levels: int, ref: str | None, **parameters: Any) -> str:
    """What Streamify makes of a stream that is buffered `levels` levels deep."""

    def build(builder: ProgramBuilder, sources: Sequence[Stream]) -> Sequence[Stream]:
        [held] = builder.node("step_bufferize", sources[0], levels=levels)
        kind = "step_streamify" if ref is None else "step_streamify_by"
        return builder.node(kind, held, *sources[1:], levels=levels, **parameters)

    inputs = [words(content), *([] if ref is None else [words(ref)])]
    return text(run_words(inputs, build)[0])


def test_buffers_are_replayed() -> None:
    assert replayed("5 6 S1 7 S1", 1, "0 S1 0 0 S1", unit=1) == "5 6 S2 7 S1 7 S2"
    assert replayed("5 6 S1 7 S1", 1, "0 0", unit=0) == "5 6 S1 7 S1"
    assert replayed("S1 S2 5 S2", 1, "0 S2 0 S2", unit=1) == "S1 S3 5 S3"
    assert replayed("5 6 S1 7 S2", 1, None, repeat=(2,)) == "5 6 S1 5 6 S2 7 S1 7 S3"
    assert replayed("5 S1", 1, None, repeat=(2, 2)) == "5 S1 5 S2 5 S1 5 S3"
    affine = {"shape": (2, 2), "strides": (1, 2)}
    assert replayed("1 2 S1 3 4 S2", 2, "0", unit=0, **affine) == "1 3 S1 2 4 S2"
    nothing = {"shape": (2, 0), "strides": (1, 1)}
    assert replayed("5 6 S1", 1, "0", unit=0, **nothing) == "S1 S1 S2"


def test_many_buffers_are_kept_while_their_memory_grows() -> None:
    content = " ".join(f"{k} S1" for k in range(200_000))
    assert replayed(content, 1, None, repeat=(1,)) == content.replace("S1", "S2")


def test_affine_read_outside_the_buffer() -> None:
    with pytest.raises(SimulationError, match="affine read leaves the buffer"):
        replayed("1 2 S1 3 4 S2", 2, "0", unit=0, shape=(2, 2), strides=(1, 3))


def test_tuples_keep_the_shape_of_their_operands() -> None:
    def build(builder: ProgramBuilder, sources: Sequence[Stream]) -> Sequence[Stream]:
        return builder.node("step_zip", *sources)

    [zipped] = run_words([words("1 S1 S1"), words("2 S1 S1")], build)
    assert [word & 63 for word in zipped] == [1, bare(1)]


def computed(kind: str, inputs: Sequence[Sequence[int]], **parameters: Any) -> list[Any]:
    def build(builder: ProgramBuilder, sources: Sequence[Stream]) -> Sequence[Stream]:
        widths = tuple(2 for _ in sources)
        return builder.node(kind, *sources, widths=widths, **parameters)

    [found] = run_words(inputs, build)
    return [(sizes_of(word), word & 15) if not word & 32 else f"S{word & 15}" for word in found]


def test_sizes_of_results() -> None:
    product = computed("step_map", [[tile(3, 4, 2)], [tile(4, 5)]], fn="matmul")
    assert product == [((3, 5, 2), 0)]
    product = computed("step_map", [[tile(3, 4, 2)], [tile(5, 4)]], fn="matmul_transposed")
    assert product == [((3, 5, 2), 0)]
    total = computed("step_map", [[tile(1, 4)], [tile(3, 1, 2)]], fn="elementwise")
    assert total == [((3, 4, 2), 0)]
    assert computed("step_map", [[tile(3, 4, 1)]], fn="row_reduce") == [((3, 1, 1), 0)]
    assert computed("step_map", [[tile(3, 4, 1)]], fn="transpose") == [((4, 3, 4), 0)]
    assert computed("step_map", [[tile(3, 4, 1)], [item(2)]], fn="touch") == [((3, 4, 1), 0)]
    assert computed("step_map", [[tile(3, 4)], [item(2)]], fn="set_offset") == [((3, 4, 2), 0)]
    assert computed("step_map", [[tile(3, 4, 2)], [tile(1, 4)]], fn="row_append") == [
        ((3, 4, 3), 0)
    ]
    rows = [tile(2, 4), tile(2, 4, 1, stop=1), bare(1), tile(1, 4, stop=2)]
    packed = computed("step_accumulate", [rows], fn="retile_rows", levels=1)
    assert packed == [((4, 4, 3), 0), ((0, 0, 0), 0), ((1, 4, 1), 1)]
    packed = computed(
        "step_accumulate", [[tile(2, 1), tile(2, 3, stop=1)]], fn="retile_columns", levels=1
    )
    assert packed == [((2, 4, 2), 0)]


@pytest.mark.parametrize(
    ("other", "sizes"), [(tile(2, 4), "rows"), (tile(3, 2), "columns"), (tile(0, 4), "rows")]
)
def test_elementwise_operands_have_one_size(other: int, sizes: str) -> None:
    with pytest.raises(SimulationError, match=f"two operands have unequal {sizes}"):
        computed("step_map", [[tile(3, 4)], [other]], fn="elementwise")


@pytest.mark.parametrize("fn", ["retile_rows", "retile_columns", "elementwise"])
@pytest.mark.parametrize("resident", [False, True])
@pytest.mark.parametrize("write_back", [0, 1])
def test_only_packs_hand_on_where_they_reside(fn: str, resident: bool, write_back: int) -> None:
    def build(builder: ProgramBuilder, sources: Sequence[Stream]) -> Sequence[Stream]:
        return builder.node(
            "step_accumulate", *sources, fn=fn, levels=1, widths=(2,), write_back=write_back
        )

    [[found]] = run_words([[tile(1, 1, resident=resident, stop=1)]], build)
    expected = write_back if fn == "elementwise" else resident
    assert found == tile(1, 1, resident=bool(expected))


def test_rows_of_a_tile() -> None:
    def build(builder: ProgramBuilder, sources: Sequence[Stream]) -> Sequence[Stream]:
        masked = builder.node("step_flat_map", sources[0], fn="split_rows", masked=1)
        whole = builder.node("step_flat_map", sources[1], fn="split_rows", masked=0)
        columns = builder.node("step_flat_map", sources[2], fn="split_columns")
        return [*masked, *whole, *columns]

    tiles = [tile(3, 4, 3), tile(3, 4, 3), tile(3, 4, 1, stop=1)]
    masked, whole, columns = run_words([tiles] * 3, build)
    assert masked == [tile(1, 4)] * 6 + [tile(1, 4, stop=1)]
    assert [sizes_of(word)[2] for word in whole] == [1] * 7 + [0, 0]

    def pieces(builder: ProgramBuilder, sources: Sequence[Stream]) -> Sequence[Stream]:
        rows = builder.node("step_flat_map", sources[0], fn="split_rows", size=2)
        masked = builder.node("step_flat_map", sources[1], fn="split_rows", size=2, masked=1)
        columns = builder.node("step_flat_map", sources[2], fn="split_columns", size=4)
        return [*rows, *masked, *columns]

    rows, some, wide = run_words([[tile(5, 6, 3, stop=1)]] * 3, pieces)
    assert rows == [tile(2, 6), tile(2, 6, 1), tile(1, 6, 0, stop=1)]
    assert some == [tile(2, 6), tile(2, 6, 1, stop=1)]
    assert wide == [tile(5, 4, 3), tile(5, 2, 3, stop=1)]
    assert columns == [tile(3, 1)] * 8 + [tile(3, 1, 1)] * 3 + [tile(3, 1, 1, stop=1)]


@pytest.mark.parametrize(
    ("kind", "inputs", "message", "parameters"),
    [
        ("step_map", ["1 2", "1"], "more elements", {"fn": "elementwise", "widths": (2, 2)}),
        ("step_map", ["1 S1", "1 2"], "same shape", {"fn": "elementwise", "widths": (2, 2)}),
        ("step_bufferize", ["1 2"], "ends inside a buffer", {"levels": 1}),
        ("step_expand", ["1 S1", "0 0"], "do not line up", {"levels": 1}),
        (
            "step_partition",
            ["1", "0 1"],
            "more selectors than units",
            {"unit": 0, "lanes": 2, "width": -8, "control_width": -2, **SELECTORS},
        ),
        (
            "step_partition",
            ["1", "9"],
            "no selector 9",
            {"unit": 0, "lanes": 2, "width": -8, "control_width": -2, **SELECTORS},
        ),
        (
            "step_reassemble",
            ["1", "2"],
            "selects 1, which the node does not have",
            {"unit": 0, "width": -8, "control_width": -2, "output": "order", **SELECTORS},
        ),
        ("step_expert_address", ["3"], "not one", {"tiles": 2, "base": 0, **SELECTORS}),
        ("step_expert_address", ["2"], "not one", {"tiles": 2, "base": 0, **SELECTORS}),
        ("step_select", [], "does not fit", {"shape": (1, 2), "selectors": (0,)}),
        ("step_to_selector", ["5 6"], "more tiles come", {"selectors": (0,), "width": 2}),
        ("step_to_selector", ["5"], "fewer tiles come", {"selectors": (0, 1), "width": 2}),
        ("step_integers", [], "does not fit", {"shape": (0,), "values": (5,)}),
    ],
)
def test_operands_that_do_not_line_up(
    kind: str, inputs: list[str], message: str, parameters: dict[str, Any]
) -> None:
    with pytest.raises(SimulationError, match=message):
        run(kind, inputs, **parameters)


def test_rows_that_a_tile_has_not() -> None:
    with pytest.raises(SimulationError, match="more rows are valid"):
        computed("step_map", [[tile(3, 4)], [item(4)]], fn="set_offset")
    with pytest.raises(SimulationError, match="all rows of a tile are in use"):
        computed("step_map", [[tile(3, 4)], [tile(1, 4)]], fn="row_append")


def test_inner_sizes_of_a_product() -> None:
    with pytest.raises(SimulationError, match="inner sizes"):
        computed("step_map", [[tile(3, 4)], [tile(5, 4)]], fn="matmul")


def test_tiles_that_are_too_tall() -> None:
    rows = [tile(1 << 18, 1), tile(1 << 18, 1, stop=1)]
    with pytest.raises(SimulationError, match="more than 524287 rows"):
        computed("step_accumulate", [rows], fn="retile_rows", levels=1)


def test_a_function_that_no_map_has() -> None:
    with pytest.raises(ProgramError, match="no such function"):
        run("step_map", ["1"], fn="cube", widths=(2,))


@pytest.mark.parametrize(
    "build", [lambda: item(1 << 57), lambda: tile(1 << 19, 1), lambda: bare(16)]
)
def test_what_an_element_cannot_carry(build: Callable[[], int]) -> None:
    with pytest.raises(ProgramError, match="cannot carry"):
        build()
