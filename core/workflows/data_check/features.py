"""What a network, by default the packaged one, sees in each picture: one vector an image, computed once."""

from __future__ import annotations

import copy
import hashlib
import io
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from core.data.images import fit, normalise
from core.device import resolve_device, reuse_freed_memory
from core.disk_cache import DiskCache, name_of
from core.interpret.forward import batch_of
from core.interpret.probe import Probe, device_of
from core.messages import Progress
from core.models.heads import head_input
from core.models.network import Network, bare
from core.training.optim.precision import autocast, choose_precision

BACKBONE = "efficientnet_lite0"
"""The network whose weights come as a Python package, so that it is there without a download."""
_CACHE = DiskCache("picture-features", ".npy", max_bytes=2e9)
BATCH = 32


class Eye:
    """A network, ready to look: it sees in a picture what enters its head.

    Args:
        device: ``auto``, ``cpu`` or a GPU.
        network: Another network than the packaged one, looked with in 32 bit. It is left as it was, and others may
            use it meanwhile; where it is not on the device a copy of it goes there.
        name: By which such a network's features are known again: a digest of its weights and preprocessing.
    """

    def __init__(self, device: str = "auto", network: Network | None = None, name: str = "") -> None:
        self.device = resolve_device(device)
        self.network, self.name, self._precision = network or bare(BACKBONE), name or f"{BACKBONE} 1", "fp32"
        self._step = BATCH if network is None else batch_of(network, self.device)
        self._model: Network | nn.Module = self.network
        if network is None:
            reuse_freed_memory()
            self.network.model.to(self.device).to(memory_format=torch.channels_last)
            side = self.network.preprocessing.crop
            blank = torch.zeros(BATCH, 3, side, side, dtype=torch.uint8)
            self._precision = choose_precision("auto", self.device, lambda: self._forward(blank), f"{BACKBONE} {BATCH}")
        elif device_of(network.model).type != self.device.type:
            with network.lock:
                self._model = copy.deepcopy(network.model).to(self.device)

    def pixels(self, image: Image.Image) -> NDArray[np.uint8]:
        """Returns a picture as the network takes it, uint8 ``H x W x 3``."""
        return np.asarray(fit(image, self.network.preprocessing))

    def look(self, pixels: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Returns the features of some pictures, ``B x D``, each of length 1; see :meth:`pixels`."""
        return self.look_at(torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2))

    def look_at(self, images: torch.Tensor) -> NDArray[np.float32]:
        """Returns the features of some pictures, uint8 ``B x 3 x H x W``; maps that enter a head are averaged first."""
        return np.concatenate([self._forward(part) for part in images.split(self._step)])

    def _forward(self, images: torch.Tensor) -> NDArray[np.float32]:
        inputs = normalise(images.to(self.device), self.network.preprocessing)
        with Probe(self._model) as probe, autocast(self.device, self._precision):
            inputs = inputs.contiguous(memory_format=torch.channels_last)
            entered = head_input(probe.model, self.network.anatomy, inputs).float()
        entered = entered.mean((2, 3)) if entered.ndim == 4 else entered.flatten(1)
        return torch.nn.functional.normalize(entered).cpu().numpy()


def features_of(
    images: Iterator[Image.Image], digests: NDArray[np.bytes_], eye: Eye, progress: Progress | None = None
) -> NDArray[np.float32]:
    """Returns the features of pictures, ``N x D``, from the cache where the same files were looked at before.

    Args:
        images: The pictures, loaded one after the other.
        digests: Digest of each file, by which it is known again.
        eye: The network.
        progress: Called with pictures looked at and all.
    """

    def batches() -> Iterator[torch.Tensor]:
        coming = iter(images)
        while some := [eye.pixels(image) for image in islice(coming, BATCH)]:
            yield torch.from_numpy(np.stack(some)).permute(0, 3, 1, 2)

    return features_of_batches(batches(), digests, eye, progress)


def features_of_batches(
    batches: Iterator[torch.Tensor], digests: NDArray[np.bytes_], eye: Eye, progress: Progress | None = None
) -> NDArray[np.float32]:
    """Returns the same as :func:`features_of` of pictures that were brought to the network's size.

    Args:
        batches: The pictures, uint8 ``B x 3 x H x W``; none is asked for where the features are known.
        digests: As there.
        eye: The network.
        progress: As there.
    """
    count = len(digests)
    name = name_of(f"{eye.name} {hashlib.blake2b(digests.tobytes(), digest_size=16).hexdigest()}")
    known = _CACHE.read(name, _load)
    if known is not None and len(known) == count:
        if progress is not None:
            progress(count, count)
        return known.astype(np.float32)
    found, done = [], 0
    for images in batches:
        found.append(eye.look_at(images))
        done += len(images)
        if progress is not None:
            progress(done, count)
    features = np.concatenate(found) if found else np.empty((0, 1), np.float32)
    stream = io.BytesIO()
    np.save(stream, features.astype(np.float16))
    _CACHE.write({name: stream.getvalue()})
    return features.astype(np.float16).astype(np.float32)


def _load(path: Path) -> NDArray[np.float16]:
    return np.asarray(np.load(path, allow_pickle=False))
