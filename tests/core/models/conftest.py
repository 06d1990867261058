"""Small networks that run in no time."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn


class TinyConv(nn.Module):
    """Three stages of convolutions, BatchNorm and dropout, and a linear head: 3 x 32 x 32 to 5 classes."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
        self.middle = nn.Sequential(nn.Conv2d(4, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.ReLU(inplace=True), nn.Dropout(0.5))
        self.last = nn.Sequential(nn.Conv2d(6, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(0.5), nn.Linear(8, 5))

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.last(self.middle(self.stem(x))))
        return self.classifier(torch.flatten(x, 1))


class Block(nn.Module):
    """A transformer block without attention worth the name."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        return x + self.attention(y, y, y, need_weights=False)[0] + self.mlp(y)


class TinyTokens(nn.Module):
    """A patch embedding, a class token, six blocks and a head: 3 x 32 x 32 to 5 classes."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, 1, 8))
        self.patches = nn.Conv2d(3, 8, 8, 8)
        self.blocks = nn.ModuleList(Block() for _ in range(6))
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], dim=1)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])


@pytest.fixture
def tiny() -> TinyConv:
    torch.manual_seed(0)
    return TinyConv().eval()


@pytest.fixture
def tokens() -> TinyTokens:
    torch.manual_seed(0)
    return TinyTokens().eval()


@pytest.fixture
def images() -> Callable[[int, int], Tensor]:
    """Makes seeded random images: ``images(count, size)``."""

    def make(count: int = 2, size: int = 32) -> Tensor:
        return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(1))

    return make


@pytest.fixture
def global_random_state() -> Callable[[], bool]:
    """Returns a function that says whether torch's global generator is where it was when the test began."""
    before = torch.get_rng_state()
    return lambda: torch.equal(before, torch.get_rng_state())
