"""Metrics that a script prints."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|nan|inf"
_METRIC = re.compile(
    rf"((?:\b(?:val|valid|validation|test|eval|dev|train|training|final|mean)[\w.]*[\s_-]+)*"
    rf"\b[\w.]*(?:acc|accuracy|f1|auc|auroc|r2|error|mse|rmse|mae|loss|perplexity|ppl)\w*)"
    rf"\s*[:=]?\s*({_NUMBER})\s*(%?)",
    re.IGNORECASE,
)
HIGHER = re.compile(r"acc|f1|auc|auroc|r2|precision|recall|corr|score|iou|dice|bleu", re.I)
_LOWER = re.compile(r"err|loss|mse|rmse|mae|perplexity|ppl|nll|deviation|distance|wer\b", re.I)


def printed(text: str) -> dict[str, float]:
    """The last value of every metric that a script prints, as something better when lower."""
    found: dict[str, float] = {}
    for name, value in _lines(text):
        if HIGHER.search(name):
            share = value / 100 if abs(value) > 1 and _percent(name) else value
            found[name] = 1 - share if math.isfinite(share) else math.inf
        elif _LOWER.search(name):
            found[name] = value if math.isfinite(value) else math.inf
    ranked = sorted(found, key=_rank)
    return {name: found[name] for name in ranked}


def _lines(text: str) -> Iterator[tuple[str, float]]:
    read: Callable[[str], float] = float
    for line in text.splitlines():
        if line.startswith("RESULT "):
            try:
                result = json.loads(line.removeprefix("RESULT "))
                value = result.get("value")
                yield f"result {result['metric']}", math.nan if value is None else read(value)
            except (ValueError, KeyError, TypeError, AttributeError):
                continue
            continue
        for name, number, percent in _METRIC.findall(line):
            value = read(number)
            label = " ".join(re.split(r"[\s_-]+", name.strip().lower()))
            yield label, value / 100 if percent else value


def _percent(name: str) -> bool:
    return bool(re.search(r"acc|f1|auc|auroc|precision|recall|iou|dice", name, re.I))


def is_score(name: str) -> bool:
    """Whether a printed number stands for itself: no loss, and not on training data."""
    return (
        "train" not in name
        and "loss" not in name
        and (name.startswith("result") or bool(HIGHER.search(name)) or "err" in name)
    )


def _rank(name: str) -> int:
    order = ("result", "test", "val", "eval", "dev", "final")
    return next((i for i, word in enumerate(order) if word in name), len(order))
