"""
The recorded reference data that acceptance tests compare with.

The folder is named by HEADRACE_REFERENCE_DATA and lies beside the repository by default. Tests that
need a file of it skip, saying so, where it is absent.
"""

import os
from pathlib import Path

import pytest

REFERENCE_DATA = Path(
    os.environ.get("HEADRACE_REFERENCE_DATA", Path(__file__).parents[2] / "shared" / "data")
)


def reference_path(relative: str) -> Path:
    """The path of a reference file or folder; skips the calling test where it is absent."""
    path = REFERENCE_DATA / relative
    if not path.exists():
        pytest.skip(
            f"needs the recorded reference data: {path} is absent "
            "(set HEADRACE_REFERENCE_DATA to the folder)",
            allow_module_level=True,
        )
    return path
