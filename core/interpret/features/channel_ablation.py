"""Mutes or boosts channels of a layer and runs the network again; what lies before the layer is not computed twice.

Later passes replay what a first one gave up to the layer, so that a change late in a network costs only what comes
after it. The replay is checked first: it must give the network's own logits. Where it does not, every pass is a whole
one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.errors import InputError
from core.interpret.forward import check_image
from core.interpret.layout import channel_axis, require_map_layer
from core.interpret.probe import Probe
from core.interpret.replay import REFUSALS, Call, recording, replaying

if TYPE_CHECKING:
    from core.models.network import Network

_AGREES = 1e-4  # of the largest logit: what rounding may change


class ChannelScaler:
    """One image's pass through a network, with channels of one layer scaled.

    Several threads may share one; the network's lock serialises them.

    Args:
        network: The network, in any mode; it is left as it was.
        x: One normalised image, 1xCxHxW.
        layer: Name of a layer that gives maps. If it runs several times in one pass, its last call is changed.

    Attributes:
        logits: The network's own answer, N float32.
        replays: Whether what lies before the layer is cached rather than computed again.

    Raises:
        InputError: The layer does not exist or gives no maps, or ``x`` is not one image.

    Example:
        >>> scaler = ChannelScaler(network, x, "layer4")
        >>> scaler.scale({17: 0.0})  # probabilities with channel 17 of layer4 muted
    """

    def __init__(self, network: Network, x: Tensor, layer: str) -> None:
        check_image(x)
        self._network, self._x, self._layer = network, x, layer
        self._axis = channel_axis(require_map_layer(layer, network.anatomy))
        self._last = max(1, network.anatomy.layer(layer).calls)
        self._cached: dict[str, list[Any]] = {}
        self._own: Any = None
        self.replays = False
        with Probe(network) as probe, recording(probe.model, layer, self._last) as record:
            self.logits = probe(x)[0].float().cpu().numpy()
        if not isinstance(record.own[0] if isinstance(record.own, tuple) else record.own, Tensor):
            raise InputError("The layer {layer} gave no output.", layer=layer)
        self._own, self._cached = record.own, record.cached
        self.replays = record.fits and self._agrees()
        if not self.replays:
            self._cached = {}

    @property
    def channels(self) -> int:
        """Number of channels of the layer."""
        return int(self._first.shape[self._axis])

    @property
    def _first(self) -> Tensor:
        return self._own[0] if isinstance(self._own, tuple) else self._own

    def _agrees(self) -> bool:
        """Whether replaying the cached outputs gives the network's own logits."""
        self.replays = True
        try:
            again = self._logits({})
        except REFUSALS:
            return False
        scale = max(float(np.abs(self.logits).max()), 1e-6)
        return bool(np.abs(again - self.logits).max() <= _AGREES * scale)

    def scale(self, factors: Mapping[int, float]) -> NDArray[np.float32]:
        """Returns the probabilities with some channels multiplied.

        Args:
            factors: Channel -> factor: 0 mutes it, 1 leaves it, 2 doubles it.

        Returns:
            N float32.

        Raises:
            InputError: There is no such channel.
        """
        for channel in factors:
            if not 0 <= channel < self.channels:
                raise InputError(
                    "There is no channel {channel} in {layer}. Choose from 0 to {last}.",
                    channel=channel,
                    layer=self._layer,
                    last=self.channels - 1,
                )
        logits = self._logits(factors)
        shifted = np.exp(logits - logits.max())
        return np.asarray(shifted / shifted.sum(), np.float32)

    def _logits(self, factors: Mapping[int, float]) -> NDArray[np.float32]:
        with Probe(self._network) as probe:
            own = self._first
            scale = torch.ones(own.shape[self._axis], dtype=own.dtype, device=own.device)
            for channel, factor in factors.items():
                scale[channel] = float(factor)
            shape = [1] * own.ndim
            shape[self._axis] = -1
            change = {self._layer: self._scaled(scale.view(shape))}
            with replaying(probe.model, self._cached if self.replays else {}, change):
                return probe(self._x)[0].float().cpu().numpy()

    def _scaled(self, scale: Tensor) -> Callable[[Call], Call]:
        """Returns what makes of the layer's ``forward`` one whose last call gives its output times ``scale``."""

        def scaled(true: Call) -> Call:
            calls = 0

            def scaled_forward(*given: Any, **named: Any) -> object:
                nonlocal calls
                calls += 1
                if calls != self._last:
                    return true(*given, **named)
                output = self._own if self.replays else true(*given, **named)
                return (output[0] * scale, *output[1:]) if isinstance(output, tuple) else output * scale

            return scaled_forward

        return scaled
