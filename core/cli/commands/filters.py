"""Verbs that look at filters: their weights, and what they look for."""

from __future__ import annotations

import argparse
import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import specs
from core.cli.common.helpers import roots
from core.cli.common.output import Output, attributes, table, write
from core.errors import InputError
from core.file_names import file_name
from core.messages import Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.interpret.visualization.activation_maximization import Place
    from core.models.network import Network


def filters(arguments: argparse.Namespace, output: Output) -> None:
    """Draws a convolution's kernels and how alike they are, and writes down its figures."""
    from core.data.encoding import png
    from core.interpret.filters.kernels import conv_layers, kernel_tiles, kernels
    from core.interpret.filters.similarity import alike
    from core.interpret.filters.similarity_matrix import alike_map
    from core.workflows.checkpoints import network_named

    network = network_named(arguments.reference, weights=arguments.weights, runs_dir=arguments.runs_dir)
    rows = {row.name: row for row in conv_layers(network)}
    if not rows:
        raise InputError("{name} has no convolutions, so it has no filters to show.", name=arguments.reference)
    layer = arguments.layer or next(iter(rows))
    begin = time.perf_counter()
    weights = kernels(network, layer)
    found = alike(weights, arguments.limit)
    drawn = kernel_tiles(network, layer, tile_px=36)
    folder = Path(arguments.out)
    name = file_name(layer)
    files = {
        "kernels": folder / f"{name}.png",
        "alike": folder / f"{name}-alike.png",
        "figures": folder / f"{name}.json",
    }
    lengths, finite = found.lengths, weights[weights.isfinite()]
    record: dict[str, Any] = {
        "layer": layer,
        "shape": list(weights.shape),
        "minimum": float(finite.min()) if len(finite) else None,
        "maximum": float(finite.max()) if len(finite) else None,
        "broken": weights.numel() - len(finite),
        "lengths": {"smallest": float(lengths.min()), "median": _median(lengths), "largest": float(lengths.max())},
        "near_zero": list(found.near_zero),
        "duplicates": [list(group) for group in found.duplicates],
        "opposites": [list(pair) for pair in found.opposites],
        "limit": found.limit,
        **_of_run(arguments, network, layer, output),
        "seconds": time.perf_counter() - begin,
        "files": {key: str(path) for key, path in files.items()},
    }
    write(files["kernels"], png(drawn.image))
    write(files["alike"], png(alike_map(found)))
    write(files["figures"], (json.dumps(record, indent=2) + "\n").encode())
    output.result(record, [*_words(record), f"written to {folder}"])


def dream(arguments: argparse.Namespace, output: Output) -> int:
    """Grows the pictures that channels, neurons or classes look for, or dreams into a picture."""
    from core.workflows.checkpoints import network_named

    network = network_named(arguments.reference, weights=arguments.weights, runs_dir=arguments.runs_dir)
    begin = time.perf_counter()

    def progress(done: int, total: int) -> None:
        output.progress(f"step {done} of {total}", passing=True)

    record = (_deep if arguments.image else _grown)(arguments, network, progress)
    record["seconds"] = time.perf_counter() - begin
    output.result(record, [*_dream_words(record), f"written to {arguments.out}"])
    return 0


def _grown(arguments: argparse.Namespace, network: Network, progress: Progress) -> dict[str, Any]:
    from core.data.encoding import png
    from core.interpret.target import class_index
    from core.interpret.visualization import activation_maximization as dreams

    settings = {"size": arguments.size, "steps": arguments.steps, "seed": arguments.seed, "progress": progress}
    settings = {key: value for key, value in settings.items() if value is not None}
    if arguments.classes:
        wanted = [class_index(name, network.classes) for name in arguments.classes]
        found = dreams.maximise_classes(network, wanted, **settings)
    else:
        if not arguments.layer:
            raise InputError("Name a layer with --layer, or classes with --class. See: python -m core anatomy NAME")
        place = _place(arguments.neuron)
        found = dreams.maximise(network, arguments.layer, _numbers(arguments.channels), place=place, **settings)
    rows = []
    for one in found:
        label = network.classes[one.channel] if arguments.classes else f"{one.channel:04d}"
        number = f"{one.channel:04d}-" if arguments.classes else ""  # names may be equal once signs are taken out
        path = Path(arguments.out) / f"{file_name(one.layer)}-{number}{file_name(label)}.png"
        write(path, png(one.image, repeats=True))
        rows.append(
            {
                "label": label,
                **attributes(one, "layer", "channel", "reached", "noise", "noise_most", "excited"),
                "file": str(path),
            }
        )
    return {"pictures": rows}


