"""What --json says, held against the schemas that docs/schema publishes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from penlight.catalogue import catalogue
from penlight.cli import json_out
from penlight.cli.demo import command as demo
from penlight.cli.diagnose import command as diagnose
from penlight.cli.explain import command as explain
from penlight.cli.pitfalls import command as pitfalls
from penlight.cli.report import command as report
from penlight.cli.runs import command as runs
from penlight.cli.undo import command as undo
from penlight.core.facts import Act, End, Header
from penlight.core.run import Run
from penlight.core.vocabulary import LOSS
from penlight.diagnosis import diagnose as diagnosed
from penlight.store.writer import Writer
from penlight.testing import fake_run
from penlight.trial.apply import apply
from penlight.trial.parts import Refusal
from penlight.trial.result import Fix, Trial

jsonschema = pytest.importorskip("jsonschema")

FOLDER = Path(__file__).parents[1] / "docs" / "schema"


def sick() -> Run:
    losses = [1.0] * 30 + [float("nan")] * 30
    facts = [
        Header(penlight="1", script="train.py"),
        Act(step=3, what="edit", says="The rate was lowered."),
        End(script_exit=1, steps=60, seconds=float("inf")),
    ]
    return fake_run({LOSS: losses}, facts=facts)


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]):
    """What a verb prints with --json."""

    def run(command: Any, *words: str | Path) -> Any:
        command.main([*map(str, words), "--json"], standalone_mode=False)
        return json.loads(capsys.readouterr().out)

    return run


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A folder with one recorded run in it."""
    folder = tmp_path / "runs" / "20260101-000000-train-aaaa"
    folder.mkdir(parents=True)
    sink = Writer(folder / "rank0.seg")
    sink.event(Header(script="train.py", penlight="1").to_event())
    sink.points(LOSS.name, "SGD#0", range(60), [1.0] * 30 + [float("nan")] * 30)
    sink.close()
    return folder.parent


@pytest.mark.parametrize("path", sorted(FOLDER.iterdir()), ids=lambda x: x.name)
def test_a_schema_is_one(path):
    schema = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"] == path.name
    assert schema["title"]


def test_a_wrong_diagnosis_is_caught(hold):
    told = diagnosed(sick()).to_json()
    hold(json.loads(json_out.to_text(told)), "diagnosis")
    assert told["findings"]
    for wrong in ({"schema": 2}, {"more": 1}, {"findings": [{"pitfall": "x"}]}):
        with pytest.raises(jsonschema.ValidationError):
            hold({**told, **wrong}, "diagnosis")


def test_diagnose_and_runs_and_report(hold, said, stored, tmp_path):
    told = said(diagnose, "--dir", stored, "--no-github")
    hold(told, "diagnosis")
    assert [x["pitfall"] for x in told["findings"]] == ["nonfinite-loss"]
    listed = said(runs, "--dir", stored)
    hold(listed, "runs")
    assert len(listed) == 1
    hold(said(runs, "--dir", tmp_path / "none"), "runs")
    page = said(report, "--dir", stored, "-o", tmp_path / "page.html")
    hold(page, "report")
    assert (tmp_path / "page.html").stat().st_size == page["bytes"]


def test_a_fix(hold):
    run = sick()
    trial = Trial(
        "Lower the rate", "nonfinite-loss", ("learning-rate=0.01",), "accept", 3, "error rate",
        0.7, float("nan"), 0.04, ((0.7, 0.1), (None, 0.2)), "why", "more",
    )  # fmt: skip
    found = Fix(
        diagnosis=diagnosed(run),
        run=run,
        script="train.py",
        root=Path(),
        trials=(trial,),
        refusals=(Refusal("nonfinite-loss", "Do it", "no place", "write this"),),
        after=diagnosed(run),
        curves={"before": [(0, 0.7)], "after": []},
        light={"before": {"net.0": 0.5}, "after": {}},
    )
    hold(json.loads(json_out.to_text(found.to_json())), "fix")
    bare = Fix(diagnosis=diagnosed(run), run=run, script="train.py", root=Path())
    hold(json.loads(json_out.to_text(bare.to_json())), "fix")


def test_the_catalogue(hold, said):
    listed = said(pitfalls)
    hold(listed, "pitfalls")
    assert len(listed) == len(catalogue())
    for name in catalogue():
        hold(said(explain, name), "explain")
    answers = said(explain, "--symptom", "the loss is flat")
    hold(answers, "explain")
    assert answers
    hold(said(demo), "demo")


def test_undo(hold, said, tmp_path):
    (tmp_path / "train.py").write_text("lr = 1\n")
    apply(tmp_path, {"train.py": ("lr = 1\n", "lr = 0.1\n")}, tmp_path / "store")
    told = said(undo, "--dir", tmp_path / "store")
    hold(told, "undo")
    assert told == {"restored": [str(tmp_path / "train.py")]}
