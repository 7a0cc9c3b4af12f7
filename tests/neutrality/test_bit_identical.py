"""Watching changes nothing: same losses, weights, random numbers, with and without Penlight."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402  # after the check that torch is there
from torch.nn import functional as F  # noqa: E402  # the name all of torch's users know

from penlight.probe import Probe  # noqa: E402
from penlight.store.memory import MemorySink  # noqa: E402

Trace = tuple[list[float], list[torch.Tensor], torch.Tensor]


def plain() -> Trace:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Linear(10, 32),
        nn.BatchNorm1d(32),
        nn.ReLU(inplace=True),
        nn.Dropout(0.3),
        nn.Linear(32, 3),
    )
    return loop(net, torch.optim.AdamW(net.parameters(), lr=1e-2))


def loop(net: nn.Module, optimizer: torch.optim.Optimizer) -> Trace:
    x, y = torch.randn(256, 10), torch.randint(3, (256,))
    losses = []
    for step in range(60):
        batch = torch.randint(256, (32,))
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x[batch]), y[batch])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if step % 20 == 19:
            net.eval()
            with torch.no_grad():
                losses.append(F.cross_entropy(net(x), y).item())
                losses.append((net(x).argmax(1) == y).float().mean().item())
            net.train()
    return losses, [v.clone() for v in net.state_dict().values()], torch.rand(3)


def closure() -> Trace:
    torch.manual_seed(0)
    x = torch.randn(200, 3)
    y = x @ torch.tensor([1.0, -2.0, 0.5]) + 0.1 * torch.randn(200)
    net = nn.Linear(3, 1)
    optimizer = torch.optim.LBFGS(net.parameters(), lr=0.5)

    def again() -> torch.Tensor:
        optimizer.zero_grad()
        loss = F.mse_loss(net(x)[:, 0], y)
        loss.backward()
        return loss

    losses = [float(optimizer.step(again)) for _ in range(8)]
    return losses, [p.detach().clone() for p in net.parameters()], torch.rand(3)


def gan() -> Trace:
    torch.manual_seed(0)
    generator = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
    critic = nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))
    opt_g = torch.optim.Adam(generator.parameters(), 1e-3)
    opt_d = torch.optim.Adam(critic.parameters(), 1e-3)
    losses = []
    for _ in range(40):
        real, fake = torch.randn(32, 2), generator(torch.randn(32, 4))
        opt_d.zero_grad()
        d_loss = F.softplus(-critic(real)).mean() + F.softplus(critic(fake.detach())).mean()
        d_loss.backward()
        opt_d.step()
        opt_g.zero_grad()
        g_loss = F.softplus(-critic(fake)).mean()
        g_loss.backward()
        opt_g.step()
        losses += [d_loss.item(), g_loss.item()]
    weights = [p.detach().clone() for m in (generator, critic) for p in m.parameters()]
    return losses, weights, torch.rand(3)


def accumulated_bf16() -> Trace:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(10, 32), nn.GELU(), nn.LayerNorm(32), nn.Linear(32, 3))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    scaler = torch.amp.GradScaler("cpu")
    losses = []
    for step in range(60):
        x, y = torch.randn(16, 10), torch.randint(3, (16,))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = F.cross_entropy(net(x).float(), y) / 4
        scaler.scale(loss).backward()
        losses.append(loss.item())
        if step % 4 == 3:
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
    return losses, [p.detach().clone() for p in net.parameters()], torch.rand(3)


def checkpointed() -> Trace:
    from torch.utils.checkpoint import checkpoint

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.ModuleList(
                nn.Sequential(nn.Linear(10, 10), nn.Tanh(), nn.Dropout(0.2)) for _ in range(3)
            )
            self.head = nn.Linear(10, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for block in self.blocks:
                x = x + checkpoint(block, x, use_reentrant=False)
            return self.head(x)

    torch.manual_seed(0)
    net = Net()
    return loop(net, torch.optim.SGD(net.parameters(), lr=0.1))


def recurrent() -> Trace:
    torch.manual_seed(0)
    embed, lstm, head = (
        nn.Embedding(20, 8),
        nn.LSTM(8, 16, 2, dropout=0.1, batch_first=True),
        nn.Linear(16, 20),
    )
    parameters = [*embed.parameters(), *lstm.parameters(), *head.parameters()]
    optimizer = torch.optim.RMSprop(parameters, lr=1e-3)
    losses = []
    for _ in range(40):
        tokens = torch.randint(20, (8, 13))
        optimizer.zero_grad()
        output = head(lstm(embed(tokens[:, :-1]))[0])
        loss = F.cross_entropy(output.reshape(-1, 20), tokens[:, 1:].reshape(-1))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, [p.detach().clone() for p in parameters], torch.rand(3)


def attentive() -> Trace:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Linear(10, 4 * 16)
            self.block = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.1, batch_first=True)
            self.attend = nn.MultiheadAttention(16, 2, dropout=0.1, batch_first=True)
            self.head = nn.Linear(16, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                x = self.block(self.embed(x).unflatten(-1, (4, 16)))
                x = x + self.attend(x, x, x)[0]
                q = x.unflatten(-1, (2, 8)).transpose(1, 2)
                x = F.scaled_dot_product_attention(q, q, q, dropout_p=0.1, is_causal=True)
                return self.head(x.transpose(1, 2).flatten(2).mean(1)).float()

    torch.manual_seed(0)
    net = Net()
    return loop(net, torch.optim.AdamW(net.parameters(), lr=1e-3))


def by_hand() -> Trace:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Dropout(0.3), nn.Linear(32, 3))
    x, y = torch.randn(256, 10), torch.randint(3, (256,))
    losses = []
    for _ in range(60):
        loss = F.cross_entropy(net(x), y)
        grads = torch.autograd.grad(loss, list(net.parameters()))
        with torch.no_grad():
            for p, grad in zip(net.parameters(), grads, strict=True):
                p -= 0.1 * grad
        losses.append(loss.item())
    return losses, [p.detach().clone() for p in net.parameters()], torch.rand(3)


TRAININGS = [by_hand, plain, closure, gan, accumulated_bf16, checkpointed, recurrent, attentive]


def watched(training: Callable[[], Trace]) -> tuple[Trace, MemorySink]:
    sink = MemorySink()
    probe = Probe(sink, budget=1.0)
    probe.start()
    try:
        return training(), sink
    finally:
        probe.finish(0)


@pytest.mark.parametrize("training", TRAININGS, ids=lambda t: t.__name__)
def test_losses_weights_and_random_numbers_are_the_same(training: Callable[[], Trace]) -> None:
    losses, weights, random = training()
    (seen_losses, seen_weights, seen_random), sink = watched(training)
    assert seen_losses == losses
    assert all(torch.equal(a, b) for a, b in zip(weights, seen_weights, strict=True))
    assert torch.equal(random, seen_random)
    run = sink.run()
    assert run.steps > 0
    assert run.series("loss")
    assert [x for x in run.facts if type(x).__name__ == "Fault"] == []


def test_the_exam_puts_the_random_state_back() -> None:
    sink = MemorySink()
    probe = Probe(sink, budget=1.0)
    probe.start()
    plain()
    before = torch.get_rng_state()
    probe.finish(0)
    assert torch.equal(torch.get_rng_state(), before)
    assert sink.run().exam("rates") is not None


def test_everything_is_taken_off() -> None:
    from torch.nn.modules import module
    from torch.optim import optimizer

    def hooks() -> list[int]:
        return [
            len(module._global_forward_hooks),
            len(module._global_forward_pre_hooks),
            len(module._global_forward_hooks_with_kwargs),
            len(optimizer._global_optimizer_pre_hooks),
            len(optimizer._global_optimizer_post_hooks),
        ]

    functions = [
        F.cross_entropy,
        torch.autograd.backward,
        torch.autograd.grad,
        nn.Module.__init__,
        torch.compile,
    ]
    count = hooks()
    watched(plain)
    watched(by_hand)
    assert hooks() == count
    assert [
        F.cross_entropy,
        torch.autograd.backward,
        torch.autograd.grad,
        nn.Module.__init__,
        torch.compile,
    ] == functions


def test_models_are_copied_pickled_and_saved_as_always() -> None:
    sink = MemorySink()
    probe = Probe(sink, budget=1.0)
    probe.start()
    try:
        net = nn.Sequential(nn.Linear(10, 4), nn.Tanh(), nn.Linear(4, 3))
        loop(net, torch.optim.SGD(net.parameters(), lr=0.1))
        twin = copy.deepcopy(net)
        again = pickle.loads(pickle.dumps(net))  # noqa: S301  # our own bytes
        buffer = io.BytesIO()
        torch.save(net, buffer)
        assert twin(torch.ones(1, 10)).equal(net(torch.ones(1, 10)))
        assert set(vars(again)) == set(vars(nn.Sequential()))
        assert all("penlight" not in key for m in net.modules() for key in vars(m))
    finally:
        probe.finish(0)


def test_a_model_that_is_dropped_is_freed() -> None:
    import gc
    import weakref

    probe = Probe(MemorySink(), budget=1.0)
    probe.start()
    try:
        first = nn.Sequential(nn.Linear(10, 4), nn.Linear(4, 3))
        for _ in range(3):  # clearly the longest training: the longest one is kept for experiments
            loop(first, torch.optim.SGD(first.parameters(), lr=0.1))
        second = nn.Sequential(nn.Linear(10, 4), nn.Linear(4, 3))
        loop(second, torch.optim.SGD(second.parameters(), lr=0.1))
        gone = weakref.ref(second)
        del second
        gc.collect()
        assert gone() is None
    finally:
        probe.finish(0)
