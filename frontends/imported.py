"""A model as entry IR, and how the arguments of a call become those of `@main`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from xdsl.dialects.builtin import AnyTensorType, ModuleOp, i1, i8, i16, i32, i64
from xdsl.dialects.func import FuncOp

from headrace.dialects.functions import argument_names, argument_part
from headrace.dialects.sparse_tensor import format_of
from headrace.frontends import torch_tracing as tracing
from headrace.storage.errors import InputError
from headrace.storage.levels import Storage
from headrace.storage.parts import part_of
from headrace.storage.values import in_format, storage_of


@dataclass(frozen=True)
class ImportedModel:
    """A model as entry IR: `@main` takes the user's tensors, then the constants."""

    module: ModuleOp
    inputs: tuple[str, ...]
    """Names of the tensors that the user passes, in the order of the arguments of `@main`."""
    constants: Mapping[str, Storage]
    """Parameters, buffers and other constants by name, in the order of the arguments behind."""
    signature: tracing.Signature
    """How the user's arguments become the tensors `inputs`."""

    def bind(self, *args: Any, **kwargs: Any) -> list[Storage]:
        """
        The arguments of `@main` for a call `model(*args, **kwargs)`.

        Raises `InputError` where the arguments are others than those of the import: another
        number, another element type, another size where `@main` has a fixed one.
        """
        leaves = dict(zip(self.inputs, self.signature.tensors(args, kwargs), strict=True))
        main = _main(self.module)
        user = len(main.function_type.inputs) - len(self.constants)
        types = main.function_type.inputs.data[:user]
        bound: list[Storage] = []
        for position, (name, type) in enumerate(zip(argument_names(main), types, strict=False)):
            value, part = leaves[name], argument_part(main, position)
            if part is not None:
                stored = storage_of(value, name=name)
                if part.shape is not None:
                    _check_shape(stored, part.shape, name)
                value = part_of(stored, part.name)
                name = f"{part.name} of {name}"
            bound.append(_check(value, cast(AnyTensorType, type), name))
        return [*bound, *self.constants.values()]


def _main(module: ModuleOp) -> FuncOp:
    main = module.body.block.first_op
    assert isinstance(main, FuncOp)
    return main


def _check(value: Any, type: AnyTensorType, name: str) -> Storage:
    """`value` stored as `type` says, if its shape and elements fit."""
    storage = storage_of(value, name=name)
    _check_shape(storage, type.get_shape(), name)
    kind = np.dtype(storage.values.dtype).kind
    if kind not in (
        "b" if type.element_type == i1 else "biu" if type.element_type in _INTEGERS else "biuf"
    ):
        raise InputError(
            f"{name} has elements of type {storage.values.dtype}, but the program was made for "
            f"{type.element_type}"
        )
    return in_format(storage, format_of(type))


def _check_shape(storage: Storage, wanted: Sequence[int], name: str) -> None:
    """Negative sizes are known only at run time."""
    if len(wanted) != len(storage.shape) or any(
        size >= 0 and size != found for size, found in zip(wanted, storage.shape, strict=False)
    ):
        text = " x ".join("?" if size < 0 else str(size) for size in wanted)
        raise InputError(f"{name} has shape {storage.shape}, but the program was made for {text}")


_INTEGERS = (i8, i16, i32, i64)
