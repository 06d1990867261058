"""Verbs that estimate beforehand what a training will need."""

from __future__ import annotations

import argparse

from core.cli.common.output import Output
from core.specs import ModelSpec


def profile(arguments: argparse.Namespace, output: Output) -> int:
    """Measures how fast a network is here, so that trainings of it can be estimated."""
    from core.workflows.jobs.profile import profile_now

    def report(done: int, total: int) -> None:
        output.progress(f"measured {done} of {total} passes", passing=True)

    spec = ModelSpec(arguments.backbone, "none", image_size=arguments.image_size)
    found = profile_now(spec, arguments.device, progress=report)
    forward = {precision: 1 / sum(line.each for line in times["frozen"]) for precision, times in found.seconds.items()}
    lines = [f"{arguments.backbone} on {found.device}: measured; trainings of it can be estimated now"]
    lines += [f"{precision}: {speed:.1f} images a second through the network" for precision, speed in forward.items()]
    record = {"backbone": arguments.backbone, "forward_images_per_second": forward, "profile": found.to_dict()}
    output.result(record, lines)
    return 0
