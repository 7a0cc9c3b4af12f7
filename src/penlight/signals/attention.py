"""Measurements on attention: how large its logits are, and how widely it looks.

Taken on a sample, so that a look costs little: the first row of the batch, some heads, and
queries and keys at even distances.
"""

from __future__ import annotations

import torch
from torch import Tensor

from penlight.signals.tensors import wide

HEADS, QUERIES, KEYS = 4, 64, 512  # most that are looked at
NEVER = 1e4  # this far below the best key of a query lies only what a mask has put there


def logits(
    query: Tensor,
    key: Tensor,
    mask: Tensor | None = None,
    causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """A sample of the logits of `scaled_dot_product_attention`, masked ones at -inf.

    Args:
        query: (..., H, L, E) or fewer dimensions.
        key: (..., H, S, E); H may be smaller, then neighbouring queries' heads share one.
        mask: may be broadcast to (..., H, L, S); boolean (True takes part), or added.
        causal: whether query i sees the keys 0 to i only.
        scale: of the products; 1 / sqrt(E) unless given.

    Returns:
        (heads, queries, keys) of the first row of the batch.
    """
    query, key = _matrices(query), _matrices(key)
    heads = min(HEADS, query.shape[0])
    share = query.shape[0] // key.shape[0]
    if share > 1:
        key = key[: -(-heads // share)].repeat_interleave(share, 0)
    rows, columns = _every(query.shape[1], QUERIES), _every(key.shape[1], KEYS)
    found = wide(query[:heads, rows]) @ wide(key[:heads, columns]).mT
    found = found * (query.shape[-1] ** -0.5 if scale is None else scale)
    if causal:
        i = torch.arange(query.shape[1], device=query.device)[rows, None]
        j = torch.arange(key.shape[1], device=query.device)[columns]
        found = found.masked_fill(i < j, -torch.inf)
    if mask is not None:
        mask = _matrices(mask)
        for dim, part in enumerate((slice(heads), rows, columns)):
            if mask.shape[dim] > 1:
                mask = mask[(slice(None),) * dim + (part,)]
        if mask.dtype == torch.bool:
            found = found.masked_fill(~mask, -torch.inf)
        else:
            found = found + wide(mask)
    return found


def sampled(given: Tensor, heads: int) -> Tensor:
    """A like sample of logits (B x H, L, S) that are at hand whole, with their mask in them."""
    rows, columns = _every(given.shape[-2], QUERIES), _every(given.shape[-1], KEYS)
    return wide(given[: min(HEADS, heads), rows, columns])


def largest(given: Tensor) -> Tensor:
    """Largest magnitude of a logit that no mask has taken out; NaN when there is none."""
    allowed = _allowed(given)
    found = given.abs().where(allowed, 0).amax()
    return found.where(allowed.any(), torch.nan)


def entropy(given: Tensor) -> Tensor:
    """Entropy of the softmax over the keys, as a share of the logarithm of their number.

    The mean over the queries that may choose between two keys or more, in [0, 1]: 1 when all
    keys weigh the same, 0 when one has all of the weight. NaN when no query has a choice.
    """
    allowed = _allowed(given)
    count = allowed.sum(-1)
    choice = count > 1
    weights = given.where(allowed, -torch.inf).softmax(-1)
    share = torch.special.entr(weights).sum(-1) / count.clamp_min(2).log()
    return share.where(choice, 0).sum() / choice.sum()


def _allowed(given: Tensor) -> Tensor:
    return given.amax(-1, keepdim=True) - given < NEVER


def _matrices(x: Tensor) -> Tensor:
    """The last three dimensions of the first row of the others; missing ones are 1."""
    while x.dim() > 3:
        x = x[0]
    return x.reshape((1,) * (3 - x.dim()) + x.shape)


def _every(size: int, most: int) -> slice:
    """At most so many of that size, at even distances."""
    return slice(None, None, max(1, -(-size // most)))
