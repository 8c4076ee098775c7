"""Orders of axes and the permuted copies that break cycles."""

from headrace.passes.sam.expression import Input
from headrace.passes.sam.order import StoredUse, choose, legal_orders, literal

ROW, COLUMN, INNER = 0, 1, 2


def use(*levels: int, cost: float = 1.0) -> StoredUse:
    return StoredUse(Input(0, levels), levels, cost)


def test_the_default_order_takes_the_earliest_ready_axis():
    assert choose((ROW, COLUMN, INNER), [use(ROW, INNER), use(INNER, COLUMN)]).axes == (
        ROW,
        INNER,
        COLUMN,
    )


def test_priority_decides_among_legal_orders():
    assert choose((INNER, COLUMN, ROW), [use(ROW, INNER)]).axes == (COLUMN, ROW, INNER)


def test_a_legal_order_needs_no_copy():
    assert choose((ROW, COLUMN, INNER), [use(ROW, INNER), use(INNER, COLUMN)]).permuted == ()


def test_a_cycle_is_broken_by_the_cheapest_copy():
    dear, cheap = use(ROW, COLUMN, cost=9), use(COLUMN, ROW, cost=4)
    order = choose((ROW, COLUMN), [dear, cheap])
    assert order.axes == (ROW, COLUMN)
    assert order.permuted == (cheap,)


def test_the_copy_of_a_weight_is_free():
    weight, graph = use(COLUMN, ROW, cost=0), use(ROW, COLUMN, cost=1)
    assert choose((ROW, COLUMN), [graph, weight]).permuted == (weight,)


def test_a_literal_order_copies_what_contradicts_it():
    fits, contradicts = use(INNER, COLUMN), use(ROW, INNER)
    order = literal((INNER, COLUMN, ROW), [fits, contradicts])
    assert order.axes == (INNER, COLUMN, ROW)
    assert order.permuted == (contradicts,)


def test_legal_orders_are_all_topological_orders():
    orders = legal_orders((ROW, COLUMN, INNER), [use(ROW, INNER)], limit=10)
    assert orders == [(ROW, COLUMN, INNER), (ROW, INNER, COLUMN), (COLUMN, ROW, INNER)]


def test_legal_orders_stop_at_the_limit():
    assert len(legal_orders((ROW, COLUMN, INNER), [], limit=4)) == 4
