"""Trainings whose weights the script moves itself."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from penlight.lab import record  # noqa: E402  # after the check that torch is there

RAW = """
import torch
from torch import nn
torch.manual_seed(0)
X = torch.randn(256, 20)
y = (X[:, :10].sum(1) > X[:, 10:].sum(1)).long()
params = [torch.randn(20, 32) * 0.3, torch.zeros(32), torch.randn(32, 2) * 0.2, torch.zeros(2)]
for p in params:
    p.requires_grad_()
def net(x):
    w1, b1, w2, b2 = params
    return torch.relu(x @ w1 + b1) @ w2 + b2
{before}
for step in range(40):
    rows = torch.randint(0, 256, (32,))
    loss = nn.functional.cross_entropy(net(X[rows]), y[rows])
{act}
"""
MODULE = RAW.replace(
    "params = [torch.randn(20, 32) * 0.3, torch.zeros(32), torch.randn(32, 2) * 0.2, "
    "torch.zeros(2)]",
    "net = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 2))\n"
    "params = list(net.parameters())",
).replace(
    "def net(x):\n    w1, b1, w2, b2 = params\n    return torch.relu(x @ w1 + b1) @ w2 + b2\n", ""
)
WAYS = {
    "in place": """
    loss.backward()
    with torch.no_grad():
        for p in params:
            p -= 0.1 * p.grad
            p.grad.zero_()
""",
    "by .data": """
    loss.backward()
    for p in params:
        p.data -= 0.1 * p.grad
        p.grad = None
""",
    "new .data": """
    loss.backward()
    for p in params:
        p.data = p.data - 0.1 * p.grad
        p.grad = None
""",
    "autograd.grad": """
    grads = torch.autograd.grad(loss, iter(params))
    with torch.no_grad():
        for p, g in zip(params, grads):
            p -= 0.1 * g
""",
}
RENEWED = {
    "new leaves": """
    loss.backward()
    params = [(p - 0.1 * p.grad).detach().requires_grad_() for p in params]
""",
    "new leaves by autograd.grad": """
    grads = torch.autograd.grad(loss, params)
    params = [(p - 0.1 * g).detach().requires_grad_() for p, g in zip(params, grads)]
""",
}
TORCH = """
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


def watched(folder, script, act, before="", budget=0.01):
    """The record of one such training; with more budget experiments follow it."""
    path = folder / "train.py"
    path.write_text(script.format(act=act, before=before))
    return record(path, budget=budget).run


def site(series):
    return series.site


@pytest.mark.parametrize(
    ("script", "way"),
    [*((RAW, way) for way in WAYS), (MODULE, "in place"), (MODULE, "autograd.grad")],
    ids=[*(f"tensors, {way}" for way in WAYS), "module, in place", "module, autograd.grad"],
)
def test_is_seen_as_the_same_training_with_an_optimiser(tmp_path, script, way):
    ours = watched(tmp_path, script, WAYS[way])
    theirs = watched(tmp_path, script, TORCH, "optimizer = torch.optim.SGD(params, lr=0.1)")
    assert ours.steps == theirs.steps == 40
    (own,) = ours.optimizers
    assert (own.type, own.lr) == ("own-update", 0.1)
    assert own.source.startswith("train.py:")
    for signal in ("loss", "grad_norm", "update_ratio", "travel"):
        mine, others = list(ours.every(signal)), list(theirs.every(signal))
        assert len(mine) == len(others) > 0
        for a, b in zip(sorted(mine, key=site), sorted(others, key=site), strict=True):
            at = dict(zip(b.steps, b.values, strict=True))
            common = [(value, at[n]) for n, value in zip(a.steps, a.values, strict=True) if n in at]
            assert len(common) > 2
            assert all(x == pytest.approx(z, rel=1e-3, abs=1e-6) for x, z in common), signal


@pytest.mark.parametrize("way", RENEWED)
def test_counts_steps_that_make_new_tensors(tmp_path, way):
    run = watched(tmp_path, RAW, RENEWED[way])
    assert run.steps == 40
    (loss,) = run.every("loss")
    assert len(loss.steps) == 40


