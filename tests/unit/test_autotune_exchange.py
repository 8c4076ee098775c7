"""Studies as text: CSV and JSON, the protocol of the reference, reports."""

import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headrace.autotune.exchange import Reading, read_csv, write_csv, write_json
from headrace.autotune.history import History
from headrace.autotune.parameter import Categorical, Integer, Ordinal, Permutation, Real
from headrace.autotune.protocol import serve
from headrace.autotune.report import importance, pictures, summary, text, write_page, write_pictures
from headrace.autotune.rows import configuration, joined, split
from headrace.autotune.space import Space
from headrace.autotune.strategy import PRESETS, Draws, Proposal
from headrace.autotune.study import Study, minimize
from headrace.autotune.study_settings import StudySettings
from headrace.storage.errors import InputError

RANDOM = StudySettings(strategy="random", objectives=("runtime",))
SPACE = Space(
    [
        Ordinal("chunk", values=(2, 4, 8), transform="log"),
        Ordinal("unroll", values=(2, 4, 8)),
        Categorical("schedule", values=("static", "a, b")),
        Permutation("order", length=3),
        Real("ratio"),
    ],
    ["unroll < chunk"],
)


def runtime(values: Mapping[str, Any]) -> float:
    """Slower with the chunk; static orders of one kind fail."""
    if values["schedule"] == "static" and values["order"][0] == 2:
        raise RuntimeError("does not compile")
    return values["chunk"] + values["ratio"]


def runtime_of_nothing(_: Mapping[str, Any]) -> float:
    return 1.0


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("a,b", ["a", "b"]),
        ("4,(0, 2, 1),fast", ["4", "(0, 2, 1)", "fast"]),
        ('4,"(0, 2, 1)", fast \r\n', ["4", "(0, 2, 1)", "fast"]),
        ('"say ""no"", twice",', ['say "no", twice', ""]),
        ("", [""]),
        (",,", ["", "", ""]),
    ],
)
def test_commas_in_parentheses_do_not_separate(line: str, fields: list[str]) -> None:
    assert split(line) == fields


@pytest.mark.parametrize("line", ["(0, 1", "0)", 'a"b', '"a', '"a"b'])
def test_a_line_that_cannot_be_split_is_quoted(line: str) -> None:
    with pytest.raises(InputError, match="does not close") as caught:
        split(line)
    assert f"'{line}'" in str(caught.value)


def test_a_line_reads_back() -> None:
    for values in SPACE.configurations(SPACE.sample(50, np.random.default_rng(0))):
        fields = dict(zip(values, split(joined(values.values())), strict=True))
        assert configuration(SPACE, fields) == values


def told(path: Path) -> Study:
    return minimize(runtime, SPACE, 20, settings=RANDOM, path=path)


def results(study: Study) -> list[Any]:
    found = ((one.configuration, one.value, one.failure, one.cost) for one in study.history())
    return list(found)


def test_a_study_reads_back_from_csv(tmp_path: Path) -> None:
    first = told(tmp_path / "a.db")
    first.tell(
        {**SPACE.configurations(SPACE.sample(1, np.random.default_rng(5)))[0]}, censored_at=9
    )
    write_csv(first, tmp_path / "a.csv")
    second = Study.open(None, SPACE, settings=RANDOM)
    assert read_csv(second, tmp_path / "a.csv") == Reading(21, 0, 0)
    assert results(second) == results(first)
    assert second.history()[-1].censored_at == 9
    assert {trial.origin for trial in second.history()} == {"told"}
    assert read_csv(second, tmp_path / "a.csv") == Reading(0, 21, 0)


REFERENCE = """chunk,order,runtime,Valid,Timestamp
4,"(0, 2, 1)",1.5,True,12
8,"(1, 0, 2)",0,False,31
8,(2; 1; 0),2.5,True,40
2,"(0, 1, 2)",9.5,True,55
4,"(0, 2, 1)",1.75,True,71
"""
SMALL = Space([Ordinal("chunk", values=(2, 4, 8)), Permutation("order", length=3)], ["chunk > 2"])


