"""What the packaged network sees in each picture: one vector an image, computed once."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from core.data.images import fit, normalise
from core.device import resolve_device, reuse_freed_memory
from core.disk_cache import DiskCache, name_of
from core.messages import Progress
from core.models.network import Network, bare
from core.training.optim.precision import autocast, choose_precision

BACKBONE = "efficientnet_lite0"
"""The network whose weights come as a Python package, so that it is there without a download."""
_CACHE = DiskCache("picture-features", ".npy", max_bytes=2e9)
_BATCH = 32


class Eye:
    """The network, ready to look.

    Args:
        device: ``auto``, ``cpu`` or a GPU.
    """

    def __init__(self, device: str = "auto") -> None:
        reuse_freed_memory()
        self.device = resolve_device(device)
        self.network: Network = bare(BACKBONE)
        self._model = self.network.model.to(self.device).to(memory_format=torch.channels_last).eval()
        self._entered: list[torch.Tensor] = []
        head = self._model.get_submodule(self.network.anatomy.head)
        head.register_forward_pre_hook(lambda _, args: self._entered.append(args[0]))
        side = self.network.preprocessing.crop
        blank = torch.zeros(_BATCH, 3, side, side, dtype=torch.uint8)
        self._precision = "fp32"
        self._precision = choose_precision("auto", self.device, lambda: self._forward(blank), f"{BACKBONE} {_BATCH}")

    def pixels(self, image: Image.Image) -> NDArray[np.uint8]:
        """Returns a picture as the network takes it, uint8 ``H x W x 3``."""
        return np.asarray(fit(image, self.network.preprocessing))

    @torch.no_grad()
    def look(self, pixels: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Returns the features of some pictures, ``B x D``, each of length 1."""
        return self._forward(torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2))

    @torch.no_grad()
    def _forward(self, pixels: torch.Tensor) -> NDArray[np.float32]:
        inputs = normalise(pixels.to(self.device), self.network.preprocessing)
        self._entered.clear()
        with autocast(self.device, self._precision):
            self._model(inputs.contiguous(memory_format=torch.channels_last))
        entered = self._entered.pop().float().flatten(1)
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
    count = len(digests)
    name = name_of(f"{BACKBONE} 1 {hashlib.blake2b(digests.tobytes(), digest_size=16).hexdigest()}")
    known = _CACHE.read(name, _load)
    if known is not None and len(known) == count:
        if progress is not None:
            progress(count, count)
        return known.astype(np.float32)
    found = []
    waiting: list[NDArray[np.uint8]] = []
    for done, image in enumerate(images, 1):
        waiting.append(eye.pixels(image))
        if len(waiting) == _BATCH or done == count:
            found.append(eye.look(waiting))
            waiting = []
            if progress is not None:
                progress(done, count)
    features = np.concatenate(found) if found else np.empty((0, 1), np.float32)
    stream = io.BytesIO()
    np.save(stream, features.astype(np.float16))
    _CACHE.write({name: stream.getvalue()})
    return features.astype(np.float16).astype(np.float32)


def _load(path: Path) -> NDArray[np.float16]:
    return np.asarray(np.load(path, allow_pickle=False))
