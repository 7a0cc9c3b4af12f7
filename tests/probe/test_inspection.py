"""Rows that the probe keeps, and what it finds in them."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
from torch import Tensor, nn  # noqa: E402  # after the check that torch is there
from torch.nn import functional as F  # noqa: E402

from penlight.core.run import Run  # noqa: E402
from penlight.probe import Probe  # noqa: E402
from penlight.signals import statistics as s  # noqa: E402
from penlight.store.memory import MemorySink  # noqa: E402


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def draw(*size: int) -> Tensor:
    return torch.randn(*size, dtype=torch.float64)


def blobs(count: int, noise: float = 0.0) -> tuple[Tensor, Tensor]:
    y = torch.randint(0, 3, (count,))
    x = 2 * torch.eye(3, 8)[y] + 0.6 * torch.randn(count, 8)
    wrong = torch.rand(count) < noise
    return x, torch.where(wrong, torch.randint(0, 3, (count,)), y)


def train(
    train_set: tuple[Tensor, Tensor],
    held: tuple[Tensor, Tensor],
    by: str = "loss",
    epochs: int = 5,
    body: nn.Module | None = None,
) -> Run:
    sink = MemorySink()
    probe = Probe(sink, budget=10.0)
    probe.start()
    net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))
    body = body or nn.Identity()
    optimizer = torch.optim.Adam([*net.parameters(), *body.parameters()], lr=0.01)
    x, y = train_set
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(30):
            optimizer.zero_grad()
            F.cross_entropy(net(body(x[rows])), y[rows]).backward()
            optimizer.step()
        with torch.no_grad():
            scores = net(body(held[0]))
            if by == "loss":
                F.cross_entropy(scores, held[1])
            else:
                (scores.argmax(1) == held[1]).sum()
    probe.finish(0)
    return sink.run()


@pytest.mark.parametrize("by", ["loss", "accuracy"])
def test_held_out_rows_of_the_same_kind(by: str) -> None:
    run = train(blobs(600), blobs(400), by)
    exam = run.exam("shift")
    assert exam is not None
    assert abs(exam.values["z"]) < 3.5
    assert exam.values["outside"] < 0.1
    assert run.exam("temperature") is not None


def test_what_one_model_gives_to_another_are_no_rows_of_the_data() -> None:
    """They change while it learns, so those of training differ from those that come later."""
    run = train(blobs(600), blobs(400), body=nn.Linear(8, 8))
    assert run.exam("shift") is None


def test_held_out_rows_of_another_kind() -> None:
    x, y = blobs(400)
    exam = train(blobs(600), (x + 3, y)).exam("shift")
    assert exam is not None
    assert exam.values["apart"] > 0.95
    assert exam.values["outside"] > exam.values["own"] + 0.1


def test_a_domain_that_is_shown_without_labels() -> None:
    x, y = blobs(400)
    other = x + 3
    sink = MemorySink()
    probe = Probe(sink, budget=10.0)
    probe.start()
    net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(5):
        for rows in torch.randperm(300).split(30):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x[rows]), y[rows])
            (loss + net(other[rows]).softmax(1).square().sum(1).mean()).backward()
            optimizer.step()
        with torch.no_grad():
            F.cross_entropy(net(other[300:]), y[300:])
    assert probe.parts is not None
    assert probe.parts.forward.pairs is not None
    kept = probe.parts.forward.pairs.beside.pieces
    assert kept
    for piece in kept:  # a copy, and nothing of the batch beside it
        assert piece.y.untyped_storage().data_ptr() == piece.x.untyped_storage().data_ptr()
    probe.finish(0)
    exam = sink.run().exam("shift")
    assert exam is not None
    assert exam.values["apart"] > 0.95
    assert abs(exam.values["beside_z"]) < 3.5
    assert (
        train((x[:300], y[:300]), (other[300:], y[300:])).exam("shift").values.get("beside") is None
    )


def test_a_small_held_out_part_is_enough_for_a_plain_difference() -> None:
    torch.manual_seed(
        3
    )  # t is 10; with other seeds 1.4 to 4.6, which another processor rounds over
    x, y = blobs(60)
    exam = train(blobs(120), (20 * x + 50, y), epochs=12).exam("shift")  # as it was measured
    assert exam is not None
    assert exam.values["z"] > 4
    assert exam.values["own_t"] > 4
    assert exam.values["outside"] > exam.values["own"] + 0.1
    alike = train(blobs(120), blobs(60), epochs=12).exam("shift")
    assert alike is None or alike.values["z"] < 3.5


def test_a_pass_over_the_training_set_is_no_held_out_pass() -> None:
    data = blobs(600)
    assert train(data, data).exam("shift") is None


def test_wrong_labels_stand_out_at_full_certainty() -> None:
    windows = train(blobs(1500, noise=0.3), blobs(400)).exam("mistaken").values["windows"]
    assert max(w["gain"] for w in windows) > 20
    clean = train(blobs(1500), blobs(400)).exam("mistaken").values["windows"]
    assert all(w["share"] < 0.05 or w["gain"] < 10 for w in clean[1:])


def rows_again(x: Tensor, first: Tensor, then: Tensor, size: int = 50) -> dict[str, float]:
    from penlight.probe.labelling import relabelled

    step = torch.arange(len(x)) // size
    both = torch.cat([first, then])[:, None].double()
    return relabelled(torch.cat([x, x]).double(), both, torch.cat([step, step + len(x) // size]))


def test_rows_that_come_again_with_another_target() -> None:
    x, y = draw(400, 6), torch.randint(0, 4, (400,))
    dealt = rows_again(x, y, y[torch.randperm(400)])
    assert dealt["again"] == 400
    assert 0.65 < dealt["changed"] < 0.85
    assert dealt["changed"] == pytest.approx(dealt["chance"], abs=0.1)
    assert rows_again(x, y, y)["changed"] == 0.0
    values = draw(400)
    shuffled = rows_again(x, values, values[torch.randperm(400)])
    assert shuffled["changed"] > 0.98
    assert shuffled["dealt"] == 1.0
    # Targets that move, as those that a model makes for itself, are not those of other rows.
    assert rows_again(x, values, values + 0.01)["dealt"] == 0.0


def test_rows_of_which_nothing_can_be_said() -> None:
    y = torch.randint(0, 4, (400,))
    few = torch.randint(0, 3, (400, 2)).float()  # rows of few categories: most are the same
    assert rows_again(few, y, y[torch.randperm(400)]) == {}
    places = torch.arange(400) % 50  # a contrastive loss names places in the batch
    assert rows_again(draw(400, 6), places, places) == {}
    assert rows_again(draw(30, 6), y[:30], y[:30]) == {}


def test_noisy_copies_on_both_sides() -> None:
    known, new = draw(600, 12), draw(300, 12)
    assert near(known, new) < 0.05
    new[:60] = known[:60] + 0.01 * draw(60, 12)
    assert 0.15 < near(known, new) < 0.3


def near(known: Tensor, new: Tensor) -> float:
    from penlight.probe.inspection import close

    return close(s.nearest(new, known, (1, 20, 100)))


def test_rows_of_one_law_are_not_told_apart() -> None:
    z = [s.told_apart(draw(200, 10), draw(200, 10))[1] for _ in range(20)]
    assert max(map(abs, z)) < 3.5
    assert s.told_apart(draw(200, 10), 1.6 * draw(200, 10))[0] > 0.65


def test_temperature_finds_what_the_logits_were_multiplied_by() -> None:
    logits = 2 * draw(4000, 4)
    labels = torch.distributions.Categorical(logits=logits).sample()
    t, plain, cooled = s.temperature(3 * logits, labels)
    assert 2.5 < t < 3.5
    assert float(plain.mean()) > float(cooled.mean())
    assert 0.8 < s.temperature(logits, labels)[0] < 1.25


def test_overlap_is_not_taken_for_wrong_labels() -> None:
    """Labels drawn by the model's own probabilities: errors, and none of them a mistake."""
    for _ in range(5):
        logits = 1.5 * draw(1000, 3)
        labels = torch.distributions.Categorical(logits=logits).sample()
        assert s.mistaken(logits, labels)[1] < 15
    sure = 6 * F.one_hot(labels, 3) + draw(1000, 3)
    wrong = torch.where(torch.rand(1000) < 0.2, (labels + 1) % 3, labels)
    share, gain = s.mistaken(sure, wrong)
    assert 0.14 < share < 0.26
    assert gain > 20


