"""
What a primitive declares: its ports, its parameters, and the syntax tree of its body.

`@primitive` reads the source of a function written in the language of `language.py` and checks
it, so that a mistake is an error that points at its line when the module is imported.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from headrace.simulators.stream import language
from headrace.simulators.stream.errors import ProgramError

Constant = int | float | str | tuple[Any, ...]

PORT_KINDS = ("In", "Out", "Ins", "Outs")
MEMORY_KINDS = ("Ints", "Floats", "IntOutput", "FloatOutput", "IntWork", "FloatWork")
NUMBER_KINDS = ("Int", "Float")
STATIC_KINDS = ("StaticInt", "StaticText")

VERBS = frozenset(
    name
    for name, value in vars(language).items()
    if inspect.isfunction(value) and value.__module__ == language.__name__
)


@dataclass(frozen=True)
class Argument:
    """One argument of a primitive: a port, a parameter or a constant."""

    name: str
    kind: str
    default: Constant | None

    @property
    def is_input(self) -> bool:
        return self.kind in ("In", "Ins")

    @property
    def is_output(self) -> bool:
        return self.kind in ("Out", "Outs")

    @property
    def is_group(self) -> bool:
        return self.kind in ("Ins", "Outs")


@dataclass(frozen=True, eq=False)
class Primitive:
    """A primitive of the catalogue."""

    name: str
    arguments: tuple[Argument, ...]
    body: tuple[ast.stmt, ...]
    constants: dict[str, Constant]
    """The module-level constants that the body may use."""
    file: str

    @property
    def parameters(self) -> tuple[Argument, ...]:
        """The arguments that are bound when a program runs."""
        return tuple(a for a in self.arguments if a.kind in (*MEMORY_KINDS, *NUMBER_KINDS))

    @property
    def statics(self) -> tuple[Argument, ...]:
        """The arguments that are known when the primitive is compiled, `n` apart."""
        return tuple(a for a in self.arguments if a.kind in STATIC_KINDS and a.name != "n")

    def ports(self, n: int, inputs: bool) -> tuple[str, ...]:
        """The names of the input (or output) ports, groups expanded: `crd0`, `crd1`, .."""
        names: list[str] = []
        for argument in self.arguments:
            if argument.is_input if inputs else argument.is_output:
                group = [f"{argument.name}{k}" for k in range(n)]
                names += group if argument.is_group else [argument.name]
        return tuple(names)

    def arity(self, inputs: int) -> int | None:
        """
        The n for which the primitive has `inputs` input ports; `None` if inputs do not tell.

        Raises `ProgramError` if there is no such n.
        """
        groups = sum(a.kind == "Ins" for a in self.arguments)
        single = sum(a.kind == "In" for a in self.arguments)
        n, rest = divmod(inputs - single, groups or 1)
        if rest or n < 0 or (not groups and n):
            takes = f"{single} + {groups} n" if groups else f"{single}"
            raise ProgramError(f"{self.name} takes {takes} input streams, not {inputs}")
        return n if groups else None


def primitive(function: Callable[..., None]) -> Primitive:
    """
    Make a primitive of a function over annotated ports and parameters.

    Raises `SyntaxError`, with file and line, if the body leaves the language.
    """
    lines, first = inspect.getsourcelines(function)
    tree = ast.parse(textwrap.dedent("".join(lines)))
    ast.increment_lineno(tree, first - 1)
    definition = tree.body[0]
    assert isinstance(definition, ast.FunctionDef)
    body = tuple(s for s in definition.body if not _is_docstring(s))
    file = inspect.getsourcefile(function) or "<unknown>"
    constants = {
        name: value
        for name, value in function.__globals__.items()
        if isinstance(value, int | float | str | tuple) and not name.startswith("_")
    }
    signature = inspect.signature(function)
    arguments: list[Argument] = []
    for node in definition.args.args:
        kind = ast.unparse(node.annotation) if node.annotation else ""
        if kind not in (*PORT_KINDS, *MEMORY_KINDS, *NUMBER_KINDS, *STATIC_KINDS):
            refuse(file, node, f"'{node.arg}' needs a kind of port or parameter, not '{kind}'")
        default: Any = signature.parameters[node.arg].default
        arguments.append(
            Argument(node.arg, kind, None if default is inspect.Parameter.empty else default)
        )
    result = Primitive(definition.name, tuple(arguments), body, constants, file)
    _check(result, definition)
    return result


def refuse(file: str, node: ast.AST, message: str) -> NoReturn:
    """Raise a `SyntaxError` that points at `node`."""
    line = getattr(node, "lineno", 0)
    column = getattr(node, "col_offset", 0) + 1
    text = "".join(inspect.linecache.getline(file, line))
    raise SyntaxError(message, (file, line, column, text))


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _check(result: Primitive, definition: ast.FunctionDef) -> None:
    """Every name is known, every port is used, the loop ticks and the node can finish."""
    known = set(VERBS) | {"range", "len", "float", "int", "n"} | set(result.constants)
    known |= {argument.name for argument in result.arguments}
    calls: list[str] = []
    used: set[str] = set()
    for node in ast.walk(definition):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            known.add(node.id)
    for statement in result.body:
        for node in ast.walk(statement):
            if isinstance(node, ast.Name):
                used.add(node.id)
                if node.id not in known:
                    refuse(result.file, node, f"unknown name '{node.id}' in {result.name}")
            if isinstance(node, ast.Call):
                if not isinstance(node.func, ast.Name):
                    refuse(result.file, node, "only the verbs of language.py can be called")
                calls.append(node.func.id)
    for argument in result.arguments:
        if argument.kind in PORT_KINDS and argument.name not in used:
            refuse(result.file, definition, f"{result.name} never uses port '{argument.name}'")
    for verb, remedy in (
        ("tick", "call tick(0) if a step is free"),
        ("finish", "send D and call finish()"),
    ):
        if verb not in calls:
            refuse(result.file, definition, f"{result.name} never calls {verb}(); {remedy}")
