"""Arms: scripts with texts replaced, each in a process and a folder of its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

torch = pytest.importorskip("torch")
from torch.nn import functional as F  # noqa: E402  # after the check that torch is there

from penlight.trial.outcome import pairs, score, sources  # noqa: E402
from penlight.trial.samples import CALLS, Samples  # noqa: E402

if TYPE_CHECKING:
    from conftest import Start

pytestmark = pytest.mark.slow

TRAIN = """
import torch
from torch import nn
import torch.nn.functional as F
{seed}
x, y = torch.randn(64, 4), torch.arange(64) % 2
x[:, 0] += 3.0 * y
model = nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
for epoch in range(5):
    for i in range(0, 48, 8):
        optimizer.zero_grad()
        {loss}
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        F.cross_entropy(model(x[48:]), y[48:])
{end}
"""
PLAIN = "loss = F.cross_entropy(model(x[i:i + 8]), y[i:i + 8])"


def train(loss: str = PLAIN, seed: str = "torch.manual_seed(0)", end: str = "") -> str:
    return TRAIN.format(loss=loss, seed=seed, end=end)


def test_two_equal_arms_are_equal_and_another_pair_is_not(start: Start) -> None:
    first, again = (start(train())[0] for _ in range(2))
    other = start(train(), pair=1)[0]
    assert not first.failed, first.error
    assert first.digest == again.digest != other.digest
    unseeded, once_more = (start(train(seed=""))[0] for _ in range(2))
    assert unseeded.digest == once_more.digest


def test_outputs_and_targets_are_kept_by_phase(start: Start) -> None:
    arm = start(train())[0]
    training, evaluation = pairs(arm)
    assert (training.phase, evaluation.phase) == ("train", "eval")
    assert training.x.shape == (5 * 48, 2)
    assert evaluation.last.y[:, 0].tolist() == [0.0, 1.0] * 8
    assert evaluation.calls[:, 0].tolist() == [6, 12, 18, 24, 30]
    source = sources(arm)[0]
    assert source.kind == "eval"
    found = score(arm, source)
    assert found is not None
    assert found.measures["error"] < 0.2
    assert arm.run.steps == 30


def test_validation_with_gradients_on_is_no_training(start: Start) -> None:
    text = train().replace("with torch.no_grad():", "if True:")
    training, evaluation = pairs(start(text)[0])
    assert len(training.x) == 5 * 48
    assert len(evaluation.calls) == 5


def test_losses_that_nobody_holds_are_all_kept() -> None:
    samples = Samples()
    watched = samples._wrap("cross_entropy", F.cross_entropy)
    x, y = torch.randn(4, 3, requires_grad=True), torch.tensor([0, 1, 2, 0])
    for _ in range(1000):  # one takes the place in memory of another
        watched(x, y)
    samples.close()
    (site,) = samples.sites.values()
    assert [len(call.x) for call in site.calls] == [4000]
    for _ in range(2 * CALLS):
        samples._take("cross_entropy", {"input": x, "target": y}, F.cross_entropy(x, y), True)
    assert len(samples._waiting) == CALLS


def test_targets_that_a_loss_leaves_out_are_left_out_however_it_is_told() -> None:
    x, y = torch.randn(4, 3), torch.tensor([0, 1, 2, 0])
    for given, options in (((x, y, None, None, 0), {}), ((x, y), {"ignore_index": 0})):
        samples = Samples()
        with torch.no_grad():
            samples._wrap("cross_entropy", F.cross_entropy)(*given, **options)
        (site,) = samples.sites.values()
        assert [call.y[:, 0].tolist() for call in site.calls] == [[1, 2]]


def test_a_horizon_ends_the_arm(start: Start) -> None:
    arm = start(train(end="raise SystemExit('too far')"), horizon=10)[0]
    assert (arm.failed, arm.steps) == (False, 10)


def test_a_loss_by_hand_is_seen(start: Start) -> None:
    text = train("loss = ((model(x[i:i + 8]) - F.one_hot(y[i:i + 8], 2)) ** 2).mean()")
    text = text.replace("F.cross_entropy(model(x[48:]), y[48:])", "pass")
    assert [p.name for p in pairs(start(text)[0])] == ["mse_loss"]


def test_weights_tell_arms_apart_whose_outputs_are_not_seen(start: Start) -> None:
    text = train("loss = (model(x[i:i + 8]).sigmoid()[:, 0] - y[i:i + 8]).abs().pow(1.5).mean()")
    text = text.replace("F.cross_entropy(model(x[48:]), y[48:])", "pass")
    one, again, other = (start(t)[0] for t in (text, text, text.replace("lr=0.5", "lr=0.1")))
    assert one.digest == again.digest != other.digest


def test_every_write_stays_in_the_copy(start: Start) -> None:
    end = """
