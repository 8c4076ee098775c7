"""The steps of a program between its graphs: layout changes that the host makes."""

import numpy as np
import pytest

from headrace.backends.compiled import Program
from headrace.backends.sam import build
from headrace.storage.errors import InputError
from headrace.tests.modules import parse

VECTOR = "#sparse_tensor.encoding<{ map = (d0) -> (d0 : compressed) }>"


def test_layout_changes_run_between_graphs() -> None:
    text = f"""
    func.func @main(%x: tensor<2x3xf64>) -> (tensor<6xf64, {VECTOR}>, tensor<2x2xf64>,
        tensor<4x3xf64>, tensor<3x2x1xf64>, tensor<?xf64>, tensor<2x3xf64>) {{
      %0 = tensor.collapse_shape %x [[0, 1]] : tensor<2x3xf64> into tensor<6xf64>
      %a = sparse_tensor.convert %0 : tensor<6xf64> to tensor<6xf64, {VECTOR}>
      %b = tensor.extract_slice %x[0, 0] [2, 2] [1, 2] : tensor<2x3xf64> to tensor<2x2xf64>
      %c = tensor.concat dim(0) %x, %x : (tensor<2x3xf64>, tensor<2x3xf64>) -> tensor<4x3xf64>
      %1 = arith.constant dense<[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]> : tensor<3x2xf64>
      %d = tensor.expand_shape %1 [[0], [1, 2]] output_shape [3, 2, 1]
        : tensor<3x2xf64> into tensor<3x2x1xf64>
      %one = arith.constant 1 : index
      %n = tensor.dim %x, %one : tensor<2x3xf64>
      %2 = arith.constant 7.0 : f64
      %e = tensor.splat %2[%n] : tensor<?xf64>
      %3 = arith.constant dense<0.0> : tensor<2x2xf64>
      %f = tensor.insert_slice %3 into %x[0, 1] [2, 2] [1, 1] : tensor<2x2xf64> into tensor<2x3xf64>
      func.return %a, %b, %c, %d, %e, %f : tensor<6xf64, {VECTOR}>, tensor<2x2xf64>,
        tensor<4x3xf64>, tensor<3x2x1xf64>, tensor<?xf64>, tensor<2x3xf64>
    }}
    """
    x = np.array([[1.0, 0.0, 3.0], [4.0, 5.0, 0.0]])
    result = build(parse(text)).run(x)
    expected = [
        x.reshape(-1),
        x[:, ::2],
        np.concatenate([x, x]),
        np.arange(1.0, 7).reshape(3, 2, 1),
        np.full(3, 7.0),
        np.array([[1.0, 0, 0], [4, 0, 0]]),
    ]
    for output, value in zip(result.outputs, expected, strict=True):
        np.testing.assert_array_equal(output, value)
    assert result.storages[0].stored == 4
    assert result.cycles == 0


def host_operation(line: str, operand: str, result: str) -> Program:
    """A program of one operation of the host, `line`, from %x to %y."""
    text = f"""
    func.func @main(%x: {operand}) -> {result} {{
      %zero = arith.constant 0 : index
      %n = tensor.dim %x, %zero : {operand}
      {line} : {operand} to {result}
      func.return %y : {result}
    }}
    """
    return build(parse(text))


@pytest.mark.parametrize("shape", [(4,), (1, 4), (4, 1), (1, 4, 1)])
def test_a_slice_drops_the_dimensions_that_its_type_lacks(shape: tuple[int, ...]) -> None:
    x = np.arange(24.0).reshape(2, 4, 3)
    slice = "%y = tensor.extract_slice %x[1, 0, 2] [1, 4, 1] [1, 1, 1]"
    result = f"tensor<{'x'.join(map(str, shape))}xf64>"
    (output,) = host_operation(slice, "tensor<2x4x3xf64>", result).run(x).outputs
    np.testing.assert_array_equal(output, x[1, :, 2].reshape(shape))


@pytest.mark.parametrize(
    ("line", "result", "message"),
    [
        ("%y = tensor.extract_slice %x[2] [3] [1]", "3", "keep it inside the tensor"),
        ("%y = tensor.extract_slice %x[0] [3] [2]", "3", "keep it inside the tensor"),
        ("%y = tensor.extract_slice %x[0] [%n] [1]", "7", "a slice of shape 4 cannot have .* 7"),
        ("%y = tensor.cast %x", "7", "'x' has shape 4, but the program says 7"),
    ],
)
def test_a_size_that_is_wrong_when_the_program_runs_is_refused(
    line: str, result: str, message: str
) -> None:
    program = host_operation(line, "tensor<?xf64>", f"tensor<{result}xf64>")
    with pytest.raises(InputError, match=message):
        program.run(np.ones(4))


