"""`penlight run --guard`: nothing that is not finite reaches the weights."""

from __future__ import annotations

import json

import pytest

TRAIN = """
    import sys, torch
    from torch import nn
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))
    optimizer = torch.optim.{optimizer}
    torch.manual_seed(1)
    for step in range({steps}):
        x = torch.randn(16, 4)
        y = x.sum(1, keepdim=True)
        if step in {bad}:
            x[3, 2] = float("nan")
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
    state = [v for v in model.state_dict().values() if v.is_floating_point()]
    print(all(bool(v.isfinite().all()) for v in state))
    print(*(v.sum().item().hex() for v in state))
"""
ADAM = "Adam(model.parameters(), lr=0.01)"


def script(shell, optimizer=ADAM, steps=150, bad=()):
    text = TRAIN.replace("{optimizer}", optimizer)
    shell.write("train.py", text.replace("{steps}", str(steps)).replace("{bad}", str(bad)))


def test_a_batch_with_a_nan_is_dropped_and_the_run_goes_on(shell):
    script(shell, bad=(120, 130, 131))
    assert shell.python("train.py").stdout.startswith("False")

    result = shell.penlight("run", "--json", "o.json", "--guard=skip", "train.py")

    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("True")
    # A NaN poisons the running statistics of a batch norm even before the step.
    assert "penlight: Guard, step 120: the gradients are not finite" in result.stderr
    assert "the weights are back where they were 20 good steps ago" in result.stderr
    acts = json.loads((shell.folder / "o.json").read_text())["acts"]
    assert [(act["what"], act["step"]) for act in acts] == [
        ("guard", 120), ("guard", 130), ("guard", 131),
    ]  # fmt: skip
    told = shell.penlight("diagnose").stdout
    assert "Guard, step 130" in told


def test_by_default_the_run_ends_with_the_diagnosis(shell):
    script(shell, bad=(20,))
    result = shell.penlight("run", "--guard", "train.py")
    assert result.returncode == 1
    assert result.stdout == ""
    assert "Guard, step 20" in result.stderr
    assert "the run is ended" in result.stderr
    assert "nonfinite" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("optimizer", [ADAM, "LBFGS(model.parameters(), lr=0.01, max_iter=1)"])
def test_a_healthy_run_is_the_same_to_the_last_bit(shell, optimizer):
    script(shell, optimizer)
    if "LBFGS" in optimizer:
        path = shell.folder / "train.py"
        path.write_text(
            path.read_text().replace("optimizer.step()", "optimizer.step(lambda: loss)")
        )
    result = shell.penlight("run", "--json", "o.json", "--guard=skip", "train.py")
    assert result.stdout == shell.python("train.py").stdout
    assert result.stdout.startswith("True")
    assert "acts" not in json.loads((shell.folder / "o.json").read_text())


def test_a_step_that_overflows_is_taken_back_until_it_is_clear_that_it_is_no_accident(shell):
    script(shell, "SGD(model.parameters(), lr=1e38)", steps=40)
    assert shell.python("train.py").stdout.startswith("False")
    result = shell.penlight("run", "--guard=skip", "train.py")
    assert result.returncode == 1
    assert "the weights are back" in result.stderr
    assert "It was so for 10 times already." in result.stderr


def test_without_memory_for_a_copy_the_steps_are_still_checked(shell):
    script(shell, steps=30, bad=(20,))
    text = (shell.folder / "train.py").read_text()
    (shell.folder / "train.py").write_text(text.replace("nn.BatchNorm1d(8), ", ""))
    result = shell.penlight("run", "--guard=skip", "--guard-memory", "0.0000000001%", "train.py")
    assert "nothing can be restored" in result.stderr
    assert result.stdout.startswith("True"), result.stderr


def test_a_command_cannot_be_guarded(shell):
    script(shell)
    result = shell.penlight("run", "--guard", "--", "python", "train.py")
    assert result.returncode == 2
    assert "protects one script" in result.stderr
