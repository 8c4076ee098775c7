"""
The stream graphs of random programs mean what the programs mean.

A random program in index notation is lowered to stream graphs, which the verifier must accept
and the interpreter of `sam` must give the result of dense arithmetic: no simulator takes part.
"""

import numpy as np
import pytest
from xdsl.dialects.func import FuncOp
from xdsl.interpreter import Interpreter
from xdsl.transforms import get_all_passes as get_all_xdsl_passes
from xdsl.utils.exceptions import PassFailedException

from headrace.cli.driver import make_context
from headrace.frontends.einsum import import_einsum
from headrace.interpreters.sam import register_sam
from headrace.passes.registry import get_all_passes, parse_passes
from headrace.tests.random_programs import RandomProgram, RandomPrograms, TilePrograms


@pytest.mark.parametrize("regions", ["none", "all"])
@pytest.mark.parametrize("programs", [RandomPrograms, TilePrograms])
@pytest.mark.parametrize("seed", range(0, 300, 30))
def test_a_lowered_program_keeps_its_meaning(
    seed: int, programs: type[RandomPrograms], regions: str
) -> None:
    check(programs(seed, most=4).program(), f"sam-fuse{{regions={regions}}},sam-lower")


@pytest.mark.parametrize("balance", ["turns", "nonzeros"])
@pytest.mark.parametrize("programs", [RandomPrograms, TilePrograms])
@pytest.mark.parametrize("seed", range(15, 300, 30))
def test_a_program_in_lanes_keeps_its_meaning(
    seed: int, programs: type[RandomPrograms], balance: str
) -> None:
    """Every axis that may have lanes, alone."""
    program = programs(seed, most=4).program()
    for axis in range(4):
        lanes = f"sam-parallelize{{axis={axis} factor=3 balance={balance}}}"
        try:
            check(program, f"sam-fuse{{regions=all}},{lanes},sam-lower")
        except PassFailedException as error:
            if "cannot have lanes, because" not in str(error):
                raise


def check(program: RandomProgram, passes: str) -> None:
    module = import_einsum(program.text, program.formats)
    pipeline = f"{passes},cse,canonicalize"
    parse_passes(pipeline, get_all_xdsl_passes() | get_all_passes()).apply(make_context(), module)
    module.verify()
    main = next(op for op in module.body.block.ops if isinstance(op, FuncOp))
    names = [argument.name_hint or "" for argument in main.body.block.args]
    interpreter = Interpreter(module)
    register_sam(interpreter)
    (result,) = interpreter.call_op("main", tuple(program.inputs[name] for name in names))
    assert result.shape == program.expected.shape
    np.testing.assert_allclose(result.to_dense(), program.expected, atol=1e-9, err_msg=program.text)