def _deep(arguments: argparse.Namespace, network: Network, progress: Progress) -> dict[str, Any]:
    from core.data.encoding import png
    from core.data.images import open_image
    from core.interpret.visualization.deepdream import LONGEST_SIDE, Depth, deep_dream

    usual = Depth()
    depth = Depth(
        arguments.octaves,
        steps=usual.steps if arguments.steps is None else arguments.steps,
        strength=arguments.strength,
        side=arguments.size or LONGEST_SIDE,
        seed=arguments.seed,
    )
    layer = arguments.layer or network.anatomy.cam_layer
    channels = _numbers(arguments.channels) if arguments.channels else None
    found = deep_dream(
        network, open_image(Path(arguments.image)), layer, channels=channels, depth=depth, progress=progress
    )
    path = Path(arguments.out) / f"{file_name(layer)}-{file_name(Path(arguments.image).stem)}.png"
    write(path, png(found.image, repeats=True))
    return {"layer": layer, "before": found.before, "after": found.after, "file": str(path)}


def _of_run(arguments: argparse.Namespace, network: Network, layer: str, output: Output) -> dict[str, Any]:
    """Returns what only a run can show: filters that its images never activate, and movement over its epochs."""
    from core.workflows.checkpoints import run_named
    from core.workflows.inspection.filter_history import filter_history, life_of_run

    run = run_named(arguments.reference, runs_dir=arguments.runs_dir)
    if run is None:
        if arguments.images:
            raise InputError(
                "Images to show to the filters belong to a run, and {name} is none.", name=arguments.reference
            )
        return {}
    record: dict[str, Any] = {}
    if arguments.images:
        seen = life_of_run(
            run,
            network,
            layer,
            images=arguments.images,
            roots=roots(arguments),
            progress=lambda done, total: output.progress(f"image {done} of {total}", passing=True),
        )
        record["dead"] = {"filters": list(seen.dead), "images": seen.images, "judged": seen.judged, "cut": seen.cut}
    if (story := filter_history(run, layer, roots=roots(arguments))) is not None:
        motion = story.motion
        record["movement"] = {
            "epochs": list(motion.epochs),
            "mean": [float(row.mean()) for row in motion.moved],
            "largest": [float(row.max()) for row in motion.moved],
            "furthest": [list(pair) for pair in motion.furthest()],
        }
    return record


def _words(record: dict[str, Any]) -> list[str]:
    shape = " x ".join(map(str, record["shape"]))
    groups, nothing, lengths = record["duplicates"], record["near_zero"], record["lengths"]
    lines = [
        f"{record['layer']}: {record['shape'][0]} filters, weights {shape}",
        f"lengths {lengths['smallest']:.3g} to {lengths['largest']:.3g}, half of them below {lengths['median']:.3g}",
        f"nearly nothing: {len(nothing)}" + (f" ({', '.join(map(str, nothing[:12]))})" if nothing else ""),
        f"groups of the same: {len(groups)}"
        + (f" ({'; '.join(' = '.join(map(str, group[:6])) for group in groups[:6])})" if groups else ""),
        f"opposites: {len(record['opposites'])}",
    ]
    if record["broken"]:
        lines.append(f"weights that are no finite numbers: {record['broken']}")
    if "dead" in record:
        dead = record["dead"]
        lines.append(f"never active on {dead['images']} images: {len(dead['filters'])}")
    if "movement" in record:
        moved = record["movement"]
        lines.append(f"moved by {moved['mean'][-1]:.2%} on average until epoch {moved['epochs'][-1]}")
    return lines


