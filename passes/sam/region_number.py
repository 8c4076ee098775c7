"""The regions of a module by number, as the options of passes name them."""

from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import PassFailedException

from headrace.dialects import sam


def numbered_region(module: ModuleOp, number: int, pass_name: str) -> sam.RegionOp:
    """Region `number` in program order; raises `PassFailedException` if there is none."""
    regions = [region for region in module.walk() if isinstance(region, sam.RegionOp)]
    if not 0 <= number < len(regions):
        raise PassFailedException(
            f"{pass_name}: region={number} does not exist; the module has "
            f"{len(regions)}, made by sam-fuse and numbered from 0"
        )
    return regions[number]
