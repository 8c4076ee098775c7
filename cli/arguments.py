"""What the command lines of `headrace` and `headrace-opt` have in common."""

import argparse
from typing import Any, NoReturn

from headrace.storage.errors import InputError


class OneLineParser(argparse.ArgumentParser):
    """Reports a wrong command line in one line."""

    def error(self, message: str) -> NoReturn:
        refuse(self, message)


def refuse(parser: argparse.ArgumentParser, message: str) -> NoReturn:
    """Raise `InputError` for a wrong command line, in place of a page of usage."""
    raise InputError(f"{message}; see {parser.prog} --help")


class VersionAction(argparse.Action):
    """Prints versions of installed packages, looked up only when they are asked for."""

    def __init__(self, *args: Any, version_format: str, **kwargs: Any) -> None:
        """`version_format` may name `{headrace_version}` and `{xdsl_version}`."""
        super().__init__(*args, nargs=0, **kwargs)
        self.version_format = version_format

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from importlib.metadata import version

        versions = {f"{name}_version": version(name) for name in ("headrace", "xdsl")}
        print(self.version_format.format(**versions))
        parser.exit()
