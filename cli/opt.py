"""`headrace-opt`: reads IR, runs passes, prints IR or another target."""

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from inspect import signature
from pathlib import Path
from typing import IO, cast

from xdsl import xdsl_opt_main
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.arg_spec import parse_spec
from xdsl.utils.exceptions import ArgSpecParseError, DiagnosticException, ParseError
from xdsl.utils.target import Target

from headrace.cli.arguments import VersionAction, refuse
from headrace.cli.parsing import parse_text
from headrace.passes.registry import parse_passes
from headrace.pipelines.load import built_in_pipelines, read_pipeline
from headrace.pipelines.options import with_options
from headrace.storage.errors import InputError


class HeadraceOptMain(xdsl_opt_main.xDSLOptMain):
    """
    The pass driver.

    Dialects, passes and targets come from the `xdsl.universe` entry point, as in `xdsl-opt`.
    """

    version_format = "headrace-opt {headrace_version} on xdsl {xdsl_version}"

    def register_all_arguments(self, arg_parser: argparse.ArgumentParser) -> None:
        # xDSL makes the parser and the action itself; what they do is replaced.
        arg_parser.prog = "headrace-opt"
        arg_parser.error = partial(refuse, arg_parser)
        arg_parser.register("action", xdsl_opt_main.VersionAction, VersionAction)
        super().register_all_arguments(arg_parser)
        arg_parser.add_argument(
            "--pipeline",
            help="TOML file, or built-in pipeline, whose passes run before those of --passes",
        )

    def register_all_frontends(self) -> None:
        super().register_all_frontends()

        def parse_mlir(chunk: IO[bytes]) -> ModuleOp:
            text = cast("str | bytes", chunk.read())
            return parse_text(
                self.ctx,
                text.decode() if isinstance(text, bytes) else text,
                self.get_input_name(),
                with_implicit_module=not self.args.no_implicit_module,
            )

        self.available_frontends["mlir"] = parse_mlir

    def setup_pipeline(self) -> None:
        if self.args.pipeline is not None:
            own = [self.args.passes] if self.args.passes else []
            given: str = self.args.pipeline
            path = built_in_pipelines().get(given, Path(given))
            self.args.passes = ",".join([read_pipeline(path), *own])
        parse_passes(self.args.passes, self.available_passes)
        self.check_target()
        super().setup_pipeline()

    def check_target(self) -> None:
        """Raise `InputError`, before any pass runs, for options that the target does not have."""
        spec = parse_spec(self.args.target)
        factory = self.available_targets[spec.name]
        # Targets of the old style are the function that prints; they have no options.
        if not signature(factory).parameters:
            with_options(cast("Callable[[], type[Target]]", factory)(), spec)

    def prepare_input(self) -> tuple[list[tuple[IO[bytes], int]], str]:
        try:
            return super().prepare_input()
        except ValueError as error:
            raise InputError(f"{error}; name the input .mlir, or give --frontend mlir") from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the driver; bad input gives one line on stderr and exit status 2."""
    try:
        HeadraceOptMain("The pass driver of headrace.", arguments).run()
    except ParseError as error:
        return _fail(f"{error.span.get_location()}: {error.msg}")
    except (InputError, DiagnosticException, ArgSpecParseError) as error:
        return _fail(str(error))
    except UnicodeDecodeError:
        return _fail("the input is not text in UTF-8; give IR in MLIR's syntax")
    except OSError as error:
        return _fail(f"'{error.filename}': {error.strerror}")
    return 0


def _fail(message: str) -> int:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
