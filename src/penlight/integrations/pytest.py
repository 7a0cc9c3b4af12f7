"""Penlight in tests: a fixture that examines or watches, a mark that watches a whole test.

    def test_model(penlight):
        penlight.check(model, batch, loss_fn)

    @pytest.mark.penlight
    def test_training():
        train(epochs=2)

pytest loads this file in every session, so what costs time is imported by the tests that ask.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

import pytest

from penlight.errors import PenlightError

if TYPE_CHECKING:
    from penlight.core.finding import Diagnosis
    from penlight.core.run import Run
    from penlight.library import Seen

FailOn = Literal["critical", "warning"]
FAIL_ON: tuple[FailOn, ...] = ("critical", "warning")
WIDTH = 90  # of a failure's text; pytest puts "E   " in front of it
MARK = "penlight(allow=(), fail_on=None): fail the test when its training shows a pitfall"


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--penlight-fail-on`, and the same and `penlight_allow` in the configuration file."""
    fail_on = "The mildest finding that fails a test: critical or warning."
    group = parser.getgroup("penlight", "diagnosis of PyTorch trainings")
    group.addoption("--penlight-fail-on", choices=FAIL_ON, default=None, help=fail_on)
    parser.addini("penlight_fail_on", fail_on, default="warning")
    parser.addini("penlight_allow", "Pitfalls that fail no test.", type="args", default=[])


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARK)


@pytest.fixture
def penlight(request: pytest.FixtureRequest) -> Examiner:
    """Fails the test when a model or a training shows a pitfall: `check`, and `watch`."""
    return Examiner(_rules(request.config))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Watch the body of a marked test, without its fixtures."""
    mark = item.get_closest_marker("penlight")
    if mark is None:
        return (yield)
    from penlight.library import watch

    rules = _rules(item.config).but(*mark.args, **mark.kwargs)
    seen = None
    try:
        with watch() as seen:
            result = yield
    except BaseException as error:
        if seen is None and isinstance(error, PenlightError):
            pytest.fail(str(error), pytrace=False)
        if seen is not None and (said := verdict(seen.run, rules)):
            item.add_report_section("call", "penlight", said)
        raise
    judge(seen.run, rules, trace=False)
    return result


@dataclass(frozen=True)
class Rules:
    """What fails a test: findings from this severity on, but for the pitfalls that are allowed."""

    fail_on: FailOn = "warning"
    allow: frozenset[str] = frozenset()

    def but(self, allow: Collection[str] = (), fail_on: FailOn | None = None) -> Rules:
        """The same with one test's own wishes."""
        names = [allow] if isinstance(allow, str) else allow
        fail_on = fail_on or self.fail_on
        if fail_on not in FAIL_ON:
            raise pytest.UsageError(f"penlight: fail_on is critical or warning, not {fail_on!r}.")
        return Rules(fail_on, self.allow.union(names))

    def convict(self, diagnosis: Diagnosis) -> Diagnosis:
        """The diagnosis with nothing but what fails the test. A cause that is allowed takes its
        symptoms along.
        """
        findings = [
            x
            for x in diagnosis.alarms
            if self.allow.isdisjoint((x.pitfall, x.because_of))
            and (x.severity == "critical" or self.fail_on == "warning")
        ]
        return replace(diagnosis, findings=tuple(findings))


class Examiner:
    """The `penlight` fixture: `penlight.check` and `penlight.watch`, where a finding fails."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    def __repr__(self) -> str:
        return "the penlight fixture"  # pytest shows it above a failure

    def check(
        self,
        model: Any,
        batch: Any,
        loss_fn: Callable[..., Any],
        optimizer: Any = None,
        *,
        allow: Collection[str] = (),
        fail_on: FailOn | None = None,
    ) -> Diagnosis:
        """Examine what one batch can prove, without training; everything stays as it was.

        Args:
            model: the model.
            batch: `(inputs..., target)`, see `penlight.check`.
            loss_fn: takes the model's output and the target.
            optimizer: if given, its parameters are compared with the model's.
            allow: pitfalls that do not fail this test.
            fail_on: the mildest finding that does, "critical" or "warning".
        """
        __tracebackhide__ = True
        from penlight.library import check

        rules = self._rules.but(allow, fail_on)
        try:
            diagnosis = check(model, batch, loss_fn, optimizer)
        except PenlightError as error:
            pytest.fail(str(error))
        judge(diagnosis.run, rules)
        return diagnosis

    def watch(
        self,
        model: Any = None,
        optimizer: Any = None,
        *,
        allow: Collection[str] = (),
        fail_on: FailOn | None = None,
    ) -> AbstractContextManager[Seen]:
        """Watch the training inside a `with` block and judge it at its end.

        The arguments are those of `penlight.watch` and of `check`.
        """
        return _Watched(self._rules.but(allow, fail_on), model, optimizer)


class _Watched:
    """`penlight.watch`, and the judgement behind it. A class, so that its frames can be hidden."""

    def __init__(self, rules: Rules, model: Any, optimizer: Any) -> None:
        from penlight.library import watch

        self._rules = rules
        self._watch = watch(model, optimizer)

    def __enter__(self) -> Seen:
        __tracebackhide__ = True
        try:
            self._seen = self._watch.__enter__()
        except PenlightError as error:
            pytest.fail(str(error))
        return self._seen

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        __tracebackhide__ = True
        self._watch.__exit__(kind, error, trace)
        if error is None:
            judge(self._seen.run, self._rules)


def judge(run: Run, rules: Rules, *, trace: bool = True) -> None:
    """Fail the test when the run breaks its rules, or when there is nothing to judge.

    Args:
        run: what was recorded.
        rules: what fails.
        trace: whether the line of the test is shown above the text.
    """
    __tracebackhide__ = True
    if said := verdict(run, rules):
        pytest.fail(said, pytrace=trace)
    if run.header.mode != "check" and run.steps == 0:
        pytest.fail("Penlight saw no training here: no PyTorch optimiser took a step.", trace)


def verdict(run: Run, rules: Rules) -> str:
    """What is wrong, where, by what evidence and what to change; '' when nothing fails."""
    from penlight.catalogue import catalogue
    from penlight.diagnosis import diagnose
    from penlight.report.sheet import plain
    from penlight.report.terminal import print_causes
    from penlight.report.words import sentence

    convicted = rules.convict(diagnose(run))
    if not convicted.findings:
        return ""
    root = convicted.findings[0]
    card = catalogue().get(root.pitfall)
    text = plain(lambda console: print_causes(convicted, run, console, pictures=False), WIDTH)
    return f"{sentence(card.title if card else root.says)}\n\n{text.rstrip()}"


def _rules(config: pytest.Config) -> Rules:
    fail_on = config.getoption("--penlight-fail-on") or config.getini("penlight_fail_on")
    return Rules().but(config.getini("penlight_allow"), fail_on)
