"""accumulate-mean, ignore-index, no-grad: what the training loop and the evaluation lack."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from penlight.edits import Refused
from penlight.edits.accumulate_mean import AccumulateMean
from penlight.edits.ignore_index import IgnoreIndex
from penlight.edits.no_grad import NoGrad
from penlight.edits.scene import Scene
from penlight.edits.training import Training
from penlight.edits.zero_grad import ZeroGrad
from penlight.lab import Recorded

COLLECTED = """
import torch
from torch import nn

torch.manual_seed(0)
x, y = torch.randn(24, 4), torch.randn(24, 1)
model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
steps = 3
for i, rows in enumerate(torch.arange(24).split(4)):
    loss = nn.functional.mse_loss(model(x[rows]), y[rows]){divided}
    {backward}
    if (i + 1) % steps == 0:
        optimizer.step()
        if i == 2:
            print(model.weight.grad.tolist()[0])
        optimizer.zero_grad()
"""


@pytest.mark.parametrize("backward", ["loss.backward()", "(loss + 0).backward()"])
def test_collected_gradients_are_averaged(
    scene: Callable[..., Scene], rerun: Callable[[Scene], Recorded], backward: str
) -> None:
    script = COLLECTED.format(divided="", backward=backward)
    found = scene(script)
    edited = found.after([AccumulateMean()])
    new = {"loss.backward()": "(loss / steps)", "(loss + 0).backward()": "((loss + 0) / steps)"}
    assert edited.project.text("train.py") == script.replace(
        backward, f"{new[backward]}.backward()"
    )
    before, after = (torch.tensor(eval(rerun(s).printed)) for s in (found, edited))  # noqa: S307
    assert torch.allclose(after * 3, before)
    with pytest.raises(Refused, match="already"):
        edited.after([AccumulateMean()])


@pytest.mark.parametrize("divided", [" / steps", "; loss /= steps"])
def test_a_mean_is_left_alone(scene: Callable[..., Scene], divided: str) -> None:
    found = scene(COLLECTED.format(divided=divided, backward="loss.backward()"))
    with pytest.raises(Refused, match="already"):
        found.after([AccumulateMean()])


def test_a_step_for_every_batch_is_left_alone(scene: Callable[..., Scene]) -> None:
    script = COLLECTED.format(divided="", backward="loss.backward()")
    with pytest.raises(Refused, match="every batch"):
        scene(script.replace("(i + 1) % steps == 0", "i >= 0")).after([AccumulateMean()])


PADDED = """
import torch
import torch.nn.functional as F
from torch import nn

PAD = 0
torch.manual_seed(0)
ids = torch.randint(1, 7, (6, 5))
ids[:, 3:] = PAD
model = nn.Sequential(nn.Embedding(7, 8, padding_idx={pad}), nn.Linear(8, 7))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
criterion = nn.CrossEntropyLoss()
for _ in range(2):
    loss = {loss}(model(ids).reshape(-1, 7), ids.reshape(-1))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


@pytest.mark.parametrize("pad", ["PAD", "0"])
@pytest.mark.parametrize("loss", ["criterion", "F.cross_entropy"])
def test_padding_has_no_say(
    scene: Callable[..., Scene], rerun: Callable[[Scene], Recorded], pad: str, loss: str
) -> None:
    script = PADDED.format(pad=pad, loss=loss)
    found = scene(script)
    (edit,) = IgnoreIndex.propose(found, None)  # type: ignore[arg-type]
    edited = found.after([edit])
    old = "EntropyLoss()" if loss == "criterion" else "ids.reshape(-1))"
    new = old[:-1] + (", " if old.endswith("))") else "") + f"ignore_index={pad})"
    assert edited.project.text("train.py") == script.replace(old, new)
    assert rerun(edited).run.objective.ignore_index == 0  # type: ignore[union-attr]
    for again, why in ((IgnoreIndex(0), "already"), (IgnoreIndex(9), "No target is 9")):
        with pytest.raises(Refused, match=why):
            edited.after([again])


def test_padding_that_only_the_run_shows(scene: Callable[..., Scene]) -> None:
    script = PADDED.replace(", padding_idx={pad}", "").format(loss="criterion")
    (edit,) = IgnoreIndex.propose(scene(script), None)  # type: ignore[arg-type]
    assert edit == IgnoreIndex(0)


BY_HAND = """

def token_loss({params}):
    logp = torch.log_softmax(pred, dim=-1)
    loss = -logp.gather(-1, y.unsqueeze(-1)).squeeze(-1)
    return {back}

"""


@pytest.mark.parametrize(
    ("params", "back", "after"),
    [
        ("pred, y", "loss.mean()", "loss[y != 0].mean()"),
        ("y, pred", "torch.mean(loss)", "torch.mean(loss[y != 0])"),
    ],
)
def test_padding_has_no_say_in_a_loss_of_one_s_own(
    scene: Callable[..., Scene],
    rerun: Callable[[Scene], Recorded],
    params: str,
    back: str,
    after: str,
) -> None:
    given = "model(ids), ids" if params.startswith("pred") else "ids, model(ids)"
    script = PADDED.format(pad="0", loss="token_loss").replace(
        "model(ids).reshape(-1, 7), ids.reshape(-1)", given
    )
    made = BY_HAND.format(params=params, back=back)
    script = script.replace("criterion = nn.CrossEntropyLoss()\n", made)
    edited = scene(script).after([IgnoreIndex(0)])
    assert edited.script.text == script.replace(f"return {back}", f"return {after}")
    assert rerun(edited).exit_code == 0
    with pytest.raises(Refused, match="already"):
        edited.after([IgnoreIndex(0)])


