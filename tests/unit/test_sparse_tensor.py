"""Encodings and storage formats name the same thing in two languages."""

import pytest
from xdsl.dialects.builtin import NoneAttr, TensorType, f64
from xdsl.ir import Attribute
from xdsl.parser import Parser

from headrace.cli.driver import make_context
from headrace.dialects.sparse_tensor import encoding_of, format_of, with_format
from headrace.storage.errors import InputError
from headrace.storage.levels import Format, Level
from headrace.tests.reference import reference_path

FORMATS = ["dense", "csr", "csc", "dcsr", "dcsc", "dd10", "sd", "ss"]


def parsed(map: str) -> Attribute:
    text = f"tensor<4x6xf64, #sparse_tensor.encoding<{{ map = {map} }}>>"
    return Parser(make_context(), text).parse_type()


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_survives_its_encoding(name: str) -> None:
    format = Format.parse(name, 2)
    assert format_of(TensorType(f64, (4, 6), encoding_of(format))) == format


@pytest.mark.parametrize("block", [(2, 3), (1, 16), (1, 1)])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_blocked_format_survives_its_encoding(
    block: tuple[int, ...], order: tuple[int, ...]
) -> None:
    format = Format((Level.DENSE, Level.COMPRESSED), order, block)
    assert format_of(TensorType(f64, (4, 16), encoding_of(format))) == format


def test_no_encoding_is_dense_row_major() -> None:
    assert encoding_of(Format.dense(3)) == NoneAttr()
    assert format_of(TensorType(f64, (2, 3, 4))) == Format.dense(3)
    assert format_of(TensorType(f64, ())) == Format.dense(0)


def test_an_encoding_may_say_that_all_is_dense() -> None:
    assert format_of(parsed("(i, j) -> (i : dense, j : dense)")) == Format.dense(2)


def test_levels_come_in_the_order_of_the_encoding() -> None:
    assert format_of(parsed("(i, j) -> (j : dense, i : compressed)")) == Format.parse("csc", 2)


def test_coordinate_lists_become_compressed_levels() -> None:
    coo = parsed("(i, j) -> (i : compressed(nonunique), j : singleton(soa))")
    assert format_of(coo) == Format.parse("dcsr", 2)


def test_a_dimension_without_block_counts_as_a_block_of_one() -> None:
    format = format_of(parsed("(i, j) -> (i : dense, j floordiv 2 : compressed, j mod 2 : dense)"))
    assert format == Format((Level.DENSE, Level.COMPRESSED), (0, 1), (1, 2))


@pytest.mark.parametrize(
    ("map", "message"),
    [
        ("(i, j) -> (i : dense, j : batch)", "'batch' has no run-time form"),
        ("(i, j) -> (i : dense, j : compressed(nonordered))", "has no run-time form"),
        ("(i, j) -> (i floordiv 2 : dense, j : dense)", "one level 'd mod n' for each"),
        ("(i, j) -> (i floordiv 2 : dense, i mod 2 : dense, j : dense)", "must follow all levels"),
        (
            "(i, j) -> (i floordiv 2 : dense, j : dense, i mod 2 : compressed)",
            "inside a block must be dense",
        ),
        ("(i, j) -> (i floordiv 2 : dense, j : dense, i mod 3 : dense)", "one level 'd mod n'"),
    ],
)
def test_an_encoding_without_run_time_form_is_refused(map: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        format_of(parsed(map))


def test_only_tensors_have_formats() -> None:
    with pytest.raises(InputError, match="not a ranked tensor"):
        format_of(f64)
    with pytest.raises(InputError, match="not a ranked tensor"):
        with_format(f64, Format.dense(0))


PROGRAMS = ["axw_dn_dn", "axw_sd_sp", "axw_sp_sp", "diamond", "had_plus", "sddmm_jd"]


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_of_other_compilers_parse_unchanged(name: str) -> None:
    text = reference_path(f"fusion/{name}.mlir").read_text()
    module = Parser(make_context(), text).parse_module()
    module.verify()
    again = Parser(make_context(), str(module)).parse_module()
    assert module.is_structurally_equivalent(again)
