"""Style transfer (Gatys, Ecker and Bethge 2016): a picture with one's content and the other's style.

Content is what a layer's maps show: their mean squared difference is made small. Style is which channels of a layer
answer together, wherever that is in the picture: the Gram matrix of the maps. The pixels are what learns, by L-BFGS.
Paper: "Image Style Transfer Using Convolutional Neural Networks", https://doi.org/10.1109/CVPR.2016.265.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from core.errors import InputError
from core.interpret.layout import batch_maps, require_map_layer, spatial_layers
from core.interpret.probe import Probe, device_of
from core.interpret.shared_copy import shared_copy
from core.interpret.visualization.fourier_image import as_input, from_bytes, to_bytes
from core.specs.checks import number, one_of, whole

if TYPE_CHECKING:
    from core.models.anatomy.records import Anatomy
    from core.models.network import Network

STARTS = ("picture", "noise")
SIZES = (64, 512)
"""Fewest and most pixels of the longest side."""
MOST_STEPS = 2000
VGG_STYLE = ("features.1", "features.6", "features.11", "features.20", "features.29")
VGG_CONTENT = "features.22"
"""The layers of the paper in torchvision's VGG19: ReLU 1_1 to 5_1 for the style, 4_2 for the content."""
COARSE = 0.75
"""Share of the steps that a coarse beginning takes, at half the size and a quarter of the work."""
HISTORY = 10
"""Steps that L-BFGS remembers."""
_SHOWN = 48
"""Channels of a Gram matrix that are kept to be drawn: those that answer most strongly to the style."""

OnStep = Callable[[int, Mapping[str, float], Callable[[], NDArray[np.uint8]]], None]
"""Called after each step with its number, the losses before it, and what makes the picture as it is."""


