"""Heatmaps: which parts of a picture spoke for a class.

:data:`METHODS` has a row a method: what it is called, what it does, where it comes from, what it needs and why it may
not work on a network. :func:`explain` runs one of them, :func:`explain_many` several at the price of one where they
share a pass.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from core.errors import InputError
from core.interpret import cams, inputs
from core.interpret.activations import check_image, spatial_layers
from core.interpret.inputs import Progress
from core.interpret.probe import Probe, lock_of
from core.interpret.target import resolve_target

if TYPE_CHECKING:
    from core.models.network import Network

_FLAT = 1e-6  # a map whose values differ by less, relative to their size, is one value


@dataclass(frozen=True, slots=True, eq=False)
class Heatmap:
    """How strongly each pixel speaks for a class.

    Attributes:
        values: HxW of the input, float32: 0..1 from the weakest to the strongest place, or -1..1 around a true zero
            for a signed method (below zero speaks against the class).
        method: The method's id.
        layer: The layer looked at; ``None`` for methods that look at the input.
        target: Index of the class explained.
        seconds: Time it took; a shared pass counts in each map that shares it.
        signed: Whether values are -1..1.
        empty: Whether nothing at all speaks for the class; ``values`` are zeros then.
        low: The method's own figure behind the smallest value.
        high: The method's own figure behind the largest value.
        per_pixel: Whether neighbouring pixels differ freely, so that drawing should stretch the values.
    """

    values: NDArray[np.float32]
    method: str
    layer: str | None
    target: int
    seconds: float
    signed: bool
    empty: bool
    low: float
    high: float
    per_pixel: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """A heatmap beside what the network says of the picture.

    Attributes:
        heatmap: The heatmap.
        probabilities: Softmax of the logits, N values, float32.
        predicted: Index of the most probable class.
    """

    heatmap: Heatmap
    probabilities: NDArray[np.float32]
    predicted: int


CamFormula = Callable[[Tensor, Tensor], Tensor]
InputRun = Callable[["Network", Tensor, int, Mapping[str, int], "Progress | None"], Tensor]


@dataclass(frozen=True, slots=True)
class Method:
    """A row of :data:`METHODS`.

    Attributes:
        id: Stable name.
        title: Name as the field writes it.
        description: What it does, in one sentence.
        paper: Authors, year and arXiv number or venue.
        signed: Whether its maps have a sign.
        unavailable: Takes a network and returns why the method cannot work there, a constant sentence; ``None`` if it
            can.
        formula: For a method on a layer: activations and gradients, CxHxW each, to a map HxW.
        attribute: For a method on the input: network, image, class, settings and progress to a map HxW.
        defaults: Settings and their usual values, whole numbers.
        per_pixel: Whether its maps are grains rather than regions.
        passes: Roughly how many forward-and-back passes it costs with the defaults.
    """

    id: str
    title: str
    description: str
    paper: str
    signed: bool
    unavailable: Callable[[Network], str | None]
    formula: CamFormula | None = None
    attribute: InputRun | None = None
    defaults: Mapping[str, int] = field(default_factory=dict)
    per_pixel: bool = False
    passes: int = 1

    @property
    def needs_layer(self) -> bool:
        """Whether the method looks at a layer, which can be chosen."""
        return self.formula is not None

    @property
    def needs(self) -> str:
        """What the method looks at, ``layer`` or ``input``."""
        return "layer" if self.needs_layer else "input"


def _no_maps(network: Network) -> str | None:
    if network.anatomy.cam_layer or spatial_layers(network.anatomy):
        return None
    return "No layer of this network keeps the picture's layout, so it has no class activation map."


def _always(_network: Network) -> str | None:
    return None


def _cam(id: str, title: str, description: str, paper: str, formula: CamFormula) -> Method:
    return Method(id, title, description, paper, signed=False, unavailable=_no_maps, formula=formula)


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        row.id: row
        for row in (
            _cam(
                "grad-cam",
                "Grad-CAM",
                "Adds up a layer's feature maps, each weighted by how much the class's score rises with it on average.",
                "Selvaraju et al. 2017, arXiv:1610.02391",
                cams.grad_cam,
            ),
            _cam(
                "grad-cam++",
                "Grad-CAM++",
                "Like Grad-CAM, but counts positive influence only and gives small or repeated objects their share.",
                "Chattopadhay et al. 2018, arXiv:1710.11063",
                cams.grad_cam_plus_plus,
            ),
            _cam(
                "hires-cam",
                "HiResCAM",
                "Multiplies activation and influence place by place, so it shows only places the network really used.",
                "Draelos and Carin 2020, arXiv:2011.08891",
                cams.hires_cam,
            ),
            _cam(
                "layer-cam",
                "LayerCAM",
                "Weights every place by its own positive influence, which keeps fine detail in early layers.",
                "Jiang et al. 2021, IEEE Transactions on Image Processing 30, 5875-5888",
                cams.layer_cam,
            ),
            Method(
                "saliency",
                "Saliency",
                "Shows how much the class's score would change if a pixel changed a little.",
                "Simonyan et al. 2013, arXiv:1312.6034",
                signed=False,
                attribute=inputs.saliency,
                per_pixel=True,
                unavailable=_always,
            ),
            Method(
                "integrated-gradients",
                "Integrated gradients",
                "Shares the class's score out among the pixels, on the way from a plain grey picture to this one.",
                "Sundararajan et al. 2017, arXiv:1703.01365",
                signed=True,
                attribute=inputs.integrated_gradients,
                per_pixel=True,
                unavailable=_always,
                defaults=MappingProxyType({"steps": 50}),
                passes=50,
            ),
            Method(
                "occlusion",
                "Occlusion",
                "Covers one square after another and notes how far the class's score falls.",
                "Zeiler and Fergus 2014, arXiv:1311.2901",
                signed=True,
                attribute=inputs.occlusion,
                unavailable=_always,
                defaults=MappingProxyType({"windows": 7, "overlap": 1}),
                passes=50,
            ),
        )
    }
)
"""Every method by its id, in the order to be offered."""


def explain(
    network: Network,
    x: Tensor,
    method: str = "grad-cam",
    *,
    target: int | None = None,
    layer: str | None = None,
    settings: Mapping[str, int] | None = None,
    progress: Progress | None = None,
) -> Explanation:
    """Makes one heatmap.

    Args:
        network: The network, in any mode and frozen or not; it is left as it was.
        x: One normalised image, 1xCxHxW.
        method: Id of a row of :data:`METHODS`.
        target: Class index; ``None`` for the class with the highest score.
        layer: Name of the layer for methods that need one; ``None`` for the network's CAM layer.
        settings: Values for the method's ``defaults``.
        progress: Called now and then with passes done and passes in all; what it raises ends the work.

    Raises:
        InputError: The method, the class, the layer or a setting does not exist, or the method does not work on this
            network, or ``x`` is not one image.
    """
    return explain_many(network, x, (method,), target=target, layer=layer, settings=settings, progress=progress)[method]


def explain_many(
    network: Network,
    x: Tensor,
    methods: Sequence[str],
    *,
    target: int | None = None,
    layer: str | None = None,
    settings: Mapping[str, int] | None = None,
    progress: Progress | None = None,
) -> dict[str, Explanation]:
    """Makes several heatmaps of one image and class; all methods on a layer share one pass.

    Arguments and errors as :func:`explain`.

    Returns:
        Method's id -> explanation, in the order asked for.
    """
    check_image(x)
    rows = [_row(name, network) for name in methods]
    chosen = {row.id: _settings(row, settings) for row in rows}
    size = (x.shape[2], x.shape[3])
    found: dict[str, Explanation] = {}
    with lock_of(network):  # one class and one set of weights for all of them
        shared: cams.LayerPass | None = None
        started = time.perf_counter()
        if any(row.needs_layer for row in rows):
            shared = cams.layer_pass(network, x, target=target, layer=layer)
            logits, index = shared.logits, shared.target
        else:
            with Probe(network) as probe:
                logits = probe(x).cpu()
            index = resolve_target(target, logits, network.classes)
        pass_seconds = time.perf_counter() - started
        probabilities = logits[0].float().softmax(0).numpy()
        for row in rows:
            started = time.perf_counter()
            if row.formula is not None and shared is not None:
                raw = row.formula(shared.activations, shared.gradients)
            elif row.attribute is not None:
                raw = row.attribute(network, x, index, chosen[row.id], progress)
            else:
                raise TypeError(f"the row {row.id} has neither a formula nor a procedure")
            heatmap = _heatmap(raw, size, row, index, shared.layer if row.needs_layer and shared else None)
            spent = time.perf_counter() - started + pass_seconds
            found[row.id] = Explanation(replace(heatmap, seconds=spent), probabilities, int(probabilities.argmax()))
    return found


def _row(name: str, network: Network) -> Method:
    if name not in METHODS:
        raise InputError("There is no method {method}. Choose one of: {known}.", method=name, known=", ".join(METHODS))
    reason = METHODS[name].unavailable(network)
    if reason is not None:
        raise InputError(reason)
    return METHODS[name]


def _settings(row: Method, given: Mapping[str, int] | None) -> dict[str, int]:
    merged = {**row.defaults, **(given or {})}
    for name, value in merged.items():
        if name not in row.defaults:
            raise InputError(
                "{method} has no setting {name}. It has: {known}.",
                method=row.title,
                name=name,
                known=", ".join(row.defaults) or "-",
            )
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 1000:
            raise InputError("{name} is {value}. It must be a whole number from 1 to 1000.", name=name, value=value)
    return merged


def _heatmap(raw: Tensor, size: tuple[int, int], row: Method, target: int, layer: str | None) -> Heatmap:
    """Brings a method's own figures to the input's size and to 0..1 or -1..1."""
    if raw.shape != size:
        raw = F.interpolate(raw[None, None], size, mode="bilinear", align_corners=False)[0, 0]
    low, high = (float(value) for value in raw.aminmax())
    strongest = max(abs(low), abs(high))
    empty = strongest == 0.0 or not np.isfinite(strongest)
    if empty:
        values = torch.zeros_like(raw)
    elif row.signed:
        values = raw / strongest
    elif high - low <= _FLAT * strongest:
        values = torch.ones_like(raw)
    else:
        values = (raw - low) / (high - low)
    return Heatmap(values.float().numpy(), row.id, layer, target, 0.0, row.signed, empty, low, high, row.per_pixel)
