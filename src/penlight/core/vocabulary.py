"""The words Penlight measures in: every signal, with its definition.

A signal is a number that belongs to a step and a site. The measuring functions live in
`penlight.signals`; this module holds only names and definitions, so that detectors, reports
and docs can speak of a signal without importing torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Site = Literal["optimizer", "parameter", "module", "activation", "objective", "run"]


@dataclass(frozen=True, slots=True)
class Signal:
    """One measurable quantity: its name in the store, its unit, what a site is, its definition."""

    name: str
    unit: str
    per: Site
    doc: str

    def __str__(self) -> str:
        return self.name


LOSS = Signal(
    "loss",
    "loss",
    "optimizer",
    "The value handed to backward(), averaged over the backward passes since the last step.",
)
LR = Signal(
    "lr", "1", "optimizer", "Learning rate of the optimiser's first group; only changes are kept."
)
BACKWARDS = Signal(
    "backwards",
    "1",
    "optimizer",
    "Backward passes behind one optimiser step; only changes are kept.",
)
OBJECTIVE_LOSS = Signal(
    "objective_loss",
    "loss per target",
    "objective",
    "Training loss as returned by the loss function, per target: a sum reduction is divided out.",
)
ACCURACY = Signal("accuracy", "share", "objective", "Share of a training batch classified rightly.")
EXPLAINED = Signal(
    "explained",
    "share",
    "objective",
    "1 - MSE / Var(target) on a training batch, each target column on its own, then averaged.",
)
OUTPUT_MEAN = Signal("output_mean", "1", "objective", "Mean of the predictions given to the loss.")
OUTPUT_STD = Signal(
    "output_std",
    "1",
    "objective",
    "Standard deviation of the predictions over the samples of a batch, averaged over outputs.",
)
LOG_NORMALISER = Signal(
    "log_normaliser",
    "1",
    "objective",
    "Mean of log sum exp of the logits given to a cross-entropy: adding a constant to all logits "
    "moves it and leaves the loss as it is.",
)
GRAD_NORM = Signal(
    "grad_norm", "1", "parameter", "L2 norm of the gradient the optimiser is about to use."
)
CLIP_FACTOR = Signal(
    "clip_factor",
    "share",
    "run",
    "What clip_grad_norm_ (max_norm / norm, 1 at most) or clip_grad_value_ leaves of the norm of "
    "the gradient, by the line that calls it.",
)
EPSILON_FACTOR = Signal(
    "epsilon_factor",
    "share",
    "parameter",
    "mean sqrt(v) / (sqrt(v) + eps) of Adam after a step, v corrected for its bias: what epsilon "
    "leaves of the step; on at most 64 blocks of 64, entries without any gradient left out.",
)
GRAD_SURPRISE = Signal(
    "grad_surprise",
    "1",
    "parameter",
    "sqrt(mean g^2 / max(v, eps^2)) of Adam after a step: about 1 while gradients are as large as "
    "Adam remembers them; on at most 64 blocks of 64.",
)
WEIGHT_NORM = Signal("weight_norm", "1", "parameter", "L2 norm of the parameter after the step.")
UPDATE_RATIO = Signal(
    "update_ratio",
    "1",
    "parameter",
    "||w_after - w_before|| / ||w_before|| of one optimiser step, on at most 64 blocks of 64.",
)
UPDATE_BASE = Signal(
    "update_base",
    "1",
    "parameter",
    "||w_before|| of the same entries; only for a parameter that lies in parts on several ranks.",
)
TRAVEL = Signal(
    "travel",
    "1",
    "parameter",
    "||w_now - w_start|| / ||w_start||: how far a parameter has moved since the first step.",
)
LOST_SHARE = Signal(
    "lost_share",
    "share",
    "parameter",
    "Share of the entries with a gradient that one optimiser step left exactly as they were, of "
    "the same sample; only for weights stored in 16 bits.",
)
FLOOR_SHARE = Signal(
    "floor_share",
    "share",
    "parameter",
    "Share of the non-zero entries of a gradient computed in float16 that are below 2^-22, within "
    "four of its smallest steps; only where no loss scale was divided out.",
)
OUTPUT_GRAD = Signal(
    "output_grad",
    "1",
    "module",
    "Frobenius norm of dLoss/d(module output) over the batch. Its ratio to the site nearest to "
    "the loss is the light left at that depth.",
)
ACT_RMS = Signal("act_rms", "1", "module", "Root mean square of a module's output.")
ACT_ABSMAX = Signal("act_absmax", "1", "module", "Largest magnitude in a module's output.")
STREAM_RMS = Signal(
    "stream_rms",
    "1",
    "module",
    "Root mean square of what enters a layer or RMS normalisation: the residual stream, in most "
    "transformers.",
)
DEPENDENCE = Signal(
    "dependence",
    "share",
    "module",
    "mean_j Var_i(z_ij) / mean_ij z_ij^2 over samples i and units j of a module's output: "
    "0 when every input gives the same output.",
)
ZERO_SHARE = Signal("zero_share", "share", "activation", "Share of exact zeros in an activation.")
DEAD_SHARE = Signal(
    "dead_share",
    "share",
    "activation",
    "Share of ReLU units (channels) that were positive on no sample of a window of batches.",
)
DEAD_SAMPLES = Signal(
    "dead_samples", "samples", "activation", "Samples (with positions) behind a dead_share."
)
SATURATED_SHARE = Signal(
    "saturated_share",
    "share",
    "activation",
    "Share of sigmoid or tanh units whose mean slope over a batch is under 5% of its maximum.",
)
ATTENTION_LOGIT = Signal(
    "attention_logit",
    "1",
    "module",
    "Largest magnitude of q . k times the scale over the pairs that no mask takes out, on a "
    "sample: the first row of the batch, 4 heads, 64 queries, 512 keys.",
)
ATTENTION_ENTROPY = Signal(
    "attention_entropy",
    "share",
    "module",
    "Entropy of the attention weights over log(keys that may be seen), mean over the queries of "
    "that sample: 1 when all keys weigh the same, 0 when one has it all.",
)
ROUTER_ENTROPY = Signal(
    "router_entropy",
    "share",
    "module",
    "Entropy of how a router's choices spread over the experts, over that of equal shares, over "
    "about 2,000 choices: 1 when all get alike, 0 when one gets all.",
)
ROUTER_IDLE = Signal(
    "router_idle",
    "share",
    "module",
    "Share of the experts that get less than a tenth of an equal share of those choices.",
)

SIGNALS: dict[str, Signal] = {
    value.name: value for value in list(globals().values()) if isinstance(value, Signal)
}
