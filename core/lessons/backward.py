"""A convolution forward and backward by hand, and a network's gradient checked by finite differences."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.errors import InputError
from core.interpret.forward import ask
from core.interpret.probe import Probe
from core.interpret.replay import REFUSALS, Record, recording, replaying
from core.lessons.convolution import Sliding, convolve
from core.messages import Progress

if TYPE_CHECKING:
    from core.models.network import Network

Loss = Literal["sum", "mean"]
LOSSES: tuple[Loss, ...] = ("sum", "mean")
STEP = 1e-6
"""Half the distance between the two weights of a finite difference, for a weight of size 1."""
AGREES = 1e-13
"""What rounding may change of a loss of size 1 in a second pass."""


@dataclass(frozen=True, slots=True)
class Product:
    """One product of a gradient: what comes from above times what it is multiplied with."""

    above: float
    factor: float
    place: tuple[int, int]

    @property
    def value(self) -> float:
        """The product."""
        return self.above * self.factor


@dataclass(frozen=True, slots=True)
class Backward:
    """A picture under one kernel, and the way back.

    Attributes:
        picture: X, HxW float64.
        kernel: F, hxw.
        output: O, the answer.
        loss: ``sum`` of the answer, or its ``mean``.
        value: The loss.
        above: dL/dO, of the answer's shape.
        to_kernel: dL/dF, of the kernel's shape.
        to_picture: dL/dX, of the picture's shape.
        stride: Cells from one place of the window to the next.
    """

    picture: Tensor
    kernel: Tensor
    output: Tensor
    loss: Loss
    value: float
    above: Tensor
    to_kernel: Tensor
    to_picture: Tensor
    stride: int

    def kernel_terms(self, row: int, column: int) -> list[Product]:
        """Returns the products of one value of dL/dF: every place of the window, with the pixel under that weight."""
        return [
            Product(
                float(self.above[i, j]),
                float(self.picture[i * self.stride + row, j * self.stride + column]),
                (i * self.stride + row, j * self.stride + column),
            )
            for i in range(self.output.shape[0])
            for j in range(self.output.shape[1])
        ]

    def picture_terms(self, row: int, column: int) -> list[Product]:
        """Returns the products of one value of dL/dX: every place of the window that saw the pixel, with its weight."""
        found = []
        for i in range(self.output.shape[0]):
            for j in range(self.output.shape[1]):
                u, v = row - i * self.stride, column - j * self.stride
                if 0 <= u < self.kernel.shape[0] and 0 <= v < self.kernel.shape[1]:
                    found.append(Product(float(self.above[i, j]), float(self.kernel[u, v]), (u, v)))
        return found


def backward(picture: Tensor, kernel: Tensor, *, loss: Loss = "sum", stride: int = 1) -> Backward:
    """Goes forward and back, as torch's autograd does.

    Args:
        picture: X, HxW.
        kernel: F, hxw, laid on as torch does, unflipped and without a margin.
        loss: What the loss is: the answer's ``sum`` (ones come from above) or its ``mean`` (1/n does).
        stride: Cells from one place of the window to the next.

    Raises:
        InputError: The kernel does not fit into the picture, or the loss is another.
    """
    if loss not in LOSSES:
        raise InputError("There is no loss {name} here. Choose sum or mean.", name=loss)
    convolve(picture[None], kernel[None, None], Sliding(stride=stride))  # says what does not fit
    x, f = (grid.double().clone().requires_grad_() for grid in (picture, kernel))
    output = F.conv2d(x[None, None], f[None, None], stride=stride)[0, 0]
    value = output.sum() if loss == "sum" else output.mean()
    above, to_kernel, to_picture = torch.autograd.grad(value, (output, f, x))
    return Backward(
        x.detach(), f.detach(), output.detach(), loss, float(value.detach()), above, to_kernel, to_picture, stride
    )


@dataclass(frozen=True, slots=True)
class Check:
    """A weight's gradient, twice.

    Attributes:
        index: The weight's place in the layer's weight.
        weight: Its value.
        gradient: What autograd says.
        step: How far the weight was moved to either side.
        higher: The loss with the weight moved up.
        lower: The loss with the weight moved down.
    """

    index: tuple[int, ...]
    weight: float
    gradient: float
    step: float
    higher: float
    lower: float

    @property
    def difference(self) -> float:
        """The finite difference: the slope between the two losses."""
        return (self.higher - self.lower) / (2 * self.step)


def checkable(network: Network) -> tuple[str, ...]:
    """Returns the layers whose weight a gradient can be checked of: those with a weight, in the network's order."""
    return tuple(
        name
        for name, module in network.model.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear | nn.BatchNorm2d | nn.LayerNorm | nn.GroupNorm)
        and isinstance(module.weight, Tensor)
    )


