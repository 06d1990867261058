"""What Grad-CAM overlays cost above their floor, and beside torch-cam, captum and pytorch-grad-cam.

Run with ``python -m benchmarks.heatmaps [--model resnet18] [--threads 1]``. The floor is one forward pass and the way
back from a logit to the layer, nothing drawn. All others draw the same overlay and encode it as PNG. ``five`` are five
gradient CAMs of one image, not drawn. pytorch-grad-cam takes part where it is installed; nothing here depends on it.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torchcam import methods

from benchmarks.timing import interleaved, options, ratio, report
from core.data.encoding import png
from core.interpret.attribution.explain import explain, explain_many
from core.interpret.drawing.overlay import overlay
from core.models.network import Network, bare

FIVE = ("grad-cam", "grad-cam++", "hires-cam", "xgrad-cam", "layer-cam")
TORCHCAM = {"grad-cam": "GradCAM", "xgrad-cam": "XGradCAM", "layer-cam": "LayerCAM"}
"""Methods that torch-cam has, too. Its Grad-CAM++ leaves alpha undivided, so it is another map."""


def floor(model: nn.Module, layer: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """One forward pass, and back to the layer: activation and gradient."""
    kept: list[Tensor] = []

    def start_here(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        kept.append(output.detach().requires_grad_())
        return kept[0]

    handle = layer.register_forward_hook(start_here)
    logits = model(x)
    handle.remove()
    (gradient,) = torch.autograd.grad(logits[0, logits.argmax()], kept[0])
    return kept[0], gradient


def peers(network: Network, x: Tensor) -> dict[str, Callable[[], Tensor]]:
    """Returns who else makes a Grad-CAM: name -> the map on the layer's grid or the picture's."""
    from captum.attr import LayerGradCam

    model, name = network.model, network.anatomy.cam_layer
    layer = model.get_submodule(name)
    torchcam = methods.GradCAM(model, name)
    torchcam.disable_hooks()
    captum = LayerGradCam(model, layer)

    def by_torchcam() -> Tensor:
        torchcam.enable_hooks()
        logits = model(x.clone().requires_grad_())  # torch-cam needs a graph that reaches the layer
        (cam,) = torchcam(int(logits.argmax()), logits, normalized=False)
        torchcam.disable_hooks()
        return cam[0].detach()

    def by_captum() -> Tensor:
        with torch.no_grad():
            target = int(model(x).argmax())
        found: Tensor = captum.attribute(x.clone().requires_grad_(), target=target, relu_attributions=True)
        return found[0, 0].detach()

    found: dict[str, Callable[[], Tensor]] = {"torchcam": by_torchcam, "captum": by_captum}
    if importlib.util.find_spec("pytorch_grad_cam"):
        from pytorch_grad_cam import GradCAM

        def by_pytorch_grad_cam() -> Tensor:
            with GradCAM(model=model, target_layers=[layer]) as theirs:  # its hooks stay for as long as it does
                return torch.from_numpy(theirs(input_tensor=x.clone().requires_grad_(), targets=None)[0])

        found["pytorch_grad_cam"] = by_pytorch_grad_cam
    return found


def likeness(network: Network, x: Tensor, others: dict[str, Callable[[], Tensor]]) -> dict[str, float]:
    """Correlates our maps with those of others, on the picture's grid."""
    ours = explain_many(network, x, FIVE)
    target = ours["grad-cam"].heatmap.target
    found = {f"grad-cam {name}": (make(), ours["grad-cam"]) for name, make in others.items()}
    for method, peer in TORCHCAM.items():
        with getattr(methods, peer)(network.model, network.anatomy.cam_layer) as extractor:
            logits = network.model(x.clone().requires_grad_())
            found[f"{method} torchcam"] = (extractor(target, logits, normalized=False)[0][0].detach(), ours[method])
    size = x.shape[2:]
    return {
        name: round(float(np.corrcoef(_large(theirs, size).ravel(), own.heatmap.values.ravel())[0, 1]), 6)
        for name, (theirs, own) in found.items()
    }


def _large(cam: Tensor, size: Any) -> Any:
    if cam.shape == size:
        return cam.double().numpy()
    return F.interpolate(cam[None, None].double(), size, mode="bilinear", align_corners=False)[0, 0].numpy()


def main() -> None:
    """Measures and prints the line."""
    given = options(__doc__, model="resnet18", threads=1, repeats=31)
    warnings.filterwarnings("ignore")
    network = bare(given.model, "none")
    for parameter in network.model.parameters():
        parameter.requires_grad_(False)
    side = network.preprocessing.crop
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC)
    x = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float().div(255).sub(0.45).div(0.225)
    layer = network.model.get_submodule(network.anatomy.cam_layer)

    def drawn(make: Callable[[], Tensor]) -> Callable[[], bytes]:
        def draw() -> bytes:
            heat = _large(make(), (side, side))
            low, high = heat.min(), heat.max()
            return png(overlay(picture, (heat - low) / (high - low or 1.0)))

        return draw

    others = peers(network, x)
    variants: dict[str, Callable[[], object]] = {
        "floor": lambda: floor(network.model, layer, x),
        "ours": lambda: png(overlay(picture, explain(network, x).heatmap.values)),
        "five": lambda: explain_many(network, x, FIVE),
        **{name: drawn(make) for name, make in others.items()},
    }
    measured = interleaved(variants, repeats=given.repeats)
    report(
        "heatmaps",
        model=given.model,
        measured=measured,
        ours_to_floor=ratio(measured, "ours", "floor"),
        five_to_floor=ratio(measured, "five", "floor"),
        **{f"ours_to_{name}": ratio(measured, "ours", name) for name in others},
        ours_to_floor_wall=ratio(measured, "ours", "floor", "wall_ms"),
        correlation=likeness(network, x, others),
    )


if __name__ == "__main__":
    main()
