"""The dialects of headrace, loaded only when they are asked for."""

from collections.abc import Callable

from xdsl.ir import Dialect


def get_all_dialects() -> dict[str, Callable[[], Dialect]]:
    """A lazy factory for every dialect, by name."""

    def get_sam() -> Dialect:
        from headrace.dialects.sam import SAM

        return SAM

    def get_sparse_tensor() -> Dialect:
        from headrace.dialects.sparse_tensor import SparseTensor

        return SparseTensor

    def get_step() -> Dialect:
        from headrace.dialects.step import STEP

        return STEP

    return {"sam": get_sam, "sparse_tensor": get_sparse_tensor, "step": get_step}
