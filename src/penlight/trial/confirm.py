"""Proves a joint prescription on fresh random numbers.

Two tests at most. Where a shortened training tells enough, its pairs come first, because they cost
least; pairs of whole runs follow where those prove nothing. How much is enough, the two whole runs
of the search have shown. Where no training can be shortened, the second test is for another
candidate.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from penlight.edits import Refused
from penlight.trial.arms import Arm
from penlight.trial.bench import Spent
from penlight.trial.cuts import LEAST
from penlight.trial.decide import FEWEST, FIRST, LAST, MOST, PROVEN, Decision, Pair, Rule, decide
from penlight.trial.outcome import Score, Source, difference, score
from penlight.trial.parts import Joint
from penlight.trial.search import CLOSE, Search
from penlight.trial.short import Cut
from penlight.trial.tried import GAIN, Tried

# Shares of a training at which it is looked at. A tenth is too soon: without zero_grad a training
# may be ahead or far behind then, from one seed to the next.
LOOKS = tuple(k / 10 for k in range(2, 11))
# The log-ratio at which the outcomes of a pair lie apart. Where it is less the pairs point both
# ways, and a test of them costs more than it tells. It may become less later, but must not vanish.
APART = 0.3


@dataclass(frozen=True)
class Proof:
    """One test of a joint prescription: its decision, and the scores of each pair's two arms."""

    tried: Tried
    cut: Cut | None
    decision: Decision
    values: tuple[tuple[Score | None, Score | None], ...]


def proofs(search: Search, source: Source, most: int = MOST) -> Iterator[Proof]:
    """Test what a search has found, until something is accepted.

    Args:
        search: has run.
        source: where outcomes are read.
        most: pairs of one test, at most.
    """
    if search.best is None:
        return
    search.bench.stage = "confirmation"
    passed = 0.0  # the error of the tests before
    for usual, (tried, cut) in zip((FIRST, LAST), _plans(search, source), strict=False):
        rule = _rule(tried, usual)
        share = 1.0 if cut is None else cut.share
        if passed and search.bench.left < FEWEST * share * (1 + tried.joint.length):
            return
        proof = _proof(search, source, tried, cut, rule, min(most, MOST))
        rate = proof.decision.error_rate
        passed += rule.error
        if rate:
            proof = replace(proof, decision=replace(proof.decision, error_rate=passed))
        yield proof
        if proof.decision.verdict == "accept":
            return


def _rule(tried: Tried, usual: Rule) -> Rule:
    """What is asked of the pairs: less where only proven faults are repaired."""
    parts = tried.joint.parts
    return PROVEN if parts and all(part.certain for part in parts) else usual


def _plans(search: Search, source: Source) -> Iterator[tuple[Tried, Cut | None]]:
    """What to test, and on how much of a training."""
    best = search.best
    assert best is not None
    try:
        cut = _cut(search, best, source)
    except Spent:
        return
    if best.joint.length == 1 and _can_be_cut(search, best.joint, cut):
        yield best, cut
        yield best, None
    else:
        yield best, None
        search.bench.stage = "screening"
        try:
            other = search.another()
        except Spent:
            return
        finally:
            search.bench.stage = "confirmation"
        if other is not None:
            yield other, None


def _cut(search: Search, best: Tried, source: Source) -> Cut | None:
    """The shortest training that shows what the best does; None where only a whole one does."""
    looks = [(share, _apart(search, best, source, share)) for share in LOOKS]
    known = [(share, apart) for share, apart in looks if apart is not None]
    for i, (share, now) in enumerate(known):
        apart = now > APART and all(later > GAIN for _, later in known[i:])
        enough = share * search.control.steps >= LEAST
        if apart and enough and (cut := search.cuts.at(share)):
            return cut
    if known:
        return None
    screened = [t for t in search.tried if t.joint.key == best.joint.key and t.cut is not None]
    if screened and screened[0].gain < CLOSE:
        return None
    return search.cuts.against([p.pitfall for p in best.joint.parts])


def _apart(search: Search, best: Tried, source: Source, share: float) -> float | None:
    """How far apart the outcomes of both whole runs were after a share; None: not to be seen."""
    step = round(share * search.control.steps)
    own, got = (score(arm, source, step) for arm in (search.control, best.arm))
    return None if own is None or got is None else difference(own, got)


def _can_be_cut(search: Search, made: Joint, cut: Cut | None) -> bool:
    try:
        search.cuts.texts(made, cut)
    except Refused:  # an edit of the loop itself
        return False
    return cut is not None


def _proof(
    search: Search, source: Source, tried: Tried, cut: Cut | None, rule: Rule, most: int
) -> Proof:
    """Run fresh pairs until the test has seen enough."""
    bench, steps = search.bench, None if cut is None else cut.steps
    bench.listener.phase("confirming on fresh random numbers")
    texts = [search.cuts.texts(made, cut) for made in (Joint(), tried.joint)]
    base = bench.known(texts[0], 0, steps)
    pairs: list[Pair] = []
    values: list[tuple[Score | None, Score | None]] = []
    decision = Decision(None, 0)
    # What the script as it is did and reached, pair by pair.
    same = [(base.digest, score(base, source))] if base is not None else []

    def judge(control: Arm, treated: Arm) -> None:
        own, got = (None if a.failed else score(a, source) for a in (control, treated))
        d = difference(own, got)
        identical = bool(control.digest) and control.digest == treated.digest and d == 0
        same.append((control.digest, own))
        level = 2.0 if own is None else math.log(max(own.main[1], 1e-9))
        pairs.append(Pair(d, level, level - d, identical))
        values.append((own, got))

    # Nothing was chosen by the first pair where there was nothing to choose from.
    if cut is None and len(search.tried) == 1:
        judge(search.control, tried.arm)
        same = same[:1]
    first = len(pairs)
    while decision.verdict is None and len(pairs) < most:
        # As many as there are cores for: what is known after one pair needs no other.
        count = min(max(most, FEWEST) - len(pairs), max(1, bench.pool.slots // 2))
        count = min(count, FEWEST - len(pairs)) if len(pairs) < FEWEST else count
        numbers = range(len(pairs) + 1 - first, len(pairs) + 1 - first + count)
        wanted = [(text, k) for k in numbers for text in texts]
        try:
            arms = bench.run(wanted, steps, reserved=True)  # what has begun is finished
        except Spent:  # no time
            break
        for control, treated in zip(arms[::2], arms[1::2], strict=True):
            judge(control, treated)
        fixed = len(same) > 1 and bool(same[0][0]) and all(x == same[0] for x in same)
        decision = decide(pairs, rule, fixed=fixed)
    if decision.verdict is None:
        decision = replace(decision, verdict="undecided")
    return Proof(tried, cut, decision, tuple(values))
