"""Edits of the optimiser, the step and how long they go on."""
# ruff: noqa: E501  # one row of the table is one style

from __future__ import annotations

from collections.abc import Callable

import pytest

from penlight.edits import Refused, parse
from penlight.edits.scene import Scene

TRAIN = """
import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import SGD

torch.manual_seed(0)
x, y = torch.randn(64, 4), torch.randint(0, 2, (64,))
EPOCHS = 3
model = nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.Tanh(), nn.Dropout(0.5), nn.Linear(8, 2))
loss_fn = nn.CrossEntropyLoss()
{optimizer}
for epoch in range(EPOCHS):
    for rows in torch.randperm(64).split(16):
        optimizer.zero_grad()
        loss = loss_fn(model(x[rows]), y[rows]){penalty}
        loss.backward()
        {step}
    print(epoch, loss.item())
"""
SGD = "optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.5)"
ADAM = "optimizer = torch.optim.Adam(model.parameters(), lr=1e-2, betas=(0.9, 0.9), eps=1e-4)"
BARE = "optimizer = SGD(model.parameters(), 0.1, weight_decay=0.3)"
STEP = "optimizer.step()"
CASES = {
    "clip": ("clip-gradients=0.5", SGD, STEP, {"optimizer.step()": "clip_grad_norm_(model.parameters(), 0.5)\n        optimizer.step()"}),
    "clip behind the step": ("clip-first", SGD, "optimizer.step()\n        clip_grad_norm_(model.parameters(), 9)", {"optimizer.step()\n        clip_grad_norm_(model.parameters(), 9)": "clip_grad_norm_(model.parameters(), 9)\n        optimizer.step()"}),
    "clip on condition": ("clip-first", SGD, "optimizer.step()\n        if epoch >= 0:\n            clip_grad_norm_(model.parameters(), 9)", {"optimizer.step()\n        if epoch >= 0:\n            clip_grad_norm_(model.parameters(), 9)": "if epoch >= 0:\n            clip_grad_norm_(model.parameters(), 9)\n        optimizer.step()"}),
    "rate in a dict": ("learning-rate=0.03", "optimizer = torch.optim.SGD(model.parameters(), **dict(lr=0.1))", STEP, {"lr=0.1": "lr=0.03"}),
    "rate in some dict": ("learning-rate=0.03", "optimizer = torch.optim.SGD(model.parameters(), **dict(zip(['lr'], [0.1])))", STEP, {"**dict(zip(['lr'], [0.1]))": "**{**dict(zip(['lr'], [0.1])), \"lr\": 0.03}"}),
    "clip again": ("clip-gradients=0.5", SGD, "clip_grad_norm_(model.parameters(), 9); optimizer.step()", {"parameters(), 9)": "parameters(), 0.5)"}),
    "clip on one line": ("clip-gradients=2", SGD, "loss.item(); optimizer.step()", {"optimizer.step()": "clip_grad_norm_(model.parameters(), 2.0); optimizer.step()"}),
    "adam": ("swap-optimizer=Adam,0.001", SGD, STEP, {"SGD(model.parameters(), lr=0.1, momentum=0.5)": "Adam(model.parameters(), lr=0.001)"}),
    "adamw, bare": ("swap-optimizer=AdamW,0.01", BARE, STEP, {"import SGD": "import SGD, AdamW", "SGD(model.parameters(), 0.1,": "AdamW(model.parameters(), 0.01,"}),
    "sgd": ("swap-optimizer=SGD,0.05", ADAM, STEP, {"Adam(model.parameters(), lr=1e-2, betas=(0.9, 0.9), eps=1e-4)": "SGD(model.parameters(), lr=0.05, momentum=0.9)"}),
    "decay": ("weight-decay=1e-4", BARE, STEP, {"weight_decay=0.3": "weight_decay=0.0001"}),
    "decay added": ("weight-decay=0.01", SGD, STEP, {"momentum=0.5)": "momentum=0.5, weight_decay=0.01)"}),
    "epsilon": ("epsilon=1e-8", ADAM, STEP, {"eps=1e-4": "eps=1e-08"}),
    "betas": ("betas=0.8", ADAM, STEP, {"betas=(0.9, 0.9)": "betas=(0.9, 0.8)"}),
    "betas by place": ("betas=0.95", ADAM.replace("lr=1e-2, betas=(0.9, 0.9)", "1e-2, (0.9, 0.999)"), STEP, {"(0.9, 0.999)": "(0.9, 0.95)"}),
    "epochs": ("more-epochs=4", SGD, STEP, {"EPOCHS = 3": "EPOCHS = 12"}),
    "batch": ("batch-size=32", SGD, STEP, {"split(16)": "split(32)"}),
    "dropout": ("dropout=0.1", SGD, STEP, {"nn.Dropout(0.5)": "nn.Dropout(0.1)"}),
    "warmup": ("warmup=5", SGD, STEP, {"for epoch": "warmup = torch.optim.lr_scheduler.LinearLR(optimizer, 0.01, total_iters=5)\nfor epoch", "optimizer.step()": "optimizer.step()\n        warmup.step()"}),
    "cosine": ("cosine-schedule", SGD, STEP, {"for epoch": "scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=EPOCHS)\nfor epoch", "    print(epoch, loss.item())": "    print(epoch, loss.item())\n    scheduler.step()"}),
    "by epoch": ("schedule-by-epoch", SGD + "\nsched = torch.optim.lr_scheduler.StepLR(optimizer, 2)", STEP + "\n        sched.step()", {"        sched.step()\n": "    sched.step()\n"}),
    "by epoch, two": ("schedule-by-epoch", SGD + "\none = two = torch.optim.lr_scheduler.StepLR(optimizer, 2)", STEP + "\n        one.step()\n        loss.item()\n        two.step()", {"        one.step()\n": "", "        two.step()\n": "    one.step()\n    two.step()\n"}),
    "by step": ("schedule-by-step", SGD + "\nsched = torch.optim.lr_scheduler.LinearLR(optimizer)", STEP + "\n    sched.step()", {STEP + "\n    sched.step()": STEP + "\n        sched.step()"}),
    "constant by hand": ("constant-rate", SGD, STEP + "\n        for group in optimizer.param_groups:\n            group['lr'] *= 0.9\n        print('done')", {"        for group in optimizer.param_groups:\n            group['lr'] *= 0.9\n": ""}),
    "constant by hand, beside more": ("constant-rate", SGD, STEP + "\n        for g in optimizer.param_groups:\n            g['lr'] = g['lr'] / 1.1\n            print(g['lr'])", {"            g['lr'] = g['lr'] / 1.1\n": ""}),
    "constant": ("constant-rate", SGD + "\nsched = torch.optim.lr_scheduler.StepLR(optimizer, 2)", STEP + "\n        sched.step()  # every batch", {"        sched.step()  # every batch\n": ""}),
    "penalty": ("penalty=0.1", SGD, STEP, {"+ 0.5 * sum": "+ 0.05 * sum"}),
}  # fmt: skip


