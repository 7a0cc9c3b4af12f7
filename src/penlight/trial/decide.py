"""Accept a change only when paired runs prove it: a sequential test with a margin.

For each pair of arms with the same random numbers, `d` is the log-ratio of their outcomes, better
when positive. Two tests run side by side after each pair:

- the right-Haar t e-value of `d` minus the margin being positive, with a normal prior of variance
  `G` on the standardised effect, cut to positive effects; valid at any stopping time;
- after four pairs (`Rule.separated`), whether all treated arms beat all control arms.

Their error rates add up. At most two such tests are made, `FIRST` and, stricter, `LAST`:
together they let a useless change pass in at most `ERROR`. Without the margin, changes that do
next to nothing pass.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Values = np.ndarray[tuple[int], np.dtype[np.float64]]
Verdict = Literal["accept", "harmful", "no-effect", "no-benefit", "undecided"]

G = 30.0  # prior variance of the standardised effect: of 10 to 100 the quickest at three pairs
MARGIN = math.log(1.02)
SURE = math.log(1.10)  # the margin where the random numbers change nothing: no test is possible
FEWEST, MOST = 3, 6  # pairs
HOPE = 0.5  # standard errors of the mean benefit below which further pairs are not worth it


@dataclass(frozen=True)
class Rule:
    """What is asked of the pairs.

    Args:
        alpha: error rate of the e-value.
        separated: pairs of the separation test.
    """

    alpha: float
    separated: int

    @property
    def error(self) -> float:
        """The probability that a useless change passes, at most."""
        return self.alpha + 1 / math.comb(2 * self.separated, self.separated)


FIRST, LAST = Rule(0.02, 4), Rule(0.01, 5)
ERROR = FIRST.error + LAST.error
# Of repairs of what is proven to be wrong, such as gradients that are never cleared: that they are
# right is known, and whether they help here is all that is asked.
PROVEN = Rule(0.05, 4)


@dataclass(frozen=True)
class Pair:
    """One pair of arms: log outcomes' difference, both log outcomes, and whether all was equal."""

    difference: float
    control: float
    treated: float
    identical: bool = False


@dataclass(frozen=True)
class Decision:
    """Where a confirmation stands; `verdict` None means that more pairs are needed.

    `error_rate` bounds the probability that a useless change is accepted.
    """

    verdict: Verdict | None
    pairs: int
    e_value: float = 0.0
    error_rate: float | None = None


def decide(pairs: Sequence[Pair], rule: Rule = FIRST, *, fixed: bool = False) -> Decision:
    """Judge the pairs so far.

    Args:
        pairs: in the order in which they were run.
        rule: what is asked of them.
        fixed: the controls of different seeds are bit-identical, so that one pair says it all.
    """
    n = len(pairs)
    if not n:
        return Decision(None, 0)
    if pairs[0].identical:
        return Decision("no-effect", 1)
    d = np.array([p.difference for p in pairs])
    if np.isnan(d).any():
        return Decision("undecided", n)
    if fixed:
        return _plain(float(d[0]), n)
    if n < FEWEST:
        return Decision(None, n)
    e = e_value(d - MARGIN)
    if e >= 1 / rule.alpha:
        return Decision("accept", n, e, rule.error)
    if n >= rule.separated and separated(pairs[: rule.separated]):
        return Decision("accept", n, e, rule.error)
    return Decision(_unproven(d, rule), n, e, rule.error)


def _unproven(d: Values, rule: Rule) -> Verdict | None:
    """What else to say of differences that prove no benefit; None: go on."""
    if e_value(-d - MARGIN) >= 1 / rule.alpha:
        return "harmful"
    mean = float(d.mean())
    # Futility: the evidence points the wrong way, or nowhere.
    if mean < 0 or (mean <= MARGIN and len(d) >= rule.separated):
        return "no-benefit"
    hopeless = mean < HOPE * float(d.std(ddof=1)) / math.sqrt(len(d))
    return "undecided" if hopeless or len(d) >= MOST else None


def _plain(better: float, n: int) -> Decision:
    """The verdict where all pairs are one and the same."""
    if better > SURE:
        return Decision("accept", n, math.inf, 0.0)
    return Decision("harmful" if better < -SURE else "no-benefit", n)


def separated(pairs: Sequence[Pair]) -> bool:
    """Whether every treated outcome is better than every control's by the margin."""
    return max(p.treated for p in pairs) < min(p.control for p in pairs) - MARGIN


def e_value(x: Values) -> float:
    """Evidence that the mean of normal values is above zero, their spread unknown.

    The t statistic's density under a half-normal prior on the standardised effect, over its
    density at no effect, both with the spread integrated out.
    """
    n = len(x)
    mean, spread = float(x.mean()), float(x.std(ddof=1))
    if spread <= 1e-12 * abs(mean) or spread == 0:
        spread = max(abs(mean) * 1e-6, 1e-300)
    t = math.sqrt(n) * mean / spread
    t = max(-1e6, min(1e6, t))
    v, shrink = n - 1, 1 + n * G
    # w = observed spread over the true one; its likely range depends on t: a logarithmic grid.
    w = np.exp(np.linspace(-7 - math.log1p(abs(t)), 2, 256))
    base = (v + 1) * np.log(w) - v * w**2 / 2  # one more power of w for the logarithmic grid
    null = base - (t * w) ** 2 / 2
    tail = np.array([_upper(-t * a * math.sqrt(n * G / shrink)) for a in w])
    with np.errstate(divide="ignore"):
        alternative = base - (t * w) ** 2 / (2 * shrink) + np.log(2 * tail)
    return float(np.exp(_sum(alternative) - _sum(null)) / math.sqrt(shrink))


def _upper(z: float) -> float:
    """P(Z > z) of a standard normal."""
    return 0.5 * math.erfc(z / math.sqrt(2))


def _sum(logs: Values) -> float:
    top = float(logs.max())
    return top + math.log(float(np.exp(logs - top).sum()))
