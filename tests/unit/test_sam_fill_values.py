"""What has to be visited at every coordinate, so that results equal dense arithmetic."""

import math

from headrace.passes.sam.expression import Expression, Expressions, Full, Map, Reduce
from headrace.passes.sam.fill_values import Support, fill_in

ROW, COLUMN = 0, 1


class Sketch:
    """Expressions over compressed operands x and m (both axes), and a dense bias b."""

    def __init__(self) -> None:
        self.make = Expressions()
        self.x = self.make.input(0, (ROW, COLUMN))
        self.m = self.make.input(1, (ROW, COLUMN))
        self.b = self.make.input(2, (COLUMN,))
        self.order: tuple[int, ...] = (ROW, COLUMN)

    def filled(self, expression: Expression) -> tuple[Expression, dict[Expression, Support]]:
        filled = fill_in(
            self.make, [expression], self.order, lambda operand, dimension: operand == 2
        )
        return filled.results[0], filled.supports


def test_a_function_that_keeps_zero_is_visited_where_its_operand_is():
    sketch = Sketch()
    relu = sketch.make.map("max", (sketch.x,), 0.0)
    assert sketch.filled(relu)[0] is relu


def test_a_stored_result_visits_every_coordinate_of_a_function_with_a_value_at_zero():
    sketch = Sketch()
    result, _ = sketch.filled(sketch.make.map("exp", (sketch.x,)))
    assert isinstance(result, Full)
    assert result.over == {ROW, COLUMN}


def test_a_product_is_present_where_both_operands_are():
    sketch = Sketch()
    product = sketch.make.map("mul", (sketch.x, sketch.m))
    assert sketch.filled(product)[1][product] == Support("intersect", (0, 1))


def test_a_product_with_a_function_of_zero_follows_the_operand_that_skips_zeros():
    sketch = Sketch()
    product = sketch.make.map("mul", (sketch.make.map("cos", (sketch.x,)), sketch.m))
    assert sketch.filled(product)[1][product] == Support("intersect", (1,))


def test_a_difference_is_present_where_either_operand_is():
    sketch = Sketch()
    difference = sketch.make.map("sub", (sketch.x, sketch.m))
    assert sketch.filled(difference)[1][difference] == Support("union", (0, 1))


def test_a_quotient_by_a_dense_operand_follows_its_numerator():
    sketch = Sketch()
    quotient = sketch.make.map("div", (sketch.x, sketch.b))
    result, supports = sketch.filled(quotient)
    assert result is quotient
    assert supports[quotient] == Support("union", (0,))


def test_a_quotient_by_a_sparse_operand_that_may_be_absent_is_dense():
    sketch = Sketch()
    result, _ = sketch.filled(sketch.make.map("div", (sketch.x, sketch.m)))
    assert isinstance(result, Full)


def test_a_sum_of_a_function_with_a_value_at_zero_visits_every_coordinate():
    sketch = Sketch()
    total = sketch.make.reduce("add", {COLUMN}, sketch.make.map("cos", (sketch.x,)))
    result, _ = sketch.filled(total)
    assert result is sketch.make.reduce(
        "add", {COLUMN}, sketch.make.full(sketch.make.map("cos", (sketch.x,)))
    )


def test_a_maximum_counts_the_zeros_that_are_not_stored():
    sketch = Sketch()
    peak = sketch.make.reduce("max", {COLUMN}, sketch.x)
    result, _ = sketch.filled(peak)
    assert result is sketch.make.reduce("max", {COLUMN}, sketch.make.full(sketch.x, {COLUMN}))


def test_a_maximum_over_an_outer_axis_visits_every_coordinate_inside_it():
    sketch = Sketch()
    sketch.order = (COLUMN, ROW)
    peak = sketch.make.reduce("max", {COLUMN}, sketch.x)
    result, _ = sketch.filled(peak)
    assert result is sketch.make.reduce("max", {COLUMN}, sketch.make.full(sketch.x, {ROW, COLUMN}))


def test_a_guarded_softmax_of_minus_infinity_outside_a_mask_stays_on_the_mask():
    sketch = Sketch()
    make = sketch.make
    masked = make.map("mask", (sketch.x, sketch.m), -math.inf)
    peak = make.map("max", (make.reduce("max", {COLUMN}, masked),), -1e308)
    weight = make.map("exp", (make.map("sub", (masked, peak)),))
    total = make.map("max", (make.reduce("add", {COLUMN}, weight),), 1.0)
    softmax = make.map("div", (weight, total))
    result, supports = sketch.filled(softmax)
    assert result is softmax
    assert supports[masked] == Support("union", (1,))
    assert supports[softmax] == Support("union", (0,))


def test_minus_infinity_less_minus_infinity_is_visited_in_full():
    sketch = Sketch()
    masked = sketch.make.map("mask", (sketch.x, sketch.m), -math.inf)
    peak = sketch.make.reduce("max", {COLUMN}, masked)
    result, _ = sketch.filled(sketch.make.map("sub", (masked, peak)))
    assert isinstance(result, Full)


def test_a_maximum_of_minus_infinities_that_leaves_an_accumulator_is_visited_in_full():
    sketch = Sketch()
    masked = sketch.make.map("mask", (sketch.x, sketch.m), -math.inf)
    sketch.order = (COLUMN, ROW)
    peak = sketch.make.reduce("max", {COLUMN}, masked)
    result, _ = sketch.filled(sketch.make.map("exp", (peak,)))
    if isinstance(result, Full):
        result = result.operand
    assert isinstance(result, Map)
    assert isinstance(result.operands[0], Reduce)
    assert isinstance(result.operands[0].operand, Full)
