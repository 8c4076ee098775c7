"""Options of passes and targets, written as `name{option=value option=value}`."""

from collections.abc import Iterable
from dataclasses import fields
from difflib import get_close_matches
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from xdsl.passes import ModulePass
from xdsl.utils.arg_spec import ArgSpec
from xdsl.utils.target import Target

from headrace.storage.errors import InputError

Made = TypeVar("Made", bound=ModulePass | Target)


def with_options(made: type[Made], spec: ArgSpec) -> Made:
    """
    Build the pass or target that `spec` writes down.

    Raises `InputError` for an option that it does not have, one that is missing, and a value of
    the wrong type.
    """
    what = "pass" if issubclass(made, ModulePass) else "target"
    options = {field.name for field in fields(made)}
    given = spec.normalize_parameter_names().parameters.keys()
    for name in given:
        if name not in options:
            raise InputError(
                f"{what} '{spec.name}' has no option '{name}'; {nearest(name, options)}"
            )
    takes = {name: _words(kind) for name, kind in get_type_hints(made).items() if name in options}
    missing = [name for name in takes if name in made.required_fields() - given]
    if missing:
        needed = ", and ".join(f"{name}, {takes[name]}" for name in missing)
        raise InputError(
            f"{what} '{spec.name}' needs the option {needed}; write "
            f"{spec.name}{{{' '.join(f'{name}=..' for name in missing)}}}"
        )
    try:
        return made.from_spec(spec)
    except ValueError:
        allowed = "; ".join(f"{name} is {words}" for name, words in takes.items())
        raise InputError(f"{what} '{spec.name}': {allowed}; but it was written {spec}") from None


def _words(kind: Any) -> str:
    """What an option of this type takes, in words."""
    arguments = get_args(kind)
    if get_origin(kind) is Literal:
        return f"one of {', '.join(map(str, arguments))}"
    if get_origin(kind) is tuple:
        return f"a list of {arguments[0].__name__} such as 0,1"
    return f"of type {getattr(kind, '__name__', kind)}"


def nearest(name: str, choices: Iterable[str], shown: Iterable[str] | None = None) -> str:
    """The remedy for a name that is none of the choices; `shown` are those to list, if not all."""
    ordered = sorted(choices)
    if not ordered:
        return "it takes no options"
    near = get_close_matches(name, ordered, n=3)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"choose from {', '.join(ordered if shown is None else sorted(shown))}"
