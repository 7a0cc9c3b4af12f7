"""Facts about the loop around a model: its data, schedules, checkpoints and waits.

They are part of `penlight.core.facts`, which is where to import them from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from penlight.core.fact import Fact


@dataclass(frozen=True, slots=True)
class Repeated(Fact):
    """One layer with weights that stands in a container more than once."""

    kind: ClassVar[str] = "repeated"
    container: str = ""
    type: str = ""  # class name of the layer
    times: int = 0
    root: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Padding(Fact):
    """Targets of sequences that only fill up a batch, over the first batches.

    Padded are the places at the end of a row, behind the first one, at which the target and the
    model's input are each the same constant. `inside` counts that target before such a tail.
    """

    kind: ClassVar[str] = "padding"
    objective: str = ""
    value: float = 0.0  # the target that stands there
    rows: int = 0
    lengths: int = 0  # different lengths among these rows
    targets: int = 0
    padded: int = 0
    inside: int = 0
    counted: bool = True  # they enter the loss: not ignored, without weight or masked


@dataclass(frozen=True, slots=True)
class Accumulation(Fact):
    """How the batches that make one optimiser step share in it, over the steps looked at."""

    kind: ClassVar[str] = "accumulation"
    objective: str = ""
    steps: int = 0
    batches: int = 0  # training losses computed at this one place behind a step, median
    uneven: float = 0.0  # median over steps of half the sum of |1/k - share of the targets|
    fewest: int = 0  # targets of a batch
    most: int = 0


@dataclass(frozen=True, slots=True)
class Schedule(Fact):
    """One learning-rate scheduler of torch.optim.lr_scheduler; the last one written counts."""

    kind: ClassVar[str] = "schedule"
    index: int = 0
    type: str = ""
    source: str = ""
    early: int = 0  # calls of step() before the optimiser's first step
    calls: int = 0  # calls of step() ...
    step: int = 0  # ... when this many optimiser steps were done
    horizon: int = 0  # calls that it is made for, e.g. T_max or total_steps; 0: not said
    built_lr: float = 0.0  # the rate that it set when it was made
    base_lr: float = 0.0  # the rate that the optimiser was given, which a warm-up rises to
    loaded: bool = False  # its state came from a checkpoint


@dataclass(frozen=True, slots=True)
class Resume(Fact):
    """A checkpoint with an optimiser's state whose weights were loaded, when training goes on."""

    kind: ClassVar[str] = "resume"
    step: int = 0
    source: str = ""  # where it was read
    tensors: int = 0  # that have a state of the optimiser in it
    age: int = 0  # steps that this state remembers
    restored: bool = False  # some optimiser got its state back
    same: bool = False  # the optimiser that goes on has as many tensors and the same settings
    saved_lr: float = 0.0  # the rate when it was saved
    lr: float = 0.0  # the rate with which training goes on


@dataclass(frozen=True, slots=True)
class Loading(Fact):
    """What the training waited for its DataLoader, the first ten batches left out."""

    kind: ClassVar[str] = "loading"
    batches: int = 0
    waited: float = 0.0  # seconds spent fetching them
    seconds: float = 0.0  # from the end of one fetch to that of the next, added up
    median: float = 0.0  # seconds of one fetch
    workers: int = 0


@dataclass(frozen=True, slots=True)
class Carried(Fact):
    """Whether a recurrent layer begins a batch with the state that it ended the last one with.

    That is only looked at where each batch was fetched from a DataLoader that shuffles.
    """

    kind: ClassVar[str] = "carried"
    site: str = ""
    type: str = ""  # class name of the layer
    looks: int = 0  # batches that were looked at, right behind another
    carried: int = 0  # ... and of these, begun with the old state
    calls: int = 0  # in training steps that were looked at
    lone: int = 0  # ... of these, a single time step without any state, once in the whole step
    source: str = ""


@dataclass(frozen=True, slots=True)
class Feed(Fact):
    """How the iterators of one DataLoader are used up, each of which begins with the same rows."""

    kind: ClassVar[str] = "feed"
    source: str = ""  # where they are begun
    iterators: int = 0  # begun in all
    single: int = 0  # of these, dropped for a new one after a single optimiser step
    batches: int = 0  # that one of them would give
    rows: int = 0  # of the dataset


@dataclass(frozen=True, slots=True)
class Reads(Fact):
    """Numbers that the script reads back from a device, the first ten steps left out."""

    kind: ClassVar[str] = "reads"
    steps: int = 0
    reads: int = 0
    waited: float = 0.0  # seconds spent in these reads
    seconds: float = 0.0  # in all, meanwhile
    places: tuple[str, ...] = ()  # lines of the script, most often seen first


@dataclass(frozen=True, slots=True)
class Shard(Fact):
    """What one rank of a data-parallel training was fed, and whether its model is synchronised.

    Rows are told by their fingerprints (`penlight.probe.rows`), which are the same on all ranks.
    """

    kind: ClassVar[str] = "shard"
    world: int = 1
    root: str = ""  # the model
    parallel: str = ""  # what spreads it: DistributedDataParallel or FSDP
    synchronised: bool = False  # the ranks' weights are meant to be equal, whole on each rank
    steps: tuple[int, ...] = ()  # of the rows
    rows: tuple[tuple[float, ...], ...] = ()  # by step, the first of the batch


