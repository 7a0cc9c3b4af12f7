"""Watching stays invisible beside everything else that PyTorch users do."""

from __future__ import annotations

import copy
import gc
import threading
import warnings
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import Tensor, nn  # noqa: E402  # after the check that torch is there
from torch.nn import functional as F  # noqa: E402  # the name all of torch's users know
from torch.optim.optimizer import register_optimizer_step_post_hook  # noqa: E402
from torch.overrides import TorchFunctionMode  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402

from penlight.core.facts import Fault  # noqa: E402
from penlight.core.run import Run  # noqa: E402
from penlight.probe import Probe  # noqa: E402
from penlight.store.memory import MemorySink  # noqa: E402

STEPS = 10


def train(
    net: nn.Module,
    optimizer: torch.optim.Optimizer | None = None,
    inputs: Callable[[], Any] = lambda: torch.randn(8, 6),
    out: Callable[[Any], Tensor] = lambda y: y,
    steps: int = STEPS,
) -> list[Any]:
    """An ordinary loop; gives the losses and the final weights."""
    optimizer = optimizer or torch.optim.SGD(net.parameters(), lr=0.05)
    seen: list[Any] = []
    for _ in range(steps):
        optimizer.zero_grad()
        y = out(net(inputs()))
        loss = F.mse_loss(y, torch.ones_like(y))
        loss.backward()
        optimizer.step()
        seen.append(loss.item())
    return seen + [p.detach().clone() for p in net.parameters()]


def mlp(activation: Callable[[], nn.Module] = nn.Tanh) -> nn.Sequential:
    return nn.Sequential(nn.Linear(6, 8), activation(), nn.Linear(8, 3))


class Wrapped(nn.Module):
    """A model whose forward is any function of its parts."""

    def __init__(self, forward: Callable[..., Any], **parts: Any) -> None:
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self.function = forward

    def forward(self, *args: Any) -> Any:
        return self.function(self, *args)


