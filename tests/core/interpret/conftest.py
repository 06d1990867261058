"""Tiny networks whose answers are known, one of each layout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.interpret.attribution.explain import Heatmap
from core.models.anatomy.examine import examine
from core.models.network import Network
from core.specs import Preprocessing

SIZE = 32
CLASSES = ("ant", "bee", "cat", "dog")


class Convolutions(nn.Module):
    """Two blocks, in-place ReLUs, BatchNorm, dropout and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.ReLU(inplace=True))
        self.body = nn.Sequential(nn.Conv2d(6, 8, 3, 2, 1), nn.BatchNorm2d(8))
        self.after = nn.ReLU(inplace=True)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(8, len(CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        x = self.after(self.body(self.stem(x)))
        return self.head(self.drop(self.pool(x).flatten(1)))


class Tokens(nn.Module):
    """Patches of 8 pixels, a class token, one attention block, a head on the class token."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 12, 8, 8)
        self.token = nn.Parameter(torch.randn(1, 1, 12))
        self.norm = nn.LayerNorm(12)
        self.attention = nn.MultiheadAttention(12, 2, batch_first=True)
        self.last = nn.LayerNorm(12)
        self.head = nn.Linear(12, len(CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1)
        y = self.norm(x)
        x = self.last(x + self.attention(y, y, y, need_weights=False)[0])
        return self.head(x[:, 0])


class ChannelsLast(nn.Module):
    """Works on BxHxWxC all the way from the stem."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 10, 4, 4)
        self.mix = nn.Linear(10, 14)
        self.act = nn.GELU()
        self.head = nn.Linear(14, len(CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.mix(self.patches(x).permute(0, 2, 3, 1)))
        return self.head(x.mean((1, 2)))


KINDS: dict[str, type[nn.Module]] = {"NCHW": Convolutions, "tokens": Tokens, "NHWC": ChannelsLast}


def wrap(model: nn.Module, size: int = SIZE) -> Network:
    """Makes a network of a module."""
    anatomy = examine(model, num_classes=len(CLASSES), image_size=size)
    return Network(model.eval(), anatomy, Preprocessing(size, size), CLASSES, "tiny")


def made(kind: Callable[..., nn.Module], **given: Any) -> Network:
    """Makes a network of a module, always the same weights."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return wrap(kind(**given))


def raw(heatmap: Heatmap) -> NDArray[np.float64]:
    """A heatmap's own figures."""
    values = heatmap.values.astype(np.float64)
    if heatmap.signed:
        return values * max(abs(heatmap.low), abs(heatmap.high))
    return values * (heatmap.high - heatmap.low) + heatmap.low


def scores(network: Network, images: Tensor, target: int) -> NDArray[np.float64]:
    """The logits of a class."""
    with torch.no_grad():
        return network.model(images)[:, target].double().numpy()


@pytest.fixture
def tiny() -> Callable[..., Network]:
    """Makes a tiny network of a layout, always the same weights."""

    def make(kind: str = "NCHW") -> Network:
        with torch.random.fork_rng():
            torch.manual_seed(3)
            return wrap(KINDS[kind]())

    return make


@pytest.fixture
def image() -> Tensor:
    """One normalised image."""
    return torch.randn(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
