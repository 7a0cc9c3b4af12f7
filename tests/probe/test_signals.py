"""The quick ways to measure give what the plain formulas give."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
from torch import Tensor  # noqa: E402  # after the check that torch is there

from penlight.signals import activations, moments, parameters, tensors  # noqa: E402

SHAPES = [(7,), (128, 513), (32, 16, 33, 31), (3, 70_001), (70_001,), (64, 5, 4096)]


def seeded(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scale", [1.0, 1e-25, 1e-42, 1e25, 0.0])
def test_norms_are_those_of_float64(shape: tuple[int, ...], scale: float) -> None:
    x = seeded(*shape) * scale
    for each in (x, x.movedim(0, -1), x[..., ::2]):
        assert float(tensors.norm(each)) == pytest.approx(float(each.double().norm()), rel=3e-7)
    assert tensors.norms([x, x[:2]]).tolist() == [float(tensors.norm(y)) for y in (x, x[:2])]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_norms_and_extremes_say_what_is_not_finite(bad: float) -> None:
    x = seeded(300, 300)
    x[7, 11] = bad
    assert not bool(tensors.norm(x).isfinite())
    assert not bool(tensors.absmax(x).isfinite())


@pytest.mark.parametrize("shape", [s for s in SHAPES if len(s) > 1])
@pytest.mark.parametrize("spread", [1.0, 1e-3, 0.0])
def test_dependence_is_the_formula(shape: tuple[int, ...], spread: float) -> None:
    x = seeded(*shape[1:]) + spread * seeded(*shape)
    plain = (x.double() - x.double().mean(0)).square().mean() / x.double().square().mean()
    for size in (None, tensors.rms(x)):
        assert float(tensors.dependence(x, size)) == pytest.approx(
            float(plain), rel=1e-4, abs=4e-14
        )


def test_dead_units_and_zeros_are_counted() -> None:
    x = seeded(64, 6, 40, 40).relu()
    x[:, 2] = 0
    assert activations.alive(x, True).tolist() == [True, True, False, True, True, True]
    assert float(activations.zero_share(x)) == pytest.approx(float((x == 0).double().mean()))
    flat = x.movedim(1, -1).contiguous()
    assert activations.alive(flat).tolist() == [True, True, False, True, True, True]
    flat[0, 0, 0, 0] = float("nan")  # and still alive by its other samples
    assert activations.alive(flat).tolist() == [True, True, False, True, True, True]


def test_parameters_measured_together_are_those_measured_alone() -> None:
    tensors_ = [seeded(512, 512), seeded(10), seeded(100, 100)[:, ::3], seeded(0), seeded(4097)]
    after = [x * 1.001 + 1e-4 for x in tensors_]
    old, lengths = parameters.samples(tensors_)
    new, _ = parameters.samples(after)
    together = parameters.relative_changes(old, new, lengths)
    alone = [
        parameters.relative_change(parameters.sample(a), parameters.sample(b))
        for a, b in zip(tensors_, after, strict=True)
    ]
    assert together.tolist() == pytest.approx([float(x) for x in alone], rel=1e-5)


def test_memories_measured_together_are_those_measured_alone() -> None:
    grads = [seeded(50), seeded(3, 4).reshape(-1), torch.zeros(5)]
    squares = [g.square() * 0.9 for g in grads]
    eps = [1e-8, 1.0, 1e-8]
    lengths = [len(g) for g in grads]
    factor, surprise = moments.of_parts(
        torch.cat(squares), torch.cat(grads), torch.tensor(eps), lengths
    )
    for i, (v, g, e) in enumerate(zip(squares, grads, eps, strict=True)):
        assert float(factor[i]) == pytest.approx(
            float(moments.epsilon_factor(v, g, e)), rel=1e-5, nan_ok=True
        )
        assert float(surprise[i]) == pytest.approx(float(moments.surprise(v, g, e)), rel=1e-5)
