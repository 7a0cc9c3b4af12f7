"""overfitting."""

from __future__ import annotations

import numpy as np
import pytest

from penlight.core.facts import Hygiene, Predictions
from penlight.core.vocabulary import LOSS, OBJECTIVE_LOSS
from penlight.pitfalls.overfitting import Overfitting
from penlight.testing import check_card, fake_run, objective

FALLING = np.linspace(1.4, 0.05, 200).tolist()


def passes(losses, ts, accuracies=None, **fields):
    for i, (loss, t) in enumerate(zip(losses, ts, strict=True)):
        yield Predictions(
            objective="cross_entropy@train.py:9",
            step=20 * (i + 1),
            samples=1000,
            loss=loss,
            accuracy=accuracies[i] if accuracies else 0.7,
            labels=(250,) * 4,
            paired_t=t,
            **fields,
        )


def said(losses, ts, curve=FALLING, **fields):
    run = fake_run({LOSS: curve}, [objective(), *passes(losses, ts, **fields)])
    return list(Overfitting().detect(run))


RISE = [1.2, 0.9, 0.8, 1.0, 1.3, 1.5, 1.7, 1.9, 2.0, 2.1]
TS = [None, -9, -4, 6, 8, 9, 10, 11, 12, 12]


def test_card():
    assert check_card(Overfitting()) == []


def test_validation_turns_while_training_falls():
    (found,) = said(RISE, TS)
    assert found.severity == "warning"
    assert found.first_step == 60
    assert "from 0.8 to 2.1" in found.says


@pytest.mark.parametrize("weights", ["alike", "masked", "one for all"])
def test_single_losses_that_the_script_masks_say_nothing(weights):
    """As of a survival model, that leaves out what came after the end of a row."""
    site = "cross_entropy@train.py:9"
    factor = {"alike": 1.0, "masked": 1 + 0.1 * np.sin(np.arange(200)), "one for all": 8.0}[weights]
    curves = {(OBJECTIVE_LOSS, site): FALLING, LOSS: (np.array(FALLING) * factor).tolist()}
    facts = [objective(site=site, reduction="none"), *passes(RISE, TS)]
    found = list(Overfitting().detect(fake_run(curves, facts)))
    assert bool(found) == (weights != "masked")


def test_best_weights_put_back_at_the_end_are_a_note():
    facts = [objective(), *passes(RISE, TS)]
    for restored, severity in ((200, "note"), (60, "warning"), (None, "warning")):
        run = fake_run({LOSS: FALLING}, [*facts, Hygiene(steps=200, restored=restored)])
        (found,) = Overfitting().detect(run)
        assert found.severity == severity


def test_few_held_out_samples_that_all_agree():
    flat = [1.0, 0.7, 0.55, *np.linspace(0.6, 0.95, 13)]
    weak = [None, -3, -2, *np.linspace(0.5, 2.6, 13)]
    (found,) = said(flat, weak)
    assert found.severity == "warning"
    assert not said(flat, [*weak[:-2], 1.7, 2.6])  # one pass disagrees
    assert not said(flat, weak, curve=np.linspace(1.4, 0.3, 200).tolist())  # not by heart


def test_swings_are_no_rise():
    swinging = [2.0, 1.9, 4.3, 1.0, 0.55, 0.2, 0.14, 0.21, 7.2, 0.39]
    assert not said(swinging, TS)


def test_a_small_rise_is_overconfidence():
    slight = [1.2, 0.9, 0.8, 0.8, 0.82, 0.84, 0.86, 0.88, 0.9, 0.92]
    (found,) = said(slight, TS)
    assert found.severity == "note"


def test_a_small_rise_that_costs_accuracy():
    slight = [1.2, 0.9, 0.8, 0.8, 0.82, 0.84, 0.88, 0.92, 0.95, 0.98]
    fallen = [0.5, 0.7, 0.75, 0.75, 0.74, 0.73, 0.7, 0.69, 0.68, 0.66]
    (found,) = said(slight, TS, accuracies=fallen)
    assert found.severity == "warning"
    assert "fell from 75.0% to 66.0%" in found.evidence[2].says


@pytest.mark.parametrize(
    ("losses", "ts"),
    [
        (RISE, [None, -9, -4, 1, 1, 2, 2, 1, 2, 2]),  # within the noise of the samples
        (RISE, [None, -9, -4, 6, 8, 9, 10, 11, 12, 1]),  # only one pass
        ([1.2, 0.9, 0.8, 0.79, 0.8, 0.8, 0.81, 0.8, 0.82, 0.82], TS),  # under 10%
        ([1.2, 0.9, 0.8, 1.0, 1.3, 1.5, 1.7, 1.9, 2.0, 0.8], [*TS[:-1], 0.0]),  # best restored
    ],
)
def test_not_convincing(losses, ts):
    assert not said(losses, ts)


def test_diverging_is_something_else():
    rising = np.linspace(1.0, 5.0, 200).tolist()
    assert not said(RISE, TS, rising)


