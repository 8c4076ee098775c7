"""The passes of headrace by name, imported only when they are asked for."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from difflib import get_close_matches
from importlib import import_module
from typing import Literal, TypeVar, get_args, get_origin, get_type_hints

from xdsl.passes import ModulePass, PassPipeline, PassPipelineCallbackType
from xdsl.utils.arg_spec import ArgSpec, ArgSpecConvertible, parse_pipeline
from xdsl.utils.exceptions import ArgSpecParseError

from headrace.storage.errors import InputError

PassFactory = Callable[[], type[ModulePass]]
Made = TypeVar("Made", bound=ArgSpecConvertible)

_CLASSES = {
    "sam-fuse": "SamFusePass",
    "sam-lower": "SamLowerPass",
    "sam-order": "SamOrderPass",
}
"""Pass `family-verb` is the class of that name in `passes/family/family_verb.py`."""


def get_all_passes() -> dict[str, PassFactory]:
    """Return a lazy factory for every pass."""
    return {name: _factory(name, class_name) for name, class_name in _CLASSES.items()}


def parse_passes(
    spec: str,
    available: Mapping[str, PassFactory],
    callback: PassPipelineCallbackType | None = None,
) -> PassPipeline:
    """
    Build the pipeline that `spec` writes down, such as `sam-fuse{regions=all},sam-lower`.

    Raises `InputError` for a spec that does not parse, a pass that does not exist, an option
    that the pass does not have, and a value of the wrong type.
    """
    try:
        specs = tuple(parse_pipeline(spec))
    except ArgSpecParseError as error:
        reason = str(error).strip().splitlines()[-1].strip(" ^")
        raise InputError(
            f"pass pipeline '{spec}' does not parse: {reason}; "
            "write passes as name{option=value option=value}, separated by commas"
        ) from None
    passes: list[ModulePass] = []
    for one in specs:
        if one.name not in available:
            remedy = _nearest(one.name, available, shown=get_all_passes())
            raise InputError(f"there is no pass '{one.name}'; {remedy}")
        passes.append(with_options(available[one.name](), one, "pass"))
    return PassPipeline(tuple(passes), callback)


def with_options(made: type[Made], spec: ArgSpec, what: str) -> Made:
    """
    Build the pass or target (`what` says which) that `spec` writes down.

    Raises `InputError` for an option that it does not have, and a value of the wrong type.
    """
    options = {field.name for field in fields(made)}
    for given in spec.normalize_parameter_names().parameters:
        if given not in options:
            raise InputError(
                f"{what} '{spec.name}' has no option '{given}'; {_nearest(given, options)}"
            )
    try:
        return made.from_spec(spec)
    except ValueError:
        raise InputError(
            f"{what} '{spec.name}': {_option_types(made)}; but it was written {spec}"
        ) from None


def _option_types(made: type[ArgSpecConvertible]) -> str:
    """What the options of a pass or target take, in words."""
    kinds: list[str] = []
    for name, kind in get_type_hints(made).items():
        if name == "name":
            continue
        arguments = get_args(kind)
        if get_origin(kind) is Literal:
            kinds.append(f"{name} is one of {', '.join(map(str, arguments))}")
        elif get_origin(kind) is tuple:
            kinds.append(f"{name} is a list of {arguments[0].__name__} such as 0,1")
        else:
            kinds.append(f"{name} is of type {getattr(kind, '__name__', kind)}")
    return "; ".join(kinds)


def _factory(name: str, class_name: str) -> PassFactory:
    def load() -> type[ModulePass]:
        family = name.split("-")[0]
        module = import_module(f"headrace.passes.{family}.{name.replace('-', '_')}")
        return getattr(module, class_name)

    return load


def _nearest(name: str, choices: Iterable[str], shown: Iterable[str] | None = None) -> str:
    ordered = sorted(choices)
    if not ordered:
        return "it takes no options"
    near = get_close_matches(name, ordered, n=3)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"choose from {', '.join(ordered if shown is None else sorted(shown))}"
