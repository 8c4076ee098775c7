"""The dialects of headrace, loaded only when they are asked for."""

from collections.abc import Callable

from xdsl.ir import Dialect


def get_all_dialects() -> dict[str, Callable[[], Dialect]]:
    """A lazy factory for every dialect, by name."""

    def get_dlc() -> Dialect:
        from headrace.dialects.dlc import DLC

        return DLC

    def get_sam() -> Dialect:
        from headrace.dialects.sam import SAM

        return SAM

    def get_slc() -> Dialect:
        from headrace.dialects.slc import SLC

        return SLC

    def get_sparse_tensor() -> Dialect:
        from headrace.dialects.sparse_tensor import SparseTensor

        return SparseTensor

    def get_step() -> Dialect:
        from headrace.dialects.step import STEP

        return STEP

    return {
        "dlc": get_dlc,
        "sam": get_sam,
        "slc": get_slc,
        "sparse_tensor": get_sparse_tensor,
        "step": get_step,
    }
