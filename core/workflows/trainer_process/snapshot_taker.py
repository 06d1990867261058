"""Takes snapshots of a training: predictions, heatmaps and feature maps of a few pinned images."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from core.data.pixel_store import centre
from core.interpret.attribution import cam as cams
from core.interpret.filters.kernels import conv_layers, kernels
from core.interpret.layout import map_layout, to_maps
from core.interpret.probe import Probe
from core.models.before_head import BeforeHead
from core.models.network import Network
from core.runs import snapshots
from core.runs.snapshots import Pinned, PinnedImage, PinnedLayer, Snapshot
from core.training.features.batch_sources import Material, PixelSource
from core.training.monitoring.kept_looks import KeptLooks
from core.training.monitoring.time_budget import TimeBudget, is_due

TIME_SHARE = 0.03
"""Share of the time that snapshots may take."""
FREE_SECONDS = 0.75
"""Seconds that they may take before that share counts, so that short runs are seen too."""
PINNED_IMAGES = 6
"""Images that are pinned where none were chosen."""
MAX_PINNED = 12
PINNED_CHANNELS = 8
MAX_MAP_PX = 32
"""Longest side of a feature map that is kept, in pixels; larger ones are averaged down."""
PINNED_KERNELS = 64


@dataclass(frozen=True, slots=True)
class _Rest:
    """What stays the same between snapshots while nothing but the last layer learns.

    Attributes:
        stamp: What lies before that layer, see :meth:`core.models.before_head.BeforeHead.stamp`.
        snapshot: The last full snapshot.
        pinned: What it looks at.
        maps: The layer that the heatmaps weigh, N x C x H x W.
        features: Their means over height and width, which are what enters the last layer, N x C.
    """

    stamp: str
    snapshot: Snapshot
    pinned: Pinned
    maps: Tensor
    features: Tensor


class SnapshotTaker:
    """Takes a snapshot after every epoch, as far as its time budget goes.

    Args:
        path: The run's folder. What is pinned there already stays pinned.
        network: Its weights are read; modes, gradients and random states are left alone.
        material: The images.
        device: Where the network computes.
        kept: Looks of this training, and of others of the process.
    """

    def __init__(
        self, path: Path, network: Network, material: Material, device: torch.device, kept: KeptLooks | None = None
    ) -> None:
        self._path, self._network, self._material, self._device = path, network, material, device
        self._before_head, self._kept = BeforeHead(network), kept or KeptLooks()
        self._time_budget = TimeBudget(TIME_SHARE, FREE_SECONDS)
        self._positions = _positions(material, network.classes, snapshots.requested_keys(path))
        items = material.store.dataset.items
        self._targets = [items[position].label for position in self._positions]
        self._x: Tensor | None = None
        self._pinned = snapshots.pinned_of(path)
        convolutions = conv_layers(network)
        self._kernel_layer = convolutions[0].name if convolutions else ""
        self._kernels_before = self._kernels()  # of the network before its training
        self._last = 0
        self._rest: _Rest | None = None

    def rewind(self, epoch: int) -> None:
        """Takes back what was taken after an epoch: a run that goes on takes it again."""
        there = snapshots.epochs(self._path)
        snapshots.drop(self._path, [after for after in there if after > epoch])
        self._last = max((before for before in there if before <= epoch), default=0)

    def epoch_end(self, epoch: int, best: int | None, *, improved: bool) -> None:
        """Takes a snapshot after an epoch if it is due.

        Args:
            epoch: From 1.
            best: The best epoch so far.
            improved: Whether it is this one.
        """
        if epoch == 1:
            self.take(epoch, best)  # the first is taken in any case
            return
        how = "quick" if self._rest is not None and self._rest.stamp == self._before_head.stamp() else "whole"
        due = improved or is_due(epoch, self._last, snapshots.MAX_SNAPSHOTS)
        if due and self._time_budget.permits(how):
            with self._time_budget.spending(how):
                self.take(epoch, best)

    def take(self, epoch: int, best: int | None) -> None:
        """Takes a snapshot of the network as it stands, if there is none of this epoch; gives up others for it.

        Args:
            epoch: The epoch that the network's weights are of.
            best: The best epoch so far, whose snapshot stays.

        Raises:
            OSError: The folder cannot be written.
        """
        self._last = max(self._last, epoch)
        there = snapshots.epochs(self._path)
        if not self._positions or epoch in there:
            return
        snapshots.write(self._path, self._look(epoch))
        snapshots.drop(self._path, snapshots.surplus(sorted({*there, epoch}), {best or 0}))

    def _look(self, epoch: int) -> Snapshot:
        """Looks at the images, only at the last layer where nothing before it has changed."""
        stamp = self._before_head.stamp()
        rest = self._rest if self._rest is not None and self._rest.stamp == stamp else self._known(stamp)
        if rest is None:
            return self._whole(epoch, stamp)
        self._rest = rest
        with torch.enable_grad():
            features = rest.features.clone().requires_grad_()
            logits = self._network.model.get_submodule(self._network.anatomy.head)(features)
            (gradients,) = torch.autograd.grad(logits[torch.arange(len(logits)), self._targets].sum(), features)
        # the mean passes its gradient on to each place in equal parts
        weights = gradients.double()[:, :, None, None] / rest.maps[0, 0].numel()
        heat, peaks = _levels((weights * rest.maps).sum(1).relu())
        probabilities = logits.detach().float().softmax(1).cpu().numpy()
        return replace(rest.snapshot, epoch=epoch, probabilities=probabilities, heat=heat, peaks=peaks)

    def _key(self, stamp: str | None) -> Hashable | None:
        """Returns all that a look at the frozen part depends on; ``None`` where that cannot be told."""
        pixels = None if stamp is None else self._material.store.fingerprint_of(self._positions)
        if pixels is None:
            return None
        network = self._network
        return ("snapshot", network.name, stamp, pixels, *self._targets, network.preprocessing, self._device)

    def _known(self, stamp: str | None) -> _Rest | None:
        """Returns what another training has seen of the same frozen part, its layers and channels pinned here too."""
        rest = self._kept.get(self._key(stamp), _Rest)
        if rest is None:
            return None
        if self._pinned is None:
            self._pin(rest.pinned.layers, rest.pinned.cam_layer)
        assert self._pinned is not None
        if self._pinned.layers != rest.pinned.layers:
            return None
        return replace(rest, snapshot=replace(rest.snapshot, kernels=self._changed_kernels()))

    def _whole(self, epoch: int, stamp: str | None) -> Snapshot:
        """Sends the images through once, and back to the layer that the heatmaps weigh."""
        if self._x is None:
            source = PixelSource(self._network, self._material, self._device, "fp32")
            self._x = next(iter(source.batches([torch.tensor(self._positions)], None)))[0]
        x = self._x
        anatomy = self._network.anatomy
        rows = anatomy.layers_by_name
        cam = anatomy.cam_layer if anatomy.cam_layer in rows else ""
        layers = [layer.name for layer in self._pinned.layers] if self._pinned else _layers(self._network)
        entering: list[Tensor] = []
        heat, peaks, weighed = None, np.zeros(len(x), np.float32), None
        with Probe(self._network, layers, start=cam or None) as probe:
            head = self._network.model.get_submodule(anatomy.head)
            handle = head.register_forward_pre_hook(lambda _module, inputs: entering.append(inputs[0].detach()))
            try:
                logits = probe(x)
            finally:
                handle.remove()
            outputs = {name: probe.outputs[name].detach() for name in layers if name in probe.outputs}
            if cam and logits.requires_grad and (layout := map_layout(rows[cam], anatomy)):
                score = logits[torch.arange(len(x)), self._targets].sum()
                (gradients,) = torch.autograd.grad(score, probe.outputs[cam])
                weighed = torch.stack([to_maps(a, layout) for a in probe.outputs[cam].detach().split(1)]).double()
                behind = torch.stack([to_maps(g, layout) for g in gradients.split(1)]).double()
                heat, peaks = _levels(torch.stack(list(map(cams.grad_cam, weighed, behind))))
        maps = {
            name: torch.stack([to_maps(image, layout) for image in output.split(1)])
            for name, output in outputs.items()
            if (layout := map_layout(rows[name], anatomy))
        }
        if self._pinned is None:
            self._pin(self._strongest(maps), cam)
        assert self._pinned is not None
        pinned_maps = [_quantised(maps[layer.name][:, list(layer.channels)]) for layer in self._pinned.layers]
        snapshot = Snapshot(
            epoch,
            logits.detach().float().softmax(1).cpu().numpy(),
            heat,
            peaks,
            tuple(values for values, _ in pinned_maps),
            tuple(limits for _, limits in pinned_maps),
            self._changed_kernels(),
        )
        self._rest = None
        if stamp is not None and weighed is not None and len(entering) == 1 and _is_mean(entering[0], weighed):
            self._rest = _Rest(stamp, snapshot, self._pinned, weighed, entering[0])
            self._kept.keep(self._key(stamp), self._rest)
        return snapshot

    def _strongest(self, maps: dict[str, Tensor]) -> tuple[PinnedLayer, ...]:
        """Returns of each layer the channels that tell the images apart most."""
        layers = []
        for name, values in maps.items():
            spread = values.float().transpose(0, 1).flatten(1).std(1)
            strongest = spread.argsort(descending=True)[:PINNED_CHANNELS].sort().values.tolist()
            layers.append(PinnedLayer(name, self._network.anatomy.layer(name).stage, tuple(strongest)))
        return tuple(layers)

    def _pin(self, layers: tuple[PinnedLayer, ...], cam: str) -> None:
        """Settles for the whole run what is looked at."""
        items, classes = self._material.store.dataset.items, self._network.classes
        chosen = [items[position] for position in self._positions]
        validated = set(self._material.val.tolist())
        splits = ["val" if position in validated else "train" for position in self._positions]
        images = tuple(PinnedImage(i.key, classes[i.label], split) for i, split in zip(chosen, splits, strict=True))
        self._pinned = Pinned(images, layers, cam, self._kernel_layer)
        arrays: dict[str, NDArray[np.uint8] | NDArray[np.float16]] = {"images": self._pictures()}
        if self._kernels_before is not None:
            arrays["kernels"] = self._kernels_before
        snapshots.pin(self._path, self._pinned, arrays)

    def _pictures(self) -> NDArray[np.uint8]:
        """Returns the images as the network sees them, images x height x width x 3."""
        store = self._material.store
        pixels = store.batch(self._positions)
        pixels = centre(pixels, store.prep) if store.canvas else pixels
        return np.ascontiguousarray(pixels.permute(0, 2, 3, 1).numpy())

    def _kernels(self) -> NDArray[np.float16] | None:
        if not self._kernel_layer:
            return None
        return kernels(self._network, self._kernel_layer)[:PINNED_KERNELS].numpy().astype(np.float16)

    def _changed_kernels(self) -> NDArray[np.float16] | None:
        now = self._kernels()
        same = now is None or self._kernels_before is None or np.array_equal(now, self._kernels_before)
        return None if same else now


def _positions(material: Material, classes: Sequence[str], requested: Sequence[str]) -> list[int]:
    """Returns the store's positions of the pinned images: those requested, else one or two a class."""
    items = material.store.dataset.items
    at = {item.key: position for position, item in enumerate(items)}
    chosen = [at[key] for key in requested if key in at][:MAX_PINNED]
    if chosen:
        return chosen
    pool = material.val.tolist() or material.train.tolist()
    of_class: dict[int, list[int]] = {}
    for position in pool:
        of_class.setdefault(items[position].label, []).append(position)
    each = 2 if len(classes) <= PINNED_IMAGES // 2 else 1
    labels = sorted(of_class)
    if len(labels) > PINNED_IMAGES:
        labels = [labels[round(index * (len(labels) - 1) / (PINNED_IMAGES - 1))] for index in range(PINNED_IMAGES)]
    return [position for label in labels for position in of_class[label][:each]]


