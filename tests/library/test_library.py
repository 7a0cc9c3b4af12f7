"""`penlight.watch` and `penlight.check` as their users call them."""

from __future__ import annotations

import pytest

import penlight

torch = pytest.importorskip("torch")
from torch import Tensor, nn  # noqa: E402  # after the check that torch is there
from torch.nn import functional as F  # noqa: E402


@pytest.fixture
def batch() -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    x = torch.randn(64, 8)
    return x, x[:, :4].argmax(1)


def net(*head: nn.Module) -> nn.Sequential:
    torch.manual_seed(1)
    layers = (nn.Linear(8, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 4))
    return nn.Sequential(*layers, *head)


def names(diagnosis: penlight.Diagnosis) -> list[str]:
    return [x.pitfall for x in diagnosis.alarms]


class TestCheck:
    def test_finds_nothing_wrong_with_a_sound_model(self, batch: tuple[Tensor, Tensor]) -> None:
        model = net()
        optimizer = torch.optim.Adam(model.parameters())
        diagnosis = penlight.check(model, batch, F.cross_entropy, optimizer)
        assert names(diagnosis) == []
        assert diagnosis.faults == ()
        assert len(diagnosis.checked) > 20

    def test_proves_a_second_softmax(self, batch: tuple[Tensor, Tensor]) -> None:
        assert names(penlight.check(net(nn.Softmax(1)), batch, F.cross_entropy)) == [
            "double-softmax"
        ]

    def test_compares_the_optimiser_with_the_model(self, batch: tuple[Tensor, Tensor]) -> None:
        model = net()
        optimizer = torch.optim.Adam(model[0].parameters())
        diagnosis = penlight.check(model, batch, F.cross_entropy, optimizer)
        assert names(diagnosis) == ["params-not-optimised"]

    def test_takes_a_loss_of_model_and_batch(self, batch: tuple[Tensor, Tensor]) -> None:
        def objective(model: nn.Module, rows: dict[str, Tensor]) -> Tensor:
            return F.mse_loss(model(rows["x"])[:, 0], rows["y"][:, None].float())

        rows = {"x": batch[0], "y": batch[1]}
        with pytest.warns(UserWarning, match="broadcast"):
            assert "loss-broadcast" in names(penlight.check(net(), rows, objective))

    def test_leaves_everything_as_it_was(self, batch: tuple[Tensor, Tensor]) -> None:
        model = net().train()
        model[3].eval()
        F.cross_entropy(model(batch[0]), batch[1]).backward()
        state = {k: v.clone() for k, v in model.state_dict().items()}
        grads = [p.grad for p in model.parameters()]
        modes = [m.training for m in model.modules()]
        random = torch.get_rng_state()

        penlight.check(model, batch, F.cross_entropy)

        assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())
        assert all(p.grad is g for p, g in zip(model.parameters(), grads, strict=True))
        assert [m.training for m in model.modules()] == modes
        assert torch.equal(torch.get_rng_state(), random)

    def test_says_what_a_batch_should_look_like(self, batch: tuple[Tensor, Tensor]) -> None:
        with pytest.raises(penlight.PenlightError, match="needs a batch"):
            penlight.check(net(), batch[0], F.cross_entropy)

    def test_says_when_the_loss_has_no_gradient(self, batch: tuple[Tensor, Tensor]) -> None:
        def cut(output: Tensor, target: Tensor) -> Tensor:
            return F.cross_entropy(output.detach(), target)

        with pytest.raises(penlight.PenlightError, match="no gradient"):
            penlight.check(net(), batch, cut)

    def test_an_error_of_the_model_is_the_users_to_see(self) -> None:
        with pytest.raises(RuntimeError, match="mat1 and mat2"):
            penlight.check(net(), (torch.randn(4, 3), torch.zeros(4)), F.cross_entropy)


class TestWatch:
    def train(self, model: nn.Module, batch: tuple[Tensor, Tensor], clear: bool = True) -> None:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(60):
            if clear:
                optimizer.zero_grad()
            F.cross_entropy(model(batch[0]), batch[1]).backward()
            optimizer.step()

    def test_diagnoses_a_block(self, batch: tuple[Tensor, Tensor]) -> None:
        with penlight.watch() as seen:
            self.train(net(), batch, clear=False)
        assert names(seen.diagnose())[0] == "missing-zero-grad"
        assert "zero_grad" in str(seen)

    def test_can_be_asked_in_the_middle(self, batch: tuple[Tensor, Tensor]) -> None:
        with penlight.watch() as seen:
            self.train(net(), batch)
            assert seen.diagnose().findings == ()
            assert seen.run.steps > 0

    def test_watches_only_the_model_it_was_given(self, batch: tuple[Tensor, Tensor]) -> None:
        watched, other = net(), net(nn.Softmax(1))
        with penlight.watch(watched) as seen:
            self.train(watched, batch)
            self.train(other, batch)
        assert {p.module_type for p in seen.run.parameters if p.registered} == {
            "Linear",
            "BatchNorm1d",
        }

    def test_an_exception_passes_through_and_is_recorded(self) -> None:
        with pytest.raises(ZeroDivisionError), penlight.watch() as seen:
            raise ZeroDivisionError
        end = seen.run.end
        assert end is not None
        assert "ZeroDivisionError" in end.error

    def test_one_at_a_time(self) -> None:
        with (
            penlight.watch(),
            pytest.raises(penlight.PenlightError, match="one watcher"),
            penlight.watch(),
        ):
            pass


def test_the_public_names_are_these() -> None:
    assert sorted(penlight.__all__) == [
        "Diagnosis",
        "Finding",
        "PenlightError",
        "Run",
        "check",
        "diagnose",
        "explain",
        "fix",
        "load",
        "watch",
    ]
    assert all(getattr(penlight, name) is not None for name in penlight.__all__)


def test_explain_gives_the_card() -> None:
    assert "## What happens" in penlight.explain("vanishing-gradient")
    with pytest.raises(penlight.PenlightError, match="Did you mean vanishing-gradient"):
        penlight.explain("vanishing-gradients")
