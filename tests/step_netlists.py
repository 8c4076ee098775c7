"""Small random netlists of streaming tensor programs that are legal, over all operators."""

import random
from collections.abc import Sequence

from headrace.tests import step_routing, step_shaping
from headrace.tests.step_building import Maker, Netlists


def random_netlist(seed: int, steps: int = 12) -> Netlists:
    """A netlist of about `steps` operators and their companions."""
    return Netlists(random.Random(seed)).build(seed, steps, MAKERS)


MAKERS: Sequence[Maker] = (
    step_routing.some_load,
    step_routing.some_lists,
    step_shaping.some_flatten,
    step_shaping.some_reshape,
    step_shaping.some_regroup,
    step_shaping.some_repeat,
    step_shaping.some_promote,
    step_shaping.some_unary,
    step_shaping.some_diamond,
    step_shaping.some_product,
    step_shaping.some_accumulate,
    step_shaping.some_split,
    step_routing.some_buffer,
    step_routing.some_replay,
    step_routing.some_reads,
    step_routing.some_expand,
    step_routing.some_store,
    step_routing.some_routes,
    step_routing.some_deal,
)
