"""The verb that writes a run's network for use elsewhere."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from core.cli.common.output import Output
from core.errors import InputError

if TYPE_CHECKING:
    from core.workflows.export.model.int8 import Int8
    from core.workflows.export.model.parity import Parity


def add_export(add: Callable[..., argparse.ArgumentParser], runs: argparse.ArgumentParser) -> None:
    """Adds the verb."""
    verb = add("export", "leaving.export", "Write a run's network for use elsewhere, checked against it.", runs)
    verb.add_argument("run", metavar="RUN", help="at another moment: RUN@start, RUN@last, RUN@12")
    verb.add_argument(
        "--format", default="onnx", metavar="FORMAT", help="onnx, onnx-int8, web, pt2, safetensors or torchscript"
    )
    verb.add_argument(
        "--out",
        required=True,
        metavar="FILE",
        help="the network alone; FILE.zip has the classes, a model card and predict.py, too",
    )


def export(arguments: argparse.Namespace, output: Output) -> None:
    """Writes the network and says how far its answers are from the checkpoint's."""
    from core.workflows.checkpoints import run_at
    from core.workflows.export.model import formats, package

    form = formats.format_named(arguments.format)
    run, checkpoint = run_at(arguments.run, runs_dir=arguments.runs_dir)
    path = Path(arguments.out)
    if not path.parent.is_dir():
        raise InputError("The folder {folder} is not there. Make it first.", folder=str(path.parent))
    write = package.export_package if path.suffix.lower() == ".zip" else package.export_file
    said: list[str] = []

    def step(doing: str) -> None:
        if [doing] != said[-1:]:  # judging says so batch by batch
            output.progress(doing)
        said.append(doing)

    found = write(run, arguments.format, path, checkpoint=checkpoint, step=step)
    parity = found.parity
    lines = [
        f"written to {path}: {form.title}, {found.bytes / 1e6:.1f} MB",
        *(_rounded(found.int8) if found.int8 is not None else _exact(parity)),
        f"a picture takes {parity.milliseconds:.1f} ms here ({parity.before_milliseconds:.1f} ms by the checkpoint)",
    ]
    if arguments.format == "torchscript":
        lines.append("PyTorch has deprecated TorchScript: take pt2 where you can")
    output.result({"run": run.id, "checkpoint": checkpoint, "file": str(path), **found.as_record()}, lines)


def _exact(parity: Parity) -> list[str]:
    return [
        f"differs from the checkpoint by at most {parity.max_difference:.1e} on {parity.pictures} "
        + ("of the run's pictures" if parity.own else "generated pictures (the run's own are not there)")
        + ", in batches of 1, 2 and 5"
    ]


def _rounded(found: Int8) -> list[str]:
    from core.workflows.export.model.int8 import LARGEST_FALL

    split = "test" if found.split == "test" else "validation"
    return [
        f"right on {100 * found.accuracy:.1f} % of {found.pictures} of {found.of} {split} images, the exact file on "
        f"{100 * found.float_accuracy:.1f} % (a fall of more than {100 * LARGEST_FALL:.0f} % is refused)",
        f"both name the same class for {100 * found.equal:.1f} %; a probability differs by at most "
        f"{found.max_difference:.3f}; scales by {found.calibrated} training images",
        f"the exact file has {found.float_bytes / 1e6:.1f} MB and takes {found.float_milliseconds:.1f} ms",
    ]
