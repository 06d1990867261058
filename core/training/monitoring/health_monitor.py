"""Monitors a network from the inside while it learns: gradients, updates, weights and activations of each stage.

Nothing here changes the training by a bit: gradients and weights are only read, images pass in eval mode and without
a graph, no random number generator is touched. And it costs little: what was spent is kept below a share of the time
that went by, so that quick epochs are looked at less often.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from core.models.modes import eval_mode
from core.models.network import Network
from core.training.features.batch_sources import Material, PixelSource
from core.training.monitoring.time_budget import TimeBudget, is_due

TIME_SHARE, PASS_TIME_SHARE = 0.01, 0.02
"""Share of the time that looking at steps and weights may take, and that passing images may take."""
FREE_SECONDS, PASS_FREE_SECONDS = 0.25, 0.5
"""Seconds that each may take before that share counts, so that short runs are seen too."""
ROW_SPACING, HISTOGRAM_SPACING = 1_000, 100
"""An epoch is looked at if the last look is longer ago than one part in so many of all epochs so far."""
PASS_IMAGES = 16
"""Validation images that pass for the activations."""
SAMPLE_VALUES = 1 << 14
"""Values of one tensor that stand for it where its change is measured, evenly spaced."""
HISTOGRAM_VALUES = 1 << 16
"""Values that a histogram counts at most, evenly spaced."""
HISTOGRAM_BINS = 40
TAIL_SHARE = 0.001
"""Share of the values at either end that fall into the outer bins, so that single ones do not squeeze the rest."""
RELU_TYPES = (nn.ReLU, nn.ReLU6)


class StepObserver:
    """Is called around every step of a training; this one does nothing."""

    def before_step(self, share: float) -> None:
        """Called when the gradients of a step are complete, before they are clipped.

        Args:
            share: Share of the epoch's images that will have been learned from after the step.
        """

    def after_step(self) -> None:
        """Called when the optimizer has moved the weights."""


P = ParamSpec("P")
R = TypeVar("R")


def _guarded(method: Callable[P, R]) -> Callable[P, R | None]:
    """Lets a look that fails end the looking, and never the training."""

    @wraps(method)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R | None:
        health: Any = args[0]
        if health.error is not None:
            return None
        try:
            return method(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 (whatever it is, the training goes on)
            health.error = error
            return None

    return guarded


class HealthMonitor(StepObserver):
    """Measures one step an epoch and the weights and activations at its end, as far as the time budget goes.

    Args:
        network: As it is before its training: distances are measured from here.
        material: Its first validation images, evenly spaced, are those that pass.
        device: Where the network computes.

    Attributes:
        error: What ended the looking; ``None`` while all is well.
    """

    def __init__(self, network: Network, material: Material, device: torch.device) -> None:
        self.error: Exception | None = None
        self._network, self._material, self._device = network, material, device
        parameters = dict(network.model.named_parameters())
        self._stages = {s.name: [(n, parameters[n]) for n in s.parameter_names] for s in network.anatomy.stages}
        self._start = {name: _sample(p, SAMPLE_VALUES).cpu() for name, p in parameters.items()}
        self._norms = _norms_of(network)
        self._norm_start = {stage: _statistics(modules) for stage, modules in self._norms.items()}
        self._step_budget = TimeBudget(TIME_SHARE, FREE_SECONDS)
        self._pass_budget = TimeBudget(PASS_TIME_SHARE, PASS_FREE_SECONDS)
        self._images: Tensor | None = None
        self._drawn_once: set[str] = set()
        self._resting: dict[str, float | None] = {}
        self._step: dict[str, Any] = {}
        self._before: dict[str, list[tuple[Tensor, Tensor]]] | None = None
        self.resume_after(0)

    def resume_after(self, epoch: int, row: int | None = None) -> None:
        """Goes on after an epoch: of a training that is resumed, or that has just ended it.

        Args:
            epoch: The epoch.
            row: The epoch of the last row that was written before, where the training is resumed.
        """
        self._epoch = epoch + 1
        self._considered = self._due = False
        if epoch == 0:
            self._row = self._drawn = 0
        if row is not None:
            self._row = row
        self._step = {}

    @_guarded
    def before_step(self, share: float) -> None:
        """Reads the gradients of the step that crosses the middle of an epoch."""
        if self._considered or share < 0.5:
            return
        self._considered = True
        self._due = is_due(self._epoch, self._row, ROW_SPACING) and self._step_budget.permits("step")
        if not self._due:
            return
        with self._step_budget.spending("step"), torch.no_grad():
            self._before, self._step = {}, {}
            for stage, named in self._stages.items():
                learning = [p for _, p in named if p.requires_grad and p.grad is not None]
                if not learning:
                    continue
                gradients = torch.stack(torch._foreach_norm([p.grad for p in learning if p.grad is not None]))
                self._step[stage] = gradients.square().sum().sqrt()
                self._before[stage] = [(_sample(p, SAMPLE_VALUES), p) for p in learning]

    @_guarded
    def after_step(self) -> None:
        """Measures how far the step moved the weights."""
        if self._before is None:
            return
        before, self._before = self._before, None
        with self._step_budget.spending("step"), torch.no_grad():
            for stage, pairs in before.items():
                change = torch.stack(
                    [(_sample(p, SAMPLE_VALUES) - old).square().mean() * p.numel() for old, p in pairs]
                ).sum()
                length = torch.stack([old.square().mean() * p.numel() for old, p in pairs]).sum()
                values = torch.stack([self._step[stage], change.sqrt(), length.sqrt()]).tolist()
                gradient, moved, weight = values
                ratio = moved / weight if weight > 0 else None
                self._step[stage] = {"gradient": _finite(gradient), "update": _finite(ratio)}

    @_guarded
    def epoch_end(self, epoch: int, step: int, *, last: bool = False) -> dict[str, Any] | None:
        """Takes note of an epoch; the network has the weights that are judged.

        Args:
            epoch: From 1.
            step: Optimizer steps so far.
            last: Whether the training is over, so that this epoch is looked at whatever it costs.

        Returns:
            The row for ``health.jsonl``, or nothing if this epoch is passed over: ``epoch``, ``step``, ``stages``.
            Of each stage: ``stage``; ``learns``, share of its values that learn; ``gradient``, norm of its gradient
            before clipping, and ``update``, length of the change of its learning weights over their length, both of
            one step in the middle of the epoch; ``distance`` from its start as a share of its length there;
            ``drift`` of its frozen normalisation statistics, likewise; ``weights`` and ``activations``, each
            ``low``, ``high``, ``counts``; ``units`` and ``dead``, channels of its ReLUs and how many of them gave
            nothing but zeros on all images. Weights that did not learn since, and activations too dear to measure,
            are left out: the row before holds them.
        """
        due, found = self._due or (last and self._row != epoch), self._step
        self.resume_after(epoch)
        if not due:
            return None
        self._row = epoch
        draw = last or is_due(epoch, self._drawn, HISTOGRAM_SPACING)
        with self._step_budget.spending("row"):
            stages = [{"stage": name, **self._stage(name, draw), **found.get(name, {})} for name in self._stages]
        if draw:
            self._drawn = epoch
        if len(self._material.val) and (last or (draw and self._pass_budget.permits("pass"))):
            with self._pass_budget.spending("pass"):
                for row, seen in zip(stages, self._pass(), strict=True):
                    row.update(seen)
        return {"epoch": epoch, "step": step, "stages": stages}

    @torch.no_grad()
    def _stage(self, name: str, draw: bool) -> dict[str, Any]:
        """Returns the figures of a stage's weights."""
        named = self._stages[name]
        total = sum(p.numel() for _, p in named)
        learns = sum(p.numel() for _, p in named if p.requires_grad) / max(1, total)
        if learns or name not in self._resting:
            self._resting[name] = self._distance(named)
        row: dict[str, Any] = {"learns": learns, "distance": self._resting[name]}
        if self._norms[name]:
            row["drift"] = _drift(self._norm_start[name], _statistics(self._norms[name]))
        if draw and (learns or name not in self._drawn_once):
            row["weights"] = histogram(_weights([p for _, p in named]))
            self._drawn_once.add(name)
        return row

    def _distance(self, named: Sequence[tuple[str, nn.Parameter]]) -> float | None:
        """Returns how far parameters are from their start, as a share of their length there."""
        moved = length = 0.0
        for name, p in named:
            start = self._start[name]
            length += float(start.square().mean()) * p.numel()
            moved += float((_sample(p, SAMPLE_VALUES).cpu() - start).square().mean()) * p.numel()
        return _finite(math.sqrt(moved / length)) if length > 0 else None

    @torch.no_grad()
    def _pass(self) -> list[dict[str, Any]]:
        """Sends the images through the network and returns what each stage answered."""
        model = self._network.model
        outputs, alive = _last_layers(self._network), _rectifiers(self._network)
        values: dict[str, Tensor] = {}
        living: dict[str, list[Tensor]] = {name: [] for name in self._stages}

        def keep(stage: str) -> Callable[..., None]:
            def hook(_module: nn.Module, _inputs: object, output: object) -> None:
                if isinstance(output, Tensor):
                    values[stage] = _sample(output, HISTOGRAM_VALUES)

            return hook

        def count(stage: str, dimension: int) -> Callable[..., None]:
            def hook(_module: nn.Module, _inputs: object, output: Tensor) -> None:
                channel = dimension % output.ndim
                others = [axis for axis in range(output.ndim) if axis != channel]
                living[stage].append(output.amax(others) > 0)

            return hook

        modules = dict(model.named_modules())
        handles = [modules[layer].register_forward_hook(keep(stage)) for stage, layer in outputs.items()]
        handles += [modules[name].register_forward_hook(count(stage, axis)) for name, (stage, axis) in alive.items()]
        try:
            with eval_mode(model):
                model(self._pass_images())
        finally:
            for handle in handles:
                handle.remove()
        return [_output_row(values.get(name), living[name]) for name in self._stages]

    def _pass_images(self) -> Tensor:
        if self._images is None:
            positions = self._material.val
            chosen = positions[torch.linspace(0, len(positions) - 1, min(PASS_IMAGES, len(positions))).round().long()]
            source = PixelSource(self._network, self._material, self._device, "fp32")
            self._images = next(iter(source.batches([chosen], None)))[0]
        return self._images


