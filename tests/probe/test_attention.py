"""Attention: the largest logit and the entropy, at the module that attends."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch")
from torch import Tensor, nn  # noqa: E402  # after the check that torch is there
from torch.nn import functional as F  # noqa: E402

from penlight.core.run import Run  # noqa: E402
from penlight.core.vocabulary import ATTENTION_ENTROPY, ATTENTION_LOGIT  # noqa: E402
from penlight.probe import Probe  # noqa: E402
from penlight.signals import attention as measure  # noqa: E402
from penlight.store.memory import MemorySink  # noqa: E402

WIDTH, HEADS = 16, 2


class Multihead(nn.Module):
    """nn.MultiheadAttention, with or without its weights asked for."""

    def __init__(self, weights: bool) -> None:
        super().__init__()
        self.attend, self.weights = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True), weights

    def forward(self, x: Tensor) -> Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        found = self.attend(x, x, x, attn_mask=mask, need_weights=self.weights)[0]
        return found.mean(1)  # type: ignore[no-any-return]  # of torch's untyped module


class Handmade(nn.Module):
    """Calls scaled_dot_product_attention itself."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        found = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return found.transpose(1, 2).flatten(2).mean(1)


class Net(nn.Module):
    """One block and a head."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block, self.head = block, nn.Linear(WIDTH, 3)

    def forward(self, x: Tensor) -> Tensor:
        out = self.block(x)
        return self.head(out.mean(1) if out.dim() > 2 else out)  # type: ignore[no-any-return]


def trained(block: nn.Module, steps: int = 5) -> Run:
    sink = MemorySink()
    probe = Probe(sink, budget=1.0)
    probe.start()
    try:
        net = Net(block)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        x, y = torch.randn(8, 7, WIDTH), torch.randint(3, (8,))
        for _ in range(steps):
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()
            net.eval()
            with torch.no_grad():
                net(x)
            net.train()
    finally:
        probe.finish(0)
    return sink.run()


@pytest.mark.parametrize(
    ("block", "site"),
    [
        (lambda: Multihead(True), "block.attend"),
        (lambda: Multihead(False), "block.attend"),
        (lambda: nn.TransformerEncoderLayer(WIDTH, HEADS, 32, batch_first=True), "block.self_attn"),
        (Handmade, "block"),
    ],
    ids=["weights", "no weights", "encoder layer", "by hand"],
)
def test_is_seen_once_a_step_at_the_module_that_attends(
    block: Callable[[], nn.Module], site: str
) -> None:
    torch.manual_seed(0)
    run = trained(block())
    assert run.sites(ATTENTION_LOGIT) == run.sites(ATTENTION_ENTROPY) == [site]
    for signal in (ATTENTION_LOGIT, ATTENTION_ENTROPY):
        assert run.series(signal).steps.tolist() == [0, 1, 2, 3, 4]
    assert all(0 < v < 10 for v in run.series(ATTENTION_LOGIT).values)
    assert all(0.5 < v < 1 for v in run.series(ATTENTION_ENTROPY).values)


def test_both_ways_through_multihead_attention_give_the_same_numbers() -> None:
    runs = []
    for weights in (True, False):
        torch.manual_seed(0)
        runs.append(trained(Multihead(weights), steps=1))
    for signal in (ATTENTION_LOGIT, ATTENTION_ENTROPY):
        one, other = (float(run.series(signal).values[0]) for run in runs)
        assert one == pytest.approx(other, rel=1e-5)


def test_a_mask_of_a_class_of_its_own_is_left_alone() -> None:
    from torch.nn.attention.bias import causal_lower_right

    class Biased(Handmade):
        def forward(self, x: Tensor) -> Tensor:
            q, k, v = self.qkv(x).unflatten(-1, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
            mask = causal_lower_right(x.shape[1], x.shape[1])
            return F.scaled_dot_product_attention(q, k, v, mask).transpose(1, 2).flatten(2)

    run = trained(Biased())
    assert run.sites(ATTENTION_LOGIT) == []
    assert [x for x in run.facts if type(x).__name__ == "Fault"] == []


def test_a_warning_about_a_softmax_still_names_the_callers_line() -> None:
    probe = Probe(MemorySink(), budget=1.0)
    probe.start()
    try:
        with pytest.warns(UserWarning, match="Implicit dimension") as warned:
            F.softmax(torch.ones(2, 3))
    finally:
        probe.finish(0)
    assert warned[0].filename == __file__


# -- the numbers -----------------------------------------------------------------------------


def weights_of(q: Tensor, k: Tensor, **how: object) -> Tensor:
    """What torch's own function weighs the keys with: it is given the identity for values."""
    eye = torch.eye(k.shape[-2]).expand(*q.shape[:-2], -1, -1)
    return F.scaled_dot_product_attention(q, k, eye, **how)  # type: ignore[arg-type]


