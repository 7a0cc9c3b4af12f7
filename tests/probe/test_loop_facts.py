"""What the probe sees of a training loop: schedules, checkpoints, padding, graphs, loading."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import pytest

torch = pytest.importorskip("torch")
from torch import Tensor, nn  # noqa: E402  # after the check that torch is there
from torch.nn import functional as F  # noqa: E402
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

from penlight.core import facts as f  # noqa: E402
from penlight.core.vocabulary import CLIP_FACTOR, FLOOR_SHARE, LOST_SHARE  # noqa: E402
from penlight.probe import Probe  # noqa: E402
from penlight.store.memory import MemorySink  # noqa: E402


@contextmanager
def watched() -> Iterator[MemorySink]:
    sink = MemorySink()
    probe = Probe(sink, budget=1.0)
    probe.start()
    try:
        yield sink
    finally:
        probe.finish()
    assert not sink.run().all(f.Fault)


def net() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))


def train(model: nn.Module, optimizer: Any, steps: int, after: Callable[[int], None]) -> None:
    x, y = torch.randn(16, 4), torch.randint(3, (16,))
    for step in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(model(x).float(), y).backward()
        optimizer.step()
        after(step)


class TestSchedules:
    def schedule(self, make: Any, each: int, early: int = 0, steps: int = 24) -> f.Schedule:
        with watched() as sink, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's own word on the order
            model = net()
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            scheduler = make(optimizer)
            for _ in range(early):
                scheduler.step()
            train(model, optimizer, steps, lambda i: (i + 1) % each or scheduler.step())
        (fact,) = sink.run().all(f.Schedule)
        return fact

    def test_calls_and_horizon(self) -> None:
        schedules = torch.optim.lr_scheduler
        fact = self.schedule(lambda o: schedules.CosineAnnealingLR(o, T_max=24), each=6)
        assert (fact.type, fact.horizon, fact.calls, fact.early) == ("CosineAnnealingLR", 24, 4, 0)
        fact = self.schedule(lambda o: schedules.OneCycleLR(o, 0.1, total_steps=30), each=1)
        assert (fact.horizon, fact.calls) == (30, 24)
        assert fact.built_lr == pytest.approx(0.004)
        assert fact.source.startswith("test_loop_facts.py:")

    def test_called_before_the_first_step(self) -> None:
        fact = self.schedule(lambda o: torch.optim.lr_scheduler.StepLR(o, 5), each=1, early=1)
        assert fact.early == 1
        assert not fact.loaded

    def test_one_that_goes_on(self) -> None:
        def resumed(optimizer: Any) -> Any:
            scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 5)
            scheduler.load_state_dict({**scheduler.state_dict(), "_step_count": 40})
            return scheduler

        assert self.schedule(resumed, each=1).loaded


class TestCheckpoints:
    def resumed(self, folder: Path, restore: bool, **settings: Any) -> list[f.Resume]:
        file = folder / "checkpoint.pt"
        with watched() as sink:
            model = net()
            optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
            train(model, optimizer, 5, lambda _: None)
            optimizer.param_groups[0]["lr"] = 0.01
            torch.save({"net": model.state_dict(), "opt": optimizer.state_dict()}, file)
            model = net()
            optimizer = torch.optim.Adam(model.parameters(), lr=0.1, **settings)
            saved = torch.load(file)
            model.load_state_dict(saved["net"])
            if restore:
                optimizer.load_state_dict(saved["opt"])
            train(model, optimizer, 3, lambda _: None)
        return sink.run().all(f.Resume)

    def test_state_left_in_the_file(self, tmp_path: Path) -> None:
        (fact,) = self.resumed(tmp_path, restore=False)
        assert (fact.tensors, fact.age, fact.restored, fact.same) == (4, 5, False, True)
        assert (fact.saved_lr, fact.lr, fact.step) == (0.01, 0.1, 5)

    def test_restored(self, tmp_path: Path) -> None:
        assert self.resumed(tmp_path, restore=True)[0].restored

    def test_another_optimiser(self, tmp_path: Path) -> None:
        assert not self.resumed(tmp_path, restore=False, weight_decay=0.1)[0].same

    def test_read_for_an_evaluation(self, tmp_path: Path) -> None:
        file = tmp_path / "fold.pt"
        with watched() as sink:
            for _ in range(2):  # folds: the best weights are read, judged and left alone
                model = net()
                optimizer = torch.optim.Adam(model.parameters())
                train(model, optimizer, 3, lambda _: None)
                torch.save({"net": model.state_dict(), "opt": optimizer.state_dict()}, file)
                model.load_state_dict(torch.load(file)["net"])
        assert not sink.run().all(f.Resume)

    def test_weights_alone(self, tmp_path: Path) -> None:
        file = tmp_path / "weights.pt"
        with watched() as sink:
            model = net()
            torch.save(model.state_dict(), file)
            model.load_state_dict(torch.load(file))
            train(model, torch.optim.Adam(model.parameters()), 3, lambda _: None)
        assert not sink.run().all(f.Resume)


class Tagger(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(9, 8), nn.Linear(8, 9)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.embedding(tokens))  # type: ignore[no-any-return]


def by_token(logits: Tensor, y: Tensor, **options: Any) -> Tensor:
    return F.cross_entropy(logits.flatten(0, 1), y.flatten(), **options)


def by_hand(logits: Tensor, y: Tensor) -> Tensor:
    return -logits.log_softmax(-1).gather(-1, y[..., None]).squeeze(-1).mean()


class TestPadding:
    def padding(self, compare: Any = by_token, **options: Any) -> list[f.Padding]:
        torch.manual_seed(0)
        x, y = torch.randint(1, 9, (32, 10)), torch.randint(1, 9, (32, 10))
        for row in range(32):
            x[row, 2 + row % 6 :] = 0
            y[row, 2 + row % 6 :] = 0
        with watched() as sink:
            model = Tagger()
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for rows in range(0, 32, 8):
                logits = model(x[rows : rows + 8])
                loss = compare(logits, y[rows : rows + 8], **options)
                loss.sum().backward()
                optimizer.step()
        return sink.run().all(f.Padding)

    def test_counted(self) -> None:
        (fact,) = self.padding()
        lengths = [2 + row % 6 for row in range(32)]
        assert (fact.value, fact.rows, fact.lengths, fact.inside) == (0.0, 32, 6, 0)
        assert fact.targets == 320
        assert fact.padded == sum(10 - n - 1 for n in lengths)
        assert fact.counted

    def test_counted_where_the_sequence_is_not_what_comes_first(self) -> None:
        class Describer(Tagger):
            def forward(self, picture: Tensor, words: Tensor) -> Tensor:
                return super().forward(words) + picture.mean()

        torch.manual_seed(0)
        words = torch.randint(1, 9, (8, 10))
        words[:, 6:] = 0
        words[:2, 4:] = 0
        with watched() as sink:
            model = Describer()
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            by_token(model(torch.rand(8, 7), words), words).backward()
            optimizer.step()
        (fact,) = sink.run().all(f.Padding)
        assert (fact.value, fact.rows, fact.lengths, fact.counted) == (0.0, 8, 2, True)

    def test_counted_by_hand(self) -> None:
        (fact,) = self.padding(by_hand)
        assert (fact.value, fact.rows, fact.lengths, fact.inside) == (0.0, 32, 6, 0)
        assert fact.counted

    def test_left_out(self) -> None:
        assert not self.padding(ignore_index=0)[0].counted
        weight = torch.ones(9)
        weight[0] = 0
        assert not self.padding(weight=weight)[0].counted
        assert not self.padding(reduction="none")


class TestAccumulation:
    def accumulated(self, sizes: list[int], times: int = 6) -> list[f.Accumulation]:
        with watched() as sink:
            model = net()
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for _ in range(times):
                optimizer.zero_grad()
                for n in sizes:
                    F.cross_entropy(model(torch.randn(n, 4)), torch.randint(3, (n,))).backward()
                optimizer.step()
        return sink.run().all(f.Accumulation)

    def test_shares(self) -> None:
        (fact,) = self.accumulated([8, 32, 128, 432])
        assert (fact.batches, fact.fewest, fact.most, fact.steps) == (4, 8, 432, 6)
        assert fact.uneven == pytest.approx(0.47, abs=0.01)
        (fact,) = self.accumulated([16, 16])
        assert fact.uneven == 0

    def test_one_batch_is_none(self) -> None:
        assert not self.accumulated([16])


class TestGraphs:
    def graphs(self, keep: Callable[[Tensor], Any], clear: int = 1000) -> f.Hygiene:
        kept: list[Any] = []
        with watched() as sink:
            model = net()
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for step in range(40):
                loss = F.cross_entropy(model(torch.randn(16, 4)), torch.randint(3, (16,)))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                kept.append(keep(loss))
                if step % clear == clear - 1:
                    kept.clear()
        return sink.run().hygiene

    def test_kept(self) -> None:
        seen = self.graphs(lambda loss: loss)
        assert seen.graphs_old > 24
        assert seen.graphs_kept == seen.graphs_old

    def test_let_go(self) -> None:
        assert self.graphs(lambda loss: loss.detach()).graphs_kept == 0
        seen = self.graphs(lambda loss: loss, clear=15)
        assert seen.graphs_kept < 0.5 * seen.graphs_old


class TestLowPrecision:
    def shares(self, dtype: Any, lr: float) -> list[float]:
        torch.manual_seed(0)
        with watched() as sink:
            model = net().to(dtype)
            optimizer = torch.optim.SGD(model.parameters(), lr=lr)
            x, y = torch.randn(16, 4, dtype=dtype), torch.randint(3, (16,))
            for _ in range(4):
                optimizer.zero_grad()
                F.cross_entropy(model(x).float(), y).backward()
                optimizer.step()
        return [float(v) for s in sink.run().every(LOST_SHARE) for v in s.finite.values]

    def test_lost_updates(self) -> None:
        assert not self.shares(torch.float32, 1e-4)
        assert min(self.shares(torch.bfloat16, 1e-6)) > 0.8
        assert max(self.shares(torch.bfloat16, 1.0)) < 0.2

    def floor(self, dtype: Any, scale: float) -> list[float]:
        torch.manual_seed(0)
        with watched() as sink:
            model = net()
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            x, y = torch.randn(16, 4), torch.randint(3, (16,))
            for _ in range(4):
                optimizer.zero_grad()
                with torch.autocast("cpu", dtype=dtype):
                    out = model(x)
                (F.cross_entropy(out.float(), y) * scale).backward()
                optimizer.step()
        return [float(v) for s in sink.run().every(FLOOR_SHARE) for v in s.finite.values]

    def test_gradients_at_the_floor_of_float16(self) -> None:
        assert median(self.floor(torch.float16, 1e-6)) > 0.5
        assert max(self.floor(torch.float16, 1.0)) < 0.1
        assert not self.floor(torch.bfloat16, 1e-6)


class Wired(nn.Module):
    def __init__(self, swap: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv1d(5, 6, 3), nn.Linear(6, 3)
        self.swap = swap

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.conv(self.swap(x)).mean(2))  # type: ignore[no-any-return]


class TestWiring:
    def conv(self, swap: Callable[[Tensor], Tensor], shape: tuple[int, ...] = (8, 7, 5)) -> Any:
        with watched() as sink:
            model = Wired(swap)
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            F.cross_entropy(model(torch.randn(shape)), torch.randint(3, (8,))).backward()
            optimizer.step()
        return sink.run().module("conv")

    def test_recut_input(self) -> None:
        found = self.conv(lambda x: x.view(8, 5, 7))
        assert (found.recut_from, found.input_shape) == ((8, 7, 5), (8, 5, 7))
        assert not self.conv(lambda x: x.transpose(1, 2)).recut_from
        assert not self.conv(lambda x: x.transpose(1, 2).contiguous()).recut_from
        assert not self.conv(lambda x: x.view(8, 5, 7), shape=(8, 35)).recut_from

    def test_one_layer_many_times(self) -> None:
        with watched() as sink:
            body = [nn.Linear(4, 4)] * 3
            act = nn.ReLU()
            model = nn.Sequential(*body, act, nn.Linear(4, 4), act, nn.Linear(4, 3))
            train(model, torch.optim.SGD(model.parameters(), lr=0.1), 2, lambda _: None)
        (fact,) = sink.run().all(f.Repeated)
        assert (fact.type, fact.times) == ("Linear", 3)


class TestLoading:
    def test_slow_batches(self) -> None:
        class Slow(TensorDataset):
            def __getitem__(self, i: int) -> Any:
                torch.randn(200, 200) @ torch.randn(200, 200)
                return super().__getitem__(i)

        data = Slow(torch.randn(96, 4), torch.randint(3, (96,)))
        with watched() as sink:
            model = net()
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for _ in range(2):
                for x, y in DataLoader(data, batch_size=4):
                    optimizer.zero_grad()
                    F.cross_entropy(model(x), y).backward()
                    optimizer.step()
        (fact,) = sink.run().all(f.Loading)
        assert fact.batches == 2 * 23 - 10  # each epoch's first batch follows no step
        assert 0 < fact.waited < fact.seconds
        assert fact.median > 0
        assert fact.workers == 0


class TestDeviceReads:
    def test_reads_of_a_device(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """There is no GPU here: a tensor says that it lies on another device."""

        class Distant(Tensor):
            __torch_function__ = torch._C._disabled_torch_function_impl

            @property
            def device(self) -> Any:
                return torch.device("cuda")

        monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
        number = torch.zeros(1).as_subclass(Distant)
        with watched() as sink:
            model = net()
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            train(model, optimizer, 30, lambda _: [number.item() for _ in range(3)])
        (fact,) = sink.run().all(f.Reads)
        assert (fact.reads, fact.steps) == (3 * 21, 20)
        assert fact.places[0].startswith("test_loop_facts.py:")
        assert Tensor.item is torch._C.TensorBase.item

    def test_nothing_is_patched_on_a_cpu(self) -> None:
        with watched() as sink:
            model = net()
            train(model, torch.optim.SGD(model.parameters(), lr=0.1), 3, lambda _: None)
            assert Tensor.item is torch._C.TensorBase.item
        assert not sink.run().all(f.Reads)


class TestClippingByValue:
    @pytest.mark.parametrize("name", ["plain", "list", "generator"])
    def test_what_it_leaves_is_measured_and_nothing_changes(self, name: str) -> None:
        def run() -> list[float]:
            torch.manual_seed(0)
            model = net()
            given = {
                "plain": lambda: model[0].weight,
                "list": lambda: list(model.parameters()),
                "generator": model.parameters,
            }[name]
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            x, y = torch.randn(16, 4), torch.randint(3, (16,))
            losses = []
            for _ in range(12):
                optimizer.zero_grad()
                loss = F.cross_entropy(model(x), y)
                loss.backward()
                assert nn.utils.clip_grad_value_(given(), 1e-3) is None
                optimizer.step()
                losses.append(loss.item())
            return losses

        bare = run()
        with watched() as sink:
            assert run() == bare
        (series,) = sink.run().every(CLIP_FACTOR)
        assert len(series) == 12
        assert 0 < median(series.values) < 0.1

    def test_a_wide_limit_leaves_all(self) -> None:
        with watched() as sink:
            model = net()
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            train(model, optimizer, 3, lambda _: nn.utils.clip_grad_value_(model.parameters(), 9.0))
        (series,) = sink.run().every(CLIP_FACTOR)
        assert set(series.values) == {1.0}


class Waves(nn.Module):
    """Keeps a leaf as a plain attribute, where a Parameter was meant."""

    def __init__(self) -> None:
        super().__init__()
        self.freq = torch.randn(4, 8, requires_grad=True)
        self.out = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.sin(x @ self.freq))


class TestPlainAttributes:
    def found(self, after: Callable[[Waves], None]) -> list[f.Parameter]:
        with watched() as sink:
            model = Waves()
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            train(model, optimizer, 24, lambda _: after(model))
        return [p for p in sink.run().parameters if not p.registered]

    def test_a_leaf_that_nobody_trains_is_named(self) -> None:
        (fact,) = self.found(lambda model: None)
        assert (fact.name, fact.optimised, fact.reached) == ("freq", False, True)

    def test_one_that_is_moved_by_hand_is_held_by_somebody(self) -> None:
        def move(model: Waves) -> None:
            assert model.freq.grad is not None
            model.freq.data -= 0.1 * model.freq.grad

        assert [p.optimised for p in self.found(move)] in ([], [True])


class TestRestored:
    def step(self, change: Callable[[nn.Module], None]) -> int | None:
        with watched() as sink:
            model = net()
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            train(model, optimizer, 12, lambda _: None)
            change(model)
        return sink.run().hygiene.restored

    def test_other_weights_after_the_training(self) -> None:
        assert self.step(lambda model: model.load_state_dict(net().state_dict())) == 12

    def test_the_same_weights_are_no_others(self) -> None:
        assert self.step(lambda model: model.load_state_dict(model.state_dict())) is None

    def test_another_model(self) -> None:
        assert self.step(lambda _: net().load_state_dict(net().state_dict())) is None


class TestModes:
    """Two layers and a dropout each; only what was called counts."""

    def modes(self, evaluate: Callable[[nn.Module], Any]) -> f.Hygiene:
        model = nn.Sequential(
            nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.1)),
            nn.Sequential(nn.Linear(8, 3), nn.Dropout(0.1)),
        )
        with watched() as sink:
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            train(model, optimizer, 4, lambda _: evaluate(model))
        return sink.run().hygiene

    @staticmethod
    def features(model: nn.Module, part: nn.Module) -> None:
        part.eval()
        with torch.no_grad():
            part(torch.randn(16, 4))
        model.train()

    def test_a_part_that_is_in_evaluation_mode_beside_one_that_is_not(self) -> None:
        seen = self.modes(lambda model: self.features(model, model.get_submodule("0")))
        assert seen.eval_forwards == 4
        assert seen.eval_training_mode == 0

    def test_a_part_that_is_judged_in_training_mode(self) -> None:
        def judge(model: nn.Module) -> None:
            with torch.no_grad():
                model.get_submodule("0")(torch.randn(16, 4))

        seen = self.modes(judge)
        assert seen.eval_training_mode == 4
        assert seen.eval_modules == ("0.1",)

    def test_batch_norms_that_never_met_a_batch(self) -> None:
        model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 3))
        for mode, fresh in ((False, ("1",)), (True, ())):
            model.train(mode)
            with watched() as sink:
                train(model, torch.optim.SGD(model.parameters(), lr=0.1), 4, lambda _: None)
            assert sink.run().hygiene.fresh_norms == fresh

    def test_batch_norms_with_statistics_from_elsewhere(self) -> None:
        norm = nn.BatchNorm1d(8)
        norm.running_mean = torch.randn(8)
        model = nn.Sequential(nn.Linear(4, 8), norm, nn.Linear(8, 3)).eval()
        with watched() as sink:
            train(model, torch.optim.SGD(model.parameters(), lr=0.1), 4, lambda _: None)
        assert sink.run().hygiene.fresh_norms == ()


class TestHeads:
    """Losses that one line computes."""

    def test_heads_with_activations_of_their_own_are_told_apart(self) -> None:
        model, x = nn.Linear(4, 4), torch.randn(16, 4)
        shares, logs = torch.rand(16, 2), torch.randn(16, 2)
        with watched() as sink:
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for _ in range(3):
                out = model(x)
                optimizer.zero_grad()
                low, high = out[:, :2].sigmoid(), out[:, 2:]
                loss = F.mse_loss(low, shares) + F.mse_loss(high, logs)
                loss.backward()
                optimizer.step()
        run = sink.run()
        first, second = run.objectives
        assert (first.input_op, second.input_op) == ("Sigmoid", "Addmm")
        assert second.site == f"{first.site} (2)"
        of_first, of_second = run.targets(first), run.targets(second)
        assert of_first is not None
        assert of_second is not None
        assert of_first.min > 0 > of_second.min

    def test_targets_that_the_loss_leaves_out(self) -> None:
        model, y = net(), torch.tensor([0] * 12 + [255] * 4)
        with watched() as sink:
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for _ in range(3):
                optimizer.zero_grad()
                F.cross_entropy(model(torch.randn(16, 4)), y, ignore_index=255).backward()
                optimizer.step()
        (seen,) = sink.run().all(f.Targets)
        assert seen.ignored == 0.25
        assert seen.classes == (36,)

    @pytest.mark.parametrize(("drift", "moved"), [(0.0, False), (0.2, True)])
    def test_targets_that_move(self, drift: float, moved: bool) -> None:
        model = nn.Linear(4, 1)
        with watched() as sink:
            optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
            for step in range(400):
                optimizer.zero_grad()
                F.mse_loss(model(torch.randn(64, 4)), torch.randn(64, 1) + drift * step).backward()
                optimizer.step()
        (seen,) = sink.run().all(f.Targets)
        assert (seen.moved > 4) == moved
