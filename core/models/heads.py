"""Heads: giving a network its own classes, and using what comes before the head on its own."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.errors import InputError
from core.models.anatomy import Anatomy, examine
from core.models.trace import input_channels


class LinearHead(nn.Linear):
    """A linear layer that drops some of its input features while it trains.

    The dropout lives inside the layer, so its parameters are called the same with and without: ``fc.weight`` stays
    ``fc.weight``.

    Args:
        in_features: Features of its input, B x ``in_features``.
        out_features: Number of classes.
        dropout: Probability of dropping a feature.
    """

    def __init__(self, in_features: int, out_features: int, dropout: float = 0.0) -> None:
        super().__init__(in_features, out_features)
        self.dropout = dropout

    def forward(self, input: Tensor) -> Tensor:
        """Returns the logits of the features ``input``."""
        return super().forward(F.dropout(input, self.dropout, self.training))

    def extra_repr(self) -> str:
        """Describes the layer as ``nn.Linear`` does, and its dropout."""
        return f"{super().extra_repr()}, dropout={self.dropout}"


class ConvHead(nn.Conv2d):
    """A 1 x 1 convolution that drops some of its input values while it trains; see :class:`LinearHead`."""

    def __init__(self, in_channels: int, out_channels: int, dropout: float = 0.0) -> None:
        super().__init__(in_channels, out_channels, kernel_size=1)
        self.dropout = dropout

    def forward(self, input: Tensor) -> Tensor:
        """Returns a map of logits, B x classes x H x W, of the feature map ``input``."""
        return super().forward(F.dropout(input, self.dropout, self.training))

    def extra_repr(self) -> str:
        """Describes the layer as ``nn.Conv2d`` does, and its dropout."""
        return f"{super().extra_repr()}, dropout={self.dropout}"


def replace_head(
    model: nn.Module, anatomy: Anatomy, num_classes: int, *, dropout: float = 0.0, seed: int = 0
) -> Anatomy:
    """Gives ``model`` a new head for ``num_classes`` classes, in place.

    The new weights are Glorot-uniform (Glorot and Bengio, 2010, https://proceedings.mlr.press/v9/glorot10a.html) and
    the biases zero, so that all classes start about equally likely. They depend on ``seed`` alone, not on torch's
    global generator, which is left as it is.

    Args:
        model: The network.
        anatomy: Its anatomy.
        num_classes: Number of classes, at least 2.
        dropout: Probability of dropping a feature before the new layer.
        seed: Seed of the new weights.

    Returns:
        The anatomy of the changed network.

    Raises:
        InputError: There are fewer than two classes.
    """
    if num_classes < 2:
        raise InputError("A classifier needs at least 2 classes, not {classes}.", classes=num_classes)
    old = model.get_submodule(anatomy.head)
    kind = LinearHead if anatomy.head_kind == "linear" else ConvHead
    with torch.device("meta"):
        head = kind(anatomy.head_features, num_classes, dropout)
    weight = torch.empty(head.weight.shape)
    nn.init.xavier_uniform_(weight, generator=torch.Generator().manual_seed(seed))
    place = next(old.parameters())
    head.weight = nn.Parameter(weight.to(place.device, place.dtype))
    head.bias = nn.Parameter(torch.zeros(num_classes, device=place.device, dtype=place.dtype))
    head.train(old.training)
    model.set_submodule(anatomy.head, head)
    return examine(model, num_classes=num_classes, image_size=anatomy.input_size, like=anatomy)


class _Reached(Exception):
    """Carries the head's input out of a forward pass that need not go on."""

    def __init__(self, features: Tensor) -> None:
        super().__init__()
        self.features = features


def head_input(model: nn.Module, anatomy: Anatomy, x: Tensor) -> Tensor:
    """Computes what enters the head, and nothing behind it.

    Modes and gradients are the caller's choice: for features to be kept, call it in eval mode and without gradients.

    Args:
        model: The network.
        anatomy: Its anatomy.
        x: Images, B x 3 x H x W.

    Returns:
        B x ``head_features``, or B x ``head_features`` x h x w where the head is a convolution.
    """

    def stop(_module: nn.Module, args: tuple[Tensor, ...]) -> None:
        raise _Reached(args[0])

    handle = model.get_submodule(anatomy.head).register_forward_pre_hook(stop)
    try:
        model(x)
    except _Reached as reached:
        return reached.features
    finally:
        handle.remove()
    raise InputError("The head {head} did not run.", head=anatomy.head)


def tail(model: nn.Module, anatomy: Anatomy) -> nn.Module | None:
    """Returns the part of ``model`` from the head's input to the logits, sharing its parameters.

    ``tail(head_input(x))`` equals ``model(x)`` in eval mode; this is tried on a random image before it is promised.
    Training the tail trains the model's head.

    Returns:
        The tail, or ``None`` if what follows the head cannot be taken out of the network.
    """
    for candidate in _candidates(model, anatomy.head):
        if _agrees(model, anatomy, candidate):
            return candidate
    return None


def _candidates(model: nn.Module, head: str) -> list[nn.Module]:
    """Returns the head alone, then with what follows it in the sequences around it, each also flattened."""
    parts: list[nn.Module] = [model.get_submodule(head)]
    found: list[nn.Module] = [parts[0]]
    path = head
    while path:
        path, _, child = path.rpartition(".")
        parent = model.get_submodule(path)
        if not isinstance(parent, nn.Sequential):
            break
        names = [name for name, _ in parent.named_children()]
        following = [module for name, module in parent.named_children() if names.index(name) > names.index(child)]
        if following:
            parts = [*parts, *following]
            found.append(nn.Sequential(*parts))
    return found + [nn.Sequential(candidate, nn.Flatten(1)) for candidate in found]


def _agrees(model: nn.Module, anatomy: Anatomy, candidate: nn.Module) -> bool:
    modes = {module: module.training for module in (*model.modules(), *candidate.modules())}
    head = model.get_submodule(anatomy.head)
    place = next(head.parameters())
    kept: list[Tensor] = []
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(2, input_channels(model), anatomy.input_size, anatomy.input_size, generator=generator)
    handle = head.register_forward_pre_hook(lambda _module, args: kept.append(args[0].clone()))
    try:
        model.eval()
        candidate.eval()
        with torch.no_grad():
            logits = model(images.to(place.device, place.dtype))
            handle.remove()
            own = candidate(kept[0])
        return own.shape == logits.shape and torch.allclose(own, logits, rtol=1e-4, atol=1e-5)
    finally:
        handle.remove()
        for module, training in modes.items():
            module.training = training