def shares(weights: Tensor, keys: Tensor) -> Tensor:
    """The entropy of each query's weights over the logarithm of its number of keys."""
    h = torch.special.entr(weights).sum(-1)
    return h / keys.float().log()


@pytest.mark.parametrize("form", ["plain", "causal", "boolean", "added", "scaled", "shared heads"])
def test_the_entropy_is_that_of_the_weights_torch_uses(form: str) -> None:
    torch.manual_seed(1)
    q, k = torch.randn(3, 4, 9, 8), torch.randn(3, 4, 9, 8)
    how: dict[str, object] = {}
    allowed = torch.ones(9, 9, dtype=torch.bool)
    if form == "causal":
        how, allowed = {"is_causal": True}, allowed.tril()
    elif form == "boolean":
        allowed = (torch.rand(9, 9) < 0.5) | torch.eye(9, dtype=torch.bool)
        how = {"attn_mask": allowed}
    elif form == "added":
        allowed = allowed.tril()
        how = {"attn_mask": torch.zeros(9, 9).masked_fill(~allowed, torch.finfo().min)}
    elif form == "scaled":
        how = {"scale": 2.0}
    shared = form == "shared heads"
    k = k[:, :2] if shared else k
    found = measure.logits(
        q, k, how.get("attn_mask"), bool(how.get("is_causal")), how.get("scale")
    )  # fmt: skip
    whole = k.repeat_interleave(2, 1) if shared else k
    weights = weights_of(q, whole, **how)[0]
    keys = allowed.sum(-1)
    expected = shares(weights, keys)[:, keys > 1].mean()
    assert float(measure.entropy(found)) == pytest.approx(float(expected), rel=1e-4)
    products = (q @ whole.mT)[0] * (2.0 if form == "scaled" else 8**-0.5)
    assert float(measure.largest(found)) == pytest.approx(float(products[:, allowed].abs().max()))


def test_one_key_for_all_and_all_keys_alike() -> None:
    q, k = torch.ones(1, 1, 5, 4), torch.zeros(1, 1, 6, 4)
    assert float(measure.entropy(measure.logits(q, k))) == pytest.approx(1.0)
    k[..., 2, :] = 100.0
    found = measure.logits(q, k)
    assert float(measure.entropy(found)) == pytest.approx(0.0, abs=1e-6)
    assert float(measure.largest(found)) == 200.0


def test_a_large_one_is_sampled() -> None:
    q, k = torch.randn(2, 9, 300, 4), torch.randn(2, 9, 2000, 4)
    mask = torch.zeros(2, 1, 300, 2000)
    found = measure.logits(q, k, mask, causal=True)
    assert found.shape == (4, 60, 500)
    torch.testing.assert_close(found[1, 4, 5], q[0, 1, 20] @ k[0, 1, 20] / 2)
    assert found[1, 4, 6] == -math.inf, "key 24 comes after query 20"


def test_where_nothing_may_be_seen_there_is_no_number() -> None:
    found = torch.full((1, 2, 3), -math.inf)
    assert math.isnan(float(measure.entropy(found)))
    assert math.isnan(float(measure.largest(found)))
