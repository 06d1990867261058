"""What every feature map of all of resnet50's convolutions costs, drawn as one PNG a layer.

Run with ``python -m benchmarks.feature_maps [--model resnet50] [--threads 1]``.
"""

from __future__ import annotations

import argparse

import torch
from torch import Tensor, nn

from benchmarks.timing import interleaved, report
from core.interpret.activations import activations
from core.interpret.render import feature_sheet
from core.models.network import bare


def main() -> None:
    """Measures and prints the line."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--model", default="resnet50")
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--repeats", type=int, default=9)
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    network = bare(given.model, "none")
    names = [name for name, module in network.model.named_modules() if isinstance(module, nn.Conv2d)]
    side = network.preprocessing.crop
    x = torch.randn(1, 3, side // 16, side // 16, generator=torch.Generator().manual_seed(0))
    x = nn.functional.interpolate(x, (side, side), mode="bicubic")
    maps = activations(network, x, names)

    def draw(found: dict[str, Tensor]) -> list[bytes]:
        return [feature_sheet(layer).png for layer in found.values()]

    measured = interleaved(
        {
            "forward": lambda: network.model(x),
            "collect": lambda: activations(network, x, names),
            "draw": lambda: draw(maps),
            "all": lambda: draw(activations(network, x, names)),
        },
        repeats=given.repeats,
    )
    report(
        "feature_maps",
        model=given.model,
        layers=len(maps),
        maps=sum(layer.shape[0] for layer in maps.values()),
        bytes=sum(map(len, draw(maps))),
        measured=measured,
        cpu_seconds=round(measured["all"]["cpu_ms"] / 1000, 3),
    )


if __name__ == "__main__":
    main()
