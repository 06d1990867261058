"""What a Grad-CAM overlay costs above its floor, and beside torch-cam with the same drawing.

Run with ``python -m benchmarks.heatmaps [--model resnet18] [--threads 1]``. The floor is one forward pass and the way
back from a logit to the layer, nothing drawn.
"""

from __future__ import annotations

import argparse
import warnings

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torchcam.methods import GradCAM

from benchmarks.timing import interleaved, ratio, report
from core.interpret.attribution import explain
from core.interpret.render import overlay, png
from core.models.network import bare


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


def main() -> None:
    """Measures and prints the line."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--model", default="resnet18")
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--repeats", type=int, default=31)
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    warnings.filterwarnings("ignore")
    network = bare(given.model, "none")
    for parameter in network.model.parameters():
        parameter.requires_grad_(False)
    side = network.preprocessing.crop
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC)
    x = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float().div(255).sub(0.45).div(0.225)
    layer = network.model.get_submodule(network.anatomy.cam_layer)
    torchcam = GradCAM(network.model, network.anatomy.cam_layer)
    torchcam.disable_hooks()

    def ours() -> bytes:
        heatmap = explain(network, x).heatmap
        return png(overlay(picture, heatmap.values))

    def theirs() -> bytes:
        torchcam.enable_hooks()
        image = x.clone().requires_grad_()  # torch-cam needs a graph that reaches the layer
        logits = network.model(image)
        (cam,) = torchcam(int(logits.argmax()), logits)
        torchcam.disable_hooks()
        heat = F.interpolate(cam[None], (side, side), mode="bilinear", align_corners=False)[0, 0]
        return png(overlay(picture, heat.numpy()))

    measured = interleaved(
        {"floor": lambda: floor(network.model, layer, x), "ours": ours, "torchcam": theirs}, repeats=given.repeats
    )
    report(
        "heatmaps",
        model=given.model,
        measured=measured,
        ours_to_floor=ratio(measured, "ours", "floor"),
        ours_to_floor_wall=ratio(measured, "ours", "floor", "wall_ms"),
        ours_to_torchcam=ratio(measured, "ours", "torchcam"),
        ours_to_torchcam_wall=ratio(measured, "ours", "torchcam", "wall_ms"),
    )


if __name__ == "__main__":
    main()
