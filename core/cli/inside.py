"""Verbs that look inside a network."""

from __future__ import annotations

import argparse
import re
import time
from pathlib import Path

from core.cli.output import Output, share, table
from core.errors import InputError


def explain(arguments: argparse.Namespace, output: Output) -> None:
    """Makes a heatmap and lays it over the image as the network saw it."""
    from core.data.images import fit, open_image, to_tensor
    from core.interpret.attribution import explain as attribute
    from core.interpret.render import draw_heatmap, png
    from core.lab.networks import load_network

    image = open_image(Path(arguments.image))
    network = load_network(arguments.reference, weights=arguments.weights, runs_dir=arguments.runs_dir)
    begin = time.perf_counter()
    target = _class_index(arguments.target, network.classes)
    x = to_tensor(image, network.preprocessing)
    found = attribute(network, x, arguments.method, target=target, layer=arguments.layer)
    heat = found.heatmap
    picture = draw_heatmap(fit(image, network.preprocessing), heat, opacity=arguments.opacity)
    path = Path(arguments.out)
    _write(path, png(picture))
    record = {
        "predicted": network.classes[found.predicted],
        "probability": float(found.probabilities[found.predicted]),
        "target": network.classes[heat.target],
        "target_probability": float(found.probabilities[heat.target]),
        "method": heat.method,
        "layer": heat.layer,
        "empty": heat.empty,
        "seconds": time.perf_counter() - begin,
        "out": str(path),
    }
    lines = [
        f"predicted: {record['predicted']} ({share(record['probability'])})",
        f"{heat.method} for {record['target']}" + (f" at {heat.layer}" if heat.layer else "") + f": {path}",
    ]
    if heat.empty:
        lines.append("Nothing in the image speaks for this class at this layer: the map is empty.")
    output.result(record, lines)


def features(arguments: argparse.Namespace, output: Output) -> None:
    """Draws every channel of one layer, or of all, as one picture a layer."""
    from core.data.images import open_image, to_tensor
    from core.interpret.activations import activations, layer_stats
    from core.interpret.render import feature_sheet
    from core.lab.networks import load_network

    image = open_image(Path(arguments.image))
    network = load_network(arguments.reference, weights=arguments.weights, runs_dir=arguments.runs_dir)
    begin = time.perf_counter()
    layers = None if arguments.all else (arguments.layer or network.anatomy.cam_layer,)
    maps = activations(network, to_tensor(image, network.preprocessing), layers)
    folder = Path(arguments.out)
    rows = []
    for number, (layer, values) in enumerate(maps.items()):
        stats = layer_stats(values)
        path = folder / f"{number:03d}-{re.sub(r'[^A-Za-z0-9]+', '-', layer)}.png"
        _write(path, feature_sheet(values).png)
        rows.append(
            {
                "layer": layer,
                "channels": stats.channels,
                "height": stats.height,
                "width": stats.width,
                "sparsity": stats.sparsity,
                "minimum": stats.minimum,
                "maximum": stats.maximum,
                "file": str(path),
            }
        )
    shown = [(r["layer"], r["channels"], f"{r['height']}x{r['width']}", share(r["sparsity"])) for r in rows]
    lines = [*table(shown, ("layer", "channels", "size", "at or below zero")), f"written to {folder}"]
    output.result({"layers": rows, "seconds": time.perf_counter() - begin}, lines)


def _class_index(name: str | None, classes: tuple[str, ...]) -> int | None:
    """Finds a class by its name, else by its index."""
    if name is None:
        return None
    if name in classes:
        return classes.index(name)
    if name.isdecimal() and int(name) < len(classes):
        return int(name)
    raise InputError(
        "There is no class {name}. There are {count}: {some}.",
        name=name,
        count=len(classes),
        some=", ".join(classes[:10]) + (", …" if len(classes) > 10 else ""),
    )


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise InputError("{path} cannot be written: {reason}.", path=path, reason=error.strerror) from error