def histogram(values: Tensor) -> dict[str, Any] | None:
    """Counts values in :data:`HISTOGRAM_BINS` equal bins from ``low`` to ``high``; ``None`` if there are none."""
    numbers = values.detach().float().cpu().numpy()
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers):
        return None
    low, high = (float(edge) for edge in np.quantile(numbers, (TAIL_SHARE, 1 - TAIL_SHARE)))
    if not high > low:
        low, high = low - 0.5, high + 0.5
    counts, _ = np.histogram(numbers.clip(low, high), HISTOGRAM_BINS, (low, high))
    return {"low": low, "high": high, "counts": counts.tolist()}


def _sample(tensor: Tensor, most: int) -> Tensor:
    """Returns a copy of evenly spaced values, in float32."""
    flat = tensor.detach().reshape(-1)
    return flat[:: max(1, -(-len(flat) // most))].to(torch.float32, copy=True)


def _weights(parameters: Sequence[nn.Parameter]) -> Tensor:
    """Returns weights of a stage, evenly spaced: kernels and matrices, or whatever it has where it has none."""
    chosen = [p for p in parameters if p.ndim > 1] or list(parameters)
    every = max(1, -(-sum(p.numel() for p in chosen) // HISTOGRAM_VALUES))
    return torch.cat([p.detach().reshape(-1)[::every].float() for p in chosen])


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _norms_of(network: Network) -> dict[str, list[nn.Module]]:
    """Returns the normalisation layers with running statistics, by stage."""
    layers = network.anatomy.layers_by_name
    found: dict[str, list[nn.Module]] = {stage: [] for stage in network.anatomy.stages_by_name}
    for name, module in network.model.named_modules():
        if isinstance(getattr(module, "running_mean", None), Tensor) and name in layers:
            found[layers[name].stage].append(module)
    return found


def _statistics(modules: Sequence[nn.Module]) -> Tensor:
    """Returns running means and variances one after the other."""
    values = [value for m in modules for value in (m.running_mean, m.running_var) if isinstance(value, Tensor)]
    return torch.cat([value.detach().float().cpu().reshape(-1) for value in values]) if values else torch.zeros(0)


def _drift(start: Tensor, now: Tensor) -> float | None:
    length = float(start.norm())
    return _finite(float((now - start).norm()) / length) if length > 0 else None


def _last_layers(network: Network) -> dict[str, str]:
    """Returns the layer whose answers stand for a stage: the last one in it that computes something."""
    modules = dict(network.model.named_modules())
    passing = ("Pool", "Dropout", "StochasticDepth", "Identity", "Flatten")
    found: dict[str, str] = {}
    for layer in network.anatomy.layers:
        if layer.leaf and layer.name in modules and not any(word in layer.kind for word in passing):
            found[layer.stage] = layer.name
    return found


def _rectifiers(network: Network) -> dict[str, tuple[str, int]]:
    """Returns the ReLUs: name -> stage, and which dimension of their output counts the units."""
    modules = dict(network.model.named_modules())
    return {
        layer.name: (layer.stage, 1 if layer.layout == "NCHW" or len(layer.output_shape) == 1 else -1)
        for layer in network.anatomy.layers
        if isinstance(modules.get(layer.name), RELU_TYPES)
    }


def _output_row(values: Tensor | None, living: Sequence[Tensor]) -> dict[str, Any]:
    """Returns the figures of a stage's outputs."""
    row: dict[str, Any] = {}
    if values is not None:
        row["activations"] = histogram(values)
    if living:
        row["units"] = sum(len(channels) for channels in living)
        row["dead"] = row["units"] - sum(int(channels.sum()) for channels in living)
    return row
