"""Asks the rows that were kept what the data are like, after the training.

Nothing is trained and no model is called: small closed-form tests on copies (see
`penlight.signals.statistics`), each a fact `Exam`.

Exams, by name, and their values:
    shift         can training rows be told from held-out rows ("apart", "z"), and does what a
                  small learner finds in some training rows hold for other training rows
                  ("inside") and for held-out rows ("outside")? And the errors of the "model"
                  on these, where they are classes
    temperature   loss on half of the held-out rows as it is ("loss") and with logits divided by
                  the best number for the other half ("t")
    mistaken      share of labels that are wrong however sure the model is, in training
    columns       how much the best column tells on its own, and the next best
    relabelled    see `penlight.probe.labelling`
    numbering     likewise
    mirrored      see `penlight.probe.mirroring`
    facing        see `penlight.probe.facing`
    layout        mean step between neighbouring pixels of images with channels first ("first"),
                  and if the same memory held the channels last ("last")
    wrapped       see `penlight.probe.wrapping`
    twins         share of held-out rows with a training row far nearer than chance allows
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from time import thread_time
from typing import Any

import torch
from torch import Tensor

from penlight.core import facts as f
from penlight.probe.facing import facing
from penlight.probe.labelling import numbering, relabelled
from penlight.probe.mirroring import mirrored
from penlight.probe.pairs import Pairs
from penlight.probe.sample import FEWEST, Sample, alike, sample
from penlight.probe.state import State
from penlight.probe.wrapping import wrapped
from penlight.signals import statistics as s

FEW = 40  # ... where a test weighs its own errors: two kinds of rows may differ in plain sight
HALF = 0.5  # of the late training rows were seen early: one set of data
SPAN = 4  # times as long as anybody looked at its rows a training may go on
MOST = 600  # rows of each side that enter a comparison
WINDOW = 1024  # training rows that are judged together
RARE = 0.003  # neighbours expected within a twin's distance
CHANNELS = (2, 3, 4)
PIXELS = 8  # along each side of an image
NARROW = 256  # columns that are looked at one by one in no time
SIDE = 6  # pixels of a picture, at least
WAYS = {
    "mirrored left to right": (-1,),
    "turned upside down": (-2,),
    "turned by 180 degrees": (-2, -1),
}


class Inspection:
    """Runs the tests that the kept rows allow.

    Args:
        seconds: what all of them together may take.
        since: step from which on rows count, where a later training is asked.
    """

    def __init__(self, state: State, pairs: Pairs, seconds: float, since: int = 0) -> None:
        self.state = state
        self.pairs = pairs
        self.since = since
        self.deadline = thread_time() + seconds

    def run(self) -> None:
        """Run the tests and write their facts."""
        first, last = (sample(shelf) for shelf in self.pairs.training(self.since))
        newest = self.pairs.newest(FEW, self.since)
        few = sample(newest, FEW) if newest is not None else None
        held = few if few is not None and len(few) >= FEWEST else None
        recent = lately(first, last, few) if few is not None else None
        tests: list[tuple[str, Callable[[], dict[str, Any]]]] = []  # what costs least first
        if held is not None:
            tests.append(("temperature", lambda: temperature(held)))
            tests.append(("numbering", lambda: numbering(held.logits, held.labels)))
        if first is not None:
            tests.append(("layout", lambda: layout(first)))
            tests.append(("wrapped", lambda: wrapped(first.x.reshape(-1, *first.shape))))
            if first.x.shape[1] <= NARROW:
                tests.append(("columns", lambda: columns(first)))
            tests.append(("mistaken", lambda: mistaken(first, last)))
        if few is not None and recent is not None:
            tests.append(("shift", lambda: self._shift(recent, few)))
        if first is not None and self.pairs.alone:  # what a row means may lie in a second input
            tests.append(("relabelled", lambda: self._relabelled(first, last)))
            tests.append(("mirrored", lambda: mirrored(*self._rows)))
            tests.append(("facing", lambda: facing(*self._rows[:3])))
        if held is not None and recent is not None:
            tests.append(("twins", lambda: twins(first, last, held)))
        if first is not None and first.x.shape[1] > NARROW:
            tests.append(("columns", lambda: columns(first)))
        for name, test in tests:
            if thread_time() > self.deadline:
                break
            values = test()
            if values:
                self.state.write(
                    f.Exam(name=name, step=self.state.step, values=values, since=self.since)
                )

    def _shift(self, train: Sample, held: Sample) -> dict[str, Any]:
        values = shift(train, held)
        shown = [s.matrix(p.x) for p in self.pairs.beside.pieces if p.step >= self.since]
        rows = [x for x in shown if x.shape[1] == held.x.shape[1]]
        if "own" in values and sum(map(len, rows)) >= FEWEST:
            x = torch.cat(rows)
            left, right = as_many(s.distinct(x), s.distinct(held.x))
            order = mixed(len(left))
            told = s.told_apart(x[left[order]], held.x[right[order]])
            values["beside"], values["beside_z"], _ = told
        return values

    @staticmethod
    def _relabelled(first: Sample, last: Sample | None) -> dict[str, Any]:
        parts = [p for p in (first, last) if p is not None and p.x.shape[1] == first.x.shape[1]]
        x, step = torch.cat([p.x for p in parts]), torch.cat([p.step for p in parts])
        labels = [p.labels[:, None] for p in parts if p.labels is not None]
        values = [p.values for p in parts if p.values is not None]
        y = labels if len(labels) == len(parts) else values
        if len(y) < len(parts):
            return {}
        found = relabelled(x, torch.cat(y).double(), step)
        return {**found, "classes": y is labels} if found else {}

    @cached_property
    def _rows(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Inputs, targets, outputs and steps of the training rows that were kept."""
        pieces = alike([x for s in self.pairs.training(self.since) for x in s.pieces])
        x, y = torch.cat([p.x.cpu() for p in pieces]), torch.cat([p.y.cpu() for p in pieces])
        output = torch.cat([p.output.cpu() for p in pieces])
        step = torch.cat([torch.full((len(p.x),), p.step) for p in pieces])
        return x, y, output, step


