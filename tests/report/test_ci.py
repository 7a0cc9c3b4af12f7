"""SARIF and GitHub's annotations: their form, and that they point at the right lines."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from penlight.catalogue import catalogue
from penlight.cli.ci import Ci
from penlight.cli.diagnose import command as diagnose
from penlight.core.facts import Header, Module
from penlight.core.finding import Diagnosis, Evidence, Finding, Prescription
from penlight.core.run import Run
from penlight.core.vocabulary import LOSS
from penlight.report.github import commands
from penlight.report.places import Place, place
from penlight.report.sarif import sarif
from penlight.store.writer import Writer
from penlight.testing import fake_run

CAUSE = Finding(
    "double-softmax",
    "The model already applies softmax",
    where="net.3",
    evidence=(Evidence("graph", "softmax stands before: 50%, see\nbelow"),),
    prescriptions=(Prescription("Return the logits", "the loss applies it"),),
    exact=True,
)
SYMPTOM = Finding(
    "lr-too-low", "It is slow", "warning", source="train.py:9",
    role="symptom", because_of="double-softmax",
)  # fmt: skip
NOTE = Finding("my-own", "By the way", "note", where="net.0", source="parts.py:4")
FOUND = Diagnosis(
    findings=(CAUSE, SYMPTOM, NOTE),
    blind=("activations: compiled",),
    faults=("a detector failed",),
    meta={"script_exit": 3},
)


def recorded(script: str = "train.py") -> Run:
    softmax = Module(name="net.3", type="Softmax", source="my model.py:12")
    return fake_run(facts=[Header(script=script), softmax])


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A repository with a script in a folder of it."""
    (tmp_path / ".git").mkdir()
    for name in ("job/train.py", "job/lib/my model.py", "job/lib/a/parts.py", "job/lib/b/parts.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    return tmp_path / "job"


def test_files_are_found_and_named_from_the_repository(here):
    run = recorded()
    assert place(CAUSE, run, here) == Place("job/lib/my model.py", 12)
    assert place(SYMPTOM, run, here) == Place("job/train.py", 9)
    assert place(NOTE, run, here) == Place("job/train.py")  # two files of that name
    assert place(SYMPTOM, recorded("python -u train.py --fast"), here) == Place("job/train.py", 9)
    assert place(SYMPTOM, recorded("-m train"), here) == Place("job/train.py", 9)
    assert place(NOTE, recorded("a watched block"), here) is None
    away = here / "lib" / "a"
    assert place(SYMPTOM, recorded(str(here / "train.py")), away) == Place("job/train.py", 9)


def test_sarif_is_what_the_standard_asks_for(here):
    model = pytest.importorskip("pydantic_sarif.model")  # made from the schema, nothing else passes
    log = sarif(FOUND, recorded(), here)
    json.dumps(log, allow_nan=False)
    model.StaticAnalysisResultsFormatSarifVersion210JsonSchema.model_validate(log)
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [x["id"] for x in rules] == ["double-softmax", "lr-too-low", "my-own"]
    assert rules[0]["shortDescription"]["text"] == f"{catalogue()['double-softmax'].title}."
    assert "## What to change" in rules[0]["help"]["markdown"]
    first, second, third = run["results"]
    assert [x["level"] for x in run["results"]] == ["error", "note", "note"]
    assert all(rules[x["ruleIndex"]]["id"] == x["ruleId"] for x in run["results"])
    assert first["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "job/lib/my%20model.py", "uriBaseId": "%SRCROOT%"},
                "region": {"startLine": 12},
            },
            "logicalLocations": [{"fullyQualifiedName": "net.3"}],
        }
    ]
    assert first["message"]["text"].startswith("The model already applies softmax.\n")
    assert first["message"]["text"].endswith("Change: Return the logits.")
    assert "It follows from double-softmax" in second["message"]["text"]
    assert "region" not in third["locations"][0]["physicalLocation"]
    (invocation,) = run["invocations"]
    assert not invocation["executionSuccessful"]
    assert invocation["exitCode"] == 3
    assert len(invocation["toolExecutionNotifications"]) == 2


def test_a_fingerprint_stays_when_lines_move(here):
    def prints(finding: Finding) -> dict[str, str]:
        log = sarif(Diagnosis(findings=(finding,)), recorded(), here)
        return log["runs"][0]["results"][0]["partialFingerprints"]

    moved = Finding("lr-too-low", "It is slower", source="train.py:30")
    assert prints(SYMPTOM) == prints(moved)
    assert prints(SYMPTOM) != prints(Finding("lr-too-low", "It is slow", source="my model.py:9"))


def test_a_healthy_run_is_a_log_without_results(here):
    model = pytest.importorskip("pydantic_sarif.model")
    log = sarif(Diagnosis(meta={"script_exit": None}), recorded(), here)
    model.StaticAnalysisResultsFormatSarifVersion210JsonSchema.model_validate(log)
    assert log["runs"][0]["results"] == []
    assert log["runs"][0]["invocations"][0]["executionSuccessful"]


def test_annotations_are_escaped_and_leave_symptoms_out(here):
    assert commands(FOUND, recorded(), here) == [
        (
            "::error file=job/lib/my model.py,line=12,title=Penlight%3A double-softmax::"
            "The model already applies softmax.%0A"
            "Softmax stands before: 50%25, see below.%0A"
            "Change: Return the logits."
        ),
        "::notice file=job/train.py,title=Penlight%3A my-own::By the way.",
    ]


@pytest.mark.parametrize(
    ("asked", "variable", "lines"),
    [(None, "true", 2), (None, "", 0), (False, "true", 0), (True, "", 2)],
)
def test_annotations_come_where_github_runs_or_when_asked_for(
    here, monkeypatch, asked, variable, lines
):
    monkeypatch.setenv("GITHUB_ACTIONS", variable)
    monkeypatch.chdir(here)
    told, out = io.StringIO(), here / "out.sarif"
    ci = Ci(out, asked)
    monkeypatch.chdir("/")  # as a script may
    ci.tell(FOUND, recorded(), told)
    assert len(told.getvalue().splitlines()) == lines
    assert json.loads(out.read_text())["version"] == "2.1.0"


def test_a_stored_run_becomes_sarif(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    folder = tmp_path / "run"
    folder.mkdir()
    (tmp_path / "train.py").write_text("")
    sink = Writer(folder / "rank0.seg")
    sink.event(Header(script="train.py").to_event())
    sink.points(LOSS.name, "SGD#0", range(60), [1.0] * 30 + [float("nan")] * 30)
    sink.close()
    words = [str(folder), "--sarif", "out.sarif", "--json"]
    diagnose.main(words, standalone_mode=False)
    found = [x["pitfall"] for x in json.loads(capsys.readouterr().out)["findings"]]
    log = json.loads((tmp_path / "out.sarif").read_text())
    assert [x["ruleId"] for x in log["runs"][0]["results"]] == found
    assert "nonfinite-loss" in found
