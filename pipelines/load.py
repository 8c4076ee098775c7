"""
Pass pipelines in TOML files: which passes run, with which options.

    [pipeline]
    passes = ["sam-fuse{regions=$regions}", "sam-lower"]

    [parameters]
    regions = { categorical = ["none", "layer", "all"] }

An option written as `$name` is a parameter: a tuner chooses it, or the caller gives it.
"""

import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

from headrace.storage.errors import InputError

_PARAMETER = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")
_TABLES = ("pipeline", "parameters", "constraints")


def built_in_pipelines() -> dict[str, Path]:
    """The pipelines that come with headrace, by name."""
    return {path.stem: path for path in sorted(Path(__file__).parent.glob("*.toml"))}


def resolve_pipeline(pipeline: str | Path, parameters: Mapping[str, object] | None = None) -> str:
    """
    Return the pass spec for a TOML file, the name of a built-in pipeline, or a spec itself.

    A path is what ends in `.toml`; a name is one of `built_in_pipelines()`.
    """
    if isinstance(pipeline, Path) or pipeline.endswith(".toml"):
        return read_pipeline(pipeline, parameters)
    if pipeline in (built_in := built_in_pipelines()):
        return read_pipeline(built_in[pipeline], parameters)
    if near := get_close_matches(pipeline, [*built_in, "auto"], n=1, cutoff=0.8):
        raise InputError(f"there is no pipeline '{pipeline}'; did you mean {near[0]}?")
    if parameters:
        raise InputError(
            f"parameters {', '.join(parameters)} are given, but '{pipeline}' is no pipeline file; "
            "write their values into the passes"
        )
    return pipeline


def read_pipeline(path: str | Path, parameters: Mapping[str, object] | None = None) -> str:
    """
    Return the passes of the file, joined by commas, with every `$name` replaced by its value.

    A path that does not exist here but names a built-in pipeline, such as
    `pipelines/gcn-fused.toml`, means that one. Raises `InputError` for a file that is missing or
    broken, and for a parameter that has no value or is unknown.
    """
    path = _find(Path(path))
    try:
        config = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"pipeline file '{path}' is not valid TOML: {error}") from None
    except OSError as error:
        raise InputError(f"pipeline file '{path}' cannot be read: {error.strerror}") from None
    passes = _passes(config, path)
    values = dict(parameters or {})
    used = {name for one in passes for name in _PARAMETER.findall(one)}
    for name in values.keys() - used:
        raise InputError(
            f"pipeline file '{path}' has no parameter '{name}'; "
            f"it has {', '.join(sorted(used)) or 'none'}"
        )
    for name in sorted(used - values.keys()):
        raise InputError(
            f"pipeline file '{path}' leaves parameter '{name}' open; give it a value, "
            f"or write the value in place of ${name}"
        )
    for name, value in values.items():
        choices = _choices(config, name)
        if choices is not None and value not in choices:
            raise InputError(
                f"pipeline file '{path}': parameter '{name}' is one of "
                f"{', '.join(map(_text, choices))}, not {_text(value)}"
            )
    return ",".join(_PARAMETER.sub(lambda match: _text(values[match[1]]), one) for one in passes)


def _find(path: Path) -> Path:
    if path.exists():
        return path
    built_in = built_in_pipelines()
    if path.parent == Path("pipelines") and path.stem in built_in:
        return built_in[path.stem]
    raise InputError(
        f"pipeline file '{path}' does not exist; built-in pipelines are {', '.join(built_in)}"
    )


def _passes(config: dict[str, Any], path: Path) -> list[str]:
    for table in config:
        if table not in _TABLES:
            raise InputError(
                f"pipeline file '{path}' has an unknown table '{table}'; "
                f"the tables are {', '.join(_TABLES)}"
            )
    pipeline: Any = config.get("pipeline")
    passes: Any = cast("dict[str, Any]", pipeline).get("passes") if _is_dict(pipeline) else None
    if not isinstance(passes, list):
        raise InputError(
            f"pipeline file '{path}' has no list `passes` in a table [pipeline]; "
            'write passes = ["sam-fuse{regions=all}", "sam-lower"]'
        )
    listed = cast("list[Any]", passes)
    for one in listed:
        if not isinstance(one, str):
            raise InputError(
                f"pipeline file '{path}': pass {one!r} is not a string such as "
                '"sam-fuse{regions=all}"'
            )
    return cast("list[str]", listed)


def _choices(config: dict[str, Any], name: str) -> list[object] | None:
    declared: Any = config.get("parameters")
    space: Any = cast("dict[str, Any]", declared).get(name) if _is_dict(declared) else None
    choices: Any = cast("dict[str, Any]", space).get("categorical") if _is_dict(space) else None
    return cast("list[object]", choices) if isinstance(choices, list) else None


def _is_dict(value: object) -> bool:
    return isinstance(value, dict)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ",".join(_text(one) for one in cast("list[object]", value))
    return str(value)
