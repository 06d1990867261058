"""A generator and a discriminator of points in the plane, small enough to be watched step by step."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from core.errors import InputError
from core.messages import N_
from core.specs.checks import number, one_of, whole
from core.training.gan.losses import discriminator_loss, generator_loss

SPREAD = 0.1
"""Standard deviation of one of the ring's clouds."""
MODES, RADIUS = 8, 2.0
NOISE = 4
"""Values of noise that a sample is made of."""
HIDDEN, BATCH, SHOWN = 32, 64, 256
SIDE, REACH = 41, 3.0
"""Places a side at which the discriminator is read, and how far they reach from the middle."""
LEAST = 0.02
"""Share of the samples at one cloud from which on it counts as covered; an even share is 1/8."""


def ring_middles() -> Tensor:
    """Returns the middles of the ring's clouds, MODES x 2."""
    angles = torch.arange(MODES) * (2 * math.pi / MODES)
    return RADIUS * torch.stack([angles.cos(), angles.sin()], 1)


def _ring(count: int, generator: torch.Generator) -> Tensor:
    middles = ring_middles()[torch.randint(MODES, (count,), generator=generator)]
    return middles + SPREAD * torch.randn(count, 2, generator=generator)


def _cloud(count: int, generator: torch.Generator) -> Tensor:
    return torch.tensor([1.2, 0.8]) + torch.tensor([0.5, 0.25]) * torch.randn(count, 2, generator=generator)


def _bow(count: int, generator: torch.Generator) -> Tensor:
    angles = math.pi * (0.1 + 0.8 * torch.rand(count, generator=generator))
    return 1.8 * torch.stack([angles.cos(), angles.sin()], 1) + SPREAD * torch.randn(count, 2, generator=generator)


REAL: dict[str, tuple[str, Callable[[int, torch.Generator], Tensor]]] = {
    "cloud": (N_("One cloud"), _cloud),
    "bow": (N_("A bow"), _bow),
    "ring": (N_("A ring of eight clouds"), _ring),
}
"""What is real: its name for people, and how samples of it are drawn."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How the two are trained.

    Attributes:
        real: One of :data:`REAL`.
        generator_steps: Steps of the generator a round.
        discriminator_steps: Steps of the discriminator before them.
        generator_rate: Rate of its Adam.
        discriminator_rate: Likewise.
        saturating: See :func:`core.training.gan.losses.generator_loss`.
        seed: Of the first weights and of all draws.
    """

    real: str = "cloud"
    generator_steps: int = 1
    discriminator_steps: int = 1
    generator_rate: float = 2e-3
    discriminator_rate: float = 2e-3
    saturating: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        one_of("real", self.real, tuple(REAL))
        for name in ("generator_steps", "discriminator_steps"):
            whole(name, getattr(self, name), low=1, high=10)
        for name in ("generator_rate", "discriminator_rate"):
            number(name, getattr(self, name), low=0.0, high=1.0, above=True)
        whole("seed", self.seed, low=0, high=2**31 - 1)