def test_a_file_of_the_reference_warms_a_study(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    path.write_text(REFERENCE.replace(";", ","))
    study = Study.open(None, SMALL, settings=RANDOM)
    assert read_csv(study, path) == Reading(told=3, repeated=1, infeasible=1)
    assert [(one.value, one.failure) for one in study.history()] == [
        (1.5, ""),
        (None, "run"),
        (2.5, ""),
    ]
    assert study.charged() == 0
    assert study.optimize(lambda values: float(values["chunk"]), 100).charged == 9


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty"),
        ("chunk,runtime\n4,1.0\n", r"run.csv:2: there is no column 'order'"),
        ("chunk,order,Valid\n4,(0,1,2),True\n", "no column 'runtime' for the objective"),
        ("chunk,order,runtime\n4,1.0\n", "run.csv:2: 2 fields where there are 3 columns"),
        ("chunk,order,runtime\n4,(0,1,2),fast\n", "'fast' in column 'runtime' is no number"),
        ("chunk,order,runtime\n5,(0,1,2),1\n", "parameter 'chunk' cannot be 5"),
        ("chunk,order,runtime\n4,(0,1),1\n", "parameter 'order' cannot be"),
        ("chunk,order,runtime\n4,(0,1,2),nan\n", "run.csv:2: the value of a trial is nan"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_its_line(
    tmp_path: Path, content: str, said: str
) -> None:
    path = tmp_path / "run.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=said):
        read_csv(Study.open(None, SMALL, settings=RANDOM), path)


def test_json_has_everything(tmp_path: Path) -> None:
    study = told(tmp_path / "a.db")
    write_json(study, tmp_path / "a.json")
    found = json.loads((tmp_path / "a.json").read_text())
    assert found["settings"]["strategy"] == "random"
    assert [one["name"] for one in found["space"]["parameters"]] == list(SPACE.names)
    assert [one["value"] for one in found["trials"]] == [one.value for one in study.history()]
    assert found["reports"]["0"]["origin"] == "random"
    assert set(found["failures"].values()) == {"RuntimeError: does not compile"}


# C12: the protocol, with a client that answers by a script.


class Client:
    """Reads requests and answers them; some answers are spoilt first, as a script says."""

    def __init__(
        self,
        spoil: Mapping[int, Callable[[list[str]], list[str]]] | None = None,
        ends_after: int = 10**6,
    ):
        self.requests = io.StringIO()
        self.spoil = dict(spoil or {})
        self.ends_after = ends_after
        self.asked: list[list[str]] = []

    def __iter__(self) -> Iterator[str]:
        for turn in range(self.ends_after):
            lines = self.requests.getvalue().splitlines()
            self.requests.truncate(0)
            self.requests.seek(0)
            word, count = lines[0].split()
            assert word == "Request"
            assert int(count) == len(lines) - 2
            self.asked.append(lines[2:])
            answer = ["Valid,runtime," + lines[1]]
            for line in reversed(lines[2:]):
                chunk = int(split(line)[0])
                answer.append(f"{chunk == 4},{chunk}.5,{line}")
            yield from self.spoil.pop(turn, lambda lines: lines)(answer)


def served(client: Client, budget: int, first: int = 1) -> tuple[Study, str]:
    study, complaints = Study.open(None, SMALL, settings=RANDOM), io.StringIO()
    serve(study, budget, client, client.requests, complaints, first=first)
    return study, complaints.getvalue()


def test_a_client_is_asked_and_told() -> None:
    client = Client()
    study, complaints = served(client, 8, first=3)
    assert [len(asked) for asked in client.asked] == [3, 1, 1, 1, 1, 1]
    assert client.requests.getvalue() == "End of HyperMapper\n"
    assert complaints == ""
    for trial in study.history():
        valid = trial.configuration["chunk"] == 4
        assert (trial.value, trial.failure) == ((4.5, "") if valid else (None, "run"))
    assert all(re.fullmatch(r"\d,\(\d, \d, \d\)", line) for asked in client.asked for line in asked)
    assert study.charged() == 8


def lines_of(row: str, head: str = "") -> Callable[[list[str]], list[str]]:
    """An answer with another line, or another first line."""
    return lambda lines: [head or lines[0], row]


def result(said: str) -> Callable[[list[str]], list[str]]:
    """An answer with another validity and value."""
    return lambda lines: [lines[0], re.sub(r"^(True|False),[^,]*", said, lines[1])]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lines_of("4,1.5", "chunk,runtime"), "first line 'chunk,runtime' has no column"),
        (lines_of("True,1.5,4"), "answer 'True,1.5,4' cannot be used: it has 3"),
        (lines_of("True,1.5,4,(0, 1"), "4,(0, 1' has a parenthesis or a quote"),
        (lines_of("True,1.5,5,(0, 1, 2)"), "'chunk' cannot be 5"),
        (lines_of("True,1.5,2,(0, 1, 2)"), "is not one that was asked"),
        (result("True,fast"), "'fast' in column 'runtime' is no number"),
        (result("True,nan"), "the value of a trial is nan"),
    ],
)
def test_a_malformed_answer_is_quoted_and_asked_again(
    spoil: Callable[[list[str]], list[str]], said: str
) -> None:
    client = Client({0: spoil})
    study, complaints = served(client, 4)
    assert said in complaints
    assert complaints.endswith("; the request is repeated\n")
    assert client.asked[0] == client.asked[1]
    assert len(study.history()) == study.charged() == 4


