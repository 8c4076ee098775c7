"""
Studies in a SQLite file.

What is promised: a write is on disk (write-ahead log, synchronised) when the method returns, so
that killing the process at any moment loses nothing and leaves a file that opens. Several processes
of one machine may use one file; the file must not lie on a network file system, whose locks are not
reliable enough for a write-ahead log.

The tables: `study` (one line each), `trial` (one line an evaluation; `revision` grows with each
change of a study, so that a reader fetches only what is new), `measurement` (further values of a
trial), `event` (what proposals and failures said).
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from headrace.autotune.trial import Trial
from headrace.storage.errors import InputError

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE study (
            id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, space TEXT NOT NULL,
            space_hash TEXT NOT NULL, settings TEXT NOT NULL, seed INTEGER NOT NULL,
            version TEXT NOT NULL, created REAL NOT NULL) STRICT""",
        """CREATE TABLE trial (
            study INTEGER NOT NULL REFERENCES study, number INTEGER NOT NULL,
            revision INTEGER NOT NULL, configuration TEXT NOT NULL, hash TEXT NOT NULL,
            origin TEXT NOT NULL, fidelity REAL NOT NULL, state TEXT NOT NULL, value REAL,
            failure TEXT NOT NULL, censored_at REAL, cost REAL, worker TEXT NOT NULL,
            asked REAL NOT NULL, started REAL, heartbeat REAL, finished REAL,
            PRIMARY KEY (study, number), UNIQUE (study, hash, fidelity)) STRICT""",
        "CREATE UNIQUE INDEX trial_revision ON trial (study, revision)",
        """CREATE TABLE measurement (
            study INTEGER NOT NULL, number INTEGER NOT NULL, key TEXT NOT NULL,
            value REAL NOT NULL, PRIMARY KEY (study, number, key)) STRICT""",
        """CREATE TABLE event (
            id INTEGER PRIMARY KEY, study INTEGER NOT NULL, number INTEGER NOT NULL,
            kind TEXT NOT NULL, time REAL NOT NULL, data TEXT NOT NULL) STRICT""",
        "CREATE INDEX event_of_trial ON event (study, number)",
    ),
)
"""What leads from each version of the tables to the next; a file says which it has."""

APPLICATION = 0x48444152
"""Marks our files in their header, "HDAR"."""

PATIENCE = 60.0
"""Seconds to wait for other processes that write."""


@dataclass(frozen=True)
class StudyRow:
    """What a file says of a study."""

    id: int
    name: str
    space: Mapping[str, Any]
    space_hash: str
    settings: Mapping[str, Any]
    seed: int
    created: float