@dataclass(frozen=True, slots=True)
class StylePlan:
    """What is made similar to what, and how strongly.

    Attributes:
        content_layer: Layer whose maps carry the content; empty for the network's usual one.
        style_layers: Layers whose Gram matrices carry the style; empty for the network's usual ones.
        style_weight: Weight of the style's loss against the content's, which weighs 1. Both are relative: 1 is the loss
            of a picture without any content, or without any style.
        start: ``picture`` to begin from the content picture, ``noise`` from noise.
        size: Longest side, in pixels.
        steps: Steps of L-BFGS.
        seed: Of the noise.
        coarse: Whether :data:`COARSE` of the steps are done at half the size, and the rest from what they made (Gatys
            et al. 2017, "Controlling perceptual factors", https://arxiv.org/abs/1611.07865); pictures of fewer than
            128 px have no coarse beginning.
    """

    content_layer: str = ""
    style_layers: tuple[str, ...] = ()
    style_weight: float = 100.0
    start: str = "picture"
    size: int = 256
    steps: int = 200
    seed: int = 0
    coarse: bool = False

    def stages(self) -> tuple[tuple[int, int], ...]:
        """Returns the longest side and the steps of each stage, the last one at the whole size."""
        first = int(self.steps * COARSE) if self.coarse and self.size // 2 >= SIZES[0] else 0
        return ((self.size // 2, first), (self.size, self.steps - first)) if first else ((self.size, self.steps),)

    def __post_init__(self) -> None:
        one_of("start", self.start, STARTS)
        if len(set(self.style_layers)) < len(self.style_layers):
            raise InputError("A layer stands twice among those of the style. Name each once.")
        number("style_weight", self.style_weight, low=0, high=1e6)
        whole("size", self.size, low=SIZES[0], high=SIZES[1])
        whole("steps", self.steps, low=1, high=MOST_STEPS)
        whole("seed", self.seed, low=0, high=2**31 - 1)


@dataclass(frozen=True, slots=True, eq=False)
class Styled:
    """A picture with the content of one and the style of another.

    Attributes:
        image: HxWx3, uint8.
        losses: Of each step, ``total``, ``content`` and ``style``, before it; relative, see :class:`StylePlan`. Those
            of a coarse beginning are of the smaller picture.
        grams: For each style layer the Gram matrices of ``style``, ``content`` and ``result``, CxC, of at most 48
            channels.
    """

    image: NDArray[np.uint8]
    losses: tuple[Mapping[str, float], ...]
    grams: Mapping[str, Mapping[str, NDArray[np.float32]]] = field(default_factory=dict)


def gram(maps: Tensor) -> Tensor:
    """Returns the Gram matrix of feature maps: how strongly each two channels answer together.

    Args:
        maps: B x C x H x W.

    Returns:
        B x C x C, the mean over the H·W places of the product of two channels.
    """
    flat = maps.flatten(2)
    with torch.autocast(maps.device.type, enabled=False):
        return flat @ flat.transpose(1, 2) / flat.shape[2]


def usual_layers(name: str, anatomy: Anatomy) -> tuple[str, tuple[str, ...]]:
    """Returns the layers that are taken where none is named: that of the content, and those of the style.

    For VGG19 these are the paper's; for other networks the end of each stage, and the last stage but one for the
    content.

    Args:
        name: Name of the backbone.
        anatomy: Its anatomy.

    Raises:
        InputError: The network has no layer that gives maps.
    """
    maps = spatial_layers(anatomy)
    if name == "vgg19" and {VGG_CONTENT, *VGG_STYLE} <= set(maps):
        return VGG_CONTENT, VGG_STYLE
    ends: list[str] = []
    for stage in anatomy.backbone_stages:
        ends += [layer.name for layer in anatomy.layers if layer.stage == stage.name and layer.name in set(maps)][-1:]
    if not ends:
        raise InputError("No layer of {network} gives a map of the picture.", network=name)
    return ends[max(0, len(ends) - 2)], tuple(ends)


def transfer_style(
    network: Network,
    content: Image.Image,
    style: Image.Image,
    plan: StylePlan | None = None,
    *,
    precision: str = "fp32",
    on_step: OnStep | None = None,
) -> Styled:
    """Makes a picture that shows what one shows, in the style of another.

    The network is not locked while it works.

    Args:
        network: Whose features are meant; it is left as it was.
        content: The picture whose content is kept; it gives the size.
        style: The picture whose style is taken over, at the same longest side.
        plan: Layers, weights, start, size and steps.
        precision: ``fp32``, or ``bf16`` for a network that looks in bfloat16; losses and pixels are float32 either way.
        on_step: Called after each step; what it raises ends the work.

    Raises:
        InputError: A layer does not exist or gives no map, a picture is too small for the network, or the losses are
            no numbers.
    """
    plan = plan or StylePlan()
    with _Features(network, plan, precision) as features:
        size = features.pixels(_sized(content, plan.size)).shape[2:]
        stages = plan.stages()
        found = _begin(features.pixels(_sized(content, stages[0][0])), plan)
        losses: list[Mapping[str, float]] = []
        for side, steps in stages:
            goal = features.pixels(_sized(content, side))
            looks = features.pixels(_sized(style, side))
            with torch.no_grad():
                maps = features.of(goal)
                wanted, before = maps[features.content], features.grams(maps)
                styles = features.grams(features.of(looks))
            _check(features, wanted, styles)
            loss = _Loss(features, wanted, styles, plan.style_weight)
            found = _optimise(loss, _enlarged(found, goal.shape[2:]), steps, losses, size, on_step)
        with torch.no_grad():
            after = features.grams(features.of(found))
        grams = {
            name: _drawn({"style": styles[name], "content": before[name], "result": after[name]})
            for name in features.style
        }
    return Styled(to_bytes(found)[0], tuple(losses), grams)


class _Features:
    """A copy of a network with shared weights, whose chosen layers' maps can be read with gradients to the pixels."""

    def __init__(self, network: Network, plan: StylePlan, precision: str) -> None:
        content, style = plan.content_layer, plan.style_layers
        if not content or not style:
            usual = usual_layers(network.name, network.anatomy)
            content, style = content or usual[0], style or usual[1]
        self.content, self.style = content, style
        self._layouts = {name: require_map_layer(name, network.anatomy) for name in (content, *style)}
        self._prep = network.preprocessing
        self._copy = shared_copy(network)
        self._probe = Probe(self._copy, grad=True)
        self._kept: dict[str, Tensor] = {}
        order = [layer.name for layer in network.anatomy.layers]
        self._last = max(self._layouts, key=order.index)
        self.device = device_of(self._copy)
        self._short = precision == "bf16"

    def __enter__(self) -> _Features:
        self._probe.__enter__()
        for module in self._copy.modules():
            if getattr(module, "inplace", False):  # else a layer's maps would be overwritten by the one behind it
                module.inplace = False  # type: ignore[assignment]
        for name in self._layouts:
            self._copy.get_submodule(name).register_forward_hook(self._hook(name))
        return self

    def __exit__(self, *error: object) -> None:
        self._probe.__exit__(None, None, None)

    def _hook(self, name: str) -> Callable[..., None]:
        def keep(_module: object, _given: object, output: Tensor) -> None:
            self._kept[name] = batch_maps(output, self._layouts[name]).float()
            if name == self._last:
                raise _EnoughError

        return keep

    def pixels(self, picture: Image.Image) -> Tensor:
        """Returns a picture as 1 x C x H x W from 0 to 1, where the network is."""
        return from_bytes(np.array(picture)[None], gray=self._prep.channels == 1, device=self.device).contiguous()

    def of(self, pixels: Tensor) -> dict[str, Tensor]:
        """Returns the maps of the chosen layers."""
        self._kept = {}
        try:
            with torch.autocast(self.device.type, torch.bfloat16) if self._short else nullcontext():
                self._copy(as_input(pixels, self._prep, None))
        except _EnoughError:
            pass
        except (RuntimeError, AssertionError, ValueError, IndexError) as error:
            raise InputError(
                "This network cannot look at a picture of {height} x {width} px. Choose a larger size, or another "
                "network.",
                height=pixels.shape[2],
                width=pixels.shape[3],
            ) from error
        return self._kept

    def grams(self, maps: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Returns the Gram matrices of the style's layers."""
        return {name: gram(maps[name])[0] for name in self.style}


class _EnoughError(Exception):
    """All maps that are needed are there; nothing behind them is computed."""


class _Loss:
    """The two losses of a picture, each relative to that of a picture of zeros in its place."""

    def __init__(self, features: _Features, content: Tensor, styles: Mapping[str, Tensor], weight: float) -> None:
        self.features, self._content, self._styles, self._weight = features, content, styles, weight
        self._content_scale = content.square().mean()
        self._style_scales = {name: value.square().mean() for name, value in styles.items()}

    def __call__(self, pixels: Tensor) -> dict[str, Tensor]:
        """Returns ``content``, ``style`` and ``total``."""
        maps = self.features.of(pixels)
        content = (maps[self.features.content] - self._content).square().mean() / self._content_scale
        grams = self.features.grams(maps)
        parts = [(grams[name] - self._styles[name]).square().mean() / self._style_scales[name] for name in grams]
        style = torch.stack(parts).mean()
        return {"content": content, "style": style, "total": content + self._weight * style}


def _optimise(
    loss: _Loss, start: Tensor, steps: int, losses: list[Mapping[str, float]], size: torch.Size, on_step: OnStep | None
) -> Tensor:
    """Lets the pixels learn; a step is one of L-BFGS, after which they are brought back to 0..1.

    Args:
        loss: What is made small.
        start: The pixels to begin with.
        steps: How many.
        losses: Those of the steps so far; each step adds its own.
        size: Height and width in which the picture is handed out on the way.
        on_step: See :func:`transfer_style`.
    """
    pixels = start.clone().requires_grad_()
    scale = float(pixels.numel())  # so that a pixel's gradient is no tiny number, which L-BFGS would take for none
    optimizer = torch.optim.LBFGS(
        [pixels], lr=1.0, max_iter=1, history_size=HISTORY, tolerance_grad=0.0, tolerance_change=0.0
    )
    for _step in range(steps):

        def closure() -> Tensor:
            optimizer.zero_grad()
            found = loss(pixels)
            losses.append({name: float(value.detach()) for name, value in found.items()})
            total = found["total"] * scale
            total.backward()
            return total

        optimizer.step(closure)
        if not np.isfinite(losses[-1]["total"]) or not bool(pixels.isfinite().all()):
            raise InputError("The losses are no numbers any more. Choose other layers, or a smaller style weight.")
        with torch.no_grad():
            pixels.clamp_(0, 1)
        if on_step is not None:
            on_step(len(losses), losses[-1], lambda: to_bytes(_enlarged(pixels.detach(), size))[0])
    return pixels.detach()


def _enlarged(pixels: Tensor, size: torch.Size) -> Tensor:
    if pixels.shape[2:] == size:
        return pixels
    return F.interpolate(pixels, size=tuple(size), mode="bicubic", align_corners=False).clamp(0, 1)


def _begin(goal: Tensor, plan: StylePlan) -> Tensor:
    if plan.start == "picture":
        return goal
    generator = torch.Generator().manual_seed(plan.seed)
    return (0.5 + 0.1 * torch.randn(goal.shape, generator=generator)).clamp(0, 1).to(goal.device)


def _check(features: _Features, content: Tensor, styles: Mapping[str, Tensor]) -> None:
    """Refuses layers that answer with nothing, to which no loss can be relative."""
    for name, value in {features.content: content, **styles}.items():
        size = float(value.square().mean())
        if not np.isfinite(size) or size == 0:
            raise InputError(
                "The layer {layer} answers with nothing but zeros, or with no numbers. Choose another one.", layer=name
            )


def _sized(image: Image.Image, side: int) -> Image.Image:
    share = side / max(image.size)
    size = (max(1, round(image.width * share)), max(1, round(image.height * share)))
    return image.convert("RGB").resize(size, Image.Resampling.BICUBIC)


def _drawn(matrices: Mapping[str, Tensor]) -> dict[str, NDArray[np.float32]]:
    """Keeps the rows and columns of the channels that answer most strongly to the style, the strongest first."""
    order = matrices["style"].diagonal().argsort(descending=True, stable=True)[:_SHOWN]
    return {name: value[order][:, order].cpu().numpy().astype(np.float32) for name, value in matrices.items()}


__all__: Sequence[str] = ["STARTS", "StylePlan", "Styled", "gram", "transfer_style", "usual_layers"]
