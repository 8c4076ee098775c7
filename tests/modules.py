"""Modules for tests, from text."""

from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser

from headrace.cli.driver import make_context


def parse(text: str) -> ModuleOp:
    """Parse and verify a module."""
    module = Parser(make_context(), text).parse_module()
    module.verify()
    return module
