"""Do the targets follow the flips of their pictures?"""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
from torch import Tensor, nn  # noqa: E402  # after the check that torch is there
from torch.nn import functional as F  # noqa: E402

from penlight.probe import Probe  # noqa: E402
from penlight.probe.mirroring import mirrored  # noqa: E402
from penlight.store.memory import MemorySink  # noqa: E402

SIDE = 12
ROWS = 200
TIMES = 4  # that each picture comes


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def flipped(t: Tensor, ways: Tensor) -> Tensor:
    """Rows flipped left to right (1), upside down (2), or both (3), along the last two axes."""
    out = t.clone()
    for way, dims in ((1, (-1,)), (2, (-2,)), (3, (-2, -1))):
        out[ways == way] = t[ways == way].flip(dims)
    return out


def draws(ways: tuple[int, ...]) -> Tensor:
    return torch.tensor(ways)[torch.randint(0, len(ways), (ROWS * TIMES,))]


def pictures(channels: int = 1) -> Tensor:
    return torch.randn(ROWS, channels, SIDE, SIDE).repeat(TIMES, 1, 1, 1)


def mask_rows() -> Tensor:
    return (torch.rand(ROWS, SIDE, SIDE) < 0.3).long().repeat(TIMES, 1, 1)


def asked(x: Tensor, y: Tensor, output: Tensor | None = None) -> dict[str, float]:
    output = torch.randn(len(y), *y.shape[1:]) if output is None else output
    return mirrored(x, y, output, torch.arange(len(x)) // 20)


def boxes() -> Tensor:
    """(rows, 4) left, top, right, bottom in pixels."""
    corner, size = torch.randint(0, 6, (ROWS, 2)), torch.randint(2, 6, (ROWS, 2))
    return torch.cat([corner, corner + size], 1).float().repeat(TIMES, 1)


def boxed(y: Tensor, ways: Tensor) -> Tensor:
    left, top, right, bottom = y.T
    wide, high = (ways & 1).bool(), (ways & 2).bool()
    return torch.stack(
        [
            torch.where(wide, SIDE - right, left),
            torch.where(high, SIDE - bottom, top),
            torch.where(wide, SIDE - left, right),
            torch.where(high, SIDE - top, bottom),
        ],
        1,
    )


def sized(y: Tensor) -> Tensor:
    """Corners as left, top, width, height."""
    return torch.cat([y[:, :2], y[:, 2:] - y[:, :2]], 1)


def centred(y: Tensor) -> Tensor:
    return torch.cat([(y[:, :2] + y[:, 2:]) / 2, y[:, 2:] - y[:, :2]], 1) / SIDE


@pytest.mark.parametrize("ways", [(0, 1), (0, 2), (0, 1, 2, 3)])
@pytest.mark.parametrize("channels", [1, 3])
def test_masks(ways: tuple[int, ...], channels: int) -> None:
    x, y, first, second = pictures(channels), mask_rows(), draws(ways), draws(ways)
    apart = asked(flipped(x, first), flipped(y, second))
    assert apart["masks"]
    assert apart["pairs"] == ROWS * (TIMES - 1)
    assert apart["apart"] / apart["pairs"] == pytest.approx(
        0.5 if len(ways) == 2 else 0.75, abs=0.1
    )
    assert apart["fitting"] == pytest.approx(0.5, abs=0.15)
    together = asked(flipped(x, first), flipped(y, first))
    assert together["apart"] == 0
    assert together["reflected"] == together["flipped"] > 0


def test_masks_with_channels_or_with_channels_last() -> None:
    first, second = draws((0, 1)), draws((0, 1))
    x, y = flipped(pictures(3), first), flipped(mask_rows()[:, None].float(), second)
    assert asked(x, y)["apart"] > 200
    turned = asked(x.movedim(1, -1), y.movedim(1, -1))
    assert turned["apart"] > 200
    logits = torch.randn(len(x), 2, SIDE, SIDE)
    assert asked(x, y[:, 0].long(), logits)["fitting"] == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize("written", [lambda y: y, sized, centred, lambda y: 2 * y / SIDE - 1])
@pytest.mark.parametrize("ways", [(0, 1), (0, 1, 2, 3)])
def test_boxes(written, ways: tuple[int, ...]) -> None:
    x, y, first, second = pictures(), boxes(), draws(ways), draws(ways)
    apart = asked(flipped(x, first), written(boxed(y, second)))
    assert not apart["masks"]
    assert apart["apart"] / apart["pairs"] == pytest.approx(
        0.5 if len(ways) == 2 else 0.75, abs=0.1
    )
    together = asked(flipped(x, first), written(boxed(y, first)))
    assert together["apart"] == 0
    assert together["reflected"] > 200


def test_points_that_change_roles() -> None:
    """The left eye of a mirrored face is the right eye of the face."""
    places = torch.rand(ROWS, 4).repeat(TIMES, 1)  # left eye, right eye: x, y each

    def mirror(y: Tensor, ways: Tensor) -> Tensor:
        other = torch.stack([1 - y[:, 2], y[:, 3], 1 - y[:, 0], y[:, 1]], 1)
        return torch.where((ways == 1)[:, None], other, y)

    x, first, second = pictures(), draws((0, 1)), draws((0, 1))
    # Here the heights only change places: no flip of numbers explains that, so nothing is said.
    assert asked(flipped(x, first), mirror(places, second)) == {}
    level = torch.cat([places[:, :1], places[:, 2:3]], 1)

    def swap(y: Tensor, ways: Tensor) -> Tensor:
        return torch.where((ways == 1)[:, None], 1 - y.flip(1), y)

    assert asked(flipped(x, first), swap(level, second))["apart"] > 200
    assert asked(flipped(x, first), swap(level, first))["apart"] == 0


def test_a_class_a_count_or_an_age_stays_under_a_flip() -> None:
    x = flipped(pictures(), draws((0, 1, 2, 3)))
    for y in (
        torch.randint(0, 5, (ROWS, 1)).float(),
        torch.rand(ROWS, 1),
        torch.randn(ROWS, 6),
        torch.eye(5)[torch.randint(0, 5, (ROWS,))],
    ):
        assert asked(x, y.repeat(TIMES, 1)) == {}
    assert asked(x, mask_rows()) == {}  # a picture to be turned upright


def test_targets_that_change_by_themselves() -> None:
    x = flipped(pictures(), draws((0, 1, 2, 3)))
    count = ROWS * TIMES
    share = torch.rand(count)
    for y in (
        torch.randn(count, 4),  # noise
        torch.randint(0, 2, (count, 3)).float(),  # of two values each mirrors the other
        torch.randint(0, 7, (count, 2)).float(),
        torch.stack([share, 1 - share], 1),
        torch.randn(ROWS, 4).repeat(TIMES, 1) * torch.randint(0, 2, (count, 1)),  # left out
        torch.randn(ROWS, 4).repeat(TIMES, 1) * (2 * torch.randint(0, 2, (count, 1)) - 1),  # axes
        torch.randn(ROWS, 4).repeat(TIMES, 1) * (2 * torch.randint(0, 2, (count, 4)) - 1),
        (torch.rand(count, SIDE, SIDE) < 0.3).float(),
    ):
        assert asked(x, y) == {}


def test_a_direction_that_follows_the_flips_in_its_own_way() -> None:
    """What turns round with either flip, and is as it was after both."""
    ways = draws((0, 1, 2, 3))
    slope = torch.randn(ROWS, 1).repeat(TIMES, 1)
    odd = ((ways == 1) | (ways == 2))[:, None]
    found = asked(flipped(pictures(), ways), torch.where(odd, -slope, slope))
    assert found["apart"] == 0
    assert found["reflected"] > 200


def test_a_model_that_is_told_the_flip_fits_its_targets() -> None:
    x, y = flipped(pictures(), draws((0, 1))), flipped(mask_rows(), draws((0, 1)))
    scores = torch.stack([1 - y, y], 1).float() + 0.1 * torch.randn(len(y), 2, SIDE, SIDE)
    assert asked(x, y, scores)["fitting"] == 1.0
    z = boxed(boxes(), draws((0, 1)))
    assert asked(x, z, z + 0.1 * torch.randn(z.shape))["fitting"] > 0.9


def test_pictures_and_masks_that_equal_their_flips_say_nothing() -> None:
    x, y = pictures(), mask_rows()
    first, second = draws((0, 1)), draws((0, 1))
    assert asked(flipped(x + x.flip(-1), first), flipped(y, second)) == {}
    assert asked(flipped(x, first), flipped(y | y.flip(-1), second)) == {}


def test_too_little_to_say() -> None:
    x, y = flipped(pictures(), draws((0, 1))), flipped(mask_rows(), draws((0, 1)))
    assert asked(x[:ROWS], y[:ROWS]) == {}  # no picture came twice
    assert asked(x.flatten(1), y) == {}  # no pictures, or thinned out
    assert asked(x + 0.1 * torch.randn(x.shape), y) == {}
    assert asked(x, y, torch.randn(len(y), 3)) == {}  # an output that the targets are not like


def segment(together: bool) -> dict[str, float]:
    """What a training on masks leaves of it."""
    x, y = torch.randn(60, 1, SIDE, SIDE), (torch.rand(60, SIDE, SIDE) < 0.3).long()
    sink = MemorySink()
    probe = Probe(sink, budget=4.0)
    probe.start()
    net = nn.Conv2d(1, 2, 3, padding=1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(6):
        for rows in torch.randperm(60).split(10):
            first = torch.randint(0, 2, (len(rows),))
            second = first if together else torch.randint(0, 2, (len(rows),))
            optimizer.zero_grad()
            F.cross_entropy(net(flipped(x[rows], first)), flipped(y[rows], second)).backward()
            optimizer.step()
    probe.finish(0)
    exam = sink.run().exam("mirrored")
    assert exam is not None
    return exam.values


@pytest.mark.parametrize("together", [True, False])
def test_in_a_training(together: bool) -> None:
    found = segment(together)
    assert found["apart"] == 0 if together else found["apart"] > 0.3 * found["pairs"]