@dataclass(frozen=True, slots=True)
class Peers(Fact):
    """Rank 0 beside the other ranks of one data-parallel run; found when the run is read."""

    kind: ClassVar[str] = "peers"
    world: int = 1
    compared: int = 0  # ranks beside rank 0 that were read
    parallel: str = ""
    steps: int = 0  # at which rows could be compared
    rows: int = 0
    shared: int = 0  # of the rows, those that another rank was fed at the same step
    fresh: float = 1.0  # share of rank 0's rows that it had not been fed at a step before
    apart: float = 0.0  # largest relative difference of a parameter's norm between two ranks
    where: str = ""  # that parameter
    first_step: int = -1  # at which a difference beyond rounding shows; -1: none


@dataclass(frozen=True, slots=True)
class Sampler(Fact):
    """A DistributedSampler that shuffles, and the epochs it was told of."""

    kind: ClassVar[str] = "sampler"
    passes: int = 0  # times it was iterated to its end while steps were made
    epochs: int = 0  # different values of set_epoch() among these
    replicas: int = 0
    source: str = ""  # line that iterates it
    step: int = 0  # of the second pass


@dataclass(frozen=True, slots=True)
class Scales(Fact):
    """Inputs of a trained model, asked without gradient, of another size than any in training.

    Sizes are root mean squares over a batch. Only written where some were far off.
    """

    kind: ClassVar[str] = "scales"
    root: str = ""
    trained_low: float = 0.0  # smallest of the training batches
    trained_high: float = 0.0
    batches: int = 0  # training batches behind it
    usual: int = 0  # batches without gradient of a usual size, within a factor of 3
    between: int = 0  # ... neither usual nor far off
    far: int = 0  # ... 20 times larger or smaller
    rows: int = 0  # in those far off
    low: float = 0.0  # smallest of those far off
    high: float = 0.0
    step: int = 0  # training steps done at the newest of them


@dataclass(frozen=True, slots=True)
class AskedColumns(Fact):
    """Columns of what a trained model was asked, without gradient, against those of its training.

    Of tables alone. Rows are judged in groups of fifty or more: foreign is one in which four
    columns of five have another mean and another spread. Only written where there are some.
    """

    kind: ClassVar[str] = "asked_columns"
    root: str = ""
    columns: int = 0  # that vary in training
    trained: int = 0  # training rows behind the next three
    trained_mean: float = 0.0  # farthest from 0 of the columns' means
    trained_low: float = 0.0  # smallest spread of a column
    trained_high: float = 0.0
    usual: int = 0  # groups whose columns are as in training
    between: int = 0
    foreign: int = 0
    rows: int = 0  # in the foreign ones
    mean: float = 0.0  # of their columns, the median
    std: float = 0.0
    step: int = 0  # training steps done when the model was last asked


NAMED = 8  # modules at most that `Hygiene` names of a kind


@dataclass(frozen=True, slots=True)
class Hygiene(Fact):
    """Counts about the order of calls in the training loop; the last one written counts."""

    kind: ClassVar[str] = "hygiene"
    steps: int = 0
    backwards: int = 0
    stale_gradients: int = 0  # backward began on gradients that a step had already used
    stale_checks: int = 0  # how often that was looked at
    stale_first: int | None = None
    stale_later: int = 0  # looks from then on
    empty_steps: int = 0  # optimiser steps in which every gradient was None
    empty_optimizer: int | None = None  # index of the first optimiser that made one
    zeroed_steps: int = 0  # optimiser steps in which every gradient was exactly zero
    eval_gaps: int = 0  # gaps between training steps in which gradient-free passes happened
    eval_forwards: int = 0  # gradient-free forward passes of a trained model that were looked at
    eval_training_mode: int = 0  # ... with dropout or batch norm still in training mode
    eval_eval_mode: int = 0  # ... of a model that was in evaluation mode itself
    eval_modules: tuple[str, ...] = ()  # those modules, by their names within the model
    eval_functional_dropout: int = 0  # F.dropout(training=True) during a gradient-free pass
    functional_dropout: float = 0.0  # largest p of F.dropout in a pass with gradients
    functional_dropout_source: str = ""  # line of the user's that led to it
    train_eval_mode: int = 0  # training forwards whose dropout / batch norm was in eval mode
    train_forwards: int = 0
    train_modules: tuple[str, ...] = ()
    fresh_norms: tuple[str, ...] = ()  # batch norms that had met no batch when the training ended
    losses_seen: int = 0  # training losses computed at one place before the backward passes ...
    losses_used: int = 0  # ... looked at, and those of them in the graphs of these passes
    clipped: int = 0
    clip_calls: int = 0
    clip_late: int = 0  # clipped behind the step, when the gradients were used
    clip_scaled: int = 0  # clipped while the gradients were still scaled by GradScaler
    graphs_old: int = 0  # graphs of passes looked at, some steps ago, in the mode that keeps most
    graphs_kept: int = 0  # ... that somebody still holds
    unstepped: str = ""  # type of an optimiser whose weights stood still, for it never stepped
    unstepped_source: str = ""
    idle_terms: int = 0  # passes with a term that leads to no weight which is moved behind them
    idle_weight: str = ""  # a weight that it leads to
    idle_optimizer: int | None = None  # index of the optimiser that steps there
    restored: int | None = None  # step after which a model was last given other weights
    compiled: bool = False
