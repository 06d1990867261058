"""An autoencoder learns to give pictures back; and what its narrow place keeps of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.errors import InputError
from core.models.architectures.layer_specs import construct_body
from core.specs import Piece
from core.training.autoencoder.corruption import corrupted
from core.training.autoencoder.designs import sizes

LOSSES = ("mse", "l1", "mse-mean", "correlation")
"""Mean squared and mean absolute difference; the former plus the absolute mean difference; minus the correlation."""
_EVALUATED = 256
_LEAST_SPREAD = 1e-4


class Autoencoder(nn.Module):
    """An encoder and a decoder, built from pieces.

    Args:
        encoder: Pieces down to the narrow place.
        decoder: Pieces back to a picture.
        channels: Channels of the picture.
        side: Side of the picture, in pixels.
        seed: Of the first weights, which are torch's own.

    Raises:
        InputError: See :func:`core.training.autoencoder.designs.sizes`.
    """

    def __init__(
        self, encoder: tuple[Piece, ...], decoder: tuple[Piece, ...], channels: int, side: int, seed: int = 0
    ) -> None:
        super().__init__()
        down, _up = sizes(encoder, decoder, channels, side)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            whole = construct_body((*encoder, *decoder), channels, side)
        layers = list(whole.named_children())
        self.encoder, self.decoder = nn.Sequential(), nn.Sequential()
        for place, (name, layer) in enumerate(layers):
            (self.encoder if place < len(down) else self.decoder).add_module(name, layer)
        self.latent_shape = down[-1].shape

    def encode(self, pictures: Tensor) -> Tensor:
        """Returns the latent values of pictures B x C x H x W, one row each, B x D."""
        found: Tensor = self.encoder(pictures)
        return found.flatten(1)

    def decode(self, latents: Tensor) -> Tensor:
        """Returns pictures of latent values B x D; their values may leave 0..1 where no sigmoid ends the decoder."""
        found: Tensor = self.decoder(latents.view(-1, *self.latent_shape))
        return found

    def forward(self, pictures: Tensor) -> Tensor:
        """Returns what is given back of pictures B x C x H x W; its side may be another than theirs."""
        return self.decode(self.encode(pictures))


@dataclass(frozen=True, slots=True)
class Recipe:
    """How an autoencoder learns.

    Attributes:
        loss: One of :data:`LOSSES`.
        corruption: See :func:`core.training.autoencoder.corruption.corrupted`.
        strength: Likewise.
        epochs: Passes over the training pictures.
        batch_size: Pictures a step.
        lr: Rate of Adam.
        seed: Of the order and of what is corrupted how.
    """

    loss: str = "mse"
    corruption: str = "none"
    strength: float = 0.3
    epochs: int = 10
    batch_size: int = 32
    lr: float = 2e-3
    seed: int = 0


@dataclass(frozen=True, slots=True)
class EpochResult:
    """What an epoch came to.

    Attributes:
        epoch: Its number; 0 before the first.
        train_loss: Mean loss over its training pictures; that of the validation's before the first.
        val_loss: Loss of the validation pictures.
        val_mse: Their mean squared difference, whatever the loss.
    """

    epoch: int
    train_loss: float
    val_loss: float
    val_mse: float


def common(given: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the middle that two batches of pictures of different sides share: 28 of 31 px are compared with 28."""
    return _middle(given, wanted.shape[-2:]), _middle(wanted, given.shape[-2:])


def _middle(pictures: Tensor, size: tuple[int, ...] | torch.Size) -> Tensor:
    height, width = (min(have, want) for have, want in zip(pictures.shape[-2:], size, strict=True))
    top, left = (pictures.shape[-2] - height) // 2, (pictures.shape[-1] - width) // 2
    return pictures[..., top : top + height, left : left + width]


def loss_of(name: str, given: Tensor, wanted: Tensor) -> Tensor:
    """Returns the loss of each picture, B, over the middle that both share.

    Args:
        name: One of :data:`LOSSES`.
        given: What was given back, B x C x H x W.
        wanted: The pictures themselves.
    """
    given, wanted = (pictures.flatten(1) for pictures in common(given, wanted))
    difference = given - wanted
    if name == "mse":
        return difference.square().mean(1)
    if name == "l1":
        return difference.abs().mean(1)
    if name == "mse-mean":
        return difference.square().mean(1) + difference.mean(1).abs()
    if name != "correlation":
        raise InputError("loss is {value}. Choose one of: {known}.", value=name, known=", ".join(LOSSES))
    one, other = given - given.mean(1, keepdim=True), wanted - wanted.mean(1, keepdim=True)
    spread = (one.square().sum(1) + _LEAST_SPREAD).sqrt() * (other.square().sum(1) + _LEAST_SPREAD).sqrt()
    return -(one * other).sum(1) / spread


