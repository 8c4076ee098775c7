"""
Frozen dataclasses as npz files: a JSON manifest, and the arrays that it refers to.

The manifest holds a dataclass as `{"is": class, field: ...}`, and a digest of itself and of all
arrays, so that what was changed is refused and not run. An array is stored under the path of the
field that holds it, such as `constants.weight.values`.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, cast

import numpy as np

from headrace.storage.errors import InputError
from headrace.storage.files import read_arrays, write_arrays
from headrace.storage.levels import Array

VERSION = 3

Classes = Mapping[str, type[Any]]


def write_archive(path: str | Path, value: object, classes: Classes) -> None:
    """Write a dataclass made of `classes`; a reader sees the old file or the whole new one."""
    arrays: dict[str, Array] = {}
    names = {kind: name for name, kind in classes.items()}
    encoded = _Writer(names, arrays).encode(value, "")
    manifest = {"version": VERSION, "digest": _digest(encoded, arrays), "value": encoded}
    text = json.dumps(manifest).encode()
    write_arrays(path, {"manifest": np.frombuffer(text, dtype=np.uint8), **arrays})


def read_archive(path: str | Path, classes: Classes) -> Any:
    """Read what `write_archive` wrote; raises `InputError` if the file is another, or not whole."""
    arrays = read_arrays(path)
    if "manifest" not in arrays:
        raise InputError(f"'{path}' is no saved program; write one with Program.save")
    try:
        manifest: Any = json.loads(arrays["manifest"].tobytes())
        version = manifest["version"]
        encoded, digest = manifest["value"], manifest.get("digest")
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(
            f"'{path}' is damaged: its manifest does not describe a program; save it again"
        ) from None
    if version != VERSION:
        raise InputError(
            f"'{path}' has version {version} of the format, but this is version {VERSION}; "
            "compile and save the program again"
        )
    if digest != _digest(encoded, {key: arrays[key] for key in arrays if key != "manifest"}):
        raise InputError(f"'{path}' was changed since it was saved; save the program again")
    return _decode(encoded, arrays, classes)


def _digest(encoded: object, arrays: Mapping[str, Array]) -> str:
    digest = hashlib.sha256(json.dumps(encoded, sort_keys=True).encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


class _Writer:
    """Turns values into JSON, and collects arrays on the way."""

    def __init__(self, names: Mapping[type[Any], str], arrays: dict[str, Array]) -> None:
        self.names = names
        self.arrays = arrays

    def encode(self, value: Any, place: str) -> Any:
        match value:
            case np.ndarray():
                self.arrays[place] = value
                return {"array": place}
            case Enum():
                return {"is": self.names[type(value)], "member": value.name}
            case tuple():
                items = cast("tuple[Any, ...]", value)
                return [self.encode(item, _inside(place, n)) for n, item in enumerate(items)]
            case Mapping():
                return {"named": self.encode_all(cast("Mapping[str, Any]", value).items(), place)}
            case _ if is_dataclass(value):
                items = ((field.name, getattr(value, field.name)) for field in fields(value))
                return {"is": self.names[type(value)], **self.encode_all(items, place)}
            case _:
                return value

    def encode_all(self, items: Iterable[tuple[str, Any]], place: str) -> dict[str, Any]:
        return {name: self.encode(value, _inside(place, name)) for name, value in items}


def _inside(place: str, name: str | int) -> str:
    return f"{place}.{name}" if place else str(name)


def _decode(value: Any, arrays: Mapping[str, Array], classes: Classes) -> Any:
    if isinstance(value, list):
        return tuple(_decode(item, arrays, classes) for item in cast("list[Any]", value))
    if not isinstance(value, dict):
        return value
    record = cast("dict[str, Any]", value)
    if "array" in record:
        return arrays[record["array"]]
    if "named" in record:
        return {name: _decode(item, arrays, classes) for name, item in record["named"].items()}
    kind = classes[record.pop("is")]
    if issubclass(kind, Enum):
        return kind[record["member"]]
    return kind(**{name: _decode(item, arrays, classes) for name, item in record.items()})
