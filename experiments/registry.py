"""The experiments by name, loaded only when they are asked for."""

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module

import headrace
from headrace.experiments.experiment import Experiment

MODULES: Mapping[str, str] = {
    "fig12": "headrace.experiments.fuseflow.fig12_fusion",
    "fig14": "headrace.experiments.fuseflow.fig14_work",
    "fig15": "headrace.experiments.fuseflow.fig15_sparsity",
    "fig16": "headrace.experiments.fuseflow.fig16_lanes",
    "fig17": "headrace.experiments.fuseflow.fig17_blocks",
    "fig18": "headrace.experiments.fuseflow.fig18_order",
    "compile": "headrace.experiments.fuseflow.compile_time",
    "table3": "headrace.experiments.fuseflow.table3_estimate",
    "step-fig8": "headrace.experiments.step.fig8_validation",
    "step-fig9": "headrace.experiments.step.fig9_tiling",
    "step-fig10": "headrace.experiments.step.fig10_tiling",
    "step-fig12": "headrace.experiments.step.fig12_utilisation",
    "step-fig13": "headrace.experiments.step.fig13_resources",
    "step-fig14": "headrace.experiments.step.fig14_windows",
    "step-fig15": "headrace.experiments.step.fig15_batches",
    "step-fig21": "headrace.experiments.step.fig21_means",
    "ember-ablation": "headrace.experiments.ember.ablation",
    "ember-throughput": "headrace.experiments.ember.throughput",
    "ember-speedup": "headrace.experiments.ember.speedup",
    "ember-locality": "headrace.experiments.ember.locality",
    "ember-outstanding": "headrace.experiments.ember.outstanding",
    "ember-queue": "headrace.experiments.ember.queue_words",
    "ember-block-gather": "headrace.experiments.ember.block_gather",
    "ember-batch": "headrace.experiments.ember.batch_rows",
}
"""The module of each experiment, which has it as `EXPERIMENT`."""


def load(name: str) -> Experiment:
    """Return an experiment; raises `InputError` if there is none of that name."""
    if name not in MODULES:
        near = get_close_matches(name, MODULES, n=1)
        hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(MODULES)}"
        raise headrace.InputError(f"there is no experiment '{name}'; {hint}")
    experiment: Experiment = import_module(MODULES[name]).EXPERIMENT
    return experiment
