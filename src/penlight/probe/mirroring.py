"""Are targets mirrored when their pictures are? Boxes, points and masks, in training rows.

A picture that comes again, as it was or mirrored, tells how it was flipped; its target has to
have been flipped alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from penlight.probe.rows import fingerprints

TWICE = 30  # pairs of rows with one picture
SIDE = 6  # pixels of a picture, at least
CHANNELS = 4  # of a picture, at most, where they come last
COLUMNS = 16  # of targets that may be coordinates
NEAR = 1e-4  # of a column's range: far above rounding, far below chance
CHANGED = 10  # pairs in which a coordinate is mirrored
KINDS = 8  # values of a coordinate: of two, 0 and 1, each is the mirror image of the other
ALL = 0.95  # of the pairs that one rule has to explain; a few rows may come twice by nature


@dataclass(frozen=True)
class Mirroring:
    """How the targets of pairs of rows with one picture are mirrored.

    Attributes:
        bits: (pairs, units) whether each unit (an axis of a mask, a coordinate) is mirrored.
        sure: (pairs,) whether it can only be so.
        unlike: (pairs,) whether no mirroring makes the one target from the other.
        read: targets, or outputs, to the form that is mirrored.
        turn: such targets (pairs, ...) and bits to mirrored targets.
    """

    bits: Tensor
    sure: Tensor
    unlike: Tensor
    read: Callable[[Tensor], Tensor]
    turn: Callable[[Tensor, Tensor], Tensor]


def mirrored(x: Tensor, y: Tensor, output: Tensor, step: Tensor) -> dict[str, Any]:
    """Rows with one picture up to a flip: how often is the target mirrored in another way?

    "pairs" of such rows; those of them whose targets are "reflected", and those "apart", in which
    this does not go along with the flip; "fitting", the share of the later half of these in which
    the model's output is nearer to the target than to the one that would go along: half where
    nobody can know, much more where it has seen what is not in the picture.

    Nothing is taken for granted of what a flip does to the target: each coordinate may follow
    either axis, both at once or none, whatever explains most pairs. {} where targets change
    otherwise, too, or none is reflected, or pairs are few. Costs four fingerprints a row: 0.1 s for
    two shelves full of float32 pictures.

    Args:
        x: (rows, channels, high, wide), (rows, high, wide, channels) or (rows, high, wide).
        y: (rows, ...) masks of the same height and width, or coordinates.
        output: (rows, ...) what the loss was given beside them.
        step: (rows,) training steps done when each was seen.
    """
    axes = picture_axes(x)
    if axes is None:
        return {}
    mask = mask_axes(y, x.shape[axes[0]], x.shape[axes[1]])
    flat = y.reshape(len(y), -1)
    if mask is None and (flat.shape[1] > COLUMNS or not y.is_floating_point()):
        return {}
    if mask is None and not bool(flat.isfinite().all()):
        return {}
    one, other, flips = _same_pictures(x, axes, step)
    if len(one) < TWICE:
        return {}
    how = _of_masks(y[one], y[other], mask) if mask else _of_columns(flat, one, other)
    if how is None or int(how.unlike.sum()) > (1 - ALL) * int((how.sure | how.unlike).sum()):
        return {}
    sure = how.sure.nonzero()[:, 0]
    bits, flips, other = how.bits[sure], flips[sure], other[sure]
    if len(sure) < TWICE or not bool(bits.any()):
        return {}
    wrong = _against(bits, flips)
    apart = wrong.any(1)
    late = torch.argsort(step[other[apart]], stable=True)[int(apart.sum()) // 2 :]
    fitting = 0.5
    if len(late):
        rows, ways = other[apart][late], wrong[apart][late]
        own = how.read(y[rows])
        fits = likelier(how.read(output[rows]), own, how.turn(own, ways))
        if fits is None:
            return {}
        fitting = float(fits.mean())
    return {
        "pairs": len(sure),
        "flipped": int((flips > 0).sum()),
        "reflected": int(bits.any(1).sum()),
        "apart": int(apart.sum()),
        "fitting": fitting,
        "masks": mask is not None,
    }


def picture_axes(x: Tensor) -> tuple[int, int] | None:
    """The dimensions of a picture's height and width; None: no pictures."""
    axes = (-2, -1)
    if x.dim() == 4 and x.shape[3] <= CHANNELS < x.shape[1]:
        axes = (-3, -2)
    if x.dim() not in (3, 4) or min(x.shape[axes[0]], x.shape[axes[1]]) < SIDE:
        return None
    return axes