def test_one_column_tells_all() -> None:
    x, y = draw(600, 5), torch.randint(0, 3, (600,))
    x[:, 2] = y + 0.05 * draw(600)
    told = s.single_columns(x, y, 3)
    assert int(told.argmax()) == 2
    assert float(told.max()) > 0.8
    assert float(told.sort().values[-2]) < 0.1
    value = x[:, 1] ** 2
    told = s.single_columns(x, value, 0)
    assert int(told.argmax()) == 1
    assert float(told[1]) > 0.7


def test_no_training_row_near_the_evaluation() -> None:
    """Looks were taken at the start only."""
    from penlight.probe.inspection import lately
    from penlight.probe.sample import Sample

    def rows(step: int) -> Sample:
        labels, steps = torch.zeros(200).long(), torch.full((200,), step)
        return Sample(draw(200, 4), labels, None, None, steps, (4,), True)

    assert lately(rows(30), None, rows(1000)) is None
    assert lately(rows(30), rows(900), rows(1000)) is not None

    first, later = rows(10), rows(300)
    x, step = torch.cat([first.x, first.x]), torch.cat([first.step, later.step])
    again = replace(first, x=x, step=step, labels=torch.zeros(400).long())
    assert lately(again, None, rows(1000)) is not None, "one set of data, seen again"
    assert lately(again, None, rows(5000)) is None, "that was long ago"
    anew = replace(again, x=torch.cat([first.x, later.x]))
    assert lately(anew, None, rows(1000)) is None, "the rows are others by then"


