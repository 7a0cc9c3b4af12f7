"""Terms of a loss that lead to no weight which is moved behind them."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402  # after the check that torch is there

from penlight.core.run import Run  # noqa: E402
from penlight.pitfalls.gradient_cut import GradientCut  # noqa: E402
from penlight.probe import Probe  # noqa: E402
from penlight.store.memory import MemorySink  # noqa: E402


def adversarial(how: str, steps: int = 40) -> Run:
    """A generator that also reproduces a few rows, against a critic; `how` its loss is wired."""
    torch.manual_seed(0)
    maker = nn.Sequential(nn.Linear(4, 32), nn.LeakyReLU(), nn.Linear(32, 2))
    critic = nn.Sequential(nn.Linear(2, 32), nn.LeakyReLU(), nn.Linear(32, 1))
    movers = [torch.optim.Adam(m.parameters(), lr=1e-3) for m in (critic, maker)]
    noise, rows = torch.randn(8, 4), torch.randn(8, 2)
    sink = MemorySink()
    probe = Probe(sink, budget=10.0)
    probe.start()
    for _ in range(steps):
        movers[0].zero_grad()
        fake = maker(torch.randn(32, 4)).detach()
        (critic(fake).mean() - critic(torch.randn(32, 2)).mean()).backward()
        movers[0].step()
        movers[1].zero_grad()
        fake = maker(torch.randn(32, 4))
        judged = -critic(fake.detach() if how in ("cut", "starved") else fake).mean()
        rebuilt = nn.functional.mse_loss(maker(noise), rows)
        (judged if how == "starved" else judged + 0.5 * rebuilt).backward()
        movers[1].step()
        if how == "both":
            movers[0].step()
    probe.finish()
    return sink.run()


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("cut", "a term of the loss leads only to weights that it does not hold"),
        ("starved", "No gradient ever reaches Sequential"),
        ("sound", ""),
        ("both", ""),
    ],
)
def test_a_critic_that_a_generator_does_not_hear(how: str, says: str) -> None:
    found = [f.says for f in GradientCut().detect(adversarial(how))]
    assert [says in words for words in found] == ([True] if says else [])


def test_a_sum_whose_parts_two_optimisers_share() -> None:
    torch.manual_seed(0)
    one, two = nn.Linear(4, 1), nn.Linear(4, 1)
    movers = [torch.optim.SGD(m.parameters(), lr=0.01) for m in (one, two)]
    sink = MemorySink()
    probe = Probe(sink, budget=10.0)
    probe.start()
    for step in range(40):
        for mover in movers:
            mover.zero_grad()
        x = torch.randn(16, 4)
        (one(x).square().mean() + two(x).square().mean()).backward()
        movers[step % 2].step()  # each is moved every other time
    probe.finish()
    assert sink.run().hygiene.idle_terms == 0
