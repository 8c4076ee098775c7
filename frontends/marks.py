"""Marks in the `forward` of a model: what is to be fused into one region."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from headrace.storage.errors import InputError

if TYPE_CHECKING:
    from torch.fx import Node

REGION = "headrace.region"
"""The key of the annotation that torch keeps with a node, and the attribute of its operations."""


@contextmanager
def region(name: str) -> Generator[None]:
    """
    Mark what is computed inside, for `sam-fuse{regions=marked}`.

        def forward(self, x):
            with headrace.region("encoder"):
                hidden = torch.relu(self.encoder(x))
            return self.decoder(hidden)

    The innermost mark counts. Outside of `headrace.compile` it does nothing.
    """
    from torch.fx.traceback import annotate

    if not isinstance(cast(Any, name), str) or not name:
        raise InputError(f"a region is marked with a name, not with {name!r}")
    with annotate({REGION: name}):
        yield


def marked_region(node: "Node") -> str | None:
    """The name with which `node` was marked."""
    annotations: dict[str, Any] = node.meta.get("custom") or {}
    return annotations.get(REGION)
