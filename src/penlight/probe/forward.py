"""Watches forward passes: which model ran, in which mode, on what, and what each module gave."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import thread_time
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as hooks

from penlight.core import facts as f
from penlight.core.vocabulary import ACT_ABSMAX, ACT_RMS, DEPENDENCE, OUTPUT_GRAD, STREAM_RMS
from penlight.probe import keras
from penlight.probe.columns import Columns
from penlight.probe.graph import MADE, OUTPUT
from penlight.probe.leaks import Leaks
from penlight.probe.models import Root, is_leaf, settings, unwrap
from penlight.probe.rows import Rows
from penlight.probe.scales import Scales
from penlight.probe.state import State, first_tensor, measurable, user_line
from penlight.probe.wiring import has_weights, recut
from penlight.signals import tensors as measure

if TYPE_CHECKING:
    from penlight.probe.captures import Captures
    from penlight.probe.carried import Carried
    from penlight.probe.compare import Comparisons
    from penlight.probe.flows import Flows
    from penlight.probe.offenders import Offenders
    from penlight.probe.pairs import Pairs

LAP = 100  # module calls of one measurement of the idle hooks
OFTEN = 8  # calls of one module in one step; more only while the budget is easy
STREAMS = (nn.LayerNorm, nn.RMSNorm)  # what enters them is the stream of a residual net
MAX_ELEMENTS = 1 << 26  # outputs above 256 MB in float32 are left alone


class Forward:
    """Global module hooks; on while a step is looked at, and always while the budget is easy."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.rows = Rows(state)
        self.scales = Scales(state)
        self.columns = Columns(state, self.rows)
        self.leaks = Leaks(state)
        self.stack: list[nn.Module] = []
        self.calls: dict[str, int] = {}
        self.grads: dict[str, Tensor] = {}  # squared norm of dL/d(output), summed over calls
        self.training: list[Root] = []  # roots of the training passes since the last backward
        self.captures: Captures | None = None
        self.comparisons: Comparisons | None = None
        self.offenders: Offenders | None = None
        # Of the newest training pass of a looked-at step.
        self.given: tuple[Tensor, ...] = ()
        self.output: Tensor | None = None
        self.pairs: Pairs | None = None
        self.flows: Flows | None = None
        self.carried: Carried | None = None
        self.last_eval: tuple[Root, list[str]] | None = None
        self.after: list[Callable[[], Any]] = []  # to be called when the pass under way has ended
        self.eval_gap = False
        self.hook_cost = 0.0  # seconds that an idle pair of hooks adds to a module call
        self._handles: list[Any] = []
        self._post = state.ledger.guard("forward hooks", self._leave)

    # -- on and off -----------------------------------------------------------------------

    @property
    def active(self) -> bool:
        """Whether the global hooks are installed."""
        return bool(self._handles)

    def on(self) -> None:
        """Install the global hooks."""
        if self._handles or self.state.compiled:
            return
        stack, state, ledger, post = self.stack, self.state, self.state.ledger, self._post
        compiling, thread = torch.compiler.is_compiling, threading.get_ident

        # Between looks these two run for every module: they do next to nothing themselves.
        def enter(module: nn.Module, args: Any) -> None:
            if compiling() or (ledger.thread != thread() and ledger.thread is not None):
                return
            stack.append(module)

        def leave(module: nn.Module, args: Any, *rest: Any) -> None:
            if compiling() or (ledger.thread != thread() and ledger.thread is not None):
                return
            while stack and stack.pop() is not module:
                pass
            if not stack or state.armed:
                # Where a forward pass ends by an exception torch leaves the named arguments out.
                kwargs, output = rest if len(rest) > 1 else ({}, rest[0])
                post(module, args, kwargs, output)
            else:
                ledger.cost += self.hook_cost

        self._handles = [
            hooks.register_module_forward_pre_hook(enter),
            hooks.register_module_forward_hook(leave, with_kwargs=True, always_call=True),
        ]

    def calibrate(self) -> None:
        """Measure what the idle hooks add to a module call, here and now."""
        module, state = nn.Identity(), self.state

        def lap() -> float:
            start = thread_time()
            for _ in range(LAP):
                module(None)
            return (thread_time() - start) / LAP

        bare = min(lap() for _ in range(3))
        armed, state.armed = state.armed, False
        self.on()
        self.stack.append(module)  # as inside of a model
        try:
            self.hook_cost = max(min(lap() for _ in range(3)) - bare, 0.0)
        finally:
            self.off()
            state.armed = armed

    def off(self) -> None:
        """Remove the global hooks."""
        named = getattr(hooks, "_global_forward_hooks_with_kwargs", {})
        for handle in self._handles:
            handle.remove()
            named.pop(handle.id, None)  # torch forgets it there, and sees a hook for good
        self._handles = []
        self.stack.clear()

    def dropout(self) -> None:
        """F.dropout is called outside of training: there it should do nothing."""
        if self.stack and not self.stack[0].training:
            self.state.count("eval_functional_dropout")

    def strong_dropout(self, p: float) -> None:
        """F.dropout is called with a larger p than ever, by the user or by a layer of torch."""
        self.state.hygiene["functional_dropout"] = p
        self.state.hygiene["functional_dropout_source"] = user_line(4)

    # -- one forward pass -----------------------------------------------------------------

    def within(self) -> bool:
        """Whether a model is at work: a loss that is computed now is computed by the model."""
        outer = self.stack[0] if self.stack else None
        if outer is None or keras.is_layer(outer):
            return False
        return next(outer.parameters(), None) is not None

    def _leave(self, module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        waiting: list[Callable[[], Any]] = []
        if not self.stack:
            waiting, self.after = self.after, waiting
        tensor = first_tensor(output)
        if tensor is not None and not tensor.is_meta:  # else a model that is being put together
            self._left(module, args, kwargs, output, tensor)
        for call in waiting:
            call()

    def _left(self, module: nn.Module, args: Any, kwargs: Any, output: Any, tensor: Tensor) -> None:
        """A module has given a tensor."""
        if not self.stack and not in_backward():
            root = self.state.models.root(module)
            if root is not None:
                self._finished(root, module, args, kwargs, tensor)
        inner = bool(self.stack) and keras.is_layer(self.stack[-1]) and is_leaf(self.stack[-1])
        if torch.is_grad_enabled() and self.state.armed and is_leaf(module) and not inner:
            self._leaf(module, args, tensor)
            if self.carried is not None:
                self.carried.called(self.site(module), module, args, output)

    def _finished(
        self, root: Root, module: nn.Module, positional: Any, named: dict[str, Any], tensor: Tensor
    ) -> None:
        """A pass of a model has ended, or of the part of it that the script called."""
        state = self.state
        args = (*positional, *named.values())
        if self.flows is not None and state.armed:
            self.flows.passed(root, args, tensor)
        if torch.is_grad_enabled() and tensor.requires_grad:
            self._trained(root, module, args, tensor)
            if state.keeping and self.captures is not None and unwrap(module) is root.module:
                # Of the whole model only: a script may call a part of it besides.
                self.captures.forward(root, positional, named, tensor)
        elif not torch.is_grad_enabled() and root.trained:
            loose = root.loose(None if module is root.module else module)
            state.count("eval_forwards")
            if not self.eval_gap:
                self.eval_gap = True
                self.rows.pause()
                state.count("eval_gaps")
            if root.module is not None and not root.module.training:
                state.count("eval_eval_mode")
            if loose:
                state.count("eval_training_mode")
                state.hygiene["eval_modules"] = loose[: f.NAMED]
            self.last_eval = (root, loose)
            self.rows.evaluated(args)
            if unwrap(module) is root.module:
                self.scales.evaluated(root, args)
                self.columns.evaluated(root, args)
            if self.pairs is not None:
                self.pairs.evaluated(args, tensor, self.rows.newest)
            if self.comparisons is not None:
                self.comparisons.passed(tensor)

    def _trained(self, root: Root, module: nn.Module, args: Any, tensor: Tensor) -> None:
        state = self.state
        if root.stochastic:
            self._training_mode(root)
        if self.comparisons is not None and self.comparisons.open:
            self.comparisons.close()
        state.batches += 1
        if self.offenders is not None:
            self.offenders.trained(args)
        if root not in self.training:
            self.training.append(root)
        if state.armed:
            given, self.output = map(first_tensor, args), tensor.detach()
            self.given = tuple(x.detach() for x in given if x is not None)
            if tensor.grad_fn is not None:
                tensor.grad_fn.metadata[OUTPUT] = self.output
            self.leaks.mark(tensor, root.module is None or root.module.training)
            self.rows.trained(root, args)
            if unwrap(module) is root.module:
                self.scales.trained(root, args)
        elif state.glimpse and root.waited:  # its training began when the dense looks were over
            self.rows.later(root, args)
        if state.keeping and self.pairs is not None:
            self.pairs.trained(args, tensor)

    def _training_mode(self, root: Root) -> None:
        self.state.count("train_forwards")
        model = root.module
        if model is not None and not model.training and not root.loose():
            self.state.count("train_eval_mode")
            self.state.hygiene["train_modules"] = [n for n, _ in root.stochastic][: f.NAMED]

    def _leaf(self, module: nn.Module, args: Any, tensor: Tensor) -> None:
        state = self.state
        if (
            not tensor.is_floating_point()
            or not 0 < tensor.numel() <= MAX_ELEMENTS
            or not measurable(tensor)
        ):
            return
        site = self.site(module)
        calls = self.calls[site] = self.calls.get(site, 0) + 1
        if calls > OFTEN and not state.room():
            return  # an evaluation with gradients on, or a loop that never steps
        state.half = state.half or tensor.dtype is torch.float16
        if tensor.grad_fn is not None:
            tensor.grad_fn.metadata[MADE] = site
        squashed = keras.squashes(module)
        if calls == 1 and not squashed:
            step = state.step
            size = measure.rms(tensor)
            state.readout.add(ACT_RMS, site, step, size)
            state.readout.add(ACT_ABSMAX, site, step, measure.absmax(tensor))
            if tensor.dim() > 1 and tensor.shape[0] > 1:
                state.readout.add(DEPENDENCE, site, step, measure.dependence(tensor, size))
            if isinstance(module, STREAMS) and args and args[0].shape == tensor.shape:
                state.readout.add(STREAM_RMS, site, step, measure.rms(args[0]))
        if calls == 1:
            self._describe(module, site, args, tensor)
        # A hook on a leaf would stay on it: a parameter that a module hands out, say.
        if tensor.grad_fn is not None and not in_backward():
            watch = state.ledger.guard("gradient hooks", self._gradient(site), anywhere=True)
            if keras.activates(module) and len(tensor.grad_fn.next_functions) == 1:
                tensor.grad_fn.register_hook(_before_activation(watch))
            else:
                tensor.register_hook(watch)

    def site(self, module: nn.Module) -> str:
        """Name of a module that runs now, or has just run; its root may not be known yet."""
        models = self.state.models
        if id(module) not in models.modules:
            root = models.root(self.stack[0] if self.stack else module)
            if root is not None:
                models.name(root)
        return models.site(module)

    def _gradient(self, site: str) -> Any:
        def hook(grad: Tensor) -> None:
            squared = measure.norm(grad).square()
            before = self.grads.get(site)
            self.grads[site] = squared if before is None else before + squared

        return hook

    def _describe(self, module: nn.Module, site: str, args: Any, tensor: Tensor) -> None:
        found = self.state.models.modules.get(id(module))
        if found is None:
            return
        root = found[0]
        if site in root.order:
            return
        order = sum(len(r.order) for r in self.state.models.roots)
        root.order[site] = order
        given = first_tensor(args)
        self.state.write(
            f.Module(
                name=site,
                type=type(module).__name__,
                order=order,
                root=root.label,
                output_shape=tuple(tensor.shape),
                settings=settings(module),
                source=self.state.models.source(module),
                input_shape=tuple(given.shape) if given is not None else (),
                recut_from=recut(given) if given is not None and has_weights(module) else (),
            )
        )

    # -- step boundaries ------------------------------------------------------------------

    def collect(self) -> None:
        """Hand this step's gradients at module outputs to the read-out."""
        for site, squared in self.grads.items():
            self.state.readout.add(OUTPUT_GRAD, site, self.state.step, squared.sqrt())

    def clear(self) -> None:
        """Forget the step."""
        self.calls.clear()
        self.grads.clear()
        self.stack.clear()  # an interrupt in a forward pass leaves its modules behind
        self.after.clear()
        self.given, self.output = (), None
        self.eval_gap = False
        if self.pairs is not None:
            self.pairs.let_go()


def _before_activation(watch: Callable[[Tensor], Any]) -> Callable[[Any, Any], None]:
    """A hook for an activation's node, so that a layer's gradient is like that of torch's layers:
    with respect to what its weights give."""

    def hook(before: Any, _: Any) -> None:
        if before[0] is not None:
            watch(before[0])

    return hook


def in_backward() -> bool:
    """Whether autograd is at work: modules that run now run again, for checkpointing."""
    return int(torch._C._current_graph_task_id()) != -1