def gradient_check(
    network: Network, x: Tensor, layer: str, *, target: int, count: int = 1, progress: Progress | None = None
) -> list[Check]:
    """Compares a layer's steepest gradients with finite differences, all in float64.

    The loss is the cross-entropy of a class, in eval mode. The network itself is left as it was: a copy is asked. What
    comes before the layer is computed once where the network allows it.

    Args:
        network: The network.
        x: One normalised image, 1xCxHxW.
        layer: Name of a layer of :func:`checkable`.
        target: The class that is right.
        count: How many weights are checked, the steepest first.
        progress: Called with the number of weights that are checked, and of all; what it raises ends the work.

    Raises:
        InputError: The layer has no weight, or the class does not exist.
    """
    if layer not in checkable(network):
        raise InputError("The layer {layer} has no weight to check. Choose another one.", layer=layer)
    if not 0 <= target < len(network.classes):
        raise InputError("There is no class {n}: there are {all}, counted from 0.", n=target, all=len(network.classes))
    progress = progress or (lambda _done, _total: None)
    progress(0, count)
    with network.lock:
        model = copy.deepcopy(network.model).cpu().double()
    truth, image = torch.tensor([target]), x.cpu().double()

    def loss(probe: Probe) -> Tensor:
        return F.cross_entropy(ask(probe, network, image), truth)

    weight = model.get_submodule(layer).weight
    assert isinstance(weight, nn.Parameter)
    with Probe(model, grad=True) as probe, recording(model, layer, 1) as record:
        weight.requires_grad_()
        whole = loss(probe)
        (gradient,) = torch.autograd.grad(whole, weight, allow_unused=True)
    if gradient is None:
        raise InputError("The layer {layer} does not take part in the answer. Choose another one.", layer=layer)
    order = gradient.abs().flatten().argsort(descending=True)[:count]
    found = []
    with Probe(model, grad=False) as probe:

        def again() -> float:
            with replaying(model, record.cached):
                return float(loss(probe))

        progress(0, count)
        if record.cached and not _replays(record, model, weight, float(whole.detach()), again):
            record.cached.clear()
        for done, flat in enumerate(order.tolist(), 1):
            index = tuple(int(place) for place in torch.unravel_index(torch.tensor(flat), weight.shape))
            kept = float(weight.data[index])
            step = STEP * max(1.0, abs(kept))
            losses = []
            for side in (1, -1):
                weight.data[index] = kept + side * step
                losses.append(again())
            weight.data[index] = kept
            found.append(Check(index, kept, float(gradient[index]), step, losses[0], losses[1]))
            progress(done, count)
    return found


def _replays(record: Record, model: nn.Module, weight: nn.Parameter, whole: float, again: Callable[[], float]) -> bool:
    """Whether passes that begin at a layer give what whole ones do, also once its weight is another."""
    if not record.fits or sum(one is weight for _name, one in model.named_parameters(remove_duplicate=False)) > 1:
        return False  # a weight that also stands before the layer changes what was cached
    try:
        return abs(again() - whole) <= AGREES * max(1.0, abs(whole))
    except REFUSALS:
        return False
