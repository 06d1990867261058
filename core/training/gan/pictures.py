"""A convolutional generator and discriminator of small pictures, after Radford et al. 2016 (DCGAN).

Paper: "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks",
https://arxiv.org/abs/1511.06434.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from core.errors import InputError
from core.training.gan.losses import discriminator_loss, generator_loss

WIDTH = 16
"""Channels of the larger of the two inner maps; the smaller has twice as many."""
_AT_ONCE = 256


class Generator(nn.Module):
    """Makes pictures of noise: a linear layer, then two transposed convolutions that double the side each.

    Args:
        noise: Values of noise a picture is made of.
        channels: Channels of the pictures.
        side: Their side, a multiple of 4.
    """

    def __init__(self, noise: int, channels: int, side: int) -> None:
        super().__init__()
        small = side // 4
        self.layers = nn.Sequential(
            nn.Linear(noise, 2 * WIDTH * small * small, bias=False),
            nn.Unflatten(1, (2 * WIDTH, small, small)),
            nn.BatchNorm2d(2 * WIDTH),
            nn.ReLU(),
            nn.ConvTranspose2d(2 * WIDTH, WIDTH, 4, 2, 1, bias=False),
            nn.BatchNorm2d(WIDTH),
            nn.ReLU(),
            nn.ConvTranspose2d(WIDTH, channels, 4, 2, 1),
            nn.Sigmoid(),
        )

    def forward(self, noise: Tensor) -> Tensor:
        """Returns pictures B x C x S x S, from 0 to 1, of noise B x Z."""
        found: Tensor = self.layers(noise)
        return found


class Discriminator(nn.Module):
    """Scores pictures: two convolutions that halve the side each, then one value; above 0 it says real.

    Args:
        channels: Channels of the pictures.
        side: Their side, a multiple of 4.
    """

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        small = side // 4
        self.layers = nn.Sequential(
            nn.Conv2d(channels, WIDTH, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(WIDTH, 2 * WIDTH, 4, 2, 1, bias=False),
            nn.BatchNorm2d(2 * WIDTH),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(2 * WIDTH * small * small, 1),
        )

    def forward(self, pictures: Tensor) -> Tensor:
        """Returns the scores, B, of pictures B x C x S x S."""
        found: Tensor = self.layers(pictures)
        return found[:, 0]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the two are trained.

    Attributes:
        epochs: Passes over the real pictures.
        batch_size: Pictures a step.
        generator_steps: Steps of the generator for each of the discriminator.
        generator_rate: Rate of its Adam.
        discriminator_rate: Likewise.
        seed: Of the first weights, the order and the noise.
    """

    epochs: int = 20
    batch_size: int = 64
    generator_steps: int = 1
    generator_rate: float = 1e-3
    discriminator_rate: float = 1e-3
    seed: int = 0


@dataclass(frozen=True, slots=True)
class EpochResult:
    """What an epoch came to: means over its steps.

    Attributes:
        epoch: Its number, from 1.
        discriminator: Loss of the discriminator, in nats; 2 ln 2 where it cannot tell.
        generator: Loss of the generator, likewise; ln 2 there.
        real: Mean of D over real pictures, from 0 to 1.
        generated: Mean of D over generated ones.
    """

    epoch: int
    discriminator: float
    generator: float
    real: float
    generated: float


def make_pair(noise: int, channels: int, side: int, seed: int) -> tuple[Generator, Discriminator]:
    """Returns both networks with the paper's first weights, of deviation 0.02."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pair = Generator(noise, channels, side), Discriminator(channels, side)
        for network in pair:
            for layer in network.modules():
                if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                    nn.init.normal_(layer.weight, 0, 0.02)
    return pair


def train(
    pair: tuple[Generator, Discriminator],
    pictures: Tensor,
    noise: int,
    recipe: Recipe,
    *,
    on_epoch: Callable[[EpochResult], None] = lambda _: None,
    on_step: Callable[[int, int], None] = lambda _done, _total: None,
) -> list[EpochResult]:
    """Trains both, with Adam and the paper's momentum of 0.5.

    Args:
        pair: Generator and discriminator, on their device.
        pictures: Real ones, N x C x S x S from 0 to 1, on that device.
        noise: Values of noise a picture is made of.
        recipe: How.
        on_epoch: Called after each epoch.
        on_step: Called with steps done and in all; what it raises ends the training.

    Raises:
        InputError: The losses are no numbers any more.
    """
    generator, discriminator = pair
    rates = (recipe.generator_rate, recipe.discriminator_rate)
    of_generator, of_discriminator = (
        torch.optim.Adam(network.parameters(), rate, betas=(0.5, 0.999))
        for network, rate in zip(pair, rates, strict=True)
    )
    draws = torch.Generator().manual_seed(recipe.seed)
    steps, rows = -(-len(pictures) // recipe.batch_size), []

    def made(count: int) -> Tensor:
        found: Tensor = generator(torch.randn(count, noise, generator=draws).to(pictures.device))
        return found

    for epoch in range(1, recipe.epochs + 1):
        generator.train()
        discriminator.train()
        sums = torch.zeros(4)
        for step, part in enumerate(torch.randperm(len(pictures), generator=draws).split(recipe.batch_size)):
            with torch.no_grad():
                fakes = made(len(part))
            real, fake = discriminator(pictures[part]), discriminator(fakes)
            lost = discriminator_loss(real, fake)
            _step(of_discriminator, lost)
            for _ in range(recipe.generator_steps):
                missed = generator_loss(discriminator(made(len(part))))
                _step(of_generator, missed)
            means = (lost, missed, real.sigmoid().mean(), fake.sigmoid().mean())
            sums += torch.stack([value.detach().cpu() for value in means])
            on_step((epoch - 1) * steps + step + 1, recipe.epochs * steps)
        if not all(map(math.isfinite, sums.tolist())):
            raise InputError("The losses are no numbers any more. Choose a lower rate.")
        rows.append(EpochResult(epoch, *(sums / steps).tolist()))
        on_epoch(rows[-1])
    return rows


def generate(generator: Generator, noise: Tensor) -> Tensor:
    """Returns the pictures of noise N x Z, on the CPU, with the running figures of batch norm."""
    generator.eval()
    device = next(generator.parameters()).device
    with torch.no_grad():
        return torch.cat([generator(part.to(device)).cpu() for part in noise.split(_AT_ONCE)])


def nearest(pictures: Tensor, among: Tensor) -> Tensor:
    """Returns for each picture of N x C x S x S which of ``among`` has the least squared difference to it."""
    return torch.cdist(pictures.flatten(1), among.flatten(1)).argmin(1)


def between(first: Tensor, last: Tensor, count: int) -> Tensor:
    """Returns ``count`` places on the arc from noise Z to noise Z, both ends included, count x Z.

    Noise of many values lies near a sphere, so the straight way between two would lead through places that are never
    drawn (White 2016, https://arxiv.org/abs/1609.04468).
    """
    share = torch.linspace(0, 1, count)[:, None]
    angle = torch.acos(torch.cosine_similarity(first, last, dim=0).clamp(-1, 1))
    if float(angle.sin()) < 1e-4:
        return (1 - share) * first + share * last
    return (((1 - share) * angle).sin() * first + (share * angle).sin() * last) / angle.sin()


def _step(optimizer: torch.optim.Adam, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
