"""Runs and diagnoses made by hand, and the golden texts they must give.

    PENLIGHT_GOLDEN=1 pytest tests/report

writes the golden texts anew; read the difference before committing it.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console

from penlight.core.facts import Blind, End, Header, Module, Targets
from penlight.core.finding import Diagnosis, Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall
from penlight.core.run import Run
from penlight.core.vocabulary import LOSS, OBJECTIVE_LOSS, OUTPUT_GRAD
from penlight.report.terminal import print_diagnosis
from penlight.testing import fake_run, objective

GOLDEN = Path(__file__).parent.parent / "golden"
Case = tuple[Diagnosis, Run]


class VanishingGradient(Pitfall):
    """The gradient shrinks from layer to layer, so the first layers do not learn.

    Shine a flashlight through a stack of sunglasses. Each lens lets a part of the light through,
    the parts multiply, and behind the tenth lens it is dark.

    ## What happens
    Backpropagation multiplies one factor a layer.
    """

    family = "signal propagation"
    demo = Demo(script="print(1)\n", cure=(("1", "2"),))

    def detect(self, run: Run) -> Iterator[Finding]:
        yield self.finding("never called here")


RELU = Prescription(
    "Replace the 6 sigmoids by ReLU, with He initialisation",
    because="a sigmoid passes at most a quarter of the slope, ReLU passes all of it",
    unless="the sigmoids are gates, as in an LSTM",
)
RATE = Prescription("Use Adam instead of SGD", because="Adam divides a dim light out")


def _header(script: str = "/home/ada/project/train.py") -> Header:
    return Header(penlight="0.1.0", script=script, torch="2.13.0")


def _dark_layers(names: list[str], tint: float, steps: int = 40) -> Run:
    grads = {
        (OUTPUT_GRAD, name): [0.5 * tint ** (len(names) - 1 - i)] * steps
        for i, name in enumerate(names)
    }
    modules = [
        Module(name=n, type="Linear", order=i, root="Net", source=f"train.py:{14 + i}")
        for i, n in enumerate(names)
    ]
    end = End(script_exit=0, steps=480, seconds=11.8, wall=13.1, cost=0.12)
    losses = {LOSS: [2.31, *[2.302] * (steps - 1)]}
    return fake_run({**losses, **grads}, [_header(), *modules, end])


def vanishing(layers: int = 6) -> Case:
    """A deep sigmoid net: one cause, three symptoms, a note."""
    run = _dark_layers([f"net.{2 * i}" for i in range(layers)], 0.0733)
    first = Finding(
        "vanishing-gradient",
        "1 in 480,000 of the learning signal reaches net.0",
        confidence=0.97,
        where="net.0",
        first_step=0,
        evidence=(
            Evidence(
                "light",
                "The light that reaches net.0 is far under the least that SGD can learn from",
                "net.0",
                (0, 40),
                2.1e-6,
                1e-3,
            ),
            Evidence(
                "travel", "In 480 steps net.0 has hardly moved", "net.0", (0, 479), 3.2e-5, 0.01
            ),
        ),
        prescriptions=(RELU, RATE),
    )
    symptoms = [
        Finding("lr-too-low", "The weights move too little", "warning", 0.8, "net.0"),
        Finding("saturated-activation", "Sigmoids are flat", "warning", 0.7, "net.1"),
        Finding("forward-collapse", "All samples look alike", "warning", 0.6),
    ]
    note = Finding("class-imbalance-collapse", "One class holds 61% of the labels", "note", 0.9)
    findings = (
        first.ranked(1, "cause"),
        *(s.ranked(i, "symptom", first.pitfall) for i, s in enumerate(symptoms, 2)),
        note.ranked(5, "cause"),
    )
    blind = ("Validation: the script never evaluates the model, so overfitting was not looked for",)
    return Diagnosis(findings, tuple(f"p{i}" for i in range(20)), blind), run


def healthy() -> Case:
    """Nothing is wrong, nothing is hidden."""
    losses = {LOSS: [2.303, 1.7, 0.9, 0.4, 0.21, 0.12]}
    end = End(script_exit=0, steps=1200, seconds=62.0, wall=64.0, cost=0.41)
    run = fake_run(losses, [_header(), end])
    return Diagnosis(checked=tuple(f"p{i}" for i in range(20))), run


def unlearnt() -> Case:
    """No pitfall explains it, but the loss ends where it began, at that of a guess."""
    goal = objective()
    losses = [2.3026 + 0.0003 * (-1) ** i for i in range(300)]
    facts = [
        _header(),
        goal,
        Targets(objective=goal.site, samples=1000, integral=True, classes=(100,) * 10),
        End(script_exit=0, steps=300, seconds=62.0, wall=64.0, cost=0.41),
    ]
    run = fake_run({LOSS: losses, (OBJECTIVE_LOSS, goal.site): losses}, facts)
    return Diagnosis(checked=tuple(f"p{i}" for i in range(20))), run


def healthy_blind() -> Case:
    """Nothing is wrong, but not everything could be seen, and a part of Penlight failed."""
    end = End(script_exit=0, steps=8, seconds=0.4, wall=2.0, cost=0.0003)
    run = fake_run({LOSS: [0.7, 0.6]}, [_header(), end, Blind("a", "b")])
    blind = (
        "Layers inside torch.compile: hooks do not run there",
        "Validation: the script never evaluates the model",
    )
    faults = ("probe.activations was switched off at step 3: ValueError: boom",)
    note = Finding("small-batch", "Batches hold 2 samples", "note", 0.9).ranked(1, "cause")
    return Diagnosis((note,), ("p1",), blind, faults), run


def crash() -> Case:
    """The loss became NaN and the script died of it; two causes."""
    losses = {LOSS: [0.69, 0.8, 3.0, 410.0, float("nan"), float("nan")]}
    error = "ValueError: Input contains NaN, infinity or a value too large for dtype('float32')."
    end = End(script_exit=1, error=error, steps=6, seconds=0.31, wall=2.2, cost=0.04)
    run = fake_run(losses, [_header(), end], lr=5.0)
    born = Finding(
        "nonfinite-loss",
        "The first NaN was made by log in the forward pass of head.log at step 4, batch 4",
        exact=True,
        where="head.log",
        source="train.py:31",
        first_step=4,
        evidence=(
            Evidence("nonfinite", "log of zero, in rows 3 and 17 of the batch", "head.log", (4, 4)),
        ),
        prescriptions=(Prescription("Use log_softmax instead of log(softmax(x))"),),
    )
    rate = Finding(
        "lr-too-high",
        "The loss rose 590-fold in 3 steps",
        "warning",
        0.84,
        first_step=1,
        evidence=(
            Evidence(
                "update_ratio",
                "Each step changed the weights by more than their own size",
                "head",
                (1, 3),
                1.7,
                0.1,
            ),
        ),
        prescriptions=(Prescription("Divide the learning rate by 100, from 5 to 0.05"),),
    )
    return Diagnosis((born.ranked(1, "cause"), rate.ranked(2, "cause")), ("a", "b")), run


def no_training() -> Case:
    """A script that only imports things."""
    end = End(script_exit=0, steps=0, wall=1.4, cost=0.02)
    return Diagnosis(checked=("a", "b")), fake_run({}, [_header(), end])


def hostile() -> Case:
    """Names that try to take the report over."""
    bad = "[red]x[/] \x1b[31mred\x1b[0m <img src=x onerror=alert(1)> \u202egnp\nfake line"
    names = [f"{bad}{i}" for i in range(5)]
    run = _dark_layers(names, 0.1)
    run = Run(
        {key: run.series(*key) for key in [("loss", ""), *(("output_grad", n) for n in names)]},
        [*(x for x in run.facts if not isinstance(x, Header)), _header(f"/tmp/{bad}.py")],
    )
    finding = Finding(
        "vanishing-gradient",
        f"{bad} is dark [bold]",
        where=names[0],
        source="[link=file:///etc/passwd]a.py:1[/link]",
        first_step=3,
        evidence=(Evidence(bad, f"{bad} :smile: [/]", bad, (0, 1), float("nan"), 1.0),),
        prescriptions=(Prescription(bad, bad, bad),),
    )
    return Diagnosis((finding.ranked(1, "cause"),), ("a",), (bad,), (bad,)), run


@pytest.fixture(autouse=True)
def _small_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    """The report reads cards from the catalogue; these tests bring their own."""
    monkeypatch.setattr(
        "penlight.report.terminal.catalogue", lambda: {VanishingGradient.name: VanishingGradient()}
    )


@pytest.fixture
def show() -> Callable[..., str]:
    """Print a case to a string."""

    def shown(
        case: Case,
        width: int = 80,
        encoding: str = "utf-8",
        folder: str = ".penlight/3f2a",
        **kw: object,
    ) -> str:
        raw = io.BytesIO()
        out = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
        console = Console(file=out, width=width, legacy_windows=False, _environ={}, **kw)  # type: ignore[arg-type]
        print_diagnosis(*case, console, folder=folder)
        out.flush()
        return raw.getvalue().decode(encoding)

    return shown


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Compare with the golden text of that name, or write it."""

    def check(name: str, text: str) -> None:
        path = GOLDEN / f"{name}.txt"
        if os.environ.get("PENLIGHT_GOLDEN"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8")

    return check


@pytest.fixture
def cases() -> dict[str, Callable[..., Case]]:
    """All cases by name."""
    made = (vanishing, healthy, unlearnt, healthy_blind, crash, no_training, hostile)
    return {f.__name__: f for f in made}