@dataclass(frozen=True, slots=True)
class Scores:
    """How the two stand.

    Attributes:
        discriminator: Its loss, in nats.
        generator: Likewise.
        real: Mean of D over the real samples that are shown, from 0 to 1.
        generated: Mean of D over the generated ones.
        shares: Of each cloud of the ring, the share of the generated samples that lie at it; empty without a ring.
    """

    discriminator: float
    generator: float
    real: float
    generated: float
    shares: tuple[float, ...] = ()

    @property
    def covered(self) -> int:
        """How many of the ring's clouds hold a share of :data:`LEAST` or more."""
        return sum(share >= LEAST for share in self.shares)


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What there is to be seen between two steps.

    Attributes:
        real: Real samples, N x 2.
        generated: Samples of the generator, always from the same noise, N x 2.
        pull: For each of them minus the gradient of the generator's loss, N x 2: where the discriminator would have it.
        surface: D over the plane, SIDE x SIDE from 0 to 1; row by row from below, columns from the left.
        change: How D would change there along minus the gradient of its own loss, for each unit of the rate.
    """

    real: Tensor
    generated: Tensor
    pull: Tensor
    surface: Tensor
    change: Tensor


class Duel:
    """The two networks and their optimizers, after some steps.

    Args:
        rules: How they are trained.

    Attributes:
        rules: The same.
        moves: What was done so far, a letter each: ``d``, ``g``, or ``b`` for a round of both.
        history: How the two stood before the first move and after each.
    """

    def __init__(self, rules: Rules) -> None:
        self.rules, self.moves = rules, ""
        self._draws = torch.Generator().manual_seed(rules.seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(rules.seed)
            self.generator, self.discriminator = _layers(NOISE, 2, nn.ReLU()), _layers(2, 1, nn.LeakyReLU(0.2))
        shown = torch.Generator().manual_seed(rules.seed + 1)
        self._real = REAL[rules.real][1](SHOWN, shown)
        self._noise = torch.randn(SHOWN, NOISE, generator=shown)
        self._of_generator = _adam(self.generator, rules.generator_rate)
        self._of_discriminator = _adam(self.discriminator, rules.discriminator_rate)
        self.history = [self.scores()]

    def move(self, kind: str) -> None:
        """Does one move, ``d``, ``g`` or ``b``.

        Raises:
            InputError: There is no such move, or a weight is no number any more.
        """
        one_of("move", kind, ("d", "g", "b"))
        for _ in range({"d": 1, "g": 0, "b": self.rules.discriminator_steps}[kind]):
            self._train_discriminator()
        for _ in range({"d": 0, "g": 1, "b": self.rules.generator_steps}[kind]):
            self._train_generator()
        self.moves += kind
        self.history.append(self.scores())
        if not all(map(math.isfinite, (self.history[-1].discriminator, self.history[-1].generator))):
            raise InputError("The losses are no numbers any more. Choose a lower rate.")

    def scores(self) -> Scores:
        """Returns how the two stand, on the samples that are shown."""
        with torch.no_grad():
            points = self.generator(self._noise)
            real, generated = self.discriminator(self._real), self.discriminator(points)
            return Scores(
                float(discriminator_loss(real, generated)),
                float(generator_loss(generated, saturating=self.rules.saturating)),
                float(real.sigmoid().mean()),
                float(generated.sigmoid().mean()),
                ring_shares(points) if self.rules.real == "ring" else (),
            )

    def view(self) -> View:
        """Returns what there is to be seen now."""
        with torch.no_grad():
            points = self.generator(self._noise)
        asked = points.clone().requires_grad_()
        loss = generator_loss(self.discriminator(asked), saturating=self.rules.saturating)
        (gradient,) = torch.autograd.grad(loss * SHOWN, asked)  # of each sample's own loss, not of their mean
        surface, change = self._surface(points)
        return View(self._real, points, -gradient, surface, change)

    def _surface(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Returns D over the plane, and how it would change."""
        weights = list(self.discriminator.parameters())
        loss = discriminator_loss(self.discriminator(self._real), self.discriminator(points))
        slopes = torch.autograd.grad(loss, weights)
        line = torch.linspace(-REACH, REACH, SIDE)
        grid = torch.cartesian_prod(line, line).flip(1)  # row by row from below: x runs fastest
        surface = self.discriminator(grid).sigmoid().view(SIDE, SIDE)
        # The derivative along a direction of the weights: that of a weighted sum of gradients by its weights.
        each = torch.zeros_like(surface, requires_grad=True)
        summed = torch.autograd.grad(surface, weights, each, create_graph=True)
        (change,) = torch.autograd.grad(summed, each, [-slope for slope in slopes])
        return surface.detach(), change

    def _train_discriminator(self) -> None:
        real = REAL[self.rules.real][1](BATCH, self._draws)
        with torch.no_grad():
            generated = self._samples()
        _step(self._of_discriminator, discriminator_loss(self.discriminator(real), self.discriminator(generated)))

    def _train_generator(self) -> None:
        scores = self.discriminator(self._samples())
        _step(self._of_generator, generator_loss(scores, saturating=self.rules.saturating))

    def _samples(self) -> Tensor:
        found: Tensor = self.generator(torch.randn(BATCH, NOISE, generator=self._draws))
        return found


def ring_shares(points: Tensor) -> tuple[float, ...]:
    """Returns for each cloud of the ring the share of points N x 2 that lie at it.

    That is within three of its deviations, as Srivastava et al. 2017 (VEEGAN, https://arxiv.org/abs/1705.07761) count.
    """
    nearest, cloud = torch.cdist(points, ring_middles()).min(1)
    counts = torch.bincount(cloud[nearest <= 3 * SPREAD], minlength=MODES)
    return tuple((counts / len(points)).tolist())


def _layers(inputs: int, outputs: int, activation: nn.Module) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, HIDDEN), activation, nn.Linear(HIDDEN, HIDDEN), activation, nn.Linear(HIDDEN, outputs)
    )


def _adam(network: nn.Module, rate: float) -> torch.optim.Adam:
    return torch.optim.Adam(network.parameters(), rate, betas=(0.5, 0.99), fused=True)


def _step(optimizer: torch.optim.Adam, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
