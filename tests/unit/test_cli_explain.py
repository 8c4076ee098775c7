"""`headrace explain`, and `headrace run --pipeline auto`."""

import json
import tomllib
from pathlib import Path

import pytest

from headrace.cli.main import main

KARATE = "headrace.models.gcn:karate"


def test_explain_prints_what_was_chosen_and_rejected(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", KARATE]) == 0
    printed = capsys.readouterr().out
    for part in ("every operation alone", "region 0:", "bound by", "rejected:", "pipeline: sam-"):
        assert part in printed


def test_what_explain_chooses_is_what_auto_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "chosen.toml"
    assert main(["explain", KARATE, "--json", "--save", str(path)]) == 0
    explained = json.loads(capsys.readouterr().out)
    assert ",".join(tomllib.loads(path.read_text())["pipeline"]["passes"]) == explained["pipeline"]
    cycles: list[int] = []
    for pipeline in ("auto", str(path)):
        assert main(["run", KARATE, "--pipeline", pipeline, "--json"]) == 0
        cycles.append(json.loads(capsys.readouterr().out)["cycles"])
    assert cycles[0] == cycles[1]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["explain", "program.npz"], "is scheduled already"),
        (["explain", KARATE, "--lanes", "0"], "leaves nothing to compute with"),
        (["run", KARATE, "--lanes", "2"], "add --pipeline auto"),
        (["run", "program.npz", "--lanes", "2"], "add --pipeline auto"),
    ],
)
def test_what_makes_no_sense_is_one_line(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert reason in capsys.readouterr().err
