"""Watches attention: the functions that compute it, called from inside a module that has a name."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from penlight.core.vocabulary import ATTENTION_ENTROPY, ATTENTION_LOGIT
from penlight.probe.forward import Forward, in_backward
from penlight.probe.guard import Patches
from penlight.probe.state import State, measurable
from penlight.signals import attention as measure

PLAIN = (Tensor, nn.Parameter)  # other subclasses may hold no numbers, as CausalBias


class Attention:
    """Logits and entropy of each attention, once a step that is looked at.

    `scaled_dot_product_attention` is wrapped, and the softmax inside a `nn.MultiheadAttention`
    that was asked for its weights: it then takes another way.
    """

    def __init__(self, state: State, forward: Forward, patches: Patches) -> None:
        self.state = state
        self.forward = forward
        self._last: dict[str, int] = {}  # site -> step of its newest look
        guard = state.ledger.guard
        products = guard("attention", self._products)
        weights = guard("attention", self._weights)
        dropout = guard("dropout", forward.dropout)
        attention, softmax = nn.functional.scaled_dot_product_attention, nn.functional.softmax

        def watched(*args: Any, **kwargs: Any) -> Tensor:
            if not torch.compiler.is_compiling():
                share = kwargs.get("dropout_p", args[4] if len(args) > 4 else 0.0)
                if share and not torch.is_grad_enabled():
                    dropout()
                if state.armed:
                    products(*args, **kwargs)
            return attention(*args, **kwargs)

        def watched_softmax(
            input: Tensor,  # noqa: A002  # torch's own name
            dim: int | None = None,
            _stacklevel: int = 3,
            dtype: torch.dtype | None = None,
        ) -> Tensor:
            if not torch.compiler.is_compiling() and state.armed:
                weights(input)
            return softmax(input, dim, _stacklevel + 1, dtype)  # its warning names the caller

        patches.wrap(nn.functional, "scaled_dot_product_attention", watched)
        patches.wrap(nn.functional, "softmax", watched_softmax)

    def _products(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> None:
        module = self._module(query, key, attn_mask)
        if module is not None and key.shape[-2] > 1:
            self._keep(module, measure.logits(query, key, attn_mask, is_causal, scale))

    def _weights(self, logits: Tensor) -> None:
        module = self._module(logits)
        if isinstance(module, nn.MultiheadAttention) and logits.dim() == 3 and logits.shape[2] > 1:
            self._keep(module, measure.sampled(logits, module.num_heads))

    def _module(self, *tensors: Tensor | None) -> nn.Module | None:
        """The module at work, when this is a pass of training over plain numbers."""
        if not self.forward.stack or not torch.is_grad_enabled() or in_backward():
            return None
        for x in tensors:
            if x is not None and not (type(x) in PLAIN and measurable(x) and x.numel()):
                return None
        return self.forward.stack[-1]

    def _keep(self, module: nn.Module, logits: Tensor) -> None:
        site, step = self.forward.site(module), self.state.step
        if self._last.get(site) == step:
            return
        self._last[site] = step
        self.state.readout.add(ATTENTION_LOGIT, site, step, measure.largest(logits))
        self.state.readout.add(ATTENTION_ENTROPY, site, step, measure.entropy(logits))
