"""
`step-size-fifos`: gives channels a depth of their own.

Source: "Streaming Tensor Programs", arXiv 2511.07776, where one depth is set by hand for all
channels of a graph; depths of single channels are ours.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from headrace.dialects.step_depths import channels, depths_of, set_depths
from headrace.passes.step.graphs import graphs


@dataclass(frozen=True)
class StepSizeFifosPass(ModulePass):
    """
    Sets the depths of channels of the graph number `graph`: how many elements each may hold.

    `channels` are the streams to set, numbered from 0 in the order of the operations and their
    results; without any, all are set to one depth. A depth of 0 is that of the machine.

    Which depths a graph needs depends on the run: where a partition and what puts its parts
    together again disagree about the order, the parts must wait somewhere. Static packing, rows
    wanted in order and shallow channels can deadlock, and so can experts that share a body.
    `backends/step_depths.py` finds depths that free a run from its deadlock. Set depths last: a
    pass that replaces operations forgets theirs.
    """

    name = "step-size-fifos"

    depths: tuple[int, ...]
    channels: tuple[int, ...] = ()
    graph: int = 0

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        found = graphs(op, self.name)
        if not 0 <= self.graph < len(found):
            raise PassFailedException(
                f"{self.name}: graph={self.graph} does not exist; the module has {len(found)}, "
                "numbered from 0"
            )
        streams = channels(found[self.graph].body.block.ops)
        for number, depth in self._chosen(len(streams)):
            owner, result = streams[number]
            depths = list(depths_of(owner))
            depths[result] = depth
            set_depths(owner, depths)

    def _chosen(self, count: int) -> Iterator[tuple[int, int]]:
        """Streams by number, out of so many, and their depths."""
        numbers = self.channels or tuple(range(count))
        depths = self.depths * len(numbers) if len(self.depths) == 1 else self.depths
        if len(depths) != len(numbers):
            raise PassFailedException(
                f"{self.name}: {len(depths)} depths for {len(numbers)} channels; give one for all, "
                "or one for each"
            )
        for number, depth in zip(numbers, depths, strict=True):
            if not 0 <= number < count:
                raise PassFailedException(
                    f"{self.name}: there is no channel {number}; the graph has {count}, numbered "
                    "from 0"
                )
            if depth < 0:
                raise PassFailedException(
                    f"{self.name}: depth {depth} of channel {number} is not possible; a channel "
                    "holds 1 or more, or, with 0, what the machine gives it"
                )
            yield number, depth
