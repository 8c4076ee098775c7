"""The passes of headrace by name, imported only when they are asked for."""

from collections.abc import Callable, Mapping
from importlib import import_module

from xdsl.passes import ModulePass, PassPipeline, PassPipelineCallbackType
from xdsl.utils.arg_spec import parse_pipeline
from xdsl.utils.exceptions import ArgSpecParseError

from headrace.pipelines.options import nearest, with_options
from headrace.storage.errors import InputError

PassFactory = Callable[[], type[ModulePass]]

_CLASSES = {
    "ember-align": "EmberAlignPass",
    "ember-batch-rows": "EmberBatchRowsPass",
    "ember-batch-tables": "EmberBatchTablesPass",
    "ember-buffer": "EmberBufferPass",
    "ember-decouple": "EmberDecouplePass",
    "ember-hints": "EmberHintsPass",
    "ember-store-stream": "EmberStoreStreamPass",
    "ember-to-dlc": "EmberToDlcPass",
    "ember-vectorize": "EmberVectorizePass",
    "sam-associate": "SamAssociatePass",
    "sam-block": "SamBlockPass",
    "sam-drop-zeros": "SamDropZerosPass",
    "sam-fuse": "SamFusePass",
    "sam-lower": "SamLowerPass",
    "sam-order": "SamOrderPass",
    "sam-parallelize": "SamParallelizePass",
    "step-dynamic-tile": "StepDynamicTilePass",
    "step-lower": "StepLowerPass",
    "step-parallelize": "StepParallelizePass",
    "step-reload": "StepReloadPass",
    "step-simplify": "StepSimplifyPass",
    "step-size-fifos": "StepSizeFifosPass",
    "step-tile": "StepTilePass",
    "step-time-multiplex": "StepTimeMultiplexPass",
}
"""Pass `family-verb` is the class of that name in `passes/family/family_verb.py`."""


def get_all_passes() -> dict[str, PassFactory]:
    """Return a lazy factory for every pass."""
    return {name: _factory(name, class_name) for name, class_name in _CLASSES.items()}


def parse_passes(
    spec: str,
    available: Mapping[str, PassFactory],
    callback: PassPipelineCallbackType | None = None,
) -> PassPipeline:
    """
    Build the pipeline that `spec` writes down, such as `sam-fuse{regions=all},sam-lower`.

    Raises `InputError` for a spec that does not parse, a pass that does not exist, an option
    that the pass does not have, and a value of the wrong type.
    """
    try:
        specs = tuple(parse_pipeline(spec))
    except ArgSpecParseError as error:
        reason = str(error).strip().splitlines()[-1].strip(" ^")
        raise InputError(
            f"pass pipeline '{spec}' does not parse: {reason}; "
            "write passes as name{option=value option=value}, separated by commas"
        ) from None
    passes: list[ModulePass] = []
    for one in specs:
        if one.name not in available:
            remedy = nearest(one.name, available, shown=get_all_passes())
            raise InputError(f"there is no pass '{one.name}'; {remedy}")
        passes.append(with_options(available[one.name](), one))
    return PassPipeline(tuple(passes), callback)


def _factory(name: str, class_name: str) -> PassFactory:
    def load() -> type[ModulePass]:
        family = name.split("-")[0]
        module = import_module(f"headrace.passes.{family}.{name.replace('-', '_')}")
        return getattr(module, class_name)

    return load