def test_names_tensors_after_their_variables(tmp_path):
    run = watched(tmp_path, RAW, WAYS["in place"])
    assert {s.site for s in run.every("grad_norm")} == {f"params[{i}]" for i in range(4)}


def test_experiments_replay_plain_descent_and_nothing_else(tmp_path):
    run = watched(tmp_path, MODULE, WAYS["in place"], budget=10.0)
    assert run.exam("modes")
    assert run.exam("rates")
    momentum = """
    loss.backward()
    for p, v in zip(params, speeds):
        v.mul_(0.9).add_(p.grad)
        p.data -= 0.05 * v
        p.grad = None
"""
    speeds = "speeds = [torch.zeros_like(p) for p in params]"
    run = watched(tmp_path, MODULE, momentum, speeds, budget=10.0)
    assert run.steps == 40
    assert not run.exam("rates")


def test_gradients_added_up_are_one_step(tmp_path):
    act = """
    (loss / 4).backward()
    if step % 4 == 3:
        with torch.no_grad():
            for p in params:
                p -= 0.1 * p.grad
                p.grad.zero_()
"""
    run = watched(tmp_path, MODULE, act)
    assert run.steps == 10
    assert not run.hygiene.stale_gradients


ADDED_UP = """
    (loss / 4).backward()
    if step % 4 == 3:
        with torch.no_grad():
            for p in params:
                p -= 0.01 * p.grad
                p.grad.zero_()
"""


@pytest.mark.parametrize(
    ("act", "steps"),
    [
        (WAYS["in place"], 3000),
        (WAYS["by .data"], 3000),
        (RENEWED["new leaves"], 3000),
        (ADDED_UP, 750),
        (ADDED_UP.replace("p -=", "p.data -="), 750),
    ],
    ids=["in place", "by .data", "new leaves", "added up", "added up, by .data"],
)
def test_counts_every_step_of_a_long_run(tmp_path, act, steps):
    """Between looks next to nothing is done for a step; none is lost, and none made up."""
    run = watched(tmp_path, RAW.replace("range(40)", "range(3000)"), act)
    assert run.steps == steps
    (loss,) = run.every("loss")
    assert len(loss.steps) == steps


def test_gradients_that_are_never_cleared(tmp_path):
    act = WAYS["in place"].replace("p.grad.zero_()", "pass")
    assert watched(tmp_path, RAW, act).hygiene.stale_gradients == 39


def test_weights_that_are_left_out(tmp_path):
    act = WAYS["in place"].replace("for p in params:", "for p in params[2:]:")
    run = watched(tmp_path, MODULE, act)
    left = {p.name for p in run.parameters if not p.optimised}
    assert left == {"net.0.weight", "net.0.bias"}


@pytest.mark.parametrize(
    "act",
    [
        "    loss.backward()",  # nobody uses the gradients
        """
    image = X[:1].clone().requires_grad_()
    torch.autograd.grad(net(image)[0, 0], image)
""",
        """
    if step == 0:
        image = X[:1].clone().requires_grad_()
    nn.functional.cross_entropy(net(image), y[:1]).backward()
    with torch.no_grad():
        image += 0.01 * image.grad.sign()
        image.grad.zero_()
""",
    ],
    ids=["unused", "saliency", "adversarial"],
)
def test_gradients_are_no_training_yet(tmp_path, act):
    run = watched(tmp_path, MODULE, act)
    assert run.steps == 0
    assert not run.optimizers


def test_an_optimiser_that_comes_later_is_the_only_one(tmp_path):
    act = """
    loss.backward()
    if step == 0:
        optimizer = torch.optim.SGD(params, lr=0.1)
    if step > 0:
        optimizer.step()
    optimizer.zero_grad()
"""
    run = watched(tmp_path, MODULE, act)
    assert [o.type for o in run.optimizers] == ["SGD"]
    assert run.steps == 39
