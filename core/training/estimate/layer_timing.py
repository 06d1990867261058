"""Measuring a network on this machine, for :mod:`core.training.estimate.step_time` to predict from.

Every call of a layer is timed, forwards by hooks on the modules, backwards by hooks on the tensors between them: the
gradient of a layer's output is ready when its own backward pass begins. Two batch sizes show what grows with the batch
and what does not. Rounds are repeated and the pass in the middle counts, by a clock that leaves others' work out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise, product
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from core.device import memory_free
from core.errors import Cancelled, InputError
from core.messages import Progress
from core.models import heads
from core.models.network import Network
from core.specs import FreezePlan
from core.training.estimate import machine_timing
from core.training.estimate.step_clock import StepClock
from core.training.estimate.step_memory import Rehearsal
from core.training.estimate.step_time import PASS_KINDS, Linear, Profile
from core.training.optim.precision import autocast

BATCH_SIZES = (16, 8, 4)
"""Larger batch of the two that are timed; the smaller is a quarter of it, and at least 2."""
BUDGET_SECONDS, MAX_SECONDS = 9.0, 75.0
"""Seconds that all rounds together should take, and that they may take where others slow the machine down: the fewer
rounds, the more a single disturbed pass counts."""
ROUNDS, MIN_ROUNDS = 8, 4
"""Most rounds, and fewest unless patience ends; the first one warms up."""
MAX_SLOWDOWN = 3.0
"""bfloat16 that takes so many times as long as float32 is not measured any further: nobody would choose it."""
PASSES = ("frozen", "learning", "through")


def measure(
    network: Network,
    device: torch.device,
    *,
    title: str = "",
    rounds: int | None = None,
    progress: Progress = lambda *_: None,
    stop: Callable[[], bool] = lambda: False,
) -> Profile:
    """Measures a network on a device.

    Args:
        network: With any values, which are changed; moved to ``device``.
        device: Where to measure.
        title: What the device is called in the profile.
        rounds: How often everything is timed; by default as often as the budget allows.
        progress: Called with how many passes are done and how many there will be at most.
        stop: Called between passes.

    Raises:
        Cancelled: ``stop`` returned true.
        InputError: Not even a small batch fits into the memory.
    """
    model = network.model.to(device).to(memory_format=torch.channels_last)
    timer = _LayerTimer(network, device)
    try:
        separable = heads.tail(model.eval(), network.anatomy) is not None
        batches, precisions = _choose_batches(timer, stop)
        passes = _rounds(timer, batches, precisions, rounds, progress, stop)
    finally:
        model.eval()
        model.zero_grad(set_to_none=True)
    seconds = {
        precision: {kind: _lines(kind, [passes[batch, precision] for batch in batches], batches) for kind in PASS_KINDS}
        for precision in precisions
    }
    modules = dict(model.named_modules())
    return Profile(
        device=title or str(device),
        calls=tuple(timer.names),
        kinds=tuple(type(modules[name]).__name__ for name in timer.names),
        seconds=seconds,
        prepare=machine_timing.prepare(network.preprocessing, device),
        augment=machine_timing.augment(network.preprocessing, device),
        decode=machine_timing.decode(network.preprocessing),
        separable=separable,
        machine=machine_timing.machine(device),
        measured=time.time(),
    )


class _Passes:
    """All passes of one batch size and precision."""

    def __init__(self) -> None:
        self._times: dict[str, list[list[float]]] = {}

    def record(self, times: dict[str, list[float]]) -> None:
        """Takes note of a pass: for each kind of time, seconds of each call."""
        for kind, row in times.items():
            self._times.setdefault(kind, []).append(row)

    def typical(self, kind: str) -> list[float]:
        """Returns the pass in the middle between the slowest and the quickest, whole, the first not counted.

        The least of each call by itself would add up to less than any pass takes; and the quickest pass is one that
        the machine may not repeat for minutes, where others share its cores.
        """
        rows = sorted(self._times[kind][1:] or self._times[kind], key=sum)
        return rows[(len(rows) - 1) // 2]


class _LayerTimer:
    """Times the calls of a network's layers.

    Attributes:
        names: The layer of each call, in order; known after the first pass.
    """

    def __init__(self, network: Network, device: torch.device) -> None:
        self.model, self.device, self.network, self.clock = network.model, device, network, StepClock(device)
        leaves = {layer.name for layer in network.anatomy.layers if layer.leaf}
        self.modules = {name: module for name, module in self.model.named_modules() if name in leaves}
        self.names: list[str] = []
        self._marks: list[tuple[int, Any]] = []
        self._calls: list[str] = []

    def run(self, kind: str, batch: int, precision: str) -> dict[str, list[float]]:
        """Makes one pass; returns for each kind of time that it measures the seconds of each call.

        Args:
            kind: One of :data:`PASSES`.
            batch: Images.
            precision: ``fp32`` or ``bf16``.
        """
        learns = kind == "learning"
        self.model.train(learns).requires_grad_(learns)
        prep = self.network.preprocessing
        images = torch.randn(batch, prep.channels, prep.crop, prep.crop, device=self.device)
        images = images.contiguous(memory_format=torch.channels_last).requires_grad_(kind != "frozen")
        labels = torch.zeros(batch, dtype=torch.long, device=self.device)
        self._calls = []
        with self._hooked(), torch.set_grad_enabled(kind != "frozen"):
            self._marks = [(0, self.clock.now())]
            with autocast(self.device, precision):
                logits = self.model(images).float()
            forward = self._read()
            if kind != "frozen":
                loss = F.cross_entropy(logits, labels)
                self._marks = [(len(self._calls) - 1, self.clock.now())]
                loss.backward()
        backward = self._read() if kind != "frozen" else []
        self.model.zero_grad(set_to_none=True)
        self.names = self._calls
        if kind == "frozen":
            return {"frozen": forward}
        return {"learning": forward, "backward_all": backward} if learns else {"backward_through": backward}

    @contextmanager
    def _hooked(self) -> Iterator[None]:
        handles = []
        for name, module in self.modules.items():
            handles.append(module.register_forward_pre_hook(self._enter(name)))
            handles.append(module.register_forward_hook(self._leave))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _enter(self, name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _args: tuple[Any, ...]) -> None:
            self._marks.append((len(self._calls), self.clock.now()))
            self._calls.append(name)

        return hook

    def _leave(self, _module: nn.Module, _args: tuple[Any, ...], output: object) -> None:
        tensor = output[0] if isinstance(output, tuple) else output
        if not isinstance(tensor, Tensor) or not tensor.requires_grad:
            return
        index = len(self._calls) - 1

        def ready(_gradient: Tensor) -> None:
            self._marks.append((index, self.clock.now()))

        tensor.register_hook(ready)

    def _read(self) -> list[float]:
        """Returns the seconds from each mark to the next, summed by call; together they make the whole pass.

        The clock's reading of a whole is less than the sum of its readings of the parts, where the threads wait for
        each other by turns; so the parts only show how the whole is shared out.
        """
        self._marks.append((-1, self.clock.now()))
        self.clock.synchronize()
        seconds = [0.0] * len(self._calls)
        for (index, begin), (_, end) in pairwise(self._marks):
            seconds[index] += self.clock.elapsed(begin, end)
        whole = self.clock.elapsed(self._marks[0][1], self._marks[-1][1])
        share = whole / (sum(seconds) or 1.0)
        return [share * part for part in seconds]


def _choose_batches(timer: _LayerTimer, stop: Callable[[], bool]) -> tuple[tuple[int, int], tuple[str, ...]]:
    """Chooses two batch sizes and the number formats, from a few small passes."""
    _settle_norms(timer)
    seconds: dict[str, float] = {}
    formats = ("fp32", "bf16") if timer.device.type in ("cpu", "cuda") else ("fp32",)
    for precision in formats:
        times = []
        for _ in range(2):
            if stop():
                raise Cancelled
            times.append(sum(timer.run("frozen", 2, precision)["frozen"]))
            if times[-1] > MAX_SLOWDOWN * seconds.get("fp32", float("inf")):
                break
        seconds[precision] = min(times)
    precisions = tuple(name for name in formats if seconds[name] <= MAX_SLOWDOWN * seconds["fp32"])
    image = sum(seconds[name] for name in precisions) / 2
    free = _free_bytes(timer.device)
    rehearsal = Rehearsal(timer.network)
    for large in BATCH_SIZES:
        small = max(2, large // 4)
        affordable = 6 * image * (large + small) * MIN_ROUNDS <= BUDGET_SECONDS or large == BATCH_SIZES[-1]
        if affordable and rehearsal.memory(FreezePlan("all"), large).step < free:
            return (small, large), precisions
    raise InputError(
        "There is not enough memory free on {device} to measure this network at {size} px. Choose a smaller image "
        "size, or end other programs.",
        device=str(timer.device),
        size=timer.network.preprocessing.crop,
    )


def _settle_norms(timer: _LayerTimer) -> None:
    """Gives normalisations the statistics of random images, so that values neither vanish nor overflow."""
    norms = [module for module in timer.model.modules() if isinstance(module, _BatchNorm)]
    kept = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    timer.run("learning", 2, "fp32")
    for norm, momentum in zip(norms, kept, strict=True):
        norm.momentum = momentum


def _free_bytes(device: torch.device) -> float:
    return (0.9 if device.type == "cuda" else 0.8) * memory_free(device)


def _rounds(
    timer: _LayerTimer,
    batches: tuple[int, int],
    precisions: tuple[str, ...],
    rounds: int | None,
    progress: Progress,
    stop: Callable[[], bool],
) -> dict[tuple[int, str], _Passes]:
    """Repeats all passes in turn, until the budget or the longest time is used up."""
    passes = {key: _Passes() for key in product(batches, precisions)}
    total, done, begin = (rounds or ROUNDS) * len(passes) * len(PASSES), 0, time.perf_counter()
    for turn in range(rounds or ROUNDS):
        for (batch, precision), kind in product(passes, PASSES):
            if stop():
                raise Cancelled
            passes[batch, precision].record(timer.run(kind, batch, precision))
            done += 1
            progress(done, total)
        elapsed = time.perf_counter() - begin
        if rounds is None and (elapsed > MAX_SECONDS or (elapsed > BUDGET_SECONDS and turn + 1 >= MIN_ROUNDS)):
            break
    return passes


def _lines(kind: str, passes: list[_Passes], batches: tuple[int, int]) -> tuple[Linear, ...]:
    """Lays a line through the seconds of each call at the two batch sizes; neither part is negative."""
    small, large = batches
    lines = []
    for few, many in zip(passes[0].typical(kind), passes[1].typical(kind), strict=True):
        fixed = min(max(0.0, (few * large - many * small) / (large - small)), many)
        lines.append(Linear(fixed, (many - fixed) / large))
    return tuple(lines)
