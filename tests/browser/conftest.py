"""Debian's chromium, driven by Playwright; and runs made by hand to look at.

Without a browser these tests are skipped, except under CI, where that is a failure: ./do browser
installs one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penlight.core.facts import End, Header, Module, NonFinite, Optimizer, Parameter, Predictions
from penlight.core.finding import Diagnosis, Evidence, Excluded, Finding, Prescription
from penlight.core.run import Run
from penlight.core.vocabulary import (
    ACT_RMS,
    DEAD_SHARE,
    GRAD_NORM,
    LOSS,
    LR,
    OUTPUT_GRAD,
    SATURATED_SHARE,
    UPDATE_RATIO,
)
from penlight.testing import fake_run

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-quic", "--disable-background-networking", "--disable-gpu"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One chromium for all tests of a worker."""
    if not CHROMIUM.exists():
        reason = f"there is no {CHROMIUM}: ./do browser installs it"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield chromium
        chromium.close()


@dataclass
class Watched:
    """A page, with everything it complained of and asked for."""

    page: Any
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


def _bad(message: Any) -> bool:
    """Whether the page complains; that a test reads a canvas more than once is the test's doing."""
    return message.type in ("error", "warning") and "willReadFrequently" not in message.text


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Watched]]:
    """Open a URL; what goes wrong on the page is collected, and fails the test at its end."""
    opened: list[tuple[Any, Watched]] = []

    def go(url: str, width: int = 1280, scheme: str = "light", **options: Any) -> Watched:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, **options
        )
        watched = Watched(context.new_page())
        opened.append((context, watched))
        page = watched.page
        page.on("console", lambda m: watched.errors.append(m.text) if _bad(m) else None)
        page.on("pageerror", lambda e: watched.errors.append(str(e)))
        page.on("request", lambda r: watched.requests.append(r.url))
        page.goto(url)
        return watched

    yield go
    for context, watched in opened:
        context.close()
        assert not watched.errors


def network(
    layers: int = 8, steps: int = 60, names: Callable[[int], str] = "net.{}".format, **more: Any
) -> Run:
    """A run with every picture: light that halves at each layer, dead units, a loss that falls.

    Args:
        layers: Linear layers.
        steps: looks, one a step.
        names: the name of layer i.
        more: `script` for the header, `facts` to add.
    """
    named = [names(i) for i in range(layers)]
    t = np.arange(steps)
    wave = 1 + 0.1 * np.sin(t / 5)
    series: dict[Any, list[float]] = {
        LOSS: (2 * np.exp(-t / steps) + 0.05 * np.cos(t)).tolist(),
        LR: [0.1],
    }
    for i, name in enumerate(named):
        series[OUTPUT_GRAD, name] = (0.5 ** (layers - 1 - i) * wave).tolist()
        series[ACT_RMS, name] = (0.3 + 0.01 * t).tolist()
        series[DEAD_SHARE, name] = np.linspace(0, i / layers, steps).tolist()
        series[SATURATED_SHARE, name] = np.linspace(0, 0.2, steps).tolist()
        series[GRAD_NORM, f"{name}.weight"] = wave.tolist()
        series[UPDATE_RATIO, f"{name}.weight"] = (1e-3 * 0.8**i * wave).tolist()
    passes = [
        Predictions(step=s, samples=100, loss=float(2.1 * np.exp(-s / steps) + 0.2), accuracy=0.5,
                    labels=(60, 40), predicted=(90, 10))
        for s in range(9, steps, 10)
    ]  # fmt: skip
    facts = [
        Header(script=more.get("script", "train.py"), torch="2.13.0", penlight="0.1.0"),
        Optimizer(type="SGD", lr=0.1),
        *(Module(name=n, type="Linear", order=i, root="Net", source=f"train.py:{10 + i}")
          for i, n in enumerate(named)),
        *(Parameter(name=f"{n}.weight", shape=(8, 8), module=n, root="Net") for n in named),
        *passes,
        *more.get("facts", ()),
        End(script_exit=0, steps=steps, seconds=3.0, wall=4.0, cost=0.1),
    ]  # fmt: skip
    return fake_run(series, facts)


def sick(run: Run, where: str = "net.0", says: str = "Little light reaches net.0") -> Diagnosis:
    """A diagnosis of `network` with evidence of every kind of picture."""
    light = float(np.median(run.light[where].values)) if where in run.light else 0.01
    found = Finding(
        "vanishing-gradient", says, where=where, first_step=12, confidence=0.97,
        evidence=(
            Evidence("light", "light at the first layer", where, (0, 59), light, 0.5),
            Evidence("exam", "a number without a curve", value=3.0, limit=1.0),
            Evidence("predictions", "one class is predicted for most", value=0.9, limit=0.8),
        ),
        prescriptions=(Prescription("Use `nn.ReLU`", "it passes all of the light"),),
        excluded=(
            Excluded("dying-relu", "Dead units are exactly 0 for every sample."),
            Excluded(f"{says}?", "`no_grad` stops the gradient at one place."),
        ),
    )  # fmt: skip
    other = Finding("lr-too-low", "Steps are short", "warning", 0.8, first_step=30)
    return Diagnosis(
        (found.ranked(1, "cause"), other.ranked(2, "symptom", "vanishing-gradient")),
        ("vanishing-gradient", "lr-too-low", "overfitting"),
        ("validation: never looked at",),
    )


@pytest.fixture
def make() -> Callable[..., Run]:
    """`network`, for tests."""
    return network


@pytest.fixture
def judge() -> Callable[..., Diagnosis]:
    """`sick`, for tests."""
    return sick


@pytest.fixture
def broken() -> Run:
    """A run whose loss becomes NaN at step 20."""
    run = network(facts=[NonFinite(step=20, module="net.1", reason="log of zero")])
    loss = run.series(LOSS)
    loss.values[20:] = np.nan
    return run