def _layers(network: Network) -> list[str]:
    """Returns two layers to show: where the first stage ends, and the last map before the head."""
    anatomy = network.anatomy
    spatial = [layer for layer in anatomy.layers if map_layout(layer, anatomy)]
    if not spatial:
        return []
    first = [layer.name for layer in spatial if layer.stage == spatial[0].stage][-1]
    last = anatomy.cam_layer or spatial[-1].name
    return list(dict.fromkeys((first, last)))


def _is_mean(features: Tensor, maps: Tensor) -> bool:
    """Whether what enters the last layer, N x C, are the means of maps, N x C x H x W."""
    means = maps.mean((2, 3)).to(features.dtype)
    return features.shape == means.shape and torch.allclose(features, means, rtol=1e-4, atol=1e-5)


def _levels(heat: Tensor) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Brings maps N x H x W, none below zero, to 0..255 each, and returns the value behind 255."""
    peaks = heat.flatten(1).amax(1)
    scale = torch.where(peaks > 0, 255 / peaks, torch.zeros_like(peaks))
    levels = (heat * scale[:, None, None]).nan_to_num().round().clamp(0, 255)
    return levels.to(torch.uint8).cpu().numpy(), peaks.float().cpu().numpy()


def _quantised(maps: Tensor) -> tuple[NDArray[np.uint8], tuple[float, float]]:
    """Brings maps N x C x H x W to 0..255 between their smallest and largest value, and returns these."""
    values = maps.float().nan_to_num()
    longest = max(values.shape[2:])
    if longest > MAX_MAP_PX:
        size = [max(1, round(side * MAX_MAP_PX / longest)) for side in values.shape[2:]]
        values = F.interpolate(values, size, mode="area")
    low, high = (float(limit) for limit in values.aminmax())
    scale = 255 / (high - low) if high > low else 0.0
    return ((values - low) * scale).round().to(torch.uint8).cpu().numpy(), (low, high)