@pytest.mark.parametrize(
    ("operand", "groups", "result", "shape", "collapsed"),
    [
        ("?x1x?x2", "[[0, 1], [2, 3]]", "?x?x", (2, 1, 3, 2), (2, 6)),
        ("?x2x?", "[[0, 1], [2]]", "?x?x", (3, 2, 5), (6, 5)),
        ("?x2x?", "[[0, 1], [2]]", "?x?x", (3, 2, 0), (6, 0)),
        ("?x2x?x2", "[[0, 1], [2, 3]]", "?x?x", (3, 2, 5, 2), (6, 10)),
        ("?x2x?x2", "[[0, 1], [2, 3]]", "?x?x", (0, 2, 5, 2), (0, 10)),
        ("?x?x?", "[[0, 1, 2]]", "?x", (3, 2, 4), (24,)),
        ("?x1", "[]", "", (1, 1), ()),
    ],
)
def test_groups_of_unknown_sizes_are_multiplied_when_the_program_runs(
    operand: str, groups: str, result: str, shape: tuple[int, ...], collapsed: tuple[int, ...]
) -> None:
    source, target = f"tensor<{operand}xf64>", f"tensor<{result}f64>"
    text = f"""
    func.func @main(%x: {source}) -> {target} {{
      %y = tensor.collapse_shape %x {groups} : {source} into {target}
      func.return %y : {target}
    }}
    """
    x = np.arange(float(np.prod(shape))).reshape(shape)
    (output,) = build(parse(text)).run(x).outputs
    np.testing.assert_array_equal(output, x.reshape(collapsed))


@pytest.mark.parametrize(
    ("groups", "result", "message"),
    [
        ("[[0, 1]]", "6x", "'y' has shape 4, but the program says 6"),
        ("[]", "", r"'x' has shape \(2, 2\), whose elements do not fit \(\)"),
        ("[[0]]", "?x", r"groups the dimensions \(\(0,\),\) of a tensor of rank 2; put each"),
        ("[[0, 1], [2]]", "?x?x", r"groups the dimensions \(\(0, 1\), \(2,\)\) of a tensor"),
    ],
)
def test_a_collapse_that_does_not_fit_its_operand_is_refused(
    groups: str, result: str, message: str
) -> None:
    text = f"""
    func.func @main(%x: tensor<?x?xf64>) -> tensor<{result}f64> {{
      %y = tensor.collapse_shape %x {groups} : tensor<?x?xf64> into tensor<{result}f64>
      func.return %y : tensor<{result}f64>
    }}
    """
    with pytest.raises(InputError, match=message):
        build(parse(text)).run(np.ones((2, 2)))


def test_elements_that_do_not_fit_another_shape_are_refused() -> None:
    text = """
    func.func @main(%x: tensor<?xf64>) -> tensor<?x3xf64> {
      %zero = arith.constant 0 : index
      %n = tensor.dim %x, %zero : tensor<?xf64>
      %y = tensor.expand_shape %x [[0, 1]] output_shape [%n, 3]
        : tensor<?xf64> into tensor<?x3xf64>
      func.return %y : tensor<?x3xf64>
    }
    """
    with pytest.raises(InputError, match="whose elements do not fit"):
        build(parse(text)).run(np.ones(5))


def test_tensors_of_different_widths_are_not_joined() -> None:
    text = """
    !T = tensor<?x?xf64>
    func.func @main(%x: !T, %y: !T) -> !T {
      %z = tensor.concat dim(0) %x, %y : (!T, !T) -> !T
      func.return %z : !T
    }
    """
    program = build(parse(text))
    (output,) = program.run(np.ones((2, 3)), np.ones((1, 3))).outputs
    assert output.shape == (3, 3)
    with pytest.raises(InputError, match=r"the shapes are 'x' \(2, 3\), 'y' \(2, 4\); give"):
        program.run(np.ones((2, 3)), np.ones((2, 4)))


def test_a_window_that_leaves_its_destination_is_refused() -> None:
    text = """
    func.func @main(%x: tensor<?xf64>, %s: tensor<2xf64>) -> tensor<?xf64> {
      %y = tensor.insert_slice %s into %x[3] [2] [1] : tensor<2xf64> into tensor<?xf64>
      func.return %y : tensor<?xf64>
    }
    """
    program = build(parse(text))
    (output,) = program.run(np.zeros(5), np.ones(2)).outputs
    np.testing.assert_array_equal(output, [0, 0, 0, 1, 1])
    with pytest.raises(InputError, match="keep it inside the tensor"):
        program.run(np.zeros(4), np.ones(2))