class Loss(nn.Module):
    """A loss as a module, to be traced and scripted."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(6, 3), nn.Dropout(0.1))
        self.own = nn.SmoothL1Loss()

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.own(self.inner(x), y) + F.mse_loss(x, x)


def in_place_relu() -> list[Any]:
    return train(mlp(lambda: nn.ReLU(inplace=True)))


def in_place_addition() -> list[Any]:
    def forward(self: Any, x: Tensor) -> Tensor:
        h = self.a(x)
        h += 1
        h = self.b(h)
        h.mul_(2.0)
        return h

    return train(Wrapped(forward, a=nn.Linear(6, 8), b=nn.Linear(8, 3)))


def a_module_called_twice() -> list[Any]:
    part = nn.Linear(6, 6)
    return train(Wrapped(lambda self, x: self.part(self.part(x)), part=part))


def tied_weights() -> list[Any]:
    net = nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 6))
    net[2].weight = net[0].weight
    return train(net)


def unused_parameters() -> list[Any]:
    return train(Wrapped(lambda self, x: self.a(x), a=nn.Linear(6, 3), b=nn.Linear(6, 3)))


def no_gradient_at_all_in_some_steps() -> list[Any]:
    net = mlp()
    optimizer = torch.optim.Adam(net.parameters())
    seen = train(net, optimizer, steps=3)
    optimizer.zero_grad(set_to_none=True)
    optimizer.step()
    return seen + train(net, optimizer, steps=3)


def sparse_embedding() -> list[Any]:
    net = nn.Sequential(nn.Embedding(10, 4, sparse=True), nn.Flatten(), nn.Linear(12, 2))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    return train(net, optimizer, lambda: torch.randint(10, (5, 3)))


def sparse_adam_only() -> list[Any]:
    net = nn.Embedding(10, 4, sparse=True)
    optimizer = torch.optim.SparseAdam(net.parameters())
    return train(net, optimizer, lambda: torch.randint(10, (5, 3)))


def complex_parameters() -> list[Any]:
    class Spectral(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(4, 3, dtype=torch.cfloat))
            self.inner = nn.Linear(3, 3, dtype=torch.cfloat)

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(torch.fft.rfft(x) @ self.weight).abs()

    return train(Spectral(), torch.optim.Adam(Spectral().parameters())) + train(Spectral())


def double_precision() -> list[Any]:
    return train(mlp().double(), inputs=lambda: torch.randn(8, 6, dtype=torch.float64))


def bfloat16_weights() -> list[Any]:
    return train(mlp().bfloat16(), inputs=lambda: torch.randn(8, 6).bfloat16())


@dataclass
class Slotted:
    """An output with fields."""

    __slots__ = ("hidden", "logits")
    hidden: list[Tensor]
    logits: Tensor


@dataclass
class Fielded:
    """An output with fields and a property that fails."""

    logits: Tensor
    extra: Any = None

    @property
    def broken(self) -> Tensor:
        raise RuntimeError("not meant to be read")


def nested_outputs() -> list[Any]:
    def nested(self: Any, x: Tensor) -> Any:
        return {"deep": [(None, {"y": self.a(x)})], "none": None}

    seen = train(Wrapped(nested, a=nn.Linear(6, 3)), out=lambda y: y["deep"][0][1]["y"])
    for kind in (Fielded, lambda y: Slotted([y], y)):
        forward = lambda self, x, kind=kind: kind(self.a(x))  # noqa: E731  # two models, one line
        seen += train(Wrapped(forward, a=nn.Linear(6, 3)), out=lambda y: y.logits)
    return seen


def outputs_without_tensors() -> list[Any]:
    class Talker(nn.Module):
        def forward(self, x: Tensor) -> str:
            return "nothing to see"

    def forward(self: Any, x: Tensor) -> Tensor:
        assert self.talker(x)
        return self.a(x)

    return train(Wrapped(forward, talker=Talker(), a=nn.Linear(6, 3)))


def a_parameter_as_output() -> list[Any]:
    class Prompt(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.p = nn.Parameter(torch.randn(1, 6))

        def forward(self) -> Tensor:
            return self.p

    prompt = Prompt()
    net = Wrapped(lambda self, x: self.a(x + self.prompt()), prompt=prompt, a=nn.Linear(6, 3))
    seen = train(net)
    assert not prompt.p._backward_hooks
    return seen


def inputs_that_require_grad() -> list[Any]:
    return train(mlp(), inputs=lambda: torch.randn(8, 6, requires_grad=True))


def lbfgs() -> list[Any]:
    net = mlp()
    x, y = torch.randn(32, 6), torch.randn(32, 3)
    optimizer = torch.optim.LBFGS(net.parameters(), max_iter=4, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.mse_loss(net(x), y)
        loss.backward()
        return loss

    return [float(optimizer.step(closure)) for _ in range(4)] + [
        p.detach() for p in net.parameters()
    ]


def optimiser_in_backward() -> list[Any]:
    net = mlp()
    optimizers = {p: torch.optim.SGD([p], lr=0.05) for p in net.parameters()}

    def step(p: Tensor) -> None:
        optimizers[p].step()
        optimizers[p].zero_grad()

    for p in net.parameters():
        p.register_post_accumulate_grad_hook(step)
    seen: list[Any] = []
    for _ in range(STEPS):
        loss = F.mse_loss(net(torch.randn(8, 6)), torch.zeros(8, 3))
        loss.backward()
        seen.append(loss.item())
    return seen + [p.detach().clone() for p in net.parameters()]


def several_optimisers() -> list[Any]:
    net = mlp()
    first = torch.optim.Adam(net[0].parameters())
    second = torch.optim.SGD(net[2].parameters(), lr=0.1)
    seen: list[Any] = []
    for step in range(STEPS):
        loss = F.mse_loss(net(torch.randn(8, 6)), torch.zeros(8, 3))
        net.zero_grad()
        loss.backward()
        first.step()
        if step % 3 == 0:
            second.step()
        seen.append(loss.item())
    return seen + [p.detach().clone() for p in net.parameters()]


class SignDescent(torch.optim.Optimizer):
    """Home-made, with settings of its own."""

    def __init__(self, params: Any, speed: float) -> None:
        super().__init__(params, {"speed": speed})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.add_(p.grad.sign(), alpha=-group["speed"])


def a_home_made_optimiser() -> list[Any]:
    net = mlp()
    return train(net, SignDescent(net.parameters(), 0.01))


def tensor_learning_rate() -> list[Any]:
    net = mlp()
    return train(net, torch.optim.Adam(net.parameters(), lr=torch.tensor(0.01)))


def no_optimiser_at_all() -> list[Any]:
    net = mlp()
    seen: list[Any] = []
    for _ in range(STEPS):
        loss = F.mse_loss(net(torch.randn(8, 6)), torch.zeros(8, 3))
        net.zero_grad()
        loss.backward()
        with torch.no_grad():
            for p in net.parameters():
                p -= 0.1 * p.grad
        seen.append(loss.item())
    return seen


def grad_scaler_that_skips_steps() -> list[Any]:
    net = mlp()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    seen: list[Any] = []
    for step in range(STEPS):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = F.mse_loss(net(torch.randn(8, 6)).float(), torch.zeros(8, 3))
        scaler.scale(loss).backward()
        if step % 3 == 1:
            net[0].weight.grad.fill_(float("inf"))
        scaler.step(optimizer)
        scaler.update()
        seen += [loss.item(), scaler.get_scale()]
    return seen + [p.detach().clone() for p in net.parameters()]


def data_loader_workers() -> list[Any]:
    data = torch.utils.data.TensorDataset(torch.randn(32, 6), torch.randn(32, 3))
    loader = torch.utils.data.DataLoader(
        data, batch_size=8, shuffle=True, num_workers=1, multiprocessing_context="fork"
    )
    net = mlp()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    seen: list[Any] = []
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.mse_loss(net(x), y)
        loss.backward()
        optimizer.step()
        seen.append(loss.item())
    return seen


def empty_batches() -> list[Any]:
    net, sizes = mlp(), iter([8, 0, 4, 0, 1, 8, 0, 2, 3, 4])
    return train(
        net,
        inputs=lambda: torch.randn(next(sizes), 6),
        out=lambda y: y if len(y) else (y.sum() * 0).reshape(1),
    )


def inputs_of_no_dimension() -> list[Any]:
    net = Wrapped(lambda self, x: self.a(x.expand(6)), a=nn.Linear(6, 1))
    return train(net, inputs=lambda: torch.randn(())) + train(
        Wrapped(lambda self, x: x * self.w, w=nn.Parameter(torch.tensor(2.0))),
        inputs=lambda: torch.randn(()),
    )


def a_model_that_raises_now_and_then() -> list[Any]:
    calls = iter(range(1000))

    def forward(self: Any, x: Tensor) -> Tensor:
        h = self.a(x)
        if next(calls) % 4 == 1:
            raise ValueError("out of luck")
        return self.b(h)

    net = Wrapped(forward, a=nn.Linear(6, 6), b=nn.Linear(6, 3))
    seen: list[Any] = []
    for _ in range(8):
        try:
            seen += train(net, steps=1)
        except ValueError as error:
            seen.append(str(error))
    return seen


def an_interrupt_in_the_forward_pass() -> list[Any]:
    calls = iter(range(1000))

    def forward(self: Any, x: Tensor) -> Tensor:
        if next(calls) == 3:
            raise KeyboardInterrupt
        return self.b(self.a(x))

    net = Wrapped(forward, a=nn.Linear(6, 6), b=nn.Linear(6, 3))
    seen: list[Any] = []
    for _ in range(8):
        try:
            seen += train(net, steps=1)
        except KeyboardInterrupt:
            seen.append("again")
    return seen


def training_in_threads_one_after_the_other() -> list[Any]:
    seen: list[Any] = []
    for _ in range(2):
        thread = threading.Thread(target=lambda: seen.extend(train(mlp())))
        thread.start()
        thread.join()
    return seen


def ema_by_deepcopy() -> list[Any]:
    net = mlp()
    mean = torch.optim.swa_utils.AveragedModel(net)
    twin = copy.deepcopy(net)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    seen: list[Any] = []
    for _ in range(5):
        seen += train(net, optimizer, steps=2)
        mean.update_parameters(net)
        with torch.no_grad():
            seen += [mean(torch.ones(2, 6)), twin(torch.ones(2, 6))]
    return seen


def checkpointed(reentrant: bool) -> list[Any]:
    def forward(self: Any, x: Tensor) -> Tensor:
        x = self.a(x)
        x = x + checkpoint(self.b, x, use_reentrant=reentrant)
        return self.c(x)

    block = nn.Sequential(nn.Linear(8, 8), nn.ReLU(inplace=True), nn.Dropout(0.2))
    return train(Wrapped(forward, a=nn.Linear(6, 8), b=block, c=nn.Linear(8, 3)))


def checkpointing_reentrant() -> list[Any]:
    return checkpointed(True)


def checkpointing_not_reentrant() -> list[Any]:
    return checkpointed(False)


def gradients_per_sample() -> list[Any]:
    net = mlp()
    x, y = torch.randn(8, 6), torch.randn(8, 3)

    def loss(parameters: dict[str, Tensor], row: Tensor, target: Tensor) -> Tensor:
        out = torch.func.functional_call(net, parameters, (row[None],))
        return F.mse_loss(out, target[None])

    parameters = {k: v.detach() for k, v in net.named_parameters()}
    seen: list[Any] = train(net, steps=3)
    grads = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0))(parameters, x, y)
    ensemble = torch.func.vmap(net, randomness="different")(x)
    return seen + list(grads.values()) + [ensemble] + train(net, steps=3)


def a_penalty_on_the_gradient() -> list[Any]:
    net = mlp()
    optimizer = torch.optim.Adam(net.parameters())
    seen: list[Any] = []
    for _ in range(STEPS):
        x = torch.randn(8, 6, requires_grad=True)
        y = net(x).sum()
        (slope,) = torch.autograd.grad(y, x, create_graph=True)
        loss = (slope.norm(dim=1) - 1).square().mean() + y.square() * 1e-3
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen.append(loss.item())
    return seen + [p.detach().clone() for p in net.parameters()]


def traced() -> list[Any]:
    net = mlp()
    seen = train(net, steps=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        graph = torch.jit.trace(net, torch.ones(2, 6))
        loss = torch.jit.trace(Loss(), (torch.ones(2, 6), torch.ones(2, 3)))
    seen += [str(graph.inlined_graph).count("aten::"), str(loss.graph).count("aten::")]
    return seen + train(graph, steps=3)


def scripted() -> list[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        net = torch.jit.script(Loss())
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    seen: list[Any] = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = net(torch.randn(8, 6), torch.randn(8, 3))
        loss.backward()
        optimizer.step()
        seen.append(loss.item())
    return seen


def symbolically_traced() -> list[Any]:
    net = torch.fx.symbolic_trace(mlp())
    return [*train(net), torch.fx.symbolic_trace(Loss()).code]


def exported() -> list[Any]:
    net = mlp()
    seen = train(net, steps=3)
    program = torch.export.export(net, (torch.ones(2, 6),))
    seen.append(sum(n.op == "call_function" for n in program.graph.nodes))
    from torch.fx.experimental.proxy_tensor import make_fx

    graph = make_fx(lambda x, y: F.mse_loss(net(x), y))(torch.ones(2, 6), torch.ones(2, 3))
    return [*seen, sum(n.op == "call_function" for n in graph.graph.nodes), *train(net, steps=3)]


def fake_tensors() -> list[Any]:
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        net = mlp()
        y = net(torch.randn(8, 6))
        loss = F.mse_loss(y, torch.ones_like(y))
        loss.backward()
    return [tuple(loss.shape), *train(mlp())]


def meta_tensors() -> list[Any]:
    net = mlp().to("meta")
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(3):
        loss = F.mse_loss(net(torch.randn(8, 6, device="meta")), torch.zeros(8, 3, device="meta"))
        loss.backward()
        optimizer.step()
    return train(mlp())


def lazy_modules() -> list[Any]:
    net = nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(3))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    return train(net, optimizer)


def odd_classes() -> list[Any]:
    @dataclass(eq=True, repr=False)
    class Equal(nn.Module):
        width: int = 6

        def __post_init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(self.width, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.a(x)

    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            ctx.variable = x
            ctx.name = "square"
            return x * x

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> Tensor:
            return 2 * ctx.saved_tensors[0] * grad

    def forward(self: Any, x: Tensor) -> Tensor:
        return Square.apply(self.a(x))

    seen = train(Equal()) if Equal.__hash__ is not None else []
    return seen + train(Wrapped(forward, a=nn.Linear(6, 3)))


class Tagged(torch.Tensor):
    """A subclass that notices every function called on it."""

    called: ClassVar[Counter[str]] = Counter()

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        cls.called[getattr(func, "__name__", str(func))] += 1
        return super().__torch_function__(func, types, args, kwargs or {})


def a_tensor_subclass() -> list[Any]:
    Tagged.called.clear()
    seen = train(mlp(), inputs=lambda: torch.randn(8, 6).as_subclass(Tagged))
    return [*seen, sorted(Tagged.called.items())]


class Functions(TorchFunctionMode):
    """Counts functions."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[str] = Counter()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen[getattr(func, "__name__", str(func))] += 1
        return func(*args, **(kwargs or {}))


