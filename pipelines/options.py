"""Options of passes and targets, written as `name{option=value option=value}`."""

from collections.abc import Iterable
from dataclasses import fields
from difflib import get_close_matches
from typing import Literal, TypeVar, get_args, get_origin, get_type_hints

from xdsl.passes import ModulePass
from xdsl.utils.arg_spec import ArgSpec
from xdsl.utils.target import Target

from headrace.storage.errors import InputError

Made = TypeVar("Made", bound=ModulePass | Target)


def with_options(made: type[Made], spec: ArgSpec) -> Made:
    """
    Build the pass or target that `spec` writes down.

    Raises `InputError` for an option that it does not have, and a value of the wrong type.
    """
    what = "pass" if issubclass(made, ModulePass) else "target"
    options = {field.name for field in fields(made)}
    for given in spec.normalize_parameter_names().parameters:
        if given not in options:
            raise InputError(
                f"{what} '{spec.name}' has no option '{given}'; {nearest(given, options)}"
            )
    try:
        return made.from_spec(spec)
    except ValueError:
        raise InputError(
            f"{what} '{spec.name}': {_option_types(made)}; but it was written {spec}"
        ) from None


def _option_types(made: type[ModulePass | Target]) -> str:
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


def nearest(name: str, choices: Iterable[str], shown: Iterable[str] | None = None) -> str:
    """The remedy for a name that is none of the choices; `shown` are those to list, if not all."""
    ordered = sorted(choices)
    if not ordered:
        return "it takes no options"
    near = get_close_matches(name, ordered, n=3)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"choose from {', '.join(ordered if shown is None else sorted(shown))}"
