"""IR in text: whatever is wrong with it is said with its place."""

import re
from typing import NoReturn

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation, SSAValue
from xdsl.parser import Parser
from xdsl.parser.core import ForwardDeclaredValue
from xdsl.utils.exceptions import ParseError, VerifyException
from xdsl.utils.lexer import Input, Span

from headrace.dialects import sam, step

_PIECE = re.compile(r'//[^\n]*|"(?:[^"\\\n\v\f]|\\.)*(?P<closed>"?)|[^"/]+|/')
"""A comment, a string (perhaps without its end), or what is neither."""


def parse_text(
    context: Context, text: str, name: str, *, with_implicit_module: bool = True
) -> ModuleOp:
    """
    Parse a module; `name` is that of the file.

    Raises `ParseError`, also for types that do not verify or are of integers of more bits than fit
    in memory, for names and operands that the parser of xDSL looks up without a check, and for
    strings without an end, on which its lexer takes exponential time.
    """
    for piece in _PIECE.finditer(text):
        if piece["closed"] == "":
            span = Span(piece.start(), piece.start() + 1, Input(text, name))
            raise ParseError(span, "this string does not end on its line; close it")
    parser = Parser(context, text, name)
    try:
        return parser.parse_module(with_implicit_module)
    except (VerifyException, ValueError) as error:
        _raise(parser, text, str(error))
    except (MemoryError, OverflowError):
        _raise(parser, text, "this number is too large")
    except IndexError:
        _raise(parser, text, "this operation has too few operands; give all that it takes")


def _raise(parser: Parser, text: str, message: str) -> NoReturn:
    """Raise `ParseError` at what was read last."""
    read = max(len(text[: parser.pos].rstrip()) - 1, 0)
    parser.raise_error(message, read, read + 1)


def expect_order(module: ModuleOp) -> None:
    """
    Raise `VerifyException` for a value that is used before it is made, which xDSL does not verify.

    Graphs of streams may do so: all their operations run at the same time.
    """
    made: set[SSAValue] = set()

    def visit(block: Block) -> None:
        made.update(block.args)
        graph = isinstance(block.parent_op(), sam.GraphOp | step.GraphOp)
        for op in block.ops:
            if not graph and (early := next((x for x in op.operands if x not in made), None)):
                if isinstance(early, ForwardDeclaredValue):
                    raise VerifyException(
                        f"'{op.name}' reads a name that is defined inside of another operation only"
                    )
                maker = early.owner.name if isinstance(early.owner, Operation) else "a block"
                raise VerifyException(
                    f"'{op.name}' reads what '{maker}' makes later; move it behind that"
                )
            for region in op.regions:
                for inner in region.blocks:
                    visit(inner)
            made.update(op.results)

    visit(module.body.block)
