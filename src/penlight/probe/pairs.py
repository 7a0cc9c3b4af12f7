"""Keeps some rows of the data beside their targets, as the model was given them.

Training rows from the looked-at steps, the first ones and the newest, and the rows of the newest
evaluation passes that were not trained on. What they can tell is asked after the training, see
`penlight.probe.inspection`. Everything is a copy on the rows' own device: nothing is waited for.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from penlight.probe.rows import fingerprints
from penlight.probe.schedule import EXAM
from penlight.probe.state import State, first_tensor, measurable

ROWS = 2048  # rows of one kind
BYTES = 8 << 20  # of one kind
WIDTH = 4096  # numbers of a row: of a longer one every second, third, ... is kept
PLACES = 3  # evaluation loops that rows are kept of
ASKED = 64  # rows of a batch that are looked for among those of training
RESERVE = EXAM / 2  # seconds left to the experiments: a last evaluation may use up the rest


@dataclass(frozen=True)
class Piece:
    """Rows that came together.

    Attributes:
        x: (rows, ...) as given to the model; (rows, numbers) where they were thinned out.
        y: (rows, ...) targets as given to the loss.
        output: (rows, ...) what the loss was given beside them.
        step: training steps done by then.
    """

    x: Tensor
    y: Tensor
    output: Tensor
    step: int

    @property
    def size(self) -> int:
        """Bytes held."""
        return sum(t.numel() * t.element_size() for t in (self.x, self.y, self.output))


@dataclass
class Shelf:
    """Pieces up to a number of rows and bytes; with `newest` old ones make room."""

    newest: bool = False
    step: int = 0
    pieces: deque[Piece] = field(default_factory=deque)
    rows: int = 0
    bytes: int = 0

    def add(self, piece: Piece) -> bool:
        """Put a piece in; False when the shelf is full."""
        rows, size = len(piece.x), piece.size
        while self.newest and self.pieces and not self.fits(rows, size):
            self._count(self.pieces.popleft(), -1)
        if not self.fits(rows, size):
            return False
        self.pieces.append(piece)
        self._count(piece, 1)
        return True

    def fits(self, rows: int, size: int) -> bool:
        """Whether there is room for so many rows and bytes."""
        return self.rows + rows <= ROWS and self.bytes + size <= BYTES

    def _count(self, piece: Piece, sign: int) -> None:
        self.rows += sign * len(piece.x)
        self.bytes += sign * piece.size


class Pairs:
    """Rows with their targets, of training and of evaluation passes.

    Args:
        known: fingerprints of training rows.
    """

    def __init__(self, state: State, known: set[float]) -> None:
        self.state = state
        self.known = known
        self.first = Shelf()
        self.last = Shelf(newest=True)
        self.beside = Shelf()  # rows that no loss named a target of, once others had one
        self.held_out: dict[str, Shelf] = {}  # by place
        self.alone = True  # nothing beside x was ever given to the model
        self.inner = False  # a model is fed by another: what it gets are no rows of the data
        self._trained: tuple[Tensor, int] | None = None  # input, numbers in the output
        self._evaluated: tuple[Tensor, int] | None = None

    def training(self, since: int) -> tuple[Shelf, Shelf]:
        """The first rows of training from a step on, and the newest ones beside them."""
        if not since:
            return self.first, self.last
        first, last = Shelf(), Shelf()
        for piece in (*self.first.pieces, *self.last.pieces):
            if piece.step >= since and not first.add(piece):
                last.add(piece)
        return first, last

    def newest(self, fewest: int, since: int = 0) -> Shelf | None:
        """Rows of the evaluation that was looked at last, of those with so many from a step on."""
        shelves = [p for p in self.held_out.values() if p.rows >= fewest and p.step >= since]
        return max(reversed(shelves), key=lambda p: p.step, default=None)

    def trained(self, args: Any, output: Tensor) -> None:
        """A training forward pass of a looked-at step has ended."""
        self.alone = self.alone and len(args) == 1
        x = first_tensor(args)
        self.inner = self.inner or (x is not None and x.grad_fn is not None)
        self._unpaired(self._trained)
        self._trained = None if self.inner else given(args, output)

    def evaluated(self, args: Any, output: Tensor, asked: tuple[int, int]) -> None:
        """A forward pass without gradient has ended.

        Args:
            asked: rows of it that were looked for among those of training, and those found.
        """
        self._evaluated = None if self.inner else given(args, output)
        count, found = asked
        if not count and self._evaluated is not None and self._room():
            x = self._evaluated[0]
            count = min(ASKED, len(x)) if x.device.type == "cpu" else 0
            found = sum(p in self.known for p in fingerprints(x[:count])) if count else 0
        if 2 * found >= count:
            self._evaluated = None

    def learnt(self, output: Tensor, y: Tensor, *, inside: bool = False) -> None:
        """A training loss was computed on what the newest training pass gave, or inside of it."""
        pending, self._trained = self._trained, None
        piece = self._piece(pending, output, y, inside)
        if piece is None:
            self._unpaired(pending)
        elif not self.first.add(piece):
            self.last.add(piece)

    def judged(self, place: str, output: Tensor, y: Tensor, *, inside: bool = False) -> None:
        """What the newest pass without gradient gave was compared with its targets; `inside`: by
        the model itself."""
        pending, self._evaluated = self._evaluated, None
        if place not in self.held_out and len(self.held_out) >= PLACES:
            return
        shelf = self.held_out.get(place)
        newer = shelf is None or shelf.step != self.state.step
        if shelf is not None and not newer and shelf.rows >= ROWS:
            return
        piece = self._piece(pending, output, y, inside)
        if piece is None:
            return  # rows of an earlier pass are better than none
        if shelf is None or newer:
            shelf = self.held_out[place] = Shelf(step=self.state.step)
        shelf.add(piece)

    def let_go(self) -> None:
        """The step is over: hold nothing of it that no loss has asked for."""
        self._unpaired(self._trained)
        self._trained = None

    def _unpaired(self, pending: tuple[Tensor, int] | None) -> None:
        """Rows without targets beside those that have them, as of a second domain."""
        if pending is None or not self.first.pieces or not self._room():
            return
        x = thinned(pending[0])
        if self.beside.fits(x.shape[0], x.numel() * x.element_size()):
            x = x.clone()
            self.beside.add(Piece(x, x[:, :0], x[:, :0], self.state.step))

    def _room(self) -> bool:
        return self.state.room(keep=RESERVE)

    def _piece(
        self, pending: tuple[Tensor, int] | None, output: Tensor, y: Tensor, inside: bool
    ) -> Piece | None:
        if pending is None or not self._room():
            return None
        x, numbers = pending
        rows = len(x)
        whole = output.dim() and y.dim() and len(output) == len(y) == rows
        if not whole or (output.numel() != numbers and not inside):
            return None
        own = thinned(x).clone(), y.detach()[:ROWS].clone(), output.detach()[:ROWS].clone()
        return Piece(*own, self.state.step)


def thinned(x: Tensor) -> Tensor:
    """The first rows of a batch, and of long ones some of their numbers."""
    x = x.detach()[:ROWS]
    if x[0].numel() <= WIDTH:
        return x
    flat = x.reshape(len(x), -1)
    return flat[:, :: -(-flat.shape[1] // WIDTH)]


def given(args: Any, output: Tensor) -> tuple[Tensor, int] | None:
    """The input of a pass and the numbers in its output; None for what cannot be kept."""
    x = first_tensor(args)
    if x is None or x.dim() < 2 or not x.numel() or not measurable(x) or x.is_complex():
        return None
    return x, output.numel()
