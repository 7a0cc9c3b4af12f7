"""`penlight run --with EDIT`: a cure for one run, and no file is changed."""

from __future__ import annotations

import json

import pytest

TRAIN = """
    import torch
    from model import make
    torch.manual_seed(0)
    model = make()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    x = torch.randn(64, 4)
    y = x.sum(1, keepdim=True)
    for step in range(30):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
    print(optimizer.param_groups[0]["lr"], [type(m).__name__ for m in model], loss.item())
"""
MODEL = """
    from torch import nn
    def make():
        return nn.Sequential(nn.Linear(4, 8), nn.Sigmoid(), nn.Linear(8, 1))
"""


@pytest.fixture
def project(shell):
    shell.write("train.py", TRAIN)
    shell.write("model.py", MODEL)
    shell.penlight("run", "--quiet", "train.py")
    return shell


def files(shell):
    return {p.name: p.read_bytes() for p in shell.folder.glob("*.py")}


def test_edits_go_into_the_script_and_its_modules(project):
    before = files(project)
    result = project.penlight(
        "run", "--json", "o.json", "--with", "learning-rate=0.01", "--with",
        "swap-activation=ReLU", "train.py",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("0.01 ['Linear', 'ReLU', 'Linear']")
    assert "With learning-rate=0.01 in memory (train.py:6)" in result.stderr
    assert "With swap-activation=ReLU in memory (model.py:4)" in result.stderr
    assert files(project) == before
    acts = json.loads((project.folder / "o.json").read_text())["acts"]
    assert [act["what"] for act in acts] == ["with", "with"]

    # Lines of an edited run are not the file's: the next one goes by the run before it.
    again = project.penlight("run", "--with", "clip-gradients=0.5", "train.py")
    assert again.returncode == 0, again.stderr
    assert "With clip-gradients=0.5 in memory (train.py:13)" in again.stderr
    assert again.stdout.startswith("0.5 ")


def test_the_edited_source_does_the_same_as_the_edited_file(project):
    used = project.penlight("run", "--quiet", "--with", "learning-rate=0.01", "train.py")
    project.write("train.py", TRAIN.replace("lr=0.5", "lr=0.01"))
    assert used.stdout == project.python("train.py").stdout


def test_a_module(shell):
    shell.write("work/__init__.py", "")
    shell.write("work/model.py", MODEL)
    shell.write("work/train.py", TRAIN.replace("from model", "from .model"))
    shell.penlight("run", "--quiet", "-m", "work.train")
    result = shell.penlight(
        "run", "--with", "learning-rate=0.01", "--with", "swap-activation=ReLU", "-m", "work.train"
    )
    assert result.stdout.startswith("0.01 ['Linear', 'ReLU', 'Linear']"), result.stderr


HIDDEN = """
    import torch
    torch.manual_seed(0)
    made = getattr(torch.nn, "Sig" + "moid")
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), made(), torch.nn.Linear(8, 1))
    optimizer = getattr(torch.optim, "SGD")(model.parameters(), **{"lr": 0.5})
    x = torch.randn(64, 4)
    seen = []
    for step in range(30):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(x), x.sum(1, keepdim=True)).backward()
        optimizer.step()
        seen.append(optimizer.param_groups[0]["lr"])
    print(set(seen), [type(m).__name__ for m in model])
"""


def test_the_running_objects_where_the_source_shows_no_place(shell):
    shell.write("train.py", HIDDEN)
    shell.penlight("run", "--quiet", "train.py")
    result = shell.penlight(
        "run", "--with", "learning-rate=0.01", "--with", "swap-activation=ReLU", "train.py"
    )
    assert result.stdout.startswith("{0.01} ['Linear', 'ReLU', 'Linear']"), result.stderr
    assert "With learning-rate=0.01 on the running training" in result.stderr


def test_a_live_edit_that_cannot_be_made_ends_the_run_before_it_trains(shell):
    shell.write("train.py", HIDDEN)
    shell.penlight("run", "--quiet", "train.py")
    result = shell.penlight("run", "--with", "epsilon=0.1", "train.py")
    assert result.returncode == 1
    assert result.stdout == ""
    assert "epsilon=0.1 cannot be used here: SGD has no epsilon." in result.stderr
    assert "Traceback" not in result.stderr


REFUSED = [
    (["--with", "learnin-rate=1", "train.py"], "Did you mean learning-rate"),
    (["--with", "learning-rate=fast", "train.py"], "write learning-rate=VALUE"),
    (["--with", "loss=mse_loss", "train.py"], "already"),
    (["--with", "learning-rate=1", "--", "python", "train.py"], "not a command"),
    (["--with", "learning-rate=1", "other.py"], "run it once first: penlight run other.py"),
]


def test_refuses_in_one_sentence(project):
    project.write("other.py", TRAIN)
    for words, says in REFUSED:
        result = project.penlight("run", *words)
        assert result.returncode != 0
        assert result.stdout == ""
        assert says in result.stderr
        assert "Traceback" not in result.stderr


def test_a_file_that_has_changed_must_be_watched_again(project):
    project.write("model.py", "# another line\n" + MODEL)
    result = project.penlight("run", "--with", "learning-rate=0.01", "train.py")
    assert result.returncode != 0
    assert "model.py has changed" in result.stderr


def test_an_error_in_edited_text_shows_its_lines(project):
    project.write("train.py", TRAIN + "    raise RuntimeError('at the end')\n")
    project.penlight("run", "--quiet", "train.py")
    result = project.penlight("run", "--quiet", "--with", "clip-gradients=1", "train.py")
    assert result.returncode == 1
    assert "RuntimeError: at the end" in result.stderr
    assert 'train.py", line 1' in result.stderr
