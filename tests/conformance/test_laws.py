"""Laws that hold for every pitfall; none is named here.

The last one compares a demo's whole diagnosis with a golden row: the confusion matrix of the
catalogue. Processors round differently (`ATEN_CPU_CAPABILITY=default` shows it): a symptom near its
limit may be silent on another one, and their order is not compared. The cause and its severity
are, and no symptom may come that the row does not name. `PENLIGHT_GOLDEN=1 pytest
tests/conformance` writes the rows anew.
"""

from __future__ import annotations

import ast
import inspect
import json
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from penlight.catalogue import catalogue
from penlight.core.pitfall import Pitfall
from penlight.diagnosis import diagnose
from penlight.lab import Recorded
from penlight.testing import check_card, fake_run

CONFUSION = Path(__file__).parents[1] / "golden" / "confusion"
PITFALLS = sorted(catalogue().values(), key=lambda p: p.name)


@pytest.mark.parametrize("pitfall", PITFALLS, ids=lambda p: p.name)
class TestEveryPitfall:
    def test_has_a_complete_card(self, pitfall: Pitfall) -> None:
        assert check_card(pitfall) == []

    def test_names_only_pitfalls_that_exist(self, pitfall: Pitfall) -> None:
        assert set(pitfall.caused_by) <= set(catalogue()), "caused_by names an unknown pitfall"
        assert pitfall.name not in pitfall.caused_by

    def test_tells_its_look_alikes_apart(self, pitfall: Pitfall) -> None:
        assert pitfall.name not in pitfall.looks_like
        for name, says in pitfall.looks_like.items():
            assert name in catalogue(), f"looks_like names an unknown pitfall, {name}"
            assert pitfall.name in catalogue()[name].looks_like, f"{name} says nothing in return"
            assert says.endswith("."), f"what {name} shows instead is a sentence"
            assert says[0].isupper()

    def test_lives_in_a_file_of_its_name(self, pitfall: Pitfall) -> None:
        assert type(pitfall).__module__.endswith("." + pitfall.name.replace("-", "_"))

    def test_is_silent_on_a_run_of_which_nothing_is_known(self, pitfall: Pitfall) -> None:
        assert list(pitfall.detect(fake_run())) == []

    def test_has_sentences(self, pitfall: Pitfall) -> None:
        for remedy in pitfall.prescriptions:
            assert remedy.do.strip(), "a prescription says what to do"

    def test_detects_without_torch_files_or_chance(self, pitfall: Pitfall) -> None:
        tree = ast.parse(inspect.getsource(sys.modules[type(pitfall).__module__]))
        imported = {
            name.split(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, (ast.Import, ast.ImportFrom))
            for name in (
                [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else [a.name for a in node.names]
            )
        }
        assert not imported & {"torch", "random", "os", "time", "pathlib", "subprocess", "pickle"}


@pytest.mark.parametrize(
    "pitfall",
    [pytest.param(p, id=p.name) for p in PITFALLS if not p.device],
)
class TestEveryDemo:
    def test_fires_first_and_is_silent_when_cured(
        self, pitfall: Pitfall, demo: Callable[[Pitfall, str], tuple[Path, Recorded]]
    ) -> None:
        assert pitfall.demo is not None
        (_, sick), (_, cured) = demo(pitfall, "sick"), demo(pitfall, "cured")
        before, after = diagnose(sick.run), diagnose(cured.run)

        assert before.faults == after.faults == ()
        assert [x.pitfall for x in before.findings][:1] == [pitfall.name]
        assert before.findings[0].severity != "note"
        assert [x.pitfall for x in after.alarms] == []
        better = cured.result - sick.result
        assert math.isnan(sick.result) or (better > 0) == (pitfall.demo.better == "higher")

        first = before.findings[0]
        assert first.says.endswith("."), "a finding is a sentence"
        assert first.evidence, "a finding has evidence"
        assert diagnose(sick.run) == before, "detectors are pure"

        cause, *symptoms = [[x.pitfall, x.severity, x.role] for x in before.alarms]
        golden = CONFUSION / f"{pitfall.name}.json"
        if os.environ.get("PENLIGHT_GOLDEN"):
            golden.parent.mkdir(exist_ok=True)
            golden.write_text(json.dumps([cause, *sorted(symptoms)], indent=1) + "\n")
        known = json.loads(golden.read_text())
        assert cause == known[0]
        for name, _, role in symptoms:
            assert name in {x[0] for x in known[1:]}, f"{name} is not in {golden.name}"
            assert role == "symptom", f"{name} is named as a second cause of {pitfall.name}"