class Operations(TorchDispatchMode):
    """Counts operations."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen[str(func)] += 1
        return func(*args, **(kwargs or {}))


def a_function_mode() -> list[Any]:
    with Functions() as mode:
        seen = train(mlp())
    return [*seen, sorted(mode.seen.items())]


def a_dispatch_mode() -> list[Any]:
    with Operations() as mode:
        seen = train(mlp())
    return [*seen, sorted(mode.seen.items())]


def selective_checkpointing() -> list[Any]:
    from torch.utils.checkpoint import CheckpointPolicy, create_selective_checkpoint_contexts

    asked: list[str] = []

    def policy(ctx: Any, op: Any, *args: Any, **kwargs: Any) -> CheckpointPolicy:
        asked.append(str(op))
        must = op == torch.ops.aten.mm.default or op == torch.ops.aten.addmm.default
        return CheckpointPolicy.MUST_SAVE if must else CheckpointPolicy.PREFER_RECOMPUTE

    def contexts() -> Any:
        return create_selective_checkpoint_contexts(policy)

    def forward(self: Any, x: Tensor) -> Tensor:
        return checkpoint(self.a, x, use_reentrant=False, context_fn=contexts)

    return [*train(Wrapped(forward, a=mlp())), list(asked)]


def hooks_of_the_user() -> list[Any]:
    from torch.nn.modules import module

    called: Counter[str] = Counter()

    def forward(m: nn.Module, args: Any, output: Any) -> Any:
        called["forward"] += 1
        return output * 1.5 if isinstance(m, nn.Tanh) else None

    def before(m: nn.Module, args: Any) -> Any:
        called["before"] += 1

    handles = [
        module.register_module_forward_hook(forward),
        module.register_module_forward_pre_hook(before),
        module.register_module_full_backward_hook(lambda *_: called.update(["backward"])),
        register_optimizer_step_post_hook(lambda *_: called.update(["step"])),
    ]
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Full backward hook is firing")
            seen = train(mlp())
    finally:
        for handle in handles:
            handle.remove()
    return [*seen, sorted(called.items())]


def a_user_who_patches_too() -> list[Any]:
    before = F.mse_loss
    calls: list[int] = []

    def mine(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        return before(*args, **kwargs)

    F.mse_loss = mine
    try:
        return [*train(mlp()), len(calls)]
    finally:
        F.mse_loss = before


def saved_tensor_hooks() -> list[Any]:
    packed: list[int] = []

    def pack(x: Tensor) -> Tensor:
        packed.append(1)
        return x

    def unpack(x: Tensor) -> Tensor:
        packed.append(2)
        return x

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        seen = train(mlp())
    return [*seen, packed]


def many_forward_passes_in_one_step() -> list[Any]:
    net = mlp()
    seen: list[Any] = train(net, steps=2)
    # An evaluation without no_grad.
    seen += [net(torch.randn(4, 6)).sum().item() for _ in range(50)]
    return seen + train(net, steps=2)


def data_parallel() -> list[Any]:
    net = mlp()
    spread = nn.DataParallel(net)  # without GPUs it calls the model itself
    return train(spread, torch.optim.SGD(net.parameters(), lr=0.1))


def gradient_accumulation() -> list[Any]:
    net = mlp()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    seen: list[Any] = []
    for step in range(STEPS):
        for part in range(4):
            x = torch.randn(8, 6)
            loss = F.mse_loss(net(x), x.sum(1, keepdim=True).expand(-1, 3)) / 4
            loss.backward()
            seen.append(loss.item())
            if step == 5 and part == 1:
                break  # an epoch that ends in the middle
        optimizer.step()
        optimizer.zero_grad()
    return [*seen, *(p.detach().clone() for p in net.parameters())]


def stateless_calls() -> list[Any]:
    net = mlp()
    weights = {k: p.detach().clone().requires_grad_() for k, p in net.named_parameters()}
    optimizer = torch.optim.SGD(weights.values(), lr=0.1)
    seen: list[Any] = []
    for _ in range(STEPS):
        x = torch.randn(8, 6)
        optimizer.zero_grad()
        loss = torch.func.functional_call(net, weights, (x,)).square().mean()
        loss.backward()
        optimizer.step()
        seen.append(loss.item())
    seen.append(torch.func.jacrev(lambda x: net(x).sum(0))(torch.ones(4, 6)).detach())
    return [*seen, *(p.detach().clone() for p in weights.values())]


def nothing_but_nan() -> list[Any]:
    net = mlp(nn.ReLU)
    with torch.no_grad():
        for p in net.parameters():
            p.fill_(float("nan"))
    return train(net, torch.optim.Adam(net.parameters(), lr=0.1))


def jagged_tensors() -> list[Any]:
    net = nn.Linear(6, 3)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    seen: list[Any] = []
    for _ in range(STEPS):
        rows = [torch.randn(n, 6) for n in (2, 5, 3)]
        optimizer.zero_grad()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*nested tensors.*")
            out = net(torch.nested.nested_tensor(rows, layout=torch.jagged))
        loss = out.values().square().mean()
        loss.backward()
        optimizer.step()
        seen.append(loss.item())
    return [*seen, *(p.detach().clone() for p in net.parameters())]


SCENARIOS = [
    data_parallel,
    gradient_accumulation,
    stateless_calls,
    nothing_but_nan,
    jagged_tensors,
    in_place_relu,
    in_place_addition,
    a_module_called_twice,
    tied_weights,
    unused_parameters,
    no_gradient_at_all_in_some_steps,
    sparse_embedding,
    sparse_adam_only,
    complex_parameters,
    double_precision,
    bfloat16_weights,
    nested_outputs,
    outputs_without_tensors,
    a_parameter_as_output,
    inputs_that_require_grad,
    lbfgs,
    optimiser_in_backward,
    several_optimisers,
    a_home_made_optimiser,
    tensor_learning_rate,
    no_optimiser_at_all,
    grad_scaler_that_skips_steps,
    data_loader_workers,
    empty_batches,
    inputs_of_no_dimension,
    a_model_that_raises_now_and_then,
    an_interrupt_in_the_forward_pass,
    training_in_threads_one_after_the_other,
    ema_by_deepcopy,
    checkpointing_reentrant,
    checkpointing_not_reentrant,
    selective_checkpointing,
    gradients_per_sample,
    a_penalty_on_the_gradient,
    traced,
    scripted,
    symbolically_traced,
    exported,
    fake_tensors,
    meta_tensors,
    lazy_modules,
    odd_classes,
    a_tensor_subclass,
    a_function_mode,
    a_dispatch_mode,
    hooks_of_the_user,
    a_user_who_patches_too,
    saved_tensor_hooks,
    many_forward_passes_in_one_step,
]


def same(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor):
        return torch.equal(a, b) or bool((a.isnan() & b.isnan() | (a == b)).all())
    if isinstance(a, float) and a != a:
        return bool(b != b)
    return bool(a == b)


@contextmanager
def watching() -> Iterator[MemorySink]:
    sink = MemorySink()
    probe = Probe(sink, budget=1.0)
    probe.start()
    try:
        yield sink
    finally:
        probe.finish(0)


def seeded(scenario: Callable[[], list[Any]]) -> list[Any]:
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002  # the state that scripts share with us
    return [*scenario(), torch.rand(2)]


def with_and_without(scenario: Callable[[], list[Any]]) -> Run:
    """Run twice, hold the two equal, give what was recorded."""
    bare = seeded(scenario)
    with watching() as sink:
        seen = seeded(scenario)
    assert len(bare) == len(seen)
    assert [i for i, (a, b) in enumerate(zip(bare, seen, strict=True)) if not same(a, b)] == []
    run = sink.run()
    assert run.all(Fault) == []
    return run


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.__name__)
def test_nothing_changes_and_no_part_fails(
    scenario: Callable[[], list[Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    with_and_without(scenario)
    assert capsys.readouterr().err == ""


@contextmanager
def numpy_raises() -> Iterator[None]:
    with np.errstate(all="raise"):
        yield


@contextmanager
def deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


@contextmanager
def float64_by_default() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@contextmanager
def device_by_default() -> Iterator[None]:
    torch.set_default_device("cpu")
    try:
        yield
    finally:
        torch.set_default_device(None)


@contextmanager
def anomalies_detected() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Anomaly Detection")
        with torch.autograd.set_detect_anomaly(True):
            yield


def classification() -> list[Any]:
    """Training, evaluation in inference mode, dropout, batch norm, a schedule."""
    net = nn.Sequential(
        nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(), nn.Linear(16, 3)
    )
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.01)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 4)
    x, y = torch.randn(64, 6), torch.randint(3, (64,))
    seen: list[Any] = []
    for step in range(12):
        batch = torch.randint(64, (16,))
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x[batch]), y[batch])
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        seen.append(loss.item())
        if step % 4 == 3:
            net.eval()
            with torch.inference_mode():
                seen.append(F.cross_entropy(net(x), y).item())
            net.train()
    return seen + [p.detach().clone() for p in net.parameters()]


@pytest.mark.parametrize(
    "setting",
    [
        numpy_raises,
        deterministic,
        float64_by_default,
        device_by_default,
        anomalies_detected,
        nullcontext,
    ],
    ids=lambda s: s.__name__,
)
def test_settings_of_the_user_disturb_nothing(setting: Callable[[], Any]) -> None:
    with setting():  # the probe ends inside, as it does when a script never takes it back
        bare = seeded(classification)
        with watching() as sink:
            seen = seeded(classification)
    assert all(same(a, b) for a, b in zip(bare, seen, strict=True))
    run = sink.run()
    assert run.all(Fault) == []
    assert run.steps == 12
    assert [o.calls for o in run.facts if getattr(o, "function", "") == "cross_entropy"][-2:] == [
        12,
        3,
    ]


def compiled(backend: str) -> list[Any]:
    from torch._dynamo import utils

    torch._dynamo.reset()
    utils.counters.clear()
    net = mlp()
    fast = torch.compile(net, backend=backend)
    whole = torch.compile(lambda x, y: F.mse_loss(fast(x), y), backend=backend, fullgraph=True)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    seen: list[Any] = []
    for step in range(40):
        optimizer.zero_grad()
        y = fast(torch.randn(8, 6))
        loss = whole(torch.randn(8, 6), y.detach()) + F.mse_loss(y, torch.ones_like(y))
        loss.backward()
        optimizer.step()
        seen.append(loss.item())
        if step % 10 == 9:
            net.eval()
            with torch.no_grad():
                seen.append(fast(torch.ones(3, 6)))
            net.train()
    counts = {k: dict(utils.counters[k]) for k in ("stats", "graph_break", "recompile_limit")}
    return [*seen, *(p.detach().clone() for p in net.parameters()), counts]


# Importing inductor, torch uses what it has deprecated itself.
@pytest.mark.filterwarnings("ignore:.torch.jit.script_method:DeprecationWarning")
@pytest.mark.parametrize(
    "backend", ["eager", "aot_eager", pytest.param("inductor", marks=pytest.mark.nightly)]
)
def test_compiled_models_compile_as_often_and_break_nowhere(backend: str) -> None:
    run = with_and_without(lambda: compiled(backend))
    assert run.hygiene.compiled
    assert run.steps == 40
    assert run.series("grad_norm")


def a_compiled_loss() -> list[Any]:
    from torch._dynamo import utils

    torch._dynamo.reset()
    utils.counters.clear()
    net, criterion = mlp(nn.ReLU), nn.BCEWithLogitsLoss()
    criterion.compile(backend="eager")
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    seen: list[Any] = []
    for rows in (8, 8, 4, 8):
        x = torch.randn(rows, 6)
        optimizer.zero_grad()
        loss = criterion(net(x), (x[:, :3] > 0).float())
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            seen += [loss.item(), criterion(net(x), torch.ones(rows, 3)).item()]
    return [*seen, {k: dict(v) for k, v in utils.counters.items()}]


def test_a_compiled_loss_has_no_graph_of_ours() -> None:
    with_and_without(a_compiled_loss)


def test_compiling_before_watching_began_changes_nothing_either() -> None:
    from torch._dynamo import utils

    def graphs(watch: bool) -> tuple[list[float], int]:
        torch._dynamo.reset()
        utils.counters.clear()
        torch.manual_seed(0)
        net = mlp()
        fast = torch.compile(net, backend="eager")
        with watching() if watch else nullcontext(MemorySink()) as sink:
            losses = train(fast, torch.optim.SGD(net.parameters(), lr=0.1))[:STEPS]
        assert sink.run().all(Fault) == []
        return losses, utils.counters["stats"]["unique_graphs"]

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*global hooks on modules.*")
        assert graphs(False) == graphs(True)


def test_a_long_evaluation_with_gradients_on_keeps_no_graph() -> None:
    net = mlp()
    with watching() as sink:
        train(net, steps=3)
        alive: list[weakref.ref[Tensor]] = []
        for _ in range(100):
            out = net(torch.randn(4, 6))
            alive.append(weakref.ref(out))
            F.l1_loss(out, torch.zeros(4, 3))
        del out
        gc.collect()
        assert sum(r() is not None for r in alive) == 0
    assert sink.run().all(Fault) == []


def test_models_trained_one_after_the_other_are_freed_and_keep_their_names_apart() -> None:
    with watching() as sink:
        gone = []
        for _ in range(6):
            net = mlp()
            train(net, torch.optim.SGD(net.parameters(), lr=0.1), steps=4)
            gone.append(weakref.ref(net))
            del net
            gc.collect()
        # The first is kept for the experiments after the training; it is small.
        assert [r() is None for r in gone[1:]] == [True] * 5
    run = sink.run()
    assert run.all(Fault) == []
    assert run.steps == 24
    sites = run.sites("grad_norm")
    assert len(sites) == len(set(sites))
    assert not any(s.startswith("unnamed") for s in sites)
    assert all(len(run.series("grad_norm", s)) == 4 for s in sites)


def test_an_idle_watcher_holds_nothing_of_a_step() -> None:
    with watching():
        net = mlp()
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        for _ in range(3):
            x = torch.randn(8, 6)
            y = net(x)
            loss = (y - 1).square().mean()
            loss.backward()
            optimizer.step()
        held = [weakref.ref(x), weakref.ref(y), weakref.ref(loss)]
        del x, y, loss
        gc.collect()
        assert [r() for r in held] == [None, None, None]
