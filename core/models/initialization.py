"""Random weights: how they are drawn, and why it matters.

All schemes set the weights of convolutions and linear layers and leave normalisation layers at scale 1 and shift 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn

from core.errors import InputError
from core.messages import N_

_NORMS = (nn.LayerNorm, nn.GroupNorm)

Draw = Callable[[Tensor, torch.Generator], object]


@dataclass(frozen=True, slots=True)
class Scheme:
    """A way to draw weights.

    Attributes:
        name: One of :data:`core.specs.INITS` (``own`` is the network's own way and has no row).
        title: What a person calls it.
        description: What it does, in one sentence.
        paper: Title, year and address of its source, where it has one.
        draw: Fills one weight, at least two-dimensional, from a generator.
    """

    name: str
    title: str
    description: str
    paper: tuple[str, str] | None
    draw: Draw


_GLOROT = ("Glorot and Bengio 2010", "https://proceedings.mlr.press/v9/glorot10a.html")
_HE = ("He et al. 2015", "https://arxiv.org/abs/1502.01852")

SCHEMES: Mapping[str, Scheme] = MappingProxyType(
    {
        scheme.name: scheme
        for scheme in (
            Scheme(
                "xavier-uniform",
                N_("Glorot (Xavier), uniform"),
                N_(
                    "Draws evenly between ± √(6 / (inputs + outputs)), so that signals keep their strength forwards "
                    "and backwards through layers that are nearly linear, such as tanh."
                ),
                _GLOROT,
                lambda weight, generator: nn.init.xavier_uniform_(weight, generator=generator),
            ),
            Scheme(
                "xavier-normal",
                N_("Glorot (Xavier), normal"),
                N_("Draws from a bell curve of the same spread as the uniform one, √(2 / (inputs + outputs))."),
                _GLOROT,
                lambda weight, generator: nn.init.xavier_normal_(weight, generator=generator),
            ),
            Scheme(
                "he-uniform",
                N_("He (Kaiming), uniform"),
                N_("Draws evenly between ± √(6 / inputs): twice the variance, as ReLU silences half of the inputs."),
                _HE,
                lambda weight, generator: nn.init.kaiming_uniform_(weight, nonlinearity="relu", generator=generator),
            ),
            Scheme(
                "he-normal",
                N_("He (Kaiming), normal"),
                N_("Draws from a bell curve of spread √(2 / inputs), made for deep networks with ReLU."),
                _HE,
                lambda weight, generator: nn.init.kaiming_normal_(weight, nonlinearity="relu", generator=generator),
            ),
            Scheme(
                "orthogonal",
                N_("Orthogonal"),
                N_("Makes each layer a rotation, which stretches and shrinks no signal, however deep the network is."),
                ("Saxe et al. 2013", "https://arxiv.org/abs/1312.6120"),
                lambda weight, generator: nn.init.orthogonal_(weight, generator=generator),
            ),
            Scheme(
                "zeros",
                N_("All zeros"),
                N_("Sets every weight to 0: nothing passes, no gradient comes back, and the network never learns."),
                None,
                lambda weight, _: nn.init.zeros_(weight),
            ),
            Scheme(
                "ones",
                N_("All ones"),
                N_(
                    "Sets every weight to 1: all units of a layer compute the same, get the same gradient and stay the "
                    "same for ever, so the layer is worth a single unit."
                ),
                None,
                lambda weight, _: nn.init.ones_(weight),
            ),
        )
    }
)
"""Every scheme but the network's own, in the order to be offered."""


def initialise(model: nn.Module, scheme: str, *, bias: float = 0.0, seed: int = 0) -> None:
    """Draws the weights of a network anew, in place.

    The weights of convolutions and linear layers (attention's projections among them) follow the scheme, every bias
    of theirs is ``bias``, normalisation layers start at scale 1 and shift 0 and with empty statistics. Parameters of
    other kinds, such as position embeddings and layer scales, stay as they are. The draws come from a generator of
    their own; torch's global one is neither read nor moved.

    Args:
        model: Any network.
        scheme: A name in :data:`SCHEMES`; with ``own`` nothing is changed.
        bias: Value of the biases.
        seed: Seed of the draws.

    Raises:
        InputError: There is no such scheme.
    """
    if scheme == "own":
        return
    if scheme not in SCHEMES:
        raise InputError("init is {init}. Choose one of: {known}.", init=scheme, known=", ".join(("own", *SCHEMES)))
    generator = torch.Generator().manual_seed(seed)
    draw = SCHEMES[scheme].draw
    seen: set[int] = set()
    with torch.no_grad():
        for module in model.modules():
            weights, biases = _drawn(module)
            for weight in weights:
                if id(weight) not in seen:  # a weight that two layers share is drawn once
                    seen.add(id(weight))
                    value = torch.empty(weight.shape)
                    draw(value, generator)
                    weight.copy_(value)
            for vector in biases:
                vector.fill_(bias)
            _reset_norm(module)


def _drawn(module: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """Returns the weights of ``module`` itself that a scheme draws, and its biases."""
    if isinstance(module, nn.MultiheadAttention):
        weights = (module.in_proj_weight, module.q_proj_weight, module.k_proj_weight, module.v_proj_weight)
        return [w for w in weights if w is not None], [b for b in (module.in_proj_bias,) if b is not None]
    if isinstance(module, nn.Linear | nn.modules.conv._ConvNd):
        return [module.weight], [b for b in (module.bias,) if b is not None]
    return [], []


def _reset_norm(module: nn.Module) -> None:
    if isinstance(module, (*_NORMS, nn.modules.batchnorm._NormBase)):
        module.reset_parameters()
