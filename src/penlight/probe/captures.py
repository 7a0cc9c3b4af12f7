"""Which of a script's trainings the experiments are made with: the one that takes most steps.

A script may train a second model after the first: it pretrains and fine-tunes, it trains on the
features of a trained net, it looks for settings. So a model that begins to train while another one
is kept is kept as well, as the one that waits. It is let go for good when the first one trains
again, for then the two take turns, as the players of a GAN do; it takes the first one's place once
it has trained for longer. Until then it is held by a weak reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from penlight.probe import keras
from penlight.probe.capture import Capture, Tap
from penlight.probe.models import Root
from penlight.probe.state import State

LEAST = 32  # steps of a training that takes another one's place ...
EMPTY = 8  # ... or, where that one cannot be replayed


class Captures:
    """The trainings of one run, as far as they can be replayed.

    Args:
        functions: loss functions by name.
    """

    def __init__(self, state: State, functions: dict[str, Any]) -> None:
        self.state = state
        self.functions = functions
        self.taps: dict[str, Callable[..., Any]] = {}  # loss functions that tell `tap`
        self.tap = Tap()
        self.reduction = ""  # of the loss of Keras' that is being computed
        self.meet_keras: Callable[[], None] | None = None  # to be called at its first model
        self.main = Capture(state, functions, self.taps, self.tap)
        self._waiting: Capture | None = None

    def _each(self) -> Iterator[Capture]:
        yield self.main
        if self._waiting is not None:
            yield self._waiting

    def forward(
        self, root: Root, positional: tuple[Any, ...], named: dict[str, Any], output: Tensor
    ) -> None:
        """A training forward pass of a root has ended."""
        if self.meet_keras is not None and keras.is_layer(root.module):
            self.meet_keras()
            self.meet_keras = None
        capture = self._of(root)
        if capture is not None:
            capture.forward(root, positional, named, output)
            self._settle()

    def _of(self, root: Root) -> Capture | None:
        """The capture that a root's pass belongs to; None: none of those kept."""
        model, waiting = root.module, self._waiting
        if self.main.source is None:
            return self.main
        if self.main.source is model:
            self._waiting = None
            return self.main
        if waiting is not None and waiting.source is model:
            return waiting
        if root.waited:
            return None
        root.waited = True
        self._waiting = Capture(self.state, self.functions, self.taps, self.tap, follows=True)
        return self._waiting

    def _settle(self) -> None:
        """Let the training that waits take the first one's place where it is the longer one."""
        main, waiting = self.main, self._waiting
        if waiting is None or not waiting.first:
            return
        steps = waiting.until - waiting.since
        own = max(main.until - main.since, LEAST) if main.first else EMPTY - 1
        if steps > own:
            waiting.stay()
            self.main, self._waiting = waiting, None

    def objective(
        self,
        name: str,
        x: Tensor,
        y: Tensor,
        given: dict[str, Any],
        loss: Tensor,
        *,
        inside: bool = False,
    ) -> None:
        """A training loss was computed; see `Capture.objective`."""
        for capture in self._each():
            capture.objective(name, x, y, given, loss, inside=inside)

    def backward(self, loss: Tensor) -> None:
        """A backward pass begins."""
        for capture in self._each():
            capture.backward(loss)

    def hold(self, loss: Any) -> bool:
        """A loss of Keras' begins."""
        if not self.state.keeping:
            return False
        for capture in self._each():
            capture.hold()
        self.reduction = keras.reduction(loss)
        return True

    def keras_objective(self, loss: Any, y: Any, x: Any, weights: Any, result: Any) -> None:
        """A loss of Keras' was computed."""
        self.reduction = ""
        for capture in self._each():
            capture.keras_objective(loss, y, x, weights, result)

    def before_step(self, optimizer: Optimizer | keras.KerasOptimizer) -> None:
        """An optimiser is about to step."""
        for capture in self._each():
            capture.before_first_step(optimizer)
