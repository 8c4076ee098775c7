"""The output forms (`-t`) of headrace by name, imported only when they are asked for."""

from collections.abc import Callable

from xdsl.utils.target import Target


def get_all_targets() -> dict[str, Callable[[], type[Target]]]:
    """Return a lazy factory for every target."""

    def get_dot() -> type[Target]:
        from headrace.backends.dot import DotTarget

        return DotTarget

    def get_neutral_json() -> type[Target]:
        from headrace.backends.neutral_json import NeutralJsonTarget

        return NeutralJsonTarget

    def get_fusion_table() -> type[Target]:
        from headrace.backends.fusion_table import FusionTableTarget

        return FusionTableTarget

    return {"dot": get_dot, "fusion-table": get_fusion_table, "neutral-json": get_neutral_json}