def test_the_live_loss_leaves_padding_out() -> None:
    model, loss = nn.Linear(2, 3), nn.CrossEntropyLoss()
    training = Training(model, torch.optim.SGD(model.parameters(), lr=0.1), loss, [])
    output, y = torch.randn(4, 3), torch.tensor([0, 0, 1, 2])
    IgnoreIndex(0).live(training)
    assert torch.equal(training.loss(output, y), nn.functional.cross_entropy(output[2:], y[2:]))


TRAINED = """
import torch
from torch import nn

x, y = torch.randn(24, 4), torch.randn(24, 1)
model, seen = nn.Linear(4, 1), []
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loss_fn = nn.MSELoss()
{function}
for epoch in range(2):
    model.train()
    for rows in torch.arange(16).split(8):
        optimizer.zero_grad()
        loss = loss_fn(model(x[rows]), y[rows])
        loss.backward()
        optimizer.step()
    model.eval()
{evaluation}
print(seen)
"""
FUNCTION = """

def score(net):
    net.eval()
    out = net(x[16:])
    seen.append(out.requires_grad)
    return loss_fn(out, y[16:])

"""
BLOCK = """\
    total = 0.0

    for rows in torch.arange(16, 24).split(4):
        out = model(x[rows])  # held out

        total += loss_fn(out, y[rows]).item()
    seen.append(model(x).requires_grad)
    print(total)"""
WRAPPED = """\
    total = 0.0

    with torch.no_grad():
        for rows in torch.arange(16, 24).split(4):
            out = model(x[rows])  # held out

            total += loss_fn(out, y[rows]).item()
        seen.append(model(x).requires_grad)
    print(total)"""


@pytest.mark.parametrize(
    ("script", "wanted"),
    [
        (
            TRAINED.format(function=FUNCTION, evaluation="    score(model)"),
            TRAINED.format(
                function=FUNCTION.replace("def score", "@torch.no_grad()\ndef score"),
                evaluation="    score(model)",
            ),
        ),
        (
            TRAINED.format(function="", evaluation=BLOCK),
            TRAINED.format(function="", evaluation=WRAPPED),
        ),
    ],
    ids=["function", "block"],
)
def test_evaluations_record_nothing(
    scene: Callable[..., Scene], rerun: Callable[[Scene], Recorded], script: str, wanted: str
) -> None:
    found = scene(script)
    edited = found.after([NoGrad()])
    assert edited.project.text("train.py") == wanted
    assert rerun(found).printed.splitlines()[-1] == "[True, True]"
    assert rerun(edited).printed.splitlines()[-1] == "[False, False]"
    with pytest.raises(Refused):
        edited.after([NoGrad()])


WIPED = """
import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(20, 4)
model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for rows in torch.arange(20).split(10):
    loss = model(x[rows]).square().mean()
    loss.backward()
    optimizer.zero_grad()
    optimizer.step()
"""


def test_gradients_that_are_cleared_too_soon_are_cleared_before(
    scene: Callable[..., Scene],
) -> None:
    found = scene(WIPED)
    wiped, right = (
        "    loss.backward()\n    optimizer.zero_grad()\n",
        "    optimizer.zero_grad()\n    loss.backward()\n",
    )
    edited = found.after([ZeroGrad()]).project.text("train.py")
    assert edited == WIPED.replace(wiped, right)
    with pytest.raises(Refused, match="clears gradients already"):
        scene(edited).after([ZeroGrad()])


def test_collected_gradients_are_cleared_behind_the_step(scene: Callable[..., Scene]) -> None:
    script = WIPED.replace(
        "    optimizer.zero_grad()\n    optimizer.step()",
        "    if len(rows) > 5:\n        optimizer.step()",
    )
    edited = scene(script).after([ZeroGrad()]).project.text("train.py")
    step = "        optimizer.step()\n"
    assert edited == script.replace(step, step + "        optimizer.zero_grad()\n")


def test_of_two_loops_the_one_that_clears_nothing(scene: Callable[..., Scene]) -> None:
    script = """
import torch
from torch import nn

class Trainer:
    def __init__(self, model):
        self.model = model
        self.optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def optimizer_step(self):
        self.optimizer.step()

    def training_step(self):
        loss = self.model(torch.randn(8, 4)).square().mean()
        loss.backward()
        self.optimizer_step()

def pretrain(model):
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        loss = model(torch.randn(8, 4)).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()

model = nn.Linear(4, 1)
pretrain(model)
trainer = Trainer(model)
for _ in range(3):
    trainer.training_step()
"""
    line = "        loss = self.model(torch.randn(8, 4)).square().mean()\n"
    edited = scene(script).after([ZeroGrad()]).script.text
    assert edited == script.replace(line, line + "        self.optimizer.zero_grad()\n")
