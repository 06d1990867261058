"""Dead filters: those whose answer is cut off at zero whatever image they are shown, or never varies."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from core.errors import InputError
from core.interpret.filters.kernels import conv_layers
from core.interpret.layout import unknown_layer
from core.interpret.probe import Probe, device_of
from core.interpret.shared_copy import shared_copy
from core.messages import Progress
from core.models.modes import forward_to

if TYPE_CHECKING:
    from core.models.network import Network

FLAT = 1e-6
"""Range of a filter's answers, as a share of the layer's largest, below which it counts as constant."""
_NORMS = (nn.BatchNorm2d, nn.GroupNorm, nn.InstanceNorm2d)
_CUTTING = {
    torch.relu,
    torch.relu_,
    torch.Tensor.relu,
    torch.Tensor.relu_,
    nn.functional.relu,
    nn.functional.relu_,
    nn.functional.relu6,
}


@dataclass(frozen=True, slots=True, eq=False)
class Life:
    """What a convolution's filters answered to some images.

    Attributes:
        layer: The convolution.
        judged: The layer whose maps were looked at: the normalisation behind the convolution where there is one.
        cut: Whether a ReLU follows, so that what never rises above zero is lost.
        images: Number of images.
        highest: Each filter's largest value over all images and places.
        lowest: Each filter's smallest value.
        active: Share of places at which each filter was above zero.
        dead: Filters that say nothing: never above zero where a ReLU follows, and else never anything but one value.
    """

    layer: str
    judged: str
    cut: bool
    images: int
    highest: NDArray[np.float64]
    lowest: NDArray[np.float64]
    active: NDArray[np.float64]
    dead: tuple[int, ...]


def life(
    network: Network,
    layer: str,
    batches: Iterable[Tensor],
    *,
    total: int = 0,
    budget: float | None = None,
    progress: Progress | None = None,
) -> Life:
    """Shows a convolution images and notes which of its filters ever answer.

    Args:
        network: The network. It is not locked meanwhile.
        layer: A two-dimensional convolution.
        batches: Normalised images, BxCxHxW each.
        total: Number of images, for ``progress``.
        budget: Seconds after which no further batch is looked at; ``None`` for no limit. What was seen counts.
        progress: Called with images done and in all; what it raises ends the work with nothing left behind.

    Raises:
        InputError: The layer does not exist, did not run or is no convolution; there is no image; or the answers are
            no numbers.
    """
    if layer not in {row.name for row in conv_layers(network)}:
        raise unknown_layer(layer, [row.name for row in conv_layers(network)])
    begin, seen = time.monotonic(), 0
    high = low = above = None
    places = 0
    with Probe(shared_copy(network)) as probe:
        judged, cut = "", False
        for batch in batches:
            if not judged:
                judged, cut = _judged(probe, layer, batch[:1])
            x = batch.to(device_of(probe.model))
            maps = forward_to(probe.model, x, judged, network.anatomy.layer(judged).calls).float()
            most, least, positive = maps.amax((0, 2, 3)), maps.amin((0, 2, 3)), (maps > 0).sum((0, 2, 3))
            high = most if high is None else torch.maximum(high, most)
            low = least if low is None else torch.minimum(low, least)
            above = positive if above is None else above + positive
            places += maps.shape[0] * maps.shape[2] * maps.shape[3]
            seen += len(batch)
            if progress is not None:
                progress(seen, max(total, seen))
            if budget is not None and time.monotonic() - begin > budget:
                break
    if high is None or low is None or above is None:
        raise InputError("There is no image to show to the filters. Choose data with at least one.")
    if not bool((high.isfinite() & low.isfinite()).all()):
        raise InputError(
            "The answers of {layer} are not numbers (nan or infinite): its weights are damaged.", layer=layer
        )
    size = float(torch.maximum(high.abs(), low.abs()).max())
    silent = high <= 0 if cut else (high - low) <= FLAT * size
    return Life(
        layer,
        judged,
        cut,
        seen,
        high.double().cpu().numpy(),
        low.double().cpu().numpy(),
        (above.double() / places).cpu().numpy(),
        tuple(int(i) for i in silent.nonzero().flatten()),
    )


class _ReluInputs(TorchFunctionMode):
    """Records the tensors that ReLUs receive."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[Tensor] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> object:
        given = kwargs or {}
        hard = func in (nn.functional.hardtanh, nn.functional.hardtanh_)
        if func in _CUTTING or (hard and (args[1:2] == (0.0,) or given.get("min_val") == 0.0)):
            self.given.append(args[0] if args else given["input"])
        return func(*args, **given)


def _judged(probe: Probe, layer: str, image: Tensor) -> tuple[str, bool]:
    """Finds the normalisation that is given the convolution's own output, if any, and whether a ReLU follows."""
    own: dict[str, Tensor] = {}
    into: list[tuple[str, Tensor]] = []
    outputs: dict[str, Tensor] = {}
    handles = []

    def keep(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
            if name == layer:
                own[name] = output
            else:
                into.append((name, inputs[0]))
                outputs[name] = output

        return hook

    for name, module in probe.model.named_modules():
        if name == layer or isinstance(module, _NORMS):
            handles.append(module.register_forward_hook(keep(name)))
    try:
        with _ReluInputs() as relu_inputs:
            probe.model(image.to(device_of(probe.model)))
    finally:
        for handle in handles:
            handle.remove()
    if layer not in own:
        raise InputError("The layer {layer} does not run when the network looks at an image.", layer=layer)
    judged = next((name for name, tensor in into if tensor is own[layer]), layer)
    last = own[layer] if judged == layer else outputs[judged]
    return judged, any(tensor is last for tensor in relu_inputs.given)
