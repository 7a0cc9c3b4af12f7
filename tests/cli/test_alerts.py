"""Certain findings are told while a training runs."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from penlight.cli import alerts
from penlight.cli.alerts import Alerts


def finding(name: str, confidence: float, severity: str = "critical") -> dict[str, object]:
    return {"pitfall": name, "confidence": confidence, "severity": severity, "says": "It is."}


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Alerts, list[str], Path]:
    said: list[str] = []
    watched = Alerts(tmp_path, said.append)
    answer = tmp_path / "answer"
    code = f"print(open({str(answer)!r}).read())"
    monkeypatch.setattr(watched, "_command", [sys.executable, "-c", code])
    return watched, said, answer


def look(watched: Alerts, seconds: float) -> None:
    watched.poll(seconds)
    if watched._reader is not None:
        watched._reader[0].wait()
    watched.poll(seconds)


def test_only_what_is_certain_and_critical_is_told_and_once(
    told: tuple[Alerts, list[str], Path],
) -> None:
    watched, said, answer = told
    findings = [finding("a", 0.99), finding("b", 0.9), finding("c", 0.99, "warning")]
    answer.write_text(json.dumps({"findings": findings}))
    look(watched, alerts.FIRST)
    look(watched, alerts.FIRST * alerts.FACTOR)
    assert said == ["a: It is."]


def test_a_short_run_is_not_looked_at(told: tuple[Alerts, list[str], Path]) -> None:
    watched, _, _ = told
    watched.poll(alerts.FIRST - 1)
    assert watched._reader is None


@pytest.mark.parametrize("text", ["", "no json", "[]", '{"findings": [{}]}'])
def test_a_broken_answer_says_nothing(told: tuple[Alerts, list[str], Path], text: str) -> None:
    watched, said, answer = told
    answer.write_text(text)
    look(watched, alerts.FIRST)
    assert said == []


def test_a_look_under_way_is_ended_with_the_run(told: tuple[Alerts, list[str], Path]) -> None:
    watched, _, _ = told
    watched._command = [sys.executable, "-c", "import time; time.sleep(60)"]
    watched.poll(alerts.FIRST)
    assert watched._reader is not None
    process = watched._reader[0]
    watched.stop()
    assert process.returncode is not None
