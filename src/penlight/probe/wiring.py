"""How a model is put together where that can be proven wrong: recut memory, layers used twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from torch import Tensor, nn

from penlight.core import facts as f
from penlight.probe.models import Models, Root

POINTWISE = (nn.Embedding, nn.EmbeddingBag, nn.PReLU)  # what stands where does not matter to them


def has_weights(module: nn.Module) -> bool:
    """Whether a module mixes values along a dimension by weights of its own."""
    mixes = any(p is not None and p.dim() > 1 for p in module._parameters.values())
    return mixes and not isinstance(module, POINTWISE)


def recut(x: Tensor) -> tuple[int, ...]:
    """Shape of the tensor whose memory `x` shows with dimensions swapped but values unmoved.

    () where `x` is no such view: `view` or `reshape` stood where `permute` or `transpose` was
    meant. Dimensions of size 1 may go anywhere without harm.
    """
    base = x._base
    if base is None or base.numel() != x.numel() or not x.is_contiguous():
        return ()
    before, after = tuple(base.shape), tuple(x.shape)
    moved, kept = [n for n in after if n > 1], [n for n in before if n > 1]
    swapped = moved != kept and sorted(moved) == sorted(kept)
    return before if swapped and base.is_contiguous() else ()


def repeated(root: Root, models: Models) -> Iterator[f.Repeated]:
    """Layers with weights that a Sequential or ModuleList of a model holds more than once."""
    model = root.module
    for name, container in model.named_modules() if model is not None else ():
        if not isinstance(container, (nn.Sequential, nn.ModuleList)):
            continue
        held = list(container._modules.values())
        for key, times in Counter(map(id, held)).items():
            layer = next(m for m in held if id(m) == key)
            if times > 1 and layer is not None and any(map(has_weights, layer.modules())):
                yield f.Repeated(
                    container=name or root.label,
                    type=type(layer).__name__,
                    times=times,
                    root=root.label,
                    source=models.source(layer),
                )
