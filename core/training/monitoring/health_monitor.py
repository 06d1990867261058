"""Monitors a network from the inside while it learns: gradients, updates, weights and activations of each stage.

Nothing here changes the training by a bit: gradients and weights are only read, images pass in eval mode and without
a graph, no random number generator is touched. And it costs little: what was spent is kept below a share of the time
that went by, so that quick epochs are looked at less often.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor, nn

from core.models.before_head import BeforeHead
from core.models.modes import eval_mode
from core.models.network import Network
from core.training.features.batch_sources import Material, PixelSource
from core.training.monitoring.kept_looks import KeptLooks
from core.training.monitoring.stage_answers import HISTOGRAM_VALUES, StageAnswers, histogram, sample
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


@dataclass(frozen=True, slots=True)
class _Rest:
    """What a part that has not changed answers to the images that pass.

    Attributes:
        rows: Figures of the stages before the head.
        features: What enters the head, N x C or N x C x H x W.
    """

    rows: dict[str, dict[str, Any]]
    features: Tensor


class HealthMonitor(StepObserver):
    """Measures one step an epoch and the weights and activations at its end, as far as the time budget goes.

    Args:
        network: As it is before its training: distances are measured from here.
        material: Its first validation images, evenly spaced, are those that pass.
        device: Where the network computes.
        kept: Looks of this training, and of others of the process.

    Attributes:
        error: What ended the looking; ``None`` while all is well.
    """

    def __init__(
        self, network: Network, material: Material, device: torch.device, kept: KeptLooks | None = None
    ) -> None:
        self.error: Exception | None = None
        self._network, self._material, self._device = network, material, device
        self._before_head, self._kept = BeforeHead(network), kept or KeptLooks()
        parameters = dict(network.model.named_parameters())
        self._stages = {s.name: [(n, parameters[n]) for n in s.parameter_names] for s in network.anatomy.stages}
        self._start = {name: sample(p, SAMPLE_VALUES).cpu() for name, p in parameters.items()}
        self._norms = _norms_of(network)
        self._norm_start = {stage: _statistics(modules) for stage, modules in self._norms.items()}
        self._step_budget = TimeBudget(TIME_SHARE, FREE_SECONDS)
        self._pass_budget = TimeBudget(PASS_TIME_SHARE, PASS_FREE_SECONDS)
        val, most = material.val, min(PASS_IMAGES, len(material.val))
        self._passing = val[torch.linspace(0, len(val) - 1, most).round().long()]
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
                self._before[stage] = [(sample(p, SAMPLE_VALUES), p) for p in learning]

    @_guarded
    def after_step(self) -> None:
        """Measures how far the step moved the weights."""
        if self._before is None:
            return
        before, self._before = self._before, None
        with self._step_budget.spending("step"), torch.no_grad():
            for stage, pairs in before.items():
                change = torch.stack(
                    [(sample(p, SAMPLE_VALUES) - old).square().mean() * p.numel() for old, p in pairs]
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
            moved += float((sample(p, SAMPLE_VALUES).cpu() - start).square().mean()) * p.numel()
        return _finite(math.sqrt(moved / length)) if length > 0 else None

    @torch.no_grad()
    def _pass(self) -> list[dict[str, Any]]:
        """Returns what each stage answers to the images; what has not changed is not asked again."""
        key, name = self._rest_key(), self._network.anatomy.head
        rest = self._kept.get(key, _Rest)
        seen = StageAnswers(self._network)
        model = self._network.model
        with seen.watching(), eval_mode(model):
            if rest is None:
                model(self._pass_images())
            else:
                model.get_submodule(name)(rest.features)
        rows = {stage: seen.row(stage) for stage in self._stages}
        if rest is not None:
            rows |= rest.rows
        elif seen.ends_with_head:
            before = {stage: row for stage, row in rows.items() if stage not in seen.behind}
            self._kept.keep(key, _Rest(before, seen.entering[0]))
        return [rows[stage] for stage in self._stages]

    def _rest_key(self) -> Hashable | None:
        """Returns all that the answers of the stages before the head depend on; ``None`` where these learn."""
        stamp = self._before_head.stamp()
        pixels = None if stamp is None else self._material.store.fingerprint_of(self._passing)
        if pixels is None:
            return None
        return ("health", self._network.name, *self._stages, stamp, pixels, self._network.preprocessing, self._device)

    def _pass_images(self) -> Tensor:
        if self._images is None:
            source = PixelSource(self._network, self._material, self._device, "fp32")
            self._images = next(iter(source.batches([self._passing], None)))[0]
        return self._images


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