def test_distinct_rows() -> None:
    assert s.distinct(draw(0, 3)).tolist() == []
    x = draw(5, 3)
    again = torch.cat([x, x[1:3], draw(1, 3)])
    assert s.distinct(again).tolist() == [0, 1, 2, 3, 4, 7]


def pictures(count: int) -> Tensor:
    """Smooth coloured blobs, (count, height, width, channels)."""
    place = torch.arange(16).double()
    centre, width = 4 + 8 * torch.rand(count, 3, 2), 2 + 2 * torch.rand(count, 3)
    across = (place - centre[..., :1]).square()[:, :, None, :]
    down = (place - centre[..., 1:]).square()[:, :, :, None]
    blobs_ = torch.exp(-(across + down) / (2 * width[..., None, None] ** 2))
    return blobs_.movedim(1, -1)


def laid_out(images: Tensor) -> float:
    from penlight.probe.inspection import layout
    from penlight.probe.sample import Sample

    step = torch.zeros(len(images))
    values = layout(Sample(s.matrix(images), None, None, None, step, tuple(images.shape[1:]), True))
    return values["last"] / values["first"]


def test_images_that_were_viewed_into_another_layout() -> None:
    images = pictures(60)
    assert laid_out(images.reshape(60, 3, 16, 16)) < 0.6
    assert laid_out(images.movedim(-1, 1)) > 1.3
    grey = images[..., :1].expand(-1, -1, -1, 3)
    assert laid_out(grey.reshape(60, 3, 16, 16)) < 0.7
    assert laid_out(grey.movedim(-1, 1)) > 1.3
    assert 0.9 < laid_out(draw(60, 3, 16, 16)) < 1.1


def numbered(labels: Tensor, answers: Tensor) -> dict[str, float]:
    from penlight.probe.labelling import numbering

    return numbering(s.one_hot(answers, 4) + 0.1 * draw(len(answers), 4), labels)


def test_classes_that_got_other_numbers() -> None:
    labels = torch.randint(0, 4, (400,))
    answers = torch.where(torch.rand(400) < 0.9, labels, torch.randint(0, 4, (400,)))
    alike = numbered(labels, answers)
    assert alike["read"] - alike["right"] < 0.02
    other = numbered(torch.tensor([2, 0, 1, 3])[labels], answers)
    assert other["right"] < 0.4
    assert other["read"] > 0.85
    assert other["moved"] == 3
    guesses = numbered(labels, torch.randint(0, 4, (400,)))
    assert guesses["read"] - guesses["right"] < 0.15
