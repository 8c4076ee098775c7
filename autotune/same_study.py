"""Whether a study is the one that a file has."""

from __future__ import annotations

from pathlib import Path

from headrace.autotune.store import StudyRow
from headrace.storage.errors import InputError


def expect_same(row: StudyRow, wanted: StudyRow, path: str | Path | None) -> None:
    """Raise `InputError` that names what differs between the study of a file and one to open."""
    if row.seed != wanted.seed:
        raise _differs(row, path, "seed", row.seed, wanted.seed)
    for name in sorted({*row.settings, *wanted.settings}):
        theirs, ours = row.settings.get(name), wanted.settings.get(name)
        if theirs != ours:
            raise _differs(row, path, f"setting '{name}'", theirs, ours)
    if row.space_hash == wanted.space_hash:
        return
    theirs = {one["name"]: one for one in row.space["parameters"]}
    ours = {one["name"]: one for one in wanted.space["parameters"]}
    for name in [*theirs, *ours]:
        if theirs.get(name) != ours.get(name):
            raise _differs(row, path, f"parameter '{name}'", theirs.get(name), ours.get(name))
    for name in sorted({*row.space, *wanted.space} - {"parameters"}):
        if row.space.get(name) != wanted.space.get(name):
            there, here = row.space.get(name), wanted.space.get(name)
            raise _differs(row, path, f"space's {name}", there, here)
    raise _differs(row, path, "order of the parameters", list(theirs), list(ours))


def _differs(
    row: StudyRow, path: str | Path | None, what: str, theirs: object, ours: object
) -> InputError:
    return InputError(
        f"the study '{row.name}' of {path} has another {what}: {theirs} there, {ours} here; use "
        "the same, or open a study of another name"
    )
