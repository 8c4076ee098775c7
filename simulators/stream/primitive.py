"""
What a primitive declares: its ports, its parameters, and the syntax tree of its body.

`@primitive` reads the source of a function written in the language of `language.py` and checks
it, so that a mistake is an error that points at its line when the module is imported. `@helper`
does the same for a function that primitives call; it is compiled into each of its callers.
"""

import ast
import functools
import inspect
import linecache
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeVar, cast

from headrace.simulators.stream import language
from headrace.simulators.stream.errors import ProgramError

Constant = int | float | str | tuple[Any, ...]

PORT_KINDS = ("In", "Out", "Ins", "Outs", "ManyIns", "ManyOuts")
TABLE_KINDS = ("ManyIns", "ManyOuts")
"""Groups of ports that are addressed at run time, through a table of channels."""
ARRAY_KINDS = ("Ints", "Floats")
OUTPUT_KINDS = ("IntOutput", "FloatOutput")
WORK_KINDS = ("IntWork", "FloatWork")
NUMBER_KINDS = ("Int", "Count", "Float")
STATIC_KINDS = ("StaticInt", "StaticText")
PARAMETER_KINDS = (*ARRAY_KINDS, *OUTPUT_KINDS, *WORK_KINDS, *NUMBER_KINDS)
LOCAL_KINDS = ("int", "float")
"""Arguments of helpers that are variables of their own."""
CALLER_KINDS = ("Registers",)
"""Arguments of helpers that are variables of their callers."""

VERBS = {
    name: inspect.signature(value)
    for name, value in vars(language).items()
    if inspect.isfunction(value) and value.__module__ == language.__name__
}


@dataclass(frozen=True)
class Argument:
    """One argument of a primitive: a port, a parameter or a constant."""

    name: str
    kind: str
    default: Constant | None

    @property
    def is_input(self) -> bool:
        return self.kind in ("In", "Ins", "ManyIns")

    @property
    def is_output(self) -> bool:
        return self.kind in ("Out", "Outs", "ManyOuts")

    @property
    def is_group(self) -> bool:
        return self.kind in ("Ins", "Outs", *TABLE_KINDS)


@dataclass(frozen=True, eq=False)
class Procedure:
    """A function in the language: a primitive or a helper."""

    name: str
    arguments: tuple[Argument, ...]
    body: tuple[ast.stmt, ...]
    constants: dict[str, Constant]
    """The constants of its module that it may use."""
    helpers: "dict[str, Procedure]"
    """The helpers that it may call."""
    file: str
    line: int

    def refuse(self, node: ast.AST, message: str) -> NoReturn:
        """Raise a `SyntaxError` that points at `node`."""
        line = getattr(node, "lineno", self.line)
        column = getattr(node, "col_offset", 0) + 1
        text = linecache.getline(self.file, line)
        raise SyntaxError(f"{self.name}: {message}", (self.file, line, column, text))


@dataclass(frozen=True, eq=False)
class Primitive(Procedure):
    """A primitive of the catalogue."""

    parameters: tuple[Argument, ...] = field(init=False)
    """The arguments that are bound when a program runs."""
    statics: tuple[Argument, ...] = field(init=False)
    """The arguments that are known when the primitive is compiled, `n` apart."""

    def __post_init__(self) -> None:
        bound = tuple(a for a in self.arguments if a.kind in PARAMETER_KINDS)
        static = tuple(a for a in self.arguments if a.kind in STATIC_KINDS and a.name != "n")
        object.__setattr__(self, "parameters", bound)
        object.__setattr__(self, "statics", static)

    @functools.cached_property
    def closes(self) -> bool:
        """Whether its streams end by closing, not with a token."""
        return any(
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "close"
            for statement in self.body
            for node in ast.walk(statement)
        )

    @property
    def tables(self) -> tuple[Argument, ...]:
        """The groups of ports that are addressed at run time."""
        return tuple(a for a in self.arguments if a.kind in TABLE_KINDS)

    def ports(self, n: int, inputs: bool, tables: bool = True) -> tuple[str, ...]:
        """
        The names of the input (or output) ports, groups expanded: `crd0`, `crd1`, ..

        Without `tables`, only those that the code names.
        """
        names: list[str] = []
        for argument in self.arguments:
            if argument.kind in TABLE_KINDS and not tables:
                continue
            if argument.is_input if inputs else argument.is_output:
                group = [f"{argument.name}{k}" for k in range(n)]
                names += group if argument.is_group else [argument.name]
        return tuple(names)

    def arity(self, inputs: int) -> int | None:
        """
        The n for which the primitive has `inputs` input ports; `None` if inputs do not tell.

        Raises `ProgramError` if there is no such n.
        """
        groups = sum(a.kind in ("Ins", "ManyIns") for a in self.arguments)
        single = sum(a.kind == "In" for a in self.arguments)
        n, rest = divmod(inputs - single, groups or 1)
        if rest or n < 0 or (not groups and n):
            takes = f"{single} + {groups} n" if groups else f"{single}"
            raise ProgramError(f"{self.name} takes {takes} input streams, not {inputs}")
        return n if groups else None


Function = TypeVar("Function", bound=Callable[..., object])


