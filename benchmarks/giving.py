"""What networks that give pictures back cost: 200 steps of style at 256 px, autoencoder and GAN on 2,000 pictures.

Run with ``python -m benchmarks.giving [all|style|autoencoder|gan] [--network efficientnet_lite0] [--steps 200]
[--size 256] [--coarse 0] [--precision auto] [--design notes] [--threads 2]``. With ``--network vgg19`` random weights
are taken where its own are not there: the time is the same. Seconds of all cores stand beside those of the wall: what
others leave of a busy machine does not count in them.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.timing import options, report
from core.data.images import open_image
from core.data.pixel_store import PixelStore
from core.data.sources import open_dataset
from core.data.splits import split
from core.interpret.visualization.style_transfer import StylePlan, transfer_style
from core.models.architectures.small_networks import preprocessing
from core.models.catalog import catalog
from core.models.network import bare
from core.specs import DataSpec
from core.training.autoencoder.designs import DESIGNS
from core.training.autoencoder.training import Autoencoder, Recipe, train
from core.training.gan.pictures import Recipe as GanRecipe
from core.training.gan.pictures import make_pair
from core.training.gan.pictures import train as train_gan
from core.workflows.jobs.style_transfer import precision_for

SAMPLES = Path(__file__).resolve().parents[1] / "assets" / "samples"
PICTURES = 2000


def clock() -> tuple[float, float]:
    """Returns seconds of the wall and of all cores."""
    return time.perf_counter(), time.process_time()


def passed(begun: tuple[float, float]) -> dict[str, float]:
    """Returns both since then."""
    wall, cores = clock()
    return {"seconds": round(wall - begun[0], 1), "core_seconds": round(cores - begun[1], 1)}


def style(given: argparse.Namespace) -> dict[str, Any]:
    """Paints one picture."""
    there = catalog.weights_state(given.network) == "available"
    network = bare(given.network, "default" if there else "none")
    content, look = (open_image(SAMPLES / name) for name in ("cat.jpg", "coffee.jpg"))
    plan = StylePlan(size=given.size, steps=given.steps, coarse=bool(given.coarse))
    begun = clock()
    precision = precision_for(network, content, look, plan) if given.precision == "auto" else given.precision
    made = transfer_style(network, content, look, plan, precision=precision)
    first, last = made.losses[0]["style"], made.losses[-1]["style"]
    return {
        "weights": there,
        "precision": precision,
        **passed(begun),
        "style_before": round(first, 4),
        "style_after": round(last, 4),
    }


def autoencoder(given: argparse.Namespace) -> dict[str, Any]:
    """Trains one on digits, repeated up to 2,000."""
    dataset = split(open_dataset("digits"), DataSpec("digits"))
    with PixelStore(dataset, preprocessing(28, 1), max_bytes=10**9) as store:
        positions = [torch.tensor(dataset.positions(name)) for name in ("train", "val")]
        pictures, held_out = (store.batch(part).float().mean(1, keepdim=True).contiguous() / 255 for part in positions)
    pictures = pictures.repeat(-(-PICTURES // len(pictures)), 1, 1, 1)[:PICTURES]
    design = DESIGNS[given.design]
    model = Autoencoder(*design.make(1, 28, design.latents), 1, 28)
    begun = clock()
    rows = train(model, pictures, held_out, Recipe(epochs=10))
    return {"design": given.design, **passed(begun), "val_mse": round(rows[-1].val_mse, 5)}


def gan(_given: argparse.Namespace) -> dict[str, Any]:
    """Trains a convolutional pair on digits of 28 px as the page does: 20 epochs."""
    dataset = open_dataset("mnist")
    with PixelStore(dataset, preprocessing(28, 1), max_bytes=10**9) as store:
        places = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(0))[:PICTURES]
        pictures = store.batch(places).float().mean(1, keepdim=True).contiguous() / 255
    begun = clock()
    rows = train_gan(make_pair(32, 1, 28, 0), pictures, 32, GanRecipe())
    return {**passed(begun), "d_of_real": round(rows[-1].real, 3), "d_of_generated": round(rows[-1].generated, 3)}


def main() -> None:
    """Measures and prints the line."""
    given = options(
        __doc__,
        ("all", "style", "autoencoder", "gan"),
        network="efficientnet_lite0",
        steps=200,
        size=256,
        design="notes",
        threads=2,
        coarse=0,
        precision="auto",
    )
    record: dict[str, Any] = {}
    for name, measure in (("style", style), ("autoencoder", autoencoder), ("gan", gan)):
        if given.what in ("all", name):
            record[name] = measure(given)
    report("giving", **vars(given), **record, style_limit_s=60.0, autoencoder_limit_s=20.0)


if __name__ == "__main__":
    main()
