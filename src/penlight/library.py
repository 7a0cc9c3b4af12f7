"""Penlight inside Python: `watch` and `fix` for notebooks, `check` before a training."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penlight.core.finding import Diagnosis
from penlight.core.run import Run
from penlight.diagnosis import diagnose
from penlight.errors import PenlightError
from penlight.probe import Probe
from penlight.store.memory import MemorySink
from penlight.store.reader import load

if TYPE_CHECKING:
    import torch
    from torch import nn

    from penlight.edits.training import Training
    from penlight.trial.bench import Listener
    from penlight.trial.decide import Verdict
    from penlight.trial.result import Fix, Trial

CHECK_SECONDS = 2.0  # of experiments in a check
_watching: list[str] = []


class Seen:
    """What `watch` has seen so far, or in all once it is over."""

    def __init__(self, sink: MemorySink) -> None:
        self._sink = sink

    @property
    def run(self) -> Run:
        """The recorded run up to now."""
        return self._sink.run()

    def diagnose(self) -> Diagnosis:
        """Diagnose what has been recorded up to now."""
        return judged(self.run)

    def __str__(self) -> str:
        return str(self.diagnose())

    def _repr_pretty_(self, printer: Any, _: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        """The report page in a frame of its own: what a notebook shows."""
        return judged(self.run)._repr_html_()


class Judged(Diagnosis):
    """A diagnosis together with its run, so that it can show itself.

    `print` gives the text of the report, a notebook the page.
    """

    run: Run

    def __str__(self) -> str:
        from penlight.report.terminal import as_text

        return as_text(self, self.run)

    def _repr_pretty_(self, printer: Any, _: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        from penlight.report.html import Arm, frame, page

        return frame(page(Arm(self.run, self)))


def judged(run: Run) -> Judged:
    """Diagnose a run."""
    found = diagnose(run)
    result = Judged(**{x.name: getattr(found, x.name) for x in fields(found)})
    object.__setattr__(result, "run", run)  # the base is frozen
    return result


@contextmanager
def watch(
    model: nn.Module | Sequence[nn.Module] | None = None,
    optimizer: Any = None,
    *,
    budget: float = 0.01,
) -> Iterator[Seen]:
    """Watch the training inside a `with` block.

    Args:
        model: the model or models to watch; by default every one that trains in the block.
        optimizer: the optimiser or optimisers to watch; by default every one that steps.
        budget: share of the training's time that watching may take, beyond one second.

    Raises:
        PenlightError: torch is not installed, or something is being watched already.

    Example:
        >>> with penlight.watch(model, optimizer) as seen:
        ...     train(model, optimizer)
        >>> print(seen)
    """
    with _alone("penlight.watch"):
        sink = MemorySink()
        probe = Probe(
            sink,
            script="a watched block",
            mode="watch",
            budget=budget,
            models=_listed(model),
            optimizers=_listed(optimizer),
        )
        probe.start()
        error = ""
        try:
            yield Seen(sink)
        except BaseException as failure:
            error = f"{type(failure).__name__}: {failure}"
            raise
        finally:
            probe.finish(1 if error else 0, error)


def check(
    model: nn.Module,
    batch: Any,
    loss_fn: Callable[..., torch.Tensor],
    optimizer: torch.optim.Optimizer | None = None,
) -> Judged:
    """Examine everything that one batch can prove, in seconds and without training.

    The objective and its shapes, the wiring of the graph, the light at initialisation, the first
    loss, what the optimiser holds, and whether samples or future tokens leak into each other. The
    model, its buffers, gradients and modes, and the random state are left exactly as they were.

    Args:
        model: the model, as it would be trained.
        batch: `(inputs..., target)`; the loss is `loss_fn(model(*inputs), target)`. Another
            batch is handed to `loss_fn(model, batch)` when it is a mapping or when the first
            parameter of `loss_fn` is called `model`.
        loss_fn: the loss as above; must return one number that requires grad.
        optimizer: if given, its parameters are compared with the model's.

    Raises:
        PenlightError: the loss cannot be computed or has no gradient.
    """
    with _alone("penlight.check"), _unchanged(model):
        import torch

        sink = MemorySink()
        probe = Probe(sink, script="penlight.check", mode="check", models=(model,))
        probe.start()
        try:
            with torch.enable_grad():
                loss = _loss(model, batch, loss_fn)
                if not isinstance(loss, torch.Tensor) or loss.numel() != 1:
                    raise PenlightError(
                        "loss_fn must return one number, a tensor with one element."
                    )
                if not loss.requires_grad:
                    raise PenlightError(
                        "The loss has no gradient: nothing between the parameters and it is "
                        "connected. Look for .detach(), .item(), torch.no_grad() or numpy on the "
                        "way."
                    )
                loss.backward()
            if probe.parts is not None:
                probe.parts.preflight(model, optimizer, CHECK_SECONDS)
        finally:
            probe.finish(0)
        return judged(sink.run())


@dataclass(frozen=True)
class Cure:
    """What `fix` found.

    Args:
        found: diagnosis, trials and words.
        training: the cured training, trained to its end; without a proven cure the user's own
            objects, untouched. Its `zero_grad`, `before_step` and `after_step` say what a loop has
            to do around each step.
    """

    found: Fix
    training: Training

    @property
    def accepted(self) -> bool:
        """Whether a cure is proven."""
        return self.found.accepted

    @property
    def verdict(self) -> Verdict | None:
        """Of the prescription that was taken furthest; None when none was tried."""
        return self.found.trials[0].verdict if self.found.trials else None

    @property
    def trials(self) -> tuple[Trial, ...]:
        """All that was tried, the proven one first."""
        return self.found.trials

    @property
    def model(self) -> nn.Module:
        return self.training.model

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        return self.training.optimizer

    @property
    def loss(self) -> Callable[..., torch.Tensor]:
        return self.training.loss

    @property
    def batches(self) -> Iterable[Any]:
        """What to train on; a cure may scale or shuffle it."""
        return self.training.batches

    @property
    def validation(self) -> Iterable[Any] | None:
        return self.training.validation

    def to_json(self) -> dict[str, Any]:
        """The contract of `penlight fix --json`; `patch` is empty."""
        return self.found.to_json()

    def __str__(self) -> str:
        from penlight.report.fix import print_fix
        from penlight.report.sheet import plain

        return plain(lambda console: print_fix(self.found, console))

    def _repr_pretty_(self, printer: Any, _: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        from penlight.report.html import Arm, frame, page

        arm = Arm(self.found.run, self.found.diagnosis)
        return frame(page(arm, fix=self.to_json()))


def fix(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss: Callable[..., torch.Tensor],
    batches: Iterable[Any],
    validation: Iterable[Any] | None = None,
    *,
    epochs: int = 10,
    budget: float = 20.0,
    minutes: float | None = None,
    quiet: bool = False,
) -> Cure:
    """Train copies, say what is wrong, try cures on further copies and prove one.

    The objects handed in, their gradients and all random states are left exactly as they were.

    Args:
        model: the model as it is before the training; it is trained by
            `loss(model(inputs), targets).backward()` and `optimizer.step()`.
        optimizer: made of the model's parameters.
        loss: takes outputs and targets, gives one number.
        batches: a DataLoader or a list of (inputs, targets), gone through once an epoch.
        validation: the same, held out: what a cure is judged by. Without it, training batches
            before they are learnt from. Batches are moved to the model's device.
        epochs: how often one training goes through the batches.
        budget: what may be spent, in such trainings.
        minutes: what may be spent in all; None for no limit.
        quiet: say nothing on stderr while it works.

    Raises:
        PenlightError: torch is not installed, or the objects cannot be copied or trained like that.

    Example:
        >>> cure = penlight.fix(model, optimizer, loss_fn, train_loader, test_loader, epochs=5)
        >>> print(cure)
        >>> model = cure.model
    """
    with _alone("penlight.fix"), ExitStack() as stack:
        from penlight.edits.training import Training
        from penlight.trial import notebook
        from penlight.trial.bench import Quiet

        if epochs < 1 or budget <= 0 or (minutes is not None and minutes <= 0):
            raise PenlightError("penlight.fix needs at least one epoch and a limit above zero.")
        given = Training(model, optimizer, loss, batches, validation)
        stack.enter_context(notebook.randomness(given))  # rich draws some, too
        listener: Listener = Quiet()
        if not quiet:
            from penlight.report.fix import Progression

            listener = progress = Progression(sys.stderr)
            stack.callback(progress.stop)
        found, cured = notebook.fix(given, epochs, budget, minutes, listener)
        return Cure(found, cured or given)


def diagnosis_of(run: Run | str | Path) -> Judged:
    """Diagnose a run, or the run recorded in a folder.

    Raises:
        PenlightError: the folder holds no readable run.
    """
    return judged(run if isinstance(run, Run) else load(run))


def explain(name: str) -> str:
    """The card of a pitfall as Markdown.

    Raises:
        PenlightError: there is no such pitfall.
    """
    from penlight.catalogue import pitfall
    from penlight.page import markdown

    return markdown(pitfall(name))


def _loss(model: Any, batch: Any, loss_fn: Callable[..., Any]) -> Any:
    names = _parameters(loss_fn)
    if names and names[0] == "model":
        return loss_fn(model, batch)
    if isinstance(batch, (tuple, list)) and len(batch) >= 2:
        return loss_fn(model(*batch[:-1]), batch[-1])
    if isinstance(batch, Mapping):
        return loss_fn(model, batch)
    raise PenlightError(
        "penlight.check needs a batch (inputs..., target), or a loss function whose first "
        f"parameter is called model; it got a {type(batch).__name__} and {names or loss_fn}."
    )


def _parameters(function: Callable[..., Any]) -> list[str]:
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return []


@contextmanager
def _unchanged(model: nn.Module) -> Iterator[None]:
    """Put gradients, buffers, modes and random states back."""
    import torch

    grads = [(p, p.grad) for p in model.parameters()]
    buffers = [(b, b.detach().clone()) for b in model.buffers()]
    modes = [(m, m.training) for m in model.modules()]
    random = torch.get_rng_state()
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    for p, _ in grads:
        p.grad = None
    try:
        yield
    finally:
        for p, grad in grads:
            p.grad = grad
        with torch.no_grad():
            for b, old in buffers:
                b.copy_(old)
        for m, training in modes:
            m.training = training
        torch.set_rng_state(random)
        if devices:
            torch.cuda.set_rng_state_all(devices)


@contextmanager
def _alone(name: str) -> Iterator[None]:
    """One probe at a time: two would count each other's work."""
    import importlib.util

    if importlib.util.find_spec("torch") is None:
        raise PenlightError(f"{name} needs PyTorch: pip install torch")
    if _watching:
        raise PenlightError(f"{name} cannot start inside {_watching[0]}: one watcher at a time.")
    _watching.append(name)
    try:
        yield
    finally:
        _watching.remove(name)


def _listed(value: Any) -> tuple[Any, ...]:
    if value is None:
        return ()
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)
