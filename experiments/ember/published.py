"""What Ember publishes."""

from pathlib import Path

from headrace.experiments.published import Published

_PUBLISHED = Published(Path(__file__).with_name("published.toml"))
table = _PUBLISHED.table
published = _PUBLISHED.first