def lately(first: Sample | None, last: Sample | None, held: Sample) -> Sample | None:
    """Training rows from the time before an evaluation: a script may train on one thing first."""
    parts = []
    for part in (last, first):
        if part is not None and part.x.shape[1:] == held.x.shape[1:]:
            late = (2 * part.step > int(held.step[0])).nonzero()[:, 0]
            if len(late) < FEWEST and returning(part, int(held.step[0])):
                late = torch.arange(len(part))
            if len(late) >= FEW:
                parts.append(part.take(late[-2 * MOST :]))
    return max(parts, key=len, default=None)


def returning(part: Sample, end: int) -> bool:
    """Whether most of the late rows were there in the first half, too: it is one set of data."""
    looked = int(part.step.max())
    if SPAN * looked < end:
        return False
    border = end if 2 * looked > end else looked  # nobody has looked for long
    late = 2 * part.step > border
    earlier = 2 * part.step[s.firsts(part.x)[late]] <= border
    return float(earlier.double().mean()) > HALF


def temperature(held: Sample) -> dict[str, Any]:
    """Is the model as often right as it says?"""
    if held.logits is None or held.labels is None:
        return {}
    t, plain, cooled = s.temperature(held.logits, held.labels)
    gain = plain - cooled
    error = float(gain.std()) / math.sqrt(len(gain))
    sure = held.logits.softmax(1).amax(1)
    counts = torch.bincount(held.labels, minlength=2).double()
    shares = counts[counts > 0] / counts.sum()
    return {
        "t": t,
        "loss": float(plain.mean()),
        "cooled": float(cooled.mean()),
        "paired_t": float(gain.mean()) / error if error > 0 else 0.0,
        "rows": len(held),
        "sure": float(sure.mean()),
        "right": float((held.logits.argmax(1) == held.labels).double().mean()),
        "entropy": -float((shares * shares.log()).sum()),
        "guess": float(shares.max()),
        "step": int(held.step[0]),
    }


