"""The verb that writes a run's network for use elsewhere."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from core.cli.common.output import Output
from core.errors import InputError


def add_export(add: Callable[..., argparse.ArgumentParser], runs: argparse.ArgumentParser) -> None:
    """Adds the verb."""
    verb = add("export", "leaving.export", "Write a run's network for use elsewhere, checked against it.", runs)
    verb.add_argument("run", metavar="RUN", help="at another moment: RUN@start, RUN@last, RUN@12")
    verb.add_argument("--format", default="onnx", metavar="FORMAT", help="onnx, web, pt2, safetensors or torchscript")
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
    found = write(run, arguments.format, path, checkpoint=checkpoint, step=output.progress)
    parity = found.parity
    lines = [
        f"written to {path}: {form.title}, {found.bytes / 1e6:.1f} MB",
        f"differs from the checkpoint by at most {parity.max_difference:.1e} on {parity.pictures} "
        + ("of the run's pictures" if parity.own else "generated pictures (the run's own are not there)")
        + ", in batches of 1, 2 and 5",
        f"a picture takes {parity.milliseconds:.1f} ms here ({parity.before_milliseconds:.1f} ms by the checkpoint)",
    ]
    if arguments.format == "torchscript":
        lines.append("PyTorch has deprecated TorchScript: take pt2 where you can")
    output.result({"run": run.id, "checkpoint": checkpoint, "file": str(path), **found.as_record()}, lines)