def primitive(function: Callable[..., None]) -> Primitive:
    """
    Make a primitive of a function over annotated ports and parameters.

    Raises `SyntaxError`, with file and line, if the body leaves the language, calls a verb with
    arguments that it does not have, never uses a port, or has no tick or finish.
    """
    result = _declare(function, Primitive)
    calls = _check_names(result)
    used = {n.id for s in result.body for n in ast.walk(s) if isinstance(n, ast.Name)}
    ports = [a.name for a in result.arguments if a.kind in PORT_KINDS]
    for port in ports:
        if port not in used:
            raise _at_definition(result, f"port '{port}' is never used")
    if ports and "tick" not in calls:
        raise _at_definition(result, "tick() is never called; call tick(0) if a step is free")
    if "finish" not in calls:
        raise _at_definition(result, "finish() is never called; a node ends at D")
    return result


def helper(function: Function) -> Function:
    """
    Make a function callable from primitives, as a statement or the right side of an assignment.

    Ports, arrays and registers are passed by name, numbers by value; `return` may only come last.
    No argument has a default.
    """
    result = _declare(function, Procedure)
    for argument in result.arguments:
        if argument.default is not None:
            raise _at_definition(result, f"'{argument.name}' of a helper cannot have a default")
    _check_names(result)
    return cast(Function, result)


Declared = TypeVar("Declared", bound=Procedure)


def _declare(function: Callable[..., object], make: type[Declared]) -> Declared:
    lines, first = inspect.getsourcelines(function)
    tree = ast.parse(textwrap.dedent("".join(lines)))
    ast.increment_lineno(tree, first - 1)
    definition = tree.body[0]
    assert isinstance(definition, ast.FunctionDef)
    signature = inspect.signature(function)
    if definition.args.vararg or definition.args.kwonlyargs or definition.args.kwarg:
        line = (inspect.getsourcefile(function), definition.lineno, 1, lines[0])
        raise SyntaxError(f"{definition.name}: arguments are declared one by one", line)
    arguments: list[Argument] = []
    for node in definition.args.args:
        kind = ast.unparse(node.annotation) if node.annotation else ""
        default: Any = signature.parameters[node.arg].default
        if default is inspect.Parameter.empty:
            default = None
        arguments.append(Argument(node.arg, kind, default))
    module: dict[str, Any] = function.__globals__  # pyright: ignore[reportFunctionMemberAccess]
    result = make(
        name=definition.name,
        arguments=tuple(arguments),
        body=tuple(s for s in definition.body if not _is_docstring(s)),
        constants={
            name: value
            for name, value in module.items()
            if isinstance(value, int | float | str | tuple) and not name.startswith("_")
        },
        helpers={name: value for name, value in module.items() if isinstance(value, Procedure)},
        file=inspect.getsourcefile(function) or "<unknown>",
        line=definition.lineno,
    )
    allowed = {*PORT_KINDS, *PARAMETER_KINDS, *STATIC_KINDS}
    if make is Procedure:
        allowed |= {*LOCAL_KINDS, *CALLER_KINDS}
    for node, argument in zip(definition.args.args, arguments, strict=True):
        if argument.kind not in allowed:
            result.refuse(node, f"'{node.arg}' cannot be of kind '{argument.kind}'")
    return result


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _at_definition(procedure: Procedure, message: str) -> SyntaxError:
    text = linecache.getline(procedure.file, procedure.line)
    return SyntaxError(f"{procedure.name}: {message}", (procedure.file, procedure.line, 1, text))


def _check_names(procedure: Procedure) -> set[str]:
    """Refuse names and arguments that nobody defines; returns the functions that are called."""
    known = {"range", "len", "float", "int", "n"} | VERBS.keys() | procedure.constants.keys()
    known |= procedure.helpers.keys() | {argument.name for argument in procedure.arguments}
    known |= {
        node.id
        for statement in procedure.body
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    calls: list[tuple[str, ast.Call]] = []
    for statement in procedure.body:
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and node.id not in known:
                procedure.refuse(node, f"unknown name '{node.id}'")
            if isinstance(node, ast.Call):
                if not isinstance(node.func, ast.Name):
                    procedure.refuse(node, "only verbs of the language and helpers can be called")
                calls.append((node.func.id, node))
    for name, call in calls:
        _order_arguments(procedure, name, call)
    return {name for name, _ in calls}


def _order_arguments(procedure: Procedure, name: str, call: ast.Call) -> None:
    """
    Give the arguments of a call by position, as the code generator reads them.

    Refuses arguments that the verb or helper does not have.
    """
    if any(isinstance(one, ast.Starred) for one in call.args) or None in {
        k.arg for k in call.keywords
    }:
        procedure.refuse(call, f"{ast.unparse(call)}: arguments are given one by one")
    if name in procedure.helpers:
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        names = [argument.name for argument in procedure.helpers[name].arguments]
        signature = inspect.Signature([inspect.Parameter(name, kind) for name in names])
    elif name in VERBS:
        signature = VERBS[name]
    elif call.keywords:
        procedure.refuse(call, f"{name} takes its arguments by position")
    else:
        return
    try:
        bound = signature.bind(*call.args, **{str(k.arg): k.value for k in call.keywords})
    except TypeError as error:
        procedure.refuse(call, f"{ast.unparse(call)}: {error}")
    given = bound.arguments
    parameters = list(signature.parameters.values())
    while parameters and parameters[-1].name not in given:
        parameters.pop()
    call.args = [given.get(p.name, ast.Constant(p.default)) for p in parameters]
    call.keywords = []
    ast.fix_missing_locations(call)