def test_passes_over_the_training_set_do_not_count():
    assert not said(RISE, TS, training_rows=1.0)


def hits(accuracies, curve=FALLING):
    """Passes of a script that only counts right answers."""
    passes = [
        Predictions(
            objective="accuracy@train.py:9", step=20 * (i + 1), samples=1000, accuracy=accuracy
        )
        for i, accuracy in enumerate(accuracies)
    ]
    return list(Overfitting().detect(fake_run({LOSS: curve}, [objective(), *passes])))


def test_accuracy_falls_while_the_training_loss_falls():
    (found,) = hits([0.6, 0.72, 0.8, 0.78, 0.75, 0.72, 0.7, 0.69])
    assert found.severity == "warning"
    assert found.first_step == 60
    assert "from 80.0% to 70.0%" in found.says


@pytest.mark.parametrize(
    ("accuracies", "curve"),
    [
        ([0.6, 0.72, 0.8, 0.79, 0.78, 0.77, 0.77, 0.76], FALLING),  # under five points
        ([0.6, 0.72, 0.8, 0.78, 0.75, 0.72, 0.79, 0.69], FALLING),  # one bad pass
        ([0.6, 0.72, 0.8, 0.78, 0.75, 0.72, 0.7, 0.69], FALLING[::-1]),  # training gets worse, too
        ([0.6, 0.72, 0.8, 0.5, 0.55, 0.6, 0.65, 0.69], FALLING),  # the next task, judged alike
    ],
)
def test_a_wobble_of_accuracy_is_nothing(accuracies, curve):
    assert not hits(accuracies, curve)


class TestOneBatch:
    """A small net for curves, fed by a loader of 240 rows in ten batches."""

    def findings(self, watched, batches, judge=True):
        torch = pytest.importorskip("torch")
        data = torch.utils.data
        with watched() as sink:
            x = 2 * torch.rand(300, 3) - 1
            y = (3 * x).sin().sum(1, keepdim=True) + 0.1 * torch.randn(300, 1)
            rows = data.TensorDataset(x[:240], y[:240])
            net = torch.nn.Sequential(
                torch.nn.Linear(3, 48), torch.nn.Tanh(), torch.nn.Linear(48, 1)
            )
            optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
            loss_fn = torch.nn.MSELoss()
            for step, (a, b) in enumerate(batches(data.DataLoader, rows)):
                optimizer.zero_grad()
                loss_fn(net(a), b).backward()
                optimizer.step()
                if judge and step % 20 == 19:
                    with torch.no_grad():
                        loss_fn(net(x[240:]), y[240:])
        found = Overfitting().detect(sink.run())
        return [f for f in found if "begins the loader anew" in f.says]

    @staticmethod
    def anew(loader, rows, **settings):
        loader = loader(rows, batch_size=24, **settings)
        for _ in range(160):
            yield next(iter(loader))

    def test_each_step_takes_the_first_batch(self, watched):
        (found,) = self.findings(watched, self.anew)
        assert "24 of 240 rows" in found.says
        assert found.source.startswith("test_overfitting.py:")
        assert "Loop over the loader" in found.prescriptions[0].do

    def test_a_model_that_is_not_judged_is_being_tried_out(self, watched):
        assert not self.findings(watched, self.anew, judge=False)

    def test_shuffled_first_batches_are_a_sample(self, watched):
        def batches(loader, rows):
            return self.anew(loader, rows, shuffle=True)

        assert not self.findings(watched, batches)

    def test_one_batch_that_was_fetched_once(self, watched):
        def batches(loader, rows):
            first = next(iter(loader(rows, batch_size=24)))
            return (first for _ in range(160))

        assert not self.findings(watched, batches)

    def test_all_rows_at_once_and_all_rows_in_turn(self, watched):
        def whole(loader, rows):
            loader = loader(rows, batch_size=240)
            return (batch for _ in range(100) for batch in loader)

        def ordered(loader, rows):
            loader = loader(rows, batch_size=24)
            return (batch for _ in range(16) for batch in loader)

        assert not self.findings(watched, whole)
        assert not self.findings(watched, ordered)

    def test_a_peek_at_other_rows_in_each_step(self, watched):
        def batches(loader, rows):
            peek = loader(rows, batch_size=24)
            for _ in range(16):
                for batch in loader(rows, batch_size=24, shuffle=True):
                    next(iter(peek))
                    yield batch

        assert not self.findings(watched, batches)


def test_rows_known_by_heart_and_a_fifth_of_the_others_wrong():
    rise = [1.2, 0.95, 0.9, 0.95, 1.0, 1.05, 1.1, 1.1, 1.1, 1.12]  # 16% of ln 4
    curve = [*np.linspace(1.4, 0.001, 150), *[0.001] * 50]
    (found,) = said(rise, TS, curve)
    assert found.severity == "warning"
    assert [f.severity for f in said(rise, TS, curve, accuracies=[0.9] * 10)] == ["note"]
    assert [f.severity for f in said(rise, TS)] == ["note"]
