"""penlight runs --where: runs found by a condition."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from penlight.cli.runs import command
from penlight.core.facts import End, Header
from penlight.errors import PenlightError
from penlight.store.folder import new_run_folder
from penlight.store.schema import segment_name
from penlight.store.writer import Writer

pytest.importorskip("duckdb")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Runs: sick, healthy, one that learnt nothing, one that crashed and was not diagnosed."""
    for script, steps, alarms in (
        ("sick.py", 500, ["lr-too-high", "dying-relu"]),
        ("well.py", 2000, []),
        ("flat.py", 400, []),
        ("crash.py", 30, None),
    ):
        folder = new_run_folder(tmp_path / "runs", script)
        writer = Writer(folder / segment_name(0))
        writer.event(Header(script=script).to_event())
        writer.event(End(script_exit=1 if alarms is None else 0, steps=steps).to_event())
        writer.close()
        if alarms is not None:
            found = [{"pitfall": name, "severity": "warning"} for name in alarms]
            more = {"unlearnt": True} if script == "flat.py" else {}
            text = json.dumps({"steps": steps, "findings": found, **more})
            (folder / "diagnosis.json").write_text(text)
    return tmp_path / "runs"


def found(root: Path, condition: str) -> set[str]:
    result = CliRunner().invoke(command, ["--dir", str(root), "--json", "--where", condition])
    assert result.exit_code == 0, result.output
    return {row["script"] for row in json.loads(result.output)}


@pytest.mark.parametrize(
    ("condition", "scripts"),
    [
        ("steps >= 500", {"sick.py", "well.py"}),
        ("diagnosis = 'healthy'", {"well.py"}),
        ("diagnosis = 'unlearnt'", {"flat.py"}),
        ("list_contains(findings, 'dying-relu')", {"sick.py"}),
        ("state = 'crashed' AND diagnosis = ''", {"crash.py"}),
        (
            "started > now() AT TIME ZONE 'UTC' - INTERVAL 1 DAY",
            {"sick.py", "well.py", "flat.py", "crash.py"},
        ),
        ("name LIKE '%nothing%'", set()),
    ],
)
def test_a_condition_picks_the_runs_for_which_it_holds(
    root: Path, condition: str, scripts: set[str]
) -> None:
    assert found(root, condition) == scripts


@pytest.mark.parametrize(
    "condition", ["stepss > 1", "steps >", "1) ; DROP TABLE runs; --", "path IN (FROM 'x.csv')"]
)
def test_what_is_no_condition_is_one_sentence(root: Path, condition: str) -> None:
    result = CliRunner().invoke(command, ["--dir", str(root), "--where", condition])
    assert isinstance(result.exception, PenlightError)
    said = str(result.exception)
    assert "is no condition over the runs" in said
    assert "Columns: name VARCHAR" in said


def test_nothing_found_is_said(root: Path) -> None:
    result = CliRunner().invoke(command, ["--dir", str(root), "--where", "steps > 1e9"])
    assert result.exit_code == 0
    assert result.output == "That holds for none of the runs.\n"


def test_without_duckdb_the_install_line_is_given(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    result = CliRunner().invoke(command, ["--dir", str(root), "--where", "steps > 1"])
    assert isinstance(result.exception, PenlightError)
    assert "pip install 'penlight[query]'" in str(result.exception)
