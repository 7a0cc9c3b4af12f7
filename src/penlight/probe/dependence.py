"""Experiments after the training: which output depends on what? On copies, without any step.

Exams, by name, and their values:
    cut         parameters that no gradient reaches although the loss depends on them: loss change
                by parameter name when it is moved by a tenth
    coupling    share of the output of other samples that moves when one sample is changed, and
                the dimension of the input that counts samples ("dim")
    reach       share of the output that moves when the first step of each sequence is another
                sample's ("first"), and when all others are ("rest"); "length"
    order       of the largest output, how far outputs move when the tokens of a row are dealt anew
                ("apart"), when they are another row's ("other"), and when only the rows of the
                batch come in the opposite order ("turned"); "length". Of rows of vectors
                also the mean square step between neighbours, 1 when they come in no order
                ("smooth"), and where each gets an answer the share of its error that its place
                alone explains ("placed"), with F ("placed_f") over so many "rows"
    causality   for targets that are the input's own tokens: share of earlier outputs that move when
                the last token does, and of targets that are the next token ("following"), the
                same ("copied") or the one after the next ("skipped")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from penlight.probe.capture import Batch

if TYPE_CHECKING:
    from penlight.probe.exam import Exam

CUT = 16  # parameters without gradient that are moved
FEWEST = 8  # rows that were changed: fewer say nothing
LONG = 5  # tokens that have an order, of which the first and the last one stay
SAME = 1e-5  # of the largest output: a change below it is rounding
ALIKE = 0.9  # share of targets that are tokens of the input


def _output(exam: Exam, model: nn.Module, args: tuple[Tensor, ...], seed: int = 0) -> Tensor:
    torch.manual_seed(seed)  # the same dropout, if there is any that ignores eval()
    with torch.no_grad():
        return exam.capture.output(model, args)


def coupling(exam: Exam, model: nn.Module) -> dict[str, Any]:
    """Change one sample: whose outputs move?"""
    batch = exam.capture.first[0]
    x = batch.args[0]
    if x.dim() < 1 or x.shape[0] < 3:
        return {}
    model.eval()
    before = _output(exam, model, batch.args)
    again = _output(exam, model, batch.args, seed=1)
    if before.dim() < 1 or not before.is_floating_point():
        return {}
    # (time, batch, features) with one answer each, or samples in front
    later = x.dim() == 3 and x.shape[0] != len(before) == x.shape[1] > 2
    if not later and before.shape[0] != x.shape[0]:
        return {}
    changed = x.transpose(0, 1).clone() if later else x.clone()
    changed[0] = another(changed)
    changed = changed.transpose(0, 1).contiguous() if later else changed
    after = _output(exam, model, (changed, *batch.args[1:]))
    if after.shape != before.shape:
        return {}
    scale = float(before.abs().max()) + 1e-30
    noise = float((again - before).abs().max()) / scale
    own = float((after[0] - before[0]).abs().max()) / scale
    others = float((after[1:] - before[1:]).abs().max()) / scale
    return {
        "own": own,
        "others": others,
        "noise": noise,
        "samples": len(before),
        "dim": int(later),
    }


def reach(exam: Exam, model: nn.Module) -> dict[str, Any]:
    """Of sequences with one answer each: are the steps after the first read at all?"""
    batch = exam.capture.first[0]
    x = batch.args[0]
    sequence = x.dim() == (3 if x.is_floating_point() else 2)
    if not sequence or len(x) < 3 or x.shape[1] < 4:
        return {}
    model.eval()
    before = _output(exam, model, batch.args)
    other, moved = x.roll(1, 0), {}
    for name, steps in (("first", slice(0, 1)), ("rest", slice(1, None))):
        changed = x.clone()
        changed[:, steps] = other[:, steps]
        after = _output(exam, model, (changed, *batch.args[1:]))
        if before.dim() not in (1, 2) or len(before) != len(x):
            break
        rows = (changed != x).flatten(1).any(1)  # tokens of two rows may agree
        if after.shape != before.shape or int(rows.sum()) < FEWEST:
            break
        gap = (after - before)[rows].abs().max()
        moved[name] = float(gap / (before.abs().max() + 1e-30))
    return {**moved, "length": int(x.shape[1])} if "rest" in moved else {}


def order(exam: Exam, model: nn.Module) -> dict[str, Any]:
    """Deal the tokens of each row anew: does any output tell?

    The first and the last one stay: they may be read by their places.
    """
    batch = exam.capture.first[0]
    x = batch.args[0]
    tokens = exam.capture.ids and x.dim() == 2 and not x.is_floating_point()
    vectors = x.dim() == 3 and x.is_floating_point()
    if not (tokens or vectors) or x.shape[1] < LONG or len(x) < 3:
        return {}
    model.eval()
    before = _output(exam, model, batch.args)
    if before.dim() < 2 or len(before) != len(x):
        return {}
    places = torch.arange(x.shape[1])
    places[1:-1] = places[1:-1].flip(0).roll(1)
    rest = [a[:, places] if a.shape[:2] == x.shape[:2] else a for a in batch.args[1:]]
    dealt = _output(exam, model, (x[:, places], *rest))
    changed = x.clone()
    changed[:, 1:-1] = x.roll(1, 0)[:, 1:-1]
    other = _output(exam, model, (changed, *batch.args[1:]))
    rows = tuple(a.flip(0) if a.dim() and len(a) == len(x) else a for a in batch.args)
    turned = _output(exam, model, rows)
    if not dealt.shape == other.shape == turned.shape == before.shape:
        return {}
    alike = before.dim() == 3 and before.shape[1] == x.shape[1]  # an answer for each token
    each = before[:, places] if alike else before
    scale = float(before.abs().max()) + 1e-30
    found = {
        "apart": float((dealt - each).abs().max()) / scale,
        "other": float((other - before).abs().max()) / scale,
        "turned": float((turned.flip(0) - before).abs().max()) / scale,
        "length": int(x.shape[1]),
    }
    if tokens:
        return found
    changed = x.clone()
    changed[0] = x[1]
    single = _output(exam, model, (changed, *batch.args[1:]))
    if float((single - before)[1:].abs().max()) > SAME * scale:
        return {}  # what comes first in the input counts no samples
    steps = x.diff(dim=1).square().mean()
    found["smooth"] = float(steps / (2 * (x - x.mean(1, keepdim=True)).square().mean() + 1e-30))
    return {**found, **(_placed(exam, model) if alike else {})}


def _placed(exam: Exam, model: nn.Module) -> dict[str, Any]:
    """How much of what the answers miss depends on the place alone."""
    missed = []
    for batch in list(exam.capture.last) or exam.capture.first:
        output, y = _output(exam, model, batch.args), batch.target
        if y.is_floating_point() and y.numel() == output.numel():
            missed.append((y.reshape(output.shape) - output).double())
        elif not y.is_floating_point() and y.numel() == output[..., 0].numel() and y.min() >= 0:
            told = torch.nn.functional.one_hot(y.reshape(output.shape[:2]), output.shape[2])
            missed.append(told.double() - output.double().softmax(2))
    missed = [m for m in missed if m.shape[1:] == missed[0].shape[1:]]
    if not missed:
        return {}
    rows = torch.cat(missed)
    n, length, width = rows.shape
    rows = rows - rows.mean(1, keepdim=True)  # what a whole row has in common is no place's
    mean = rows.mean(0)
    between = n * float(mean.square().sum())
    within = float((rows - mean).square().sum())
    degrees = (length - 1) * width, (n - 1) * (length - 1) * width
    return {
        "placed": between / (between + within + 1e-30),
        "placed_f": (between / degrees[0]) / (within / degrees[1] + 1e-30),
        "rows": n,
    }


def cut(exam: Exam, model: nn.Module) -> dict[str, Any]:
    """Move parameters that no gradient reaches: does the loss feel it all the same?"""
    batch = exam.capture.first[0]
    assert exam.capture.model is not None
    unreached = [
        name
        for name, p in exam.capture.model.named_parameters()
        if p.requires_grad and id(p) not in exam.reached
    ]
    named = dict(model.named_parameters())
    felt: dict[str, float] = {}
    for name in unreached[:CUT] if len(unreached) < len(named) else []:
        before = _seeded_loss(exam, model, batch)
        old = named[name].detach().clone()
        with torch.no_grad():
            named[name].mul_(1.1).add_(0.05)
        try:
            change = abs(_seeded_loss(exam, model, batch) - before)
        finally:
            with torch.no_grad():
                named[name].copy_(old)
        if change > 1e-5 * max(abs(before), 1e-6):
            felt[name] = change
    return {"felt": felt} if felt else {}


def _seeded_loss(exam: Exam, model: nn.Module, batch: Batch) -> float:
    torch.manual_seed(0)
    with torch.no_grad():
        return float(exam.capture.loss(model, batch))


def causality(exam: Exam, model: nn.Module) -> dict[str, Any]:
    """For a model that predicts the next token, or is shown it: does it look ahead?

    A translator is given another sequence first, perhaps the very same one with noise: what its
    decoder is given, later in the row, is what counts. Targets that a model is given for its loss
    move no output.
    """
    for place in reversed(range(len(exam.capture.first[0].args))):
        for time_first in (False, True):  # (batch, time), or (time, batch)
            values = _causality(exam, model, place, time_first)
            if values:
                return values
    return {}


def _causality(exam: Exam, model: nn.Module, place: int, time_first: bool) -> dict[str, Any]:
    batch = exam.capture.first[0]
    x, y = batch.args[place], batch.target
    if x.is_floating_point() or x.dim() != 2:
        return {}
    x = x.T if time_first else x
    if x.shape[1] < 4:
        return {}
    # The last token has no successor, and the last but one no second one.
    if y.numel() not in [x[:, left_out:].numel() for left_out in range(3)]:
        return {}
    y = y.reshape(-1, len(x)).T if time_first else y.reshape(len(x), -1)
    # Padding agrees with padding: the most common token says nothing.
    telling = x != x[:, 1:].flatten().mode().values

    def ahead(places: int) -> float:
        """Share of the targets that are the token so many places further on."""
        tokens, known = x[:, max(places, 1) :], telling[:, max(places, 1) :]
        targets = y[:, max(places, 1) - places :][:, : tokens.shape[1]]
        width = targets.shape[1]
        same = (targets == tokens[:, :width])[known[:, :width]]
        return float(same.float().mean()) if same.numel() else 0.0

    copied, following, skipped = (ahead(places) for places in range(3))
    if max(following, copied, skipped) < ALIKE:
        return {}

    def shown(other: Tensor) -> Tensor:
        given = other.T.contiguous() if time_first else other
        return _output(exam, model, (*batch.args[:place], given, *batch.args[place + 1 :]))

    model.eval()
    before = shown(x)
    if place and torch.equal(before, shown(x.roll(1, 0))):
        return {}  # it is not read
    changed = x.clone()
    changed[:, -1] = x[:, 0].roll(1) + (x[:, 0].roll(1) == x[:, -1]).to(x.dtype) * -1
    changed[:, -1].clamp_(min=0)
    after = shown(changed)
    if not before.dim():
        return {}
    places, last = before.numel() // before.shape[-1] // len(x), x.shape[1] - 1
    if places not in (last - 1, last, last + 1):
        return {}
    # A model that cuts the last places off itself leaves nothing that the last token may move.
    shape = (places, len(x), -1) if time_first else (len(x), places, -1)
    moved = (after - before).reshape(shape).abs().amax(-1)
    moved = moved.T if time_first else moved
    scale = float(before.abs().max()) + 1e-30
    return {
        "earlier": float(moved[:, :last].max()) / scale,
        "own": float(moved[:, last:].max()) / scale if places > last else None,
        "length": int(x.shape[1]),
        "following": following,
        "copied": copied,
        "skipped": skipped,
    }


def another(x: Tensor) -> Tensor:
    """A row that differs from the first one of x wherever any other row does.

    Tokens of two rows often agree at some places, and those may be all that a model reads.
    """
    rows = x.flatten(1) if x.dim() > 1 else x[:, None]
    first = (rows[1:] != rows[0]).to(torch.uint8).argmax(0)
    return rows[1:].gather(0, first[None])[0].reshape(x.shape[1:])
