"""The pytest plugin, in test sessions of its own: what fails, how it reads, what it costs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from textwrap import dedent

import pytest

import penlight
from penlight.core.finding import Diagnosis, Finding
from penlight.integrations.pytest import Rules

SOURCE = Path(penlight.__file__).parents[1]

NETS = """
    import torch
    from torch import nn
    from torch.nn import functional as F

    def batch():
        torch.manual_seed(0)
        x = torch.randn(64, 8)
        return x, x[:, :4].argmax(1)

    def net(*head):
        torch.manual_seed(1)
        return nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 4), *head)

    def train(model, clear=True):
        x, y = batch()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(60):
            if clear:
                optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
"""

TESTS = """
    import pytest
    from nets import *

    def test_sound_batch(penlight):
        diagnosis = penlight.check(net(), batch(), F.cross_entropy)
        assert len(diagnosis.checked) > 20

    def test_sound_block(penlight):
        with penlight.watch() as seen:
            train(net())
        assert seen.run.steps == 60

    @pytest.mark.penlight
    def test_sound_body():
        train(net())

    def test_sick_batch(penlight):
        model = net(nn.Softmax(1))
        penlight.check(model, batch(), F.cross_entropy)

    def test_allowed_batch(penlight):
        penlight.check(net(nn.Softmax(1)), batch(), F.cross_entropy, allow="double-softmax")

    def test_sick_block(penlight):
        with penlight.watch():
            train(net(), clear=False)

    @pytest.mark.penlight
    def test_sick_body():
        train(net(), clear=False)

    @pytest.mark.penlight(allow=["missing-zero-grad"])
    def test_allowed_body():
        train(net(), clear=False)

    @pytest.mark.penlight
    def test_sick_and_failing():
        train(net(), clear=False)
        assert 1 + 1 == 3

    def test_failing_block(penlight):
        with penlight.watch():
            raise ZeroDivisionError

    @pytest.mark.penlight
    class TestClass:
        def test_no_training(self):
            pass

    def test_no_gradient(penlight):
        penlight.check(net(), batch(), lambda out, y: F.cross_entropy(out.detach(), y))

    @pytest.mark.penlight(fail_on="anything")
    def test_misspelt():
        pass
"""


def session(folder: Path, *words: str) -> str:
    """What a pytest in that folder prints."""
    installed = entry_points(group="pytest11")
    known = any(x.value == "penlight.integrations.pytest" for x in installed)
    plugin = [] if known else ["-p", "penlight.integrations.pytest"]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(SOURCE), str(folder)])}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rA", "--strict-markers",
         *plugin, *words],
        cwd=folder, env=env, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What one session with all of TESTS prints."""
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("session")
    (folder / "nets.py").write_text(dedent(NETS))
    (folder / "test_it.py").write_text(dedent(TESTS))
    return session(folder)


def section(said: str, test: str) -> str:
    """The part of the output that is about one failed test."""
    found = re.search(rf"^_+ {test} _+$(.*?)^(?:_+ \S+ _+|=+ .+ =+)$", said, re.M | re.S)
    assert found, said
    return found[1]


def test_the_sick_fail_and_the_sound_pass(said):
    outcome = dict(re.findall(r"^(PASSED|FAILED|ERROR) test_it.py::(\S+)", said, re.M))
    by_test = {name: word for word, name in re.findall(r"^(PASSED|FAILED) \S+?::(\S+)", said, re.M)}
    assert outcome, said
    assert {name for name, word in by_test.items() if word == "PASSED"} == {
        "test_sound_batch",
        "test_sound_block",
        "test_sound_body",
        "test_allowed_batch",
        "test_allowed_body",
    }
    assert len(by_test) == 13


def test_a_failure_says_what_where_by_what_evidence_and_what_to_do(said):
    told = section(said, "test_sick_batch").splitlines()
    assert ">       penlight.check(model, batch(), F.cross_entropy)" in told
    assert "E       Failed: The outputs are squashed into probabilities twice." in told
    assert "E       double-softmax (critical, proven)" in told
    labels = [line.split()[1] for line in told if re.match(r"E {9}[A-Z]\w+ {2,}", line)]
    assert labels == ["Where", "Since", "Evidence", "Change", "More"]
    assert not any("integrations" in line for line in told)
    assert re.search(r"^FAILED \S+::test_sick_batch - Failed: The outputs are", said, re.M)


def test_a_block_fails_on_its_own_line(said):
    told = section(said, "test_sick_block")
    assert ">       with penlight.watch():" in told
    assert "E       missing-zero-grad (critical, " in told
    assert "integrations" not in told
    assert "E           ZeroDivisionError" in section(said, "test_failing_block")


def test_a_marked_test_fails_by_what_its_training_shows(said):
    assert "\nmissing-zero-grad (critical, " in section(said, "test_sick_body")
    assert "Traceback" not in section(said, "test_sick_body")
    assert "no PyTorch optimiser took a step" in section(said, "TestClass.test_no_training")


def test_a_failing_assertion_is_kept_and_explained(said):
    told = section(said, "test_sick_and_failing")
    assert "E       assert (1 + 1) == 3" in told
    assert "\nmissing-zero-grad (critical, " in told.split("Captured penlight call")[1]


def test_errors_are_sentences(said):
    assert "E       Failed: The loss has no gradient" in section(said, "test_no_gradient")
    assert "fail_on is critical or warning, not 'anything'" in section(said, "test_misspelt")


def test_a_session_that_does_not_ask_pays_nothing(tmp_path):
    (tmp_path / "test_it.py").write_text(
        "import sys\n"
        "def test_modules():\n"
        "    assert 'penlight.integrations.pytest' in sys.modules\n"
        "    loaded = {'torch', 'numpy', 'rich', 'click', 'penlight.library'} & set(sys.modules)\n"
        "    assert not loaded\n"
        "    assert 'penlight' in sys.modules\n"
    )
    assert "1 passed" in session(tmp_path)
    told = session(tmp_path, "--help")
    assert "--penlight-fail-on=" in told
    assert "penlight_allow (args)" in told
    assert "@pytest.mark.penlight(allow=" in session(tmp_path, "--markers")


def test_without_torch_there_is_a_sentence(tmp_path):
    (tmp_path / "test_it.py").write_text(
        "def test_check(penlight):\n    penlight.check(None, None, None)\n"
    )
    (tmp_path / "conftest.py").write_text(
        "import importlib.util\n"
        "whole = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name: None if name == 'torch' else whole(name)\n"
    )
    told = session(tmp_path)
    assert "E       Failed: penlight.check needs PyTorch: pip install torch\n" in told


FOUND = Diagnosis(
    findings=(
        Finding("cause", "it is", severity="critical"),
        Finding("effect", "it follows", severity="critical", role="symptom", because_of="cause"),
        Finding("doubt", "it may be", severity="warning"),
        Finding("aside", "by the way", severity="note"),
    )
)


@pytest.mark.parametrize(
    ("rules", "names"),
    [
        (Rules(), ["cause", "effect", "doubt"]),
        (Rules().but(fail_on="critical"), ["cause", "effect"]),
        (Rules().but("cause"), ["doubt"]),
        (Rules(allow=frozenset({"doubt"})).but(["cause"]), []),
    ],
)
def test_what_fails_can_be_chosen(rules, names):
    assert [x.pitfall for x in rules.convict(FOUND).findings] == names