def make(optimizer: str, step: str, penalty: str = "") -> str:
    return TRAIN.format(optimizer=optimizer, step=step, penalty=penalty)


@pytest.mark.parametrize("case", CASES)
def test_the_change_is_this_one(scene: Callable[..., Scene], case: str) -> None:
    edit, optimizer, step, pairs = CASES[case]
    penalty = (
        " + 0.5 * sum(p.square().sum() for p in model.parameters())" if case == "penalty" else ""
    )
    found = scene(make(optimizer, step, penalty))
    wanted = found.project.original("train.py")
    for old, new in pairs.items():
        assert wanted.count(old) == 1, old
        wanted = wanted.replace(old, new)

    edited = found.after([parse(edit)]).project.text("train.py")

    assert edited == wanted
    scene(edited)


def test_what_the_run_saw_changes(scene: Callable[..., Scene]) -> None:
    found = scene(make(SGD, STEP))
    edits = [parse(e) for e in ("swap-optimizer=AdamW,0.002", "weight-decay=0.1", "decay-groups",
                                "clip-gradients=0.01", "more-epochs=2")]  # fmt: skip
    again = scene(found.after(edits).project.text("train.py")).run

    seen = again.optimizers[0]
    assert (seen.type, seen.lr, seen.weight_decay, seen.groups) == ("AdamW", 0.002, 0.1, 2)
    assert again.steps == 2 * found.run.steps
    assert again.hygiene.clip_calls == again.steps
    assert again.hygiene.clipped > 0


def test_scaled_gradients_are_clipped_behind_unscale(scene: Callable[..., Scene]) -> None:
    step = "scaler.step(optimizer)\n        scaler.update()"
    script = make(SGD + '\nscaler = torch.amp.GradScaler("cpu")', step)
    found = scene(script.replace("loss.backward()", "scaler.scale(loss).backward()"))

    text = found.after([parse("clip-gradients=1")]).project.text("train.py")

    code = "scaler.unscale_(optimizer)\n        clip_grad_norm_(model.parameters(), 1.0)\n        "
    assert text == found.project.original("train.py").replace("scaler.step(", code + "scaler.step(")
    scene(text)


REFUSED = {
    "swap-optimizer=SGD,0.1": "already",
    "weight-decay=0": "no weight decay",
    "decay-groups": "no weight decay",
    "epsilon=1e-8": "no epsilon",
    "betas=0.95": "no beta2",
    "constant-rate": "No schedule",
    "schedule-by-epoch": "No loop over batches",
    "schedule-by-step": "no step of a schedule",
    "precision": "no type narrower",
    "open-gates": "no LSTM",
    "swap-recurrent": "no plain RNN",
    "penalty=0": "no penalty",
}


def test_refusals_say_why(scene: Callable[..., Scene]) -> None:
    found = scene(make(SGD, STEP))
    for edit, why in REFUSED.items():
        with pytest.raises(Refused, match=why):
            found.after([parse(edit)])