def layout(first: Sample) -> dict[str, Any]:
    """Are images that claim to hold their channels first smoother when read as channels last?"""
    if len(first.shape) != 3 or first.shape[0] not in CHANNELS or min(first.shape[1:]) < PIXELS:
        return {}
    channels, high, wide = first.shape
    images = first.x[: MOST // 4]
    as_given = images.reshape(-1, channels, high, wide)
    turned = images.reshape(-1, high, wide, channels).movedim(-1, 1)

    def roughness(x: Tensor) -> float:
        return float(x.diff(dim=-1).abs().mean() + x.diff(dim=-2).abs().mean())

    return {"first": roughness(as_given), "last": roughness(turned), "rows": len(images)}


def mistaken(first: Sample, last: Sample | None) -> dict[str, Any]:
    """Labels that are wrong however sure the model is, over some windows of the training."""
    windows = []
    for part in (first, last):
        if part is None or part.logits is None or part.labels is None:
            continue
        for start in range(0, max(len(part) - WINDOW // 2, 1), WINDOW // 2):
            own = part.take(torch.arange(start, min(start + WINDOW, len(part))))
            first_seen = s.firsts(own.x)
            if own.labels is None or bool((own.labels != own.labels[first_seen]).any()):
                continue  # the same rows under new labels: another task
            own = own.take(first_seen.unique())
            if own.logits is None or own.labels is None or len(own) < 2 * FEWEST:
                continue
            share, gain = s.mistaken(own.logits, own.labels)
            top = own.logits.topk(2, 1).values
            margin = top[:, 0] - top[:, 1]
            most = float(own.labels.long().bincount().max()) / len(own)
            sure = own.take((margin >= margin.quantile(0.75)).nonzero()[:, 0])
            windows.append(
                {
                    "step": int(own.step[0]),
                    "rows": len(own),
                    "share": share,
                    "gain": gain,
                    "wrong": errors(own),
                    "blank": 1 - most,
                    "surest": errors(sure),
                }
            )
    return {"windows": windows} if windows else {}


def errors(part: Sample) -> float:
    """Share of rows that the model names wrongly."""
    assert part.logits is not None
    assert part.labels is not None
    return float((part.logits.argmax(1) != part.labels).double().mean())


def columns(first: Sample) -> dict[str, Any]:
    """Does one column tell the answer on its own?"""
    x = first.x
    one_value = first.values is not None and first.values.shape[1] == 1
    if not first.floating or not 1 < x.shape[1] <= s.COLUMNS or len(x) < 2 * FEWEST:
        return {}
    rows = s.distinct(x)[:1024]
    x = x[rows]
    if first.labels is not None:
        classes = int(first.labels.max()) + 1
        if classes > 20:
            return {}
        told = s.single_columns(x, first.labels[rows], classes)
    elif one_value and first.values is not None:
        told = s.single_columns(x, first.values[rows, 0], 0)
    else:
        return {}
    told = torch.where(told.isfinite(), told, torch.zeros_like(told))
    top = told.topk(min(4, len(told)))
    return {
        "told": top.values.tolist(),
        "column": top.indices.tolist(),
        "columns": x.shape[1],
        "rows": len(x),
        "shape": list(first.shape),
        "varying": int((x.std(0) > 1e-9).sum()),
    }


def matched(a: Sample, b: Sample) -> tuple[Tensor, Tensor]:
    """Places in a and in b of as many distinct rows each, with the same labels where known."""
    one, two = s.distinct(a.x), s.distinct(b.x)
    if a.labels is None or b.labels is None:
        return as_many(one, two)
    left, right = [], []
    both = min(MOST / max(len(one), 1), 1.0), min(MOST / max(len(two), 1), 1.0)
    for c in a.labels[one].unique().tolist():
        of_a, of_b = one[a.labels[one] == c], two[b.labels[two] == c]
        n = int(min(len(of_a) * both[0], len(of_b) * both[1]))
        left.append(spread(of_a, n))
        right.append(spread(of_b, n))
    return torch.cat(left), torch.cat(right)


def as_many(one: Tensor, two: Tensor) -> tuple[Tensor, Tensor]:
    """As many of these places as of those."""
    n = min(len(one), len(two), MOST)
    return spread(one, n), spread(two, n)


def spread(places: Tensor, n: int) -> Tensor:
    """n of the places, evenly."""
    if n >= len(places):
        return places
    return places[torch.linspace(0, len(places) - 1, n).round().long()] if n else places[:0]


def mixed(count: int) -> Tensor:
    """A fixed order of so many places."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(3))


def shift(train: Sample, held: Sample) -> dict[str, Any]:
    """Do training and held-out rows come from one world?"""
    if not train.floating or train.x.shape[1] < 2:
        return {}
    left, right = matched(train, held)
    order = mixed(len(left))
    a, b = train.take(left[order]), held.take(right[order])
    if len(a) < FEW:
        return {}
    apart, z, rows = s.told_apart(a.x, b.x)
    values: dict[str, Any] = {"apart": apart, "z": z, "rows": rows, "columns": a.x.shape[1]}
    spread_ = torch.cat([a.x, b.x]).std(0).clamp_min(1e-12)
    moved = (b.x.mean(0) - a.x.mean(0)) / spread_
    wider = (b.x.std(0) / a.x.std(0).clamp_min(1e-12)).clamp(1e-3, 1e3)
    values["moved"] = float(moved[moved.abs().argmax()])
    values["column"] = int(moved.abs().argmax())
    values["wider"] = float(wider.median())
    values["mean"] = [float(a.x.mean()), float(b.x.mean())]
    values["std"] = [float(a.x.std()), float(b.x.std())]
    aims = aim(a, b)
    if aims is None:
        return values
    ya, yb, costs = aims
    half = len(a) // 2
    probe, local = s.Probe.fit(a.x[:half], ya[:half]), s.Probe.fit(b.x[:half], yb[:half])
    inside, outside = costs(probe(a.x[half:]), ya[half:]), costs(probe(b.x[half:]), yb[half:])
    own = costs(local(b.x[half:]), yb[half:])
    blank = costs(ya[:half].mean(0).expand(len(yb) - half, -1), yb[half:])
    error = math.sqrt((float(inside.var()) + float(outside.var())) / len(inside))
    paired = outside - own
    error_own = float(paired.std()) / math.sqrt(len(paired))
    values |= {
        "inside": float(inside.mean()),
        "outside": float(outside.mean()),
        "own": float(own.mean()),
        "blank": float(blank.mean()),
        "harm_t": (float(outside.mean()) - float(inside.mean())) / max(error, 1e-12),
        "own_t": float(paired.mean()) / max(error_own, 1e-12),
        "classes": a.labels is not None,
    }
    if b.logits is not None:
        values["model"] = errors(b)
    if b.labels is not None:
        values["turned"] = turned(b.take(torch.arange(half, len(b))), probe, local)
    return values


def turned(held: Sample, probe: s.Probe, local: s.Probe) -> dict[str, Any]:
    """Which ways to turn a picture are all one to training rows, but not to held-out rows?

    Args:
        held: held-out rows.
        probe, local: learnt from training rows, and from other held-out rows.

    Returns:
        By name of the turn: by how much it raises the errors of the one, "training", and of the
        other, "held_out"; the class "from" which most pictures change to the class "to", and
        their "share".
    """
    shape = held.shape
    if len(shape) not in (2, 3) or min(shape[-2:]) < SIDE or held.labels is None:
        return {}
    found: dict[str, Any] = {}
    pictures = held.x.reshape(len(held), *shape)
    for name, dims in WAYS.items():
        other = pictures.flip(dims).reshape(len(held), -1)
        guess = local(other).argmax(1)
        worst = (0.0, 0, 0)
        for c in held.labels.unique().tolist():
            of_class = guess[held.labels == c]
            counts = torch.bincount(of_class, minlength=c + 1)
            counts[c] = 0
            worst = max(worst, (float(counts.max()) / len(of_class), c, int(counts.argmax())))
        found[name] = {
            "training": wrong(probe, other, held.labels) - wrong(probe, held.x, held.labels),
            "held_out": wrong(local, other, held.labels) - wrong(local, held.x, held.labels),
            "share": worst[0],
            "from": worst[1],
            "to": worst[2],
        }
    return found


def wrong(probe: s.Probe, x: Tensor, labels: Tensor) -> float:
    """Share of rows that a probe names wrongly."""
    return float((probe(x).argmax(1) != labels).double().mean())


def aim(a: Sample, b: Sample) -> tuple[Tensor, Tensor, Callable[[Tensor, Tensor], Tensor]] | None:
    """Targets of both, and the cost of a row's prediction: an error, or a share of the variance."""
    if a.labels is not None and b.labels is not None:
        classes = int(max(int(a.labels.max()), int(b.labels.max()))) + 1
        y = s.one_hot(a.labels, classes), s.one_hot(b.labels, classes)
        return *y, lambda guess, true: (guess.argmax(1) != true.argmax(1)).double()
    if a.values is not None and b.values is not None and a.values.shape[1:] == b.values.shape[1:]:
        mean, std = a.values.mean(0), a.values.std(0).clamp_min(1e-12)
        y = (a.values - mean) / std, (b.values - mean) / std
        return *y, lambda guess, true: (guess - true).square().mean(1)
    return None


def twins(first: Sample | None, last: Sample | None, held: Sample) -> dict[str, Any]:
    """Held-out rows with a training row far nearer than the rows around them allow.

    In m dimensions the number of rows within a distance grows with its m-th power. m is measured
    around each row between its 20th and its 100th neighbour; a first neighbour nearer than a few
    rows in a thousand would have it is a twin.
    """
    parts = [p for p in (first, last) if p is not None and p.x.shape[1:] == held.x.shape[1:]]
    x = torch.cat([p.x for p in parts]) if parts else held.x[:0]
    if not held.floating or x.shape[1] < 6 or not len(x):
        return {}
    known, new = x[s.distinct(x)], held.x[s.distinct(held.x)]
    if len(known) < 3 * FEWEST or len(new) < FEWEST:
        return {}
    std, mean = known.std(0), known.mean(0)
    moving = std > 1e-9 * (1 + mean.abs())
    known, new = (known - mean)[:, moving] / std[moving], (new - mean)[:, moving] / std[moving]
    new = new[mixed(len(new))[:MOST]]
    a = s.nearest(new, known, (1, 20, 100))
    b = s.nearest(known[mixed(len(known))[:MOST]], known, (2, 21, 101))
    return {
        "rows": len(new),
        "known": len(known),
        "columns": int(moving.sum()),
        "held_out": close(a),
        "training": close(b),
        "exact": float((a[:, 0] < 1e-6 * a[:, 2]).double().mean()),
        "median": float(a[:, 0].median() / a[:, 2].median()),
    }


def close(distances: Tensor) -> float:
    """Share of rows whose first neighbour is nearer than chance allows."""
    first, near, far = (distances[:, k].clamp_min(1e-30) for k in range(3))
    dimension = math.log(5) / (far / near).clamp_min(1.0001).log()
    expected = 20 * (first / near) ** dimension
    return float((expected < RARE).double().mean())
