"""Verbs that look inside a network."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.output import Output, share, write
from core.cli.shared import method_settings
from core.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

    from core.interpret.attribution import Explanation
    from core.models.network import Network

_ROOM = 150  # pixels that the longest title takes


def explain(arguments: argparse.Namespace, output: Output) -> None:
    """Makes a heatmap, or several side by side, and lays it over the image as the network saw it."""
    from core.data.images import fit, open_image, to_tensor
    from core.interpret.attribution import METHODS, explain_many
    from core.interpret.render import draw_heatmap, png
    from core.lab.moments import network_named

    image = open_image(Path(arguments.image))
    network = network_named(arguments.reference, weights=arguments.weights, runs_dir=arguments.runs_dir)
    begin = time.perf_counter()
    names = _methods(arguments, network)
    found = explain_many(
        network,
        to_tensor(image, network.preprocessing),
        names,
        target=_class_index(arguments.target, network.classes),
        against=_class_index(arguments.against, network.classes),
        layer=arguments.layer,
        settings=method_settings(arguments.setting),
        progress=lambda done, total: output.progress(f"{done} of {total} passes", passing=True),
    )
    picture = fit(image, network.preprocessing)
    drawn = [draw_heatmap(picture, found[name].heatmap, opacity=arguments.opacity) for name in names]
    path = Path(arguments.out)
    write(path, png(drawn[0] if len(names) == 1 else _beside(drawn, [METHODS[name].title for name in names])))
    rows = [_record(network, found[name]) for name in names]
    record = {**rows[0], "seconds": time.perf_counter() - begin, "out": str(path)}
    if len(names) > 1:
        record["maps"] = rows
    lines = [f"predicted: {record['predicted']} ({share(record['probability'])})"]
    for row in rows:
        rather = f" rather than {row['against']}" if row["against"] is not None else ""
        where = f" at {row['layer']}" if row["layer"] else ""
        lines.append(f"{row['method']} for {row['target']}{rather}{where}: {path}")
        if row["empty"]:
            lines.append("Nothing in the image speaks for this class at this layer: the map is empty.")
    if arguments.metrics:
        from core.cli.trust import add_metrics

        add_metrics(
            network,
            to_tensor(image, network.preprocessing),
            found,
            rows,
            lines,
            output,
            settings=method_settings(arguments.setting),
        )
        record |= {"metrics": rows[0]["metrics"]}
    output.result(record, lines)


def _methods(arguments: argparse.Namespace, network: Network) -> list[str]:
    """Returns the methods asked for: one, a list, or ``all`` that work on the network."""
    from core.interpret.attribution import METHODS

    if arguments.methods == "all":
        return [row.id for row in METHODS.values() if row.unavailable(network) is None]
    listed = [arguments.method] if arguments.methods is None else arguments.methods.split(",")
    names = list(dict.fromkeys(name.strip() for name in listed if name.strip()))
    if not names:
        raise InputError("No method is named. See: python -m core methods.")
    if arguments.layer and not any(name not in METHODS or METHODS[name].needs_layer for name in names):
        raise InputError(
            "{method} looks at the picture itself, not at a layer. Choose another method.",
            method=", ".join(METHODS[name].title for name in names),
        )
    return names


def _record(network: Network, found: Explanation) -> dict[str, Any]:
    heat = found.heatmap
    return {
        "predicted": network.classes[found.predicted],
        "probability": float(found.probabilities[found.predicted]),
        "target": network.classes[heat.target],
        "target_probability": float(found.probabilities[heat.target]),
        "against": None if heat.against is None else network.classes[heat.against],
        "method": heat.method,
        "layer": heat.layer,
        "empty": heat.empty,
    }


def _beside(pictures: list[Image.Image], titles: list[str]) -> Image.Image:
    """Places pictures of one size in rows, each with its title; small ones are enlarged to leave it room."""
    from PIL import Image, ImageDraw

    across = min(6, len(pictures))
    times = -(-_ROOM // pictures[0].width)
    size = (pictures[0].width * times, pictures[0].height * times)
    pictures = [picture.resize(size, Image.Resampling.NEAREST) for picture in pictures]
    wide, high = pictures[0].width + 8, pictures[0].height + 24
    sheet = Image.new("RGB", (across * wide + 8, -(-len(pictures) // across) * high + 8), "white")
    pen = ImageDraw.Draw(sheet)
    for place, (picture, title) in enumerate(zip(pictures, titles, strict=True)):
        left, top = place % across * wide + 8, place // across * high + 8
        sheet.paste(picture, (left, top))
        pen.text((left, top + picture.height + 4), title.replace("×", "x"), fill="black")  # the font knows Latin
    return sheet


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
