"""
The headrace compiler: PyTorch programs on machines that compute on streams.

    program = headrace.compile(model, args, pipeline="gcn-per-layer")
    result = program.run(*args)
    result.outputs, result.cycles
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headrace.backends.compiled import Program as Program
    from headrace.backends.compiled import Result as Result
    from headrace.backends.compiled import load as load
    from headrace.backends.dae_function import DaeFunction as DaeFunction
    from headrace.backends.dae_result import DaeRun as DaeRun
    from headrace.backends.step_function import StepFunction as StepFunction
    from headrace.cli.driver import compile as compile
    from headrace.cli.driver import einsum as einsum
    from headrace.cli.driver import schedule as schedule
    from headrace.cli.replay_netlists import replay as replay
    from headrace.frontends.marks import region as region
    from headrace.simulators.dae.locality import locality_indices as locality_indices
    from headrace.simulators.dae.machine import DaeMachine as DaeMachine
    from headrace.simulators.stream.simulate import simulate as simulate
    from headrace.storage.errors import InputError as InputError
    from headrace.storage.levels import Format as Format
    from headrace.storage.levels import Storage as Storage

_PUBLIC = {
    "DaeFunction": "headrace.backends.dae_function",
    "DaeMachine": "headrace.simulators.dae.machine",
    "DaeRun": "headrace.backends.dae_result",
    "Format": "headrace.storage.levels",
    "InputError": "headrace.storage.errors",
    "Program": "headrace.backends.compiled",
    "Result": "headrace.backends.compiled",
    "StepFunction": "headrace.backends.step_function",
    "Storage": "headrace.storage.levels",
    "compile": "headrace.cli.driver",
    "einsum": "headrace.cli.driver",
    "load": "headrace.backends.compiled",
    "locality_indices": "headrace.simulators.dae.locality",
    "replay": "headrace.cli.replay_netlists",
    "region": "headrace.frontends.marks",
    "schedule": "headrace.cli.driver",
    "simulate": "headrace.simulators.stream.simulate",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import headrace` costs nothing."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'headrace' has no attribute '{name}'")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(_PUBLIC)