def _dream_words(record: dict[str, Any]) -> list[str]:
    if "pictures" not in record:
        return [f"{record['layer']} answers {record['after']:.4g} instead of {record['before']:.4g}: {record['file']}"]
    cells = [
        (
            row["label"],
            f"{row['reached']:.4g}",
            f"{row['noise']:.4g}",
            f"{row['noise_most']:.4g}",
            Path(row["file"]).name,
        )
        for row in record["pictures"]
    ]
    return table(cells, ("channel", "reached", "noise", "noise at most", "file"))


def _numbers(text: str | None) -> list[int]:
    """Reads numbers and ranges, such as ``0-15,40``."""
    found: list[int] = []
    for part in (text or "").split(","):
        match = re.fullmatch(r"\s*(\d+)(?:\s*-\s*(\d+))?\s*", part)
        if match is None:
            raise InputError(
                "{text} is not a list of channels. Write numbers and ranges, such as 0-15,40.", text=repr(text)
            )
        first, last = int(match[1]), int(match[2] or match[1])
        if last - first >= 4096:
            raise InputError("{text} names too many channels.", text=repr(text))
        found += range(first, last + 1)
    return found


def _place(text: str | None) -> Place:
    if text is None:
        return None
    if text == "centre":
        return "centre"
    match = re.fullmatch(r"(\d+),(\d+)", text)
    if match is None:
        raise InputError("The place {place} is not known. Choose centre, or a row and a column.", place=repr(text))
    return int(match[1]), int(match[2])


def _median(values: NDArray[np.floating]) -> float:
    import numpy as np

    return float(np.median(values))


def add_filters(verb: argparse.ArgumentParser) -> None:
    """Adds the words of ``filters``."""
    verb.add_argument("reference", metavar="RUN|BACKBONE")
    verb.add_argument("--weights", choices=specs.WEIGHTS, default="default", help="for a backbone")
    verb.add_argument("--layer", metavar="NAME", help="a convolution; by default the first")
    verb.add_argument(
        "--limit", type=float, default=0.95, metavar="X", help="cosine from which two filters are the same"
    )
    verb.add_argument(
        "--images", type=int, default=0, metavar="N", help="show N of the run's images to find dead filters"
    )
    verb.add_argument("--within", action="append", metavar="DIR", help="refuse images outside this folder")
    verb.add_argument("--out", required=True, metavar="DIR")


def add_dream(verb: argparse.ArgumentParser) -> None:
    """Adds the words of ``dream``."""
    verb.add_argument("reference", metavar="RUN|BACKBONE")
    verb.add_argument("--weights", choices=specs.WEIGHTS, default="default", help="for a backbone")
    verb.add_argument("--layer", metavar="NAME", help="see: python -m core anatomy NAME")
    what = verb.add_mutually_exclusive_group()
    what.add_argument("--channels", metavar="A-B,C", help="channels of the layer, such as 0-15,40")
    what.add_argument(
        "--class", dest="classes", action="append", metavar="CLASS", help="name or index of a class (repeatable)"
    )
    verb.add_argument("--image", metavar="IMAGE", help="dream into this picture, of all channels or of --channels")
    verb.add_argument("--neuron", metavar="ROW,COLUMN|centre", help="one place of the channels instead of their mean")
    verb.add_argument(
        "--size", type=int, metavar="N", help="pixels a side (128), or the longest side with --image (320)"
    )
    verb.add_argument("--steps", type=int, metavar="N", help="steps of ascent (128), or at each size with --image (10)")
    verb.add_argument("--octaves", type=int, default=4, metavar="N", help="sizes, with --image")
    verb.add_argument("--strength", type=float, default=1.0, metavar="X", help="with --image")
    verb.add_argument("--seed", type=int, default=0, metavar="S")
    verb.add_argument("--out", required=True, metavar="DIR")
