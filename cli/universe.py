"""Dialects, passes and targets of headrace for the entry point `xdsl.universe` of xDSL."""

from xdsl.universe import Universe

from headrace.backends.registry import get_all_targets
from headrace.dialects.registry import get_all_dialects
from headrace.passes.registry import get_all_passes

HEADRACE_UNIVERSE = Universe(
    all_dialects=get_all_dialects(),
    all_passes=get_all_passes(),
    all_targets=get_all_targets(),
)
