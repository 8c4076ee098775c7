"""How long the data queue has to be; it is one chunk here, so that short ones hold a row at all."""

import headrace
from headrace.experiments.ember.sweeps import sweep

EXPERIMENT = sweep(
    "ember-queue",
    "cycles by the words of the data queue",
    "queue",
    "words of the queue",
    lambda value: headrace.DaeMachine(queue_words=value, queue_chunks=1),
)