def test_an_answer_for_something_else_is_refused() -> None:
    def twice(lines: list[str]) -> list[str]:
        return [lines[0], lines[1], lines[1]]

    client = Client({0: twice})
    _, complaints = served(client, 2, first=2)
    assert "answers the same configuration as another line" in complaints
    assert client.asked[0] == client.asked[1]


def test_a_client_that_stops_loses_nothing() -> None:
    client = Client(ends_after=2)
    study = Study.open(None, SMALL, settings=RANDOM)
    with pytest.raises(InputError, match="ended its answer after 0 of 2 lines"):
        serve(study, 5, client, client.requests, io.StringIO())
    assert [one.state == "abandoned" for one in study.history()] == [False, False, True]
    client = Client()
    serve(study, 5, client, client.requests, io.StringIO())
    assert len(study.history()) == study.charged() == 5


def test_a_client_is_let_go_when_nothing_is_left() -> None:
    client = Client()
    study, _ = served(client, 100)
    assert study.charged() == 12
    assert client.requests.getvalue() == "End of HyperMapper\n"


# Reports.


@dataclass(frozen=True)
class Informed:
    """Draws that claim to know lengthscales."""

    draws: Draws

    def propose(self, history: History, random: np.random.Generator) -> Proposal:
        lengths = {"chunk": 0.5, "order": 2.0}
        return replace(self.draws.propose(history, random), report={"lengthscales": lengths})


def test_importance_is_the_share_of_inverse_lengthscales(monkeypatch: pytest.MonkeyPatch) -> None:
    informed = StudySettings(strategy="informed", objectives=("runtime",))

    def informed_of(space: Space, log_objective: bool, options: Mapping[str, Any]) -> Informed:
        return Informed(Draws(space))

    monkeypatch.setitem(PRESETS, "informed", informed_of)
    study = minimize(lambda values: float(values["chunk"]), SMALL, 3, settings=informed)
    assert importance(study) == {"chunk": 0.8, "order": 0.2}
    assert "importance of chunk: 80%" in text(study)
    assert "importance" in pictures(study)
    assert importance(minimize(runtime_of_nothing, SMALL, 3, strategy="random")) == {}


def test_a_summary_says_what_was_found() -> None:
    study = Study.open(None, Space([Integer("x", low=0, high=9)]), settings=RANDOM)
    assert text(study) == "study default: no trials\nno trial has a value yet"
    study.tell({"x": 3}, 2.5, cost=4.0)
    study.tell({"x": 4}, 1.5, cost=3.0)
    study.tell({"x": 5}, failure="compile")
    found = summary(study)
    assert found["best"] == {"number": 1, "objectives": {"runtime": 1.5}, "configuration": {"x": 4}}
    assert (found["failures"], found["evaluation_seconds"]) == ({"compile": 1}, 7.0)
    assert json.loads(json.dumps(found)) == found
    assert text(study) == (
        "study default: 2 done, 1 failed\nfailure compile: 1\nbest (trial 1): runtime 1.5\n  x = 4"
    )


def test_pictures_and_a_page_that_needs_no_other_file(tmp_path: Path) -> None:
    study = Study.open(None, SPACE, settings=replace(RANDOM, objectives=("runtime", "<bytes>")))
    for trial in study.ask(12):
        try:
            size = 100.0 / trial.configuration["chunk"]
            study.tell(trial, runtime(trial.configuration), measurements={"<bytes>": size})
        except RuntimeError:
            study.tell(trial, failure="compile")
    paths = write_pictures(study, tmp_path / "plots")
    assert [path.name for path in paths] == ["convergence.png", "slices.png", "front.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)
    write_page(study, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert page.count("data:image/png;base64,") == 3
    assert page.count("<tr>") == 13
    assert "&lt;bytes&gt;" in page
    assert "<bytes>" not in page
    assert "http" not in page
    assert text(study).count("front (trial") == len(study.front()) > 0


def test_a_study_without_trials_has_a_page(tmp_path: Path) -> None:
    write_page(Study.open(None, SPACE, settings=RANDOM), tmp_path / "page.html")
    assert "no trial has a value yet" in (tmp_path / "page.html").read_text()
