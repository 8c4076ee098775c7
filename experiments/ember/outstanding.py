"""Lines that an access unit has in flight: up to the bandwidth times the latency of memory."""

import headrace
from headrace.experiments.ember.sweeps import sweep

EXPERIMENT = sweep(
    "ember-outstanding",
    "cycles by the lines in flight",
    "outstanding",
    "lines in flight",
    lambda value: headrace.DaeMachine(outstanding=value),
)
