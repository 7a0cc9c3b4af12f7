"""`%load_ext penlight` and `%%penlight` in a real IPython shell."""

from __future__ import annotations

from textwrap import dedent

import pytest

import penlight

pytest.importorskip("torch")
pytest.importorskip("IPython")
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

SETUP = """
    import torch
    from torch import nn
    from torch.nn import functional as F

    torch.manual_seed(0)
    x = torch.randn(64, 8)
    y = x[:, :4].argmax(1)
    model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 4))
    other = nn.Sequential(nn.Linear(8, 4), nn.Softmax(1))
    optimizer = torch.optim.SGD([*model.parameters(), *other.parameters()], lr=0.1)

    def train(model, clear=True):
        for _ in range(60):
            if clear:
                optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
"""


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory):
    """A shell with the extension and SETUP, that keeps no history."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        config = Config()
        config.HistoryManager.enabled = False
        config.InteractiveShell.colors = "nocolor"
        shell = InteractiveShell.instance(config=config)
        shell.run_cell("%load_ext penlight").raise_error()
        shell.run_cell(dedent(SETUP)).raise_error()
        yield shell
        InteractiveShell.clear_instance()


@pytest.fixture
def cell(shell):
    """Run a cell; what it printed, what it displayed by MIME type, and whether it went well."""

    def run(text: str) -> tuple[str, list[dict[str, str]], bool]:
        with capture_output() as said:
            done = shell.run_cell(text)
        return said.stdout + said.stderr, [x.data for x in said.outputs], done.success

    return run


def test_a_cell_is_watched_and_the_page_shown(cell):
    printed, shown, success = cell("%%penlight --into seen\ntrain(model, clear=False)\nprint('hi')")
    assert success, printed
    assert printed == "hi\n"
    (result,) = shown
    assert result["text/html"].startswith("<iframe")
    assert "missing-zero-grad" in result["text/html"]
    assert "missing-zero-grad (critical" in result["text/plain"]
    printed, _, _ = cell("print([x.pitfall for x in seen.diagnose().causes])")
    assert printed == "['missing-zero-grad']\n"


def test_the_last_line_of_a_cell_is_still_shown(cell, shell):
    printed, shown, _ = cell("%%penlight --text\nkept = 41\nkept + 1")
    assert "42" in printed + str(shown)
    assert "No training was seen." in printed
    assert shell.user_ns["kept"] == 41


def test_one_model_can_be_named(cell):
    printed, _, success = cell("%%penlight --text --model model\ntrain(model)\ntrain(other)")
    assert success
    assert "double-softmax" not in printed
    printed, _, success = cell("%%penlight --model nobody\ntrain(model)")
    assert not success
    assert "there is no variable 'nobody'" in printed


def test_an_error_is_shown_once_and_ends_the_cell(cell):
    printed, _, success = cell("%%penlight --text\ntrain(model)\n1 / 0")
    assert not success
    assert printed.count("ZeroDivisionError: division by zero") >= 1
    assert printed.count("Traceback (most recent call last)") == 1
    assert "The script stopped with an error: ZeroDivisionError" in printed
    assert "Penlight has watched the cell up to the error above." in printed
    assert "integrations" not in printed


def test_a_cell_inside_a_watched_block_gets_a_sentence(cell):
    with penlight.watch():
        printed, _, success = cell("%%penlight\ntrain(model)")
    assert not success
    assert "one watcher at a time" in printed
    assert "Traceback" not in printed


def test_a_check_shows_itself(cell):
    _, shown, success = cell(
        "import penlight\nfound = penlight.check(other, (x, y), F.cross_entropy)"
    )
    assert success
    printed, _, _ = cell("found")
    assert "double-softmax (critical, proven)" in printed
    _, shown, _ = cell("display(found)")
    (result,) = shown
    assert "double-softmax (critical, proven)" in result["text/plain"]
    assert result["text/html"].startswith("<iframe")