class Store:
    """A file of studies, or memory if there is no path. Threads may share it."""

    def __init__(self, path: str | Path | None):
        self.path = path
        self._lock = threading.RLock()
        try:
            self._connection = sqlite3.connect(
                ":memory:" if path is None else path,
                timeout=PATIENCE,
                isolation_level=None,
                check_same_thread=False,
            )
        except sqlite3.OperationalError as error:
            raise InputError(f"cannot open the study file {path}: {error}") from error
        try:
            self._prepare()
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise InputError(
                f"cannot use {path} as a study file: {error}; give the path of a new one"
            ) from error
        except InputError:
            self._connection.close()
            raise

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    @contextmanager
    def writing(self) -> Generator[None]:
        """All that is done inside is written, on disk, or none of it; one process at a time."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def studies(self) -> list[str]:
        """The names of the studies in the file."""
        return [name for (name,) in self._execute("SELECT name FROM study ORDER BY id")]

    def study(self, name: str) -> StudyRow | None:
        """What is known of a study; None if there is none of that name."""
        rows = self._execute(
            "SELECT id, name, space, space_hash, settings, seed, created FROM study WHERE name = ?",
            name,
        )
        if not rows:
            return None
        id_, name, space, space_hash, settings, seed, created = rows[0]
        return StudyRow(
            id_, name, json.loads(space), space_hash, json.loads(settings), seed, created
        )

    def add_study(self, row: StudyRow, version: str) -> None:
        self._execute(
            "INSERT INTO study VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)",
            row.name,
            json.dumps(row.space),
            row.space_hash,
            json.dumps(row.settings),
            row.seed,
            version,
            row.created,
        )

    def changed(self, study: int, since: int) -> tuple[list[Trial], int]:
        """The trials that changed after a revision, by number, and the last revision."""
        with self._lock:
            rows = self._execute(
                "SELECT number, configuration, origin, state, asked, value, failure, censored_at, "
                "cost, fidelity, worker, started, finished, revision FROM trial "
                "WHERE study = ? AND revision > ? ORDER BY number",
                study,
                since,
            )
            measured: dict[int, dict[str, float]] = {}
            for number, key, value in self._execute(
                "SELECT number, key, measurement.value FROM measurement "
                "JOIN trial USING (study, number) WHERE study = ? AND revision > ?",
                study,
                since,
            ):
                measured.setdefault(number, {})[key] = value
        trials = [
            Trial(
                number,
                _configuration(text),
                *rest,
                measurements=measured.get(number, {}),
            )
            for number, text, *rest, _ in rows
        ]
        return trials, max((row[-1] for row in rows), default=since)

    def heartbeats(self, study: int) -> dict[int, float]:
        """When the worker of each pending trial was last known to live."""
        return dict(
            self._execute(
                "SELECT number, heartbeat FROM trial WHERE study = ? AND state = 'pending'", study
            )
        )

    def beat(self, study: int, worker: str) -> None:
        """Say that a worker lives."""
        self._execute(
            "UPDATE trial SET heartbeat = ? WHERE study = ? AND worker = ? AND state = 'pending'",
            time.time(),
            study,
            worker,
        )

    def put(self, study: int, trial: Trial, key: str) -> None:
        """Write a trial, new or known, whose configuration hashes to `key`."""
        self._execute(
            "INSERT INTO trial VALUES (?, ?, (SELECT coalesce(max(revision), 0) + 1 FROM trial "
            "WHERE study = ?), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (study, number) DO UPDATE SET revision = excluded.revision, "
            "state = excluded.state, value = excluded.value, failure = excluded.failure, "
            "censored_at = excluded.censored_at, cost = excluded.cost, worker = excluded.worker, "
            "started = excluded.started, heartbeat = excluded.heartbeat, "
            "finished = excluded.finished",
            study,
            trial.number,
            study,
            json.dumps(trial.configuration),
            key,
            trial.origin,
            trial.fidelity,
            trial.state,
            trial.value,
            trial.failure,
            trial.censored_at,
            trial.cost,
            trial.worker,
            trial.asked,
            trial.started,
            trial.started,
            trial.finished,
        )
        for name, value in trial.measurements.items():
            self._execute(
                "INSERT INTO measurement VALUES (?, ?, ?, ?)", study, trial.number, name, value
            )

    def find(self, study: int, key: str, fidelity: float) -> int | None:
        """The number of the trial of a configuration, by its hash."""
        rows = self._execute(
            "SELECT number FROM trial WHERE study = ? AND hash = ? AND fidelity = ?",
            study,
            key,
            fidelity,
        )
        return rows[0][0] if rows else None

    def note(self, study: int, number: int, kind: str, data: Mapping[str, Any]) -> None:
        """Write an event of a trial."""
        self._execute(
            "INSERT INTO event VALUES (NULL, ?, ?, ?, ?, ?)",
            study,
            number,
            kind,
            time.time(),
            json.dumps(data),
        )

    def events(self, study: int, kind: str, number: int | None = None) -> list[tuple[int, Any]]:
        """Trials and data of the events of one kind, oldest first; of one trial if it is given."""
        rows = self._execute(
            "SELECT number, data FROM event WHERE study = ? AND kind = ? "
            "AND (number = ?3 OR ?3 IS NULL) ORDER BY id",
            study,
            kind,
            number,
        )
        return [(number, json.loads(data)) for number, data in rows]

    def _execute(self, statement: str, *values: object) -> list[Any]:
        with self._lock:
            return self._connection.execute(statement, values).fetchall()

    def _prepare(self) -> None:
        if self.path is not None:
            self._use_log()
        self._connection.execute("PRAGMA synchronous = FULL")
        with self.writing():
            version = self._pragma("user_version")
            mark = self._pragma("application_id")
            tables = self._execute("SELECT name FROM sqlite_schema")
            if (mark or tables) and mark != APPLICATION:
                raise InputError(
                    f"{self.path} is a database of another program; give the path of a new file"
                )
            if version > len(MIGRATIONS):
                raise InputError(
                    f"{self.path} was written by a newer headrace (tables of version {version}, "
                    f"this one knows {len(MIGRATIONS)}); update headrace"
                )
            for statements in MIGRATIONS[version:]:
                for statement in statements:
                    self._connection.execute(statement)
            self._connection.execute(f"PRAGMA application_id = {APPLICATION}")
            self._connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

    def _use_log(self) -> None:
        # Changing the mode does not wait for others as other statements do.
        end = time.monotonic() + PATIENCE
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > end:
                    raise
                time.sleep(0.01)

    def _pragma(self, name: str) -> int:
        return self._execute(f"PRAGMA {name}")[0][0]


def _configuration(text: str) -> dict[str, Any]:
    """A configuration as it was: lists are permutations, which are tuples."""
    found: dict[str, Any] = json.loads(text)
    return {
        name: tuple(cast(list[int], value)) if isinstance(value, list) else value
        for name, value in found.items()
    }