def train(
    model: Autoencoder,
    pictures: Tensor,
    held_out: Tensor,
    recipe: Recipe,
    *,
    on_epoch: Callable[[EpochResult], None] = lambda _: None,
    on_step: Callable[[int, int], None] = lambda _done, _total: None,
) -> list[EpochResult]:
    """Trains an autoencoder with Adam: what it gives back is compared with the picture as it was.

    Args:
        model: It, on its device.
        pictures: To learn from, N x C x H x W, from 0 to 1, on that device.
        held_out: To be judged on, likewise; what is done to them is the same in every epoch.
        recipe: How.
        on_epoch: Called before the first epoch and after each.
        on_step: Called with steps done and in all; what it raises ends the training.

    Returns:
        An entry before the first epoch, and one for each.

    Raises:
        InputError: The loss is no number any more.
    """
    optimizer = torch.optim.Adam(model.parameters(), lr=recipe.lr)
    generator = torch.Generator().manual_seed(recipe.seed)
    spoiled = spoil(held_out, recipe)
    first = _judged(model, spoiled, held_out, recipe.loss)
    rows = [EpochResult(0, first[0], *first)]
    on_epoch(rows[0])
    steps = -(-len(pictures) // recipe.batch_size)
    for epoch in range(1, recipe.epochs + 1):
        order, total = torch.randperm(len(pictures), generator=generator), 0.0
        model.train()
        for step, part in enumerate(order.split(recipe.batch_size)):
            clean = pictures[part]
            loss = loss_of(recipe.loss, model(corrupted(clean, recipe.corruption, recipe.strength, generator)), clean)
            optimizer.zero_grad()
            loss.mean().backward()
            optimizer.step()
            total += float(loss.detach().sum())
            on_step((epoch - 1) * steps + step + 1, recipe.epochs * steps)
        if not math.isfinite(total):
            raise InputError("The loss is not a number any more. Choose a lower rate.")
        rows.append(EpochResult(epoch, total / len(pictures), *_judged(model, spoiled, held_out, recipe.loss)))
        on_epoch(rows[-1])
    return rows


def spoil(pictures: Tensor, recipe: Recipe) -> Tensor:
    """Returns held-out pictures as the network sees them: the same in every epoch."""
    generator = torch.Generator().manual_seed(recipe.seed + 1)
    return corrupted(pictures, recipe.corruption, recipe.strength, generator)


def give_back(model: Autoencoder, pictures: Tensor) -> Tensor:
    """Returns what is given back of pictures, a few at a time and without gradients."""
    model.eval()
    with torch.no_grad():
        return torch.cat([model(few) for few in pictures.split(_EVALUATED)])


def latents_of(model: Autoencoder, pictures: Tensor) -> Tensor:
    """Returns the latent values of pictures, N x D, without gradients."""
    model.eval()
    with torch.no_grad():
        return torch.cat([model.encode(few) for few in pictures.split(_EVALUATED)])


def pca_mse(pictures: Tensor, spoiled: Tensor, held_out: Tensor, width: int) -> float | None:
    """Returns the mean squared difference that principal components of equal width leave; ``None`` for too many.

    Args:
        pictures: To fit the components on, N x C x H x W.
        spoiled: Held-out pictures as the network sees them.
        held_out: The same as they were.
        width: Number of components.
    """
    flat = pictures.flatten(1).double().cpu()
    if width >= min(flat.shape):
        return None
    mean = flat.mean(0)
    _u, _s, components = torch.svd_lowrank(flat - mean, q=width + 8, niter=4)
    basis = components[:, :width]
    seen = spoiled.flatten(1).double().cpu() - mean
    again = seen @ basis @ basis.T + mean
    return float(F.mse_loss(again, held_out.flatten(1).double().cpu()))


def _judged(model: Autoencoder, spoiled: Tensor, held_out: Tensor, loss: str) -> tuple[float, float]:
    given = give_back(model, spoiled)
    return float(loss_of(loss, given, held_out).mean()), float(loss_of("mse", given, held_out).mean())