from pathlib import Path
assert Path("data.txt").read_text() == "of the user's"
Path("data.txt").write_text("mine")
torch.save(model.state_dict(), Path(__file__).parent / "model.pt")
torch.save(model.state_dict(), "model.pt")
Path("made/deep").mkdir(parents=True)
"""
    arm = start(train(end=end))[0]
    assert not arm.failed, arm.error


@pytest.mark.parametrize("save", ["torch.save(0, PATH)", "open(PATH, 'w')", "os.mkdir(PATH)"])
def test_an_absolute_write_is_refused_in_a_sentence(
    start: Start, tmp_path: Path, save: str
) -> None:
    # The project of the pool lies elsewhere: this stands for any place of the user's.
    target = Path(os.path.expanduser("~")) / f"penlight-test-{tmp_path.name}"  # noqa: PTH111
    arm = start(train(end=f"import os\nPATH = {str(target)!r}\n{save}"))[0]
    assert arm.failed
    assert f"{target} stays as it is" in arm.error
    assert not target.exists()


def test_what_goes_wrong_is_told(start: Start) -> None:
    crashed, late, killed = start(
        train(end="raise ValueError('bad luck')"),
        "import time\ntime.sleep(100)",
        "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
        seconds=6.0,
    )
    assert (crashed.failed, crashed.error) == (True, "ValueError: bad luck")
    assert late.late
    assert "too long" in late.error
    assert (killed.failed, killed.status) == (True, -9)


def test_workers_of_a_loader(start: Start) -> None:
    loader = (
        "for i in (int(b[0]) for b in torch.utils.data.DataLoader(range(0, 48, 8), num_workers=1)):"
    )
    text = train().replace("for i in range(0, 48, 8):", loader)
    arm = start(text)[0]
    assert not arm.failed, arm.error
    assert arm.digest == start(train())[0].digest or arm.steps == 30


def test_arguments_and_folder_are_the_users(start: Start) -> None:
    end = """
import os, sys
assert sys.argv == ["train.py", "--n", "3"], sys.argv
assert os.environ["PWD"] == os.getcwd()
print("loss", 0.5)
"""
    arm = start(train(end=end), args=("--n", "3"))[0]
    assert not arm.failed, arm.error
    assert arm.printed.strip() == "loss 0.5"


def test_a_term_without_gradient_is_no_evaluation(start: Start) -> None:
    aside = f"F.mse_loss(model.weight.detach(), torch.ones(2, 4)); {PLAIN}"
    kept = pairs(start(train(aside))[0])
    assert [(p.phase, p.name) for p in kept] == [
        ("train", "cross_entropy"),
        ("eval", "cross_entropy"),
    ]


def test_the_terms_of_an_objective_count_together(start: Start) -> None:
    end = "with torch.no_grad():\n    F.mse_loss(model(x)[:, 0], torch.randn(64))"
    control, treated = start(train(end=end), train())
    source = sources(control)[0]
    assert source.name == "cross_entropy"  # labels before numbers
    both, one = score(control, source), score(treated, source)
    assert both is not None
    assert one is not None
    assert set(both.measures) == {"error", "missing", "unexplained"}
    assert set(one.measures) == {"error", "missing"}
