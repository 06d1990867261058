"""The verb that paints a picture in the style of another."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.cli.common.output import Output, write


def add_style(add: Callable[..., argparse.ArgumentParser], runs: argparse.ArgumentParser) -> None:
    """Adds the verb."""
    style = add("style", "giving.style", "Paint a picture in the style of another.", runs)
    style.add_argument("content", metavar="IMAGE", help="what is to be seen")
    style.add_argument("look", metavar="STYLE", help="the picture whose style is taken over")
    style.add_argument(
        "--network", default="", metavar="RUN|BACKBONE", help="by default VGG19 where its weights are, else Lite0"
    )
    style.add_argument("--content-layer", default="", metavar="NAME", help="by default the paper's, or a late stage")
    style.add_argument("--style-layers", default="", metavar="A,B,...", help="likewise the ends of all stages")
    style.add_argument("--style-weight", type=float, default=100.0, metavar="W", help="the content's is 1")
    style.add_argument("--start", choices=("picture", "noise"), default="picture", help="what is painted over")
    style.add_argument("--size", type=int, default=256, metavar="PX", help="longest side")
    style.add_argument("--steps", type=int, default=200, metavar="N", help="of L-BFGS")
    style.add_argument("--coarse", action="store_true", help="most steps at half the size: half the time, less style")
    style.add_argument("--seed", type=int, default=0, metavar="S", help="of the noise")
    style.add_argument("--out", required=True, metavar="FILE.png")


def style(arguments: argparse.Namespace, output: Output) -> int:
    """Paints a picture in the style of another."""
    from core.data.encoding import check_ending, png
    from core.data.images import open_image
    from core.interpret.visualization.style_transfer import StylePlan, transfer_style, usual_layers
    from core.models.catalog import catalog
    from core.workflows.checkpoints import network_named
    from core.workflows.jobs.style_transfer import precision_for

    check_ending(Path(arguments.out))
    layers = tuple(name for name in arguments.style_layers.split(",") if name)
    plan = StylePlan(
        arguments.content_layer,
        layers,
        arguments.style_weight,
        arguments.start,
        arguments.size,
        arguments.steps,
        arguments.seed,
        coarse=arguments.coarse,
    )
    content, look = (open_image(Path(path)) for path in (arguments.content, arguments.look))
    there = catalog.weights_state("vgg19") == "available"
    name = arguments.network or ("vgg19" if there else "efficientnet_lite0")
    network = network_named(name, runs_dir=arguments.runs_dir)
    begin = time.perf_counter()

    def on_step(step: int, losses: Any, _picture: Any) -> None:  # noqa: ANN401
        output.progress(f"step {step} of {plan.steps}: style {losses['style']:.4f}", passing=True)

    precision = precision_for(network, content, look, plan)
    made = transfer_style(network, content, look, plan, precision=precision, on_step=on_step)
    write(Path(arguments.out), png(made.image))
    usual = usual_layers(network.name, network.anatomy)
    record = {
        "network": name,
        "content_layer": plan.content_layer or usual[0],
        "style_layers": list(plan.style_layers or usual[1]),
        "steps": len(made.losses),
        "precision": precision,
        "first": dict(made.losses[0]),
        "last": dict(made.losses[-1]),
        "seconds": time.perf_counter() - begin,
        "file": arguments.out,
    }
    words = [
        f"{name}: style {made.losses[0]['style']:.4f} -> {made.losses[-1]['style']:.4f}, content "
        f"{made.losses[0]['content']:.4f} -> {made.losses[-1]['content']:.4f} in {record['seconds']:.0f} s",
        f"written to {arguments.out}",
    ]
    output.result(record, words)
    return 0