def mask_axes(y: Tensor, high: int, wide: int) -> tuple[int, int] | None:
    """The dimensions of a mask's height and width; None: targets of another kind."""
    if y.dim() in (3, 4) and y.shape[-2:] == (high, wide):
        return -2, -1
    if y.dim() == 4 and y.shape[1:3] == (high, wide):
        return -3, -2
    return None


def flip(t: Tensor, way: int, axes: tuple[int, int]) -> Tensor:
    """Flipped left to right (way 1), upside down (2), or both (3)."""
    dims = [axis for bit, axis in ((1, axes[1]), (2, axes[0])) if way & bit]
    return t.flip(dims) if dims else t


def by_way(y: Tensor, ways: Tensor, turn: Callable[[Tensor, int], Tensor]) -> Tensor:
    """Each row turned in its own way."""
    out = y.clone()
    for way in ways.unique().tolist():
        out[ways == way] = turn(y[ways == way], way)
    return out


def _same_pictures(x: Tensor, axes: tuple[int, int], step: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Places of rows, places of the next rows with the same picture, and how that is flipped.

    A picture that equals its own flip says nothing and is left out.
    """
    found = [fingerprints(flip(x, way, axes)) for way in range(4)]
    prints = torch.tensor(found, dtype=torch.float64).T
    rows = (prints.sort(1).values.diff(dim=1) > 0).all(1).nonzero()[:, 0]
    rows = rows[torch.argsort(step[rows], stable=True)]
    least, way = prints[rows].min(1)  # which flip leads to the one that stands for all four
    _, picture = torch.unique(least, return_inverse=True)
    order = torch.argsort(picture, stable=True)  # by picture, then by step
    before, after = order[:-1], order[1:]
    pair = picture[before] == picture[after]
    before, after = before[pair], after[pair]
    one, other, flips = rows[before], rows[after], way[before] ^ way[after]
    equal = torch.zeros(len(one), dtype=torch.bool)
    for k in range(4):
        own = flips == k
        equal[own] = (flip(x[one[own]], k, axes) == x[other[own]]).flatten(1).all(1)
    return one[equal], other[equal], flips[equal]


def _of_masks(before: Tensor, after: Tensor, axes: tuple[int, int]) -> Mirroring:
    """Masks of pairs, pixel by pixel; units are width and height."""

    def turn(y: Tensor, bits: Tensor) -> Tensor:
        ways = bits[:, 0].long() + 2 * bits[:, 1].long()
        return by_way(y, ways, lambda rows, way: flip(rows, way, axes))

    same = [(flip(before, k, axes) == after).flatten(1).all(1) for k in range(4)]
    fits = torch.stack(same, 1).int()
    way = fits.argmax(1)
    bits = torch.stack([way & 1, way >> 1], 1).bool()
    return Mirroring(bits, fits.sum(1) == 1, fits.sum(1) == 0, lambda y: y, turn)


def _of_columns(y: Tensor, one: Tensor, other: Tensor) -> Mirroring | None:
    """Coordinates of pairs; None: they are none, or none is ever mirrored.

    Args:
        y: (rows, columns).
        one, other: (pairs,) places of rows.
    """
    forms: list[Callable[[Tensor], Tensor]] = [_columns]
    if y.shape[1] == 4:
        forms.append(_corners)
    for form in forms:
        columns = form(y)
        near = NEAR * (columns.amax(0) - columns.amin(0))
        found = _reflected(columns[one], columns[other], near, form)
        if found is not None:
            return found
    return None


def _columns(y: Tensor) -> Tensor:
    """(rows, columns) in float64."""
    return y.reshape(len(y), -1).double()


def _corners(y: Tensor) -> Tensor:
    """Boxes (left, top, width, height) as (left, top, right, bottom)."""
    flat = _columns(y)
    return torch.cat([flat[:, :2], flat[:, :2] + flat[:, 2:]], 1) if flat.shape[1] == 4 else flat


def _reflected(
    a: Tensor, b: Tensor, near: Tensor, form: Callable[[Tensor], Tensor]
) -> Mirroring | None:
    """Columns whose values, wherever they change, add up to one constant with the old ones.

    Left and right edges, or eyes, may change their roles: then the old ones of another column.

    Args:
        a, b: (pairs, columns).
        near: (columns,) differences that are none.
    """
    changed = (b - a).abs() > near
    role, sums = _roles(a, b, near, changed)
    pairs = {j: k for j, k in role.items() if role.get(k) == j}
    units = sorted({(min(j, k), max(j, k)) for j, k in pairs.items()})
    if not units:
        return None
    alone = all(j == k for j, k in units) and len(units) == a.shape[1] > 1
    at_zero = all(abs(sums[j]) <= 2 * float(near[j]) for j in pairs)
    others = torch.tensor([j not in pairs for j in range(a.shape[1])])
    kept, turned = [], []
    for unit in units:
        here = sorted(set(unit))
        there = [pairs[j] for j in here]
        image = torch.tensor([sums[j] for j in here], dtype=a.dtype) - a[:, there]
        kept.append(~changed[:, here].any(1))
        turned.append(((b[:, here] - image).abs() <= 2 * near[here]).all(1))
    stays, turns = torch.stack(kept, 1), torch.stack(turned, 1)
    unlike = ~(stays | turns).all(1) | changed[:, others].any(1)
    sure = ~unlike & ~(stays & turns).any(1)
    ways = len(torch.unique(turns[sure], dim=0))
    if ways > 4 or (alone and at_zero and ways <= 2):
        return None  # signs at random; or one sign for all, as an axis has that points both ways

    def turn(y: Tensor, bits: Tensor) -> Tensor:
        out = y.clone()
        for at, unit in enumerate(units):
            for j in set(unit):
                out[:, j] = torch.where(bits[:, at], sums[j] - y[:, pairs[j]], y[:, j])
        return out

    return Mirroring(turns, sure, unlike, form, turn)


def _roles(
    a: Tensor, b: Tensor, near: Tensor, changed: Tensor
) -> tuple[dict[int, int], dict[int, float]]:
    """By column, whose old values mirror its new ones, and the constant that both add up to."""
    role: dict[int, int] = {}
    sums: dict[int, float] = {}
    columns = a.shape[1]
    for j in range(columns):
        rows = changed[:, j]
        coarse = (10 * near[j]).clamp_min(1e-30)
        kinds = [len((t[rows, j] / coarse).round().unique()) for t in (a, b)]
        if int(rows.sum()) < CHANGED or min(kinds) < KINDS:
            continue
        for k in sorted(range(columns), key=lambda k: k != j):
            total = b[rows, j] + a[rows, k]
            middle = total.median()
            if float(((total - middle).abs() <= near[j]).double().mean()) >= ALL:
                role[j], sums[j] = k, float(middle)
                break
    return role, sums


def _against(bits: Tensor, flips: Tensor) -> Tensor:
    """(pairs, units) whether a unit does not go along with the flip.

    Args:
        bits: (pairs, units) whether it is mirrored.
        flips: (pairs,) of the pictures: 1 left to right, 2 upside down, 3 both.
    """
    wide, high = (flips & 1).bool(), (flips & 2).bool()
    rules = torch.stack([torch.zeros_like(wide), wide, high, wide ^ high])
    wrong = rules[:, :, None] != bits  # (rules, pairs, units)
    best = wrong.sum(1).argmin(0)
    return wrong[best, :, torch.arange(bits.shape[1])].T


def likelier(output: Tensor, own: Tensor, other: Tensor) -> Tensor | None:
    """(rows,) 1: the output is nearer to its own target than to the other, 0: not, 0.5: a tie.

    None where the two cannot be compared.

    A mask and its mirror image have the same pixels, so that the likelier one is the one that has
    more of the scores, be they logits or probabilities.
    """
    if not bool(output.isfinite().all()):
        return None
    if output.numel() == own.numel():
        flat = output.reshape(len(own), -1).double()
        a, b = own.reshape(len(own), -1).double(), other.reshape(len(own), -1).double()
        return _over((flat - b).square().sum(1), (flat - a).square().sum(1))
    shape = (output.shape[0], *output.shape[2:])
    if own.is_floating_point() or shape != own.shape:
        return None

    def score(y: Tensor) -> Tensor:
        named = (y >= 0) & (y < output.shape[1])
        place = y.long().clamp(0, output.shape[1] - 1)[:, None]
        return (output.double().gather(1, place)[:, 0] * named).flatten(1).sum(1)

    return _over(score(own), score(other))


def _over(a: Tensor, b: Tensor) -> Tensor:
    """(rows,) 1 where a is larger, 0 where b is, 0.5 where both are equal."""
    return ((a - b).sign() + 1) / 2
