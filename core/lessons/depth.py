"""What becomes of a signal and of its gradient in a deep stack: by initial weights, with and without skips."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from core.errors import InputError
from core.messages import N_

STARTS: dict[str, str] = {
    "zeros": N_("All zeros"),
    "ones": N_("All ones"),
    "small": N_("Normal, deviation 0.01"),
    "glorot": N_("Glorot"),
    "he": N_("He"),
}
"""Initial weights by their name in a link."""
ACTIVATIONS: dict[str, type[nn.Module]] = {"ReLU": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}
WIDTH, BATCH, DEEPEST = 64, 128, 50


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack of linear layers, each with an activation, looked at before any training.

    Attributes:
        deviations: Deviation of what leaves each layer, the first first.
        gradients: Length of the loss's gradient with respect to each layer's weight, by autograd.
        alike: Share of the last layer's units that answer the same as its first one.
        loss: Cross-entropy on random labels of ten classes; ``ln 10`` where nothing is said.
    """

    deviations: tuple[float, ...]
    gradients: tuple[float, ...]
    alike: float
    loss: float

    @property
    def ratio(self) -> float:
        """Gradient of the first layer over that of the last; 0 where either vanished, infinite where it overflowed."""
        first, last = self.gradients[0], self.gradients[-1]
        return first / last if last else 0.0


class _Layer(nn.Module):
    """A linear layer with its activation, added to what came in where there is a skip."""

    def __init__(self, activation: str, *, skip: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(WIDTH, WIDTH)
        self.act = ACTIVATIONS[activation]()
        self.skip = skip

    def forward(self, x: Tensor) -> Tensor:
        """Passes ``x`` (BxWIDTH) on."""
        out: Tensor = self.act(self.linear(x))
        return x + out if self.skip else out


def look(depth: int, start: str = "he", *, activation: str = "ReLU", skips: bool = False, seed: int = 0) -> Stack:
    """Sends random pictures of 64 values through a stack, forward and back.

    Args:
        depth: Number of layers.
        start: Initial weights, one of :data:`STARTS`; biases are zero.
        activation: One of :data:`ACTIVATIONS`.
        skips: Whether each layer adds its answer to what came in, as a residual network does.
        seed: Seed of weights, pictures and labels.

    Raises:
        InputError: There are no such initial weights or activation, or the depth is out of range.
    """
    if start not in STARTS or activation not in ACTIVATIONS:
        raise InputError(
            "There is no {name} here. Choose one of: {all}.",
            name=start if start not in STARTS else activation,
            all=", ".join((*STARTS, *ACTIVATIONS)),
        )
    if not 1 <= depth <= DEEPEST:
        raise InputError("A stack has 1 to {most} layers, and this has {n}.", most=DEEPEST, n=depth)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = [_Layer(activation, skip=skips) for _layer in range(depth)]
        head = nn.Linear(WIDTH, 10)
        x, labels = torch.randn(BATCH, WIDTH), torch.randint(10, (BATCH,))
        for linear in (*(layer.linear for layer in layers), head):
            _begin(linear, start)
    outputs = [x]
    for layer in layers:
        outputs.append(layer(outputs[-1]))
    loss = nn.functional.cross_entropy(head(outputs[-1]), labels)
    slopes = torch.autograd.grad(loss, [layer.linear.weight for layer in layers], allow_unused=True)
    last = outputs[-1].detach()
    same = (last - last[:, :1]).abs().amax(0) <= 1e-6 * last.abs().amax().clamp_min(1e-30)
    return Stack(
        tuple(float(after.detach().std()) for _before, after in pairwise(outputs)),
        tuple(0.0 if slope is None else float(slope.norm()) for slope in slopes),
        float(same.float().mean()),
        float(loss.detach()),
    )


def _begin(linear: nn.Linear, start: str) -> None:
    """Sets a layer's weights."""
    nn.init.zeros_(linear.bias)
    if start == "zeros":
        nn.init.zeros_(linear.weight)
    elif start == "ones":
        nn.init.ones_(linear.weight)
    elif start == "small":
        nn.init.normal_(linear.weight, std=0.01)
    elif start == "glorot":
        nn.init.xavier_normal_(linear.weight)
    else:
        nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
