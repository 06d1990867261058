"""Verbs about feature maps: draw them, and set two networks side by side."""

from __future__ import annotations

import argparse
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import specs
from core.cli.common.output import Output, attributes, share, table, write
from core.errors import InputError

if TYPE_CHECKING:
    from core.models.network import Network


def features(arguments: argparse.Namespace, output: Output) -> None:
    """Draws every channel of one layer, or of many, as one picture a layer; on demand the numbers, too."""
    from core.data.images import open_image, to_tensor
    from core.interpret.drawing.tile_sheets import feature_sheet, limits_of
    from core.interpret.features.activations import activations, channel_order, layer_stats, packed
    from core.workflows.checkpoints import network_named

    image = open_image(Path(arguments.image))
    network = network_named(arguments.reference, weights=arguments.weights, runs_dir=arguments.runs_dir)
    begin = time.perf_counter()
    maps = activations(network, to_tensor(image, network.preprocessing), _layers(arguments, network))
    limits = limits_of(maps.values()) if arguments.scale == "network" else None
    folder = Path(arguments.out)
    rows = []
    for number, (layer, values) in enumerate(maps.items()):
        stats = layer_stats(values)
        order = channel_order(values, arguments.sort) if arguments.sort else None
        path = folder / f"{number:03d}-{re.sub(r'[^A-Za-z0-9]+', '-', layer)}.png"
        drawn = feature_sheet(
            values if order is None else values[order],
            columns=arguments.columns,
            tile_px=arguments.tile,
            scale=arguments.scale,
            limits=limits,
        )
        write(path, drawn.png)
        rows.append(
            {
                "layer": layer,
                **attributes(stats, "channels", "height", "width", "sparsity"),
                **attributes(stats, "minimum", "maximum", "mean", "variance", "broken"),
                "order": order,
                "file": str(path),
            }
        )
    if arguments.npz:
        write(folder / "maps.npz", packed(maps))
    shown = [(r["layer"], r["channels"], f"{r['height']}x{r['width']}", share(r["sparsity"])) for r in rows]
    lines = [*table(shown, ("layer", "channels", "size", "at or below zero")), f"written to {folder}"]
    record = {"layers": rows, "seconds": time.perf_counter() - begin}
    output.result(record | ({"npz": str(folder / "maps.npz")} if arguments.npz else {}), lines)


def _layers(arguments: argparse.Namespace, network: Network) -> tuple[str, ...] | None:
    """Returns the layers asked for; ``None`` for all."""
    from core.interpret.layout import LAYER_KINDS, layers_of_kinds

    if arguments.all:
        return None
    if not arguments.kinds:
        return (arguments.layer or network.anatomy.cam_layer,)
    kinds = [kind for kind in arguments.kinds.split(",") if kind]
    for kind in kinds:
        if kind not in LAYER_KINDS:
            raise InputError(
                "There is no kind of layer {kind}. Choose from: {known}.", kind=kind, known=", ".join(LAYER_KINDS)
            )
    names = layers_of_kinds(network.anatomy, kinds)
    if not names:
        raise InputError("No layer of the kinds {kinds} keeps the picture's layout here.", kinds=", ".join(kinds))
    return names


def compare(arguments: argparse.Namespace, output: Output) -> None:
    """Sets two networks side by side on an image: answers, maps and their difference, weights, similarity of layers."""
    import numpy as np

    from core.data.images import open_image, to_tensor
    from core.interpret.features.activations import activations
    from core.interpret.probe import probabilities
    from core.workflows.checkpoints import network_named
    from core.workflows.inspection.network_comparison import same_build

    image = open_image(Path(arguments.image))
    names = (arguments.first, arguments.second)
    networks = [network_named(name, runs_dir=arguments.runs_dir) for name in names]
    begin = time.perf_counter()
    inputs = [to_tensor(image, network.preprocessing) for network in networks]
    same = same_build(*networks)
    layers = [arguments.layer or network.anatomy.cam_layer for network in networks]
    maps = [activations(network, x, [layer])[layer] for network, x, layer in zip(networks, inputs, layers, strict=True)]
    answers: list[dict[str, Any]] = []
    for name, network, x in zip(names, networks, inputs, strict=True):
        found = probabilities(network, x)[0]
        best = int(found.argmax()) if np.isfinite(found).all() else None  # damaged weights say nothing
        answers.append(
            {
                "network": name,
                "predicted": None if best is None else network.classes[best],
                "probability": None if best is None else float(found[best]),
            }
        )
    record: dict[str, Any] = {"same_build": same, "layers": layers, "answers": answers}
    lines = [
        f"{row['network']}: {row['predicted']} ({share(row['probability'])})"
        if row["predicted"] is not None
        else f"{row['network']}: its answer is not a number"
        for row in answers
    ]
    lines += _maps_of(arguments, maps, same, record)
    if same:
        lines += _weights(networks, record)
    if arguments.data:
        lines += _similarity(arguments, networks, output, record)
    record |= {"out": arguments.out, "seconds": time.perf_counter() - begin}
    output.result(record, [*lines, f"written to {arguments.out}"])


def _maps_of(arguments: argparse.Namespace, maps: list[Any], same: bool, record: dict[str, Any]) -> list[str]:
    """Draws both sides, with the difference where channels belong to each other; returns lines for a person."""
    from core.data.encoding import encoded
    from core.interpret.drawing.tile_sheets import comparison_sheet
    from core.interpret.features.similarity import against

    if arguments.channels < 1:
        raise InputError("{count} channels cannot be drawn. Choose 1 or more.", count=arguments.channels)
    out = Path(arguments.out)
    if not same:
        picture = comparison_sheet([part[: arguments.channels] for part in maps])
        write(out, encoded(picture, out))
        return ["Different networks: channels do not belong to each other, the first ones of each are drawn."]
    found = against(*maps)
    order = list(found.order[: arguments.channels])
    record["maps"] = {
        "channels": len(found.order),
        "drawn": order,
        "relative_difference": found.relative,
        "median_correlation": found.agreement,
        "unchanged_channels": found.same,
        "broken_channels": found.broken,
    }
    write(out, encoded(comparison_sheet([part[order] for part in maps], found.change[order]), out))
    difference = record["maps"]
    return [
        f"maps of {record['layers'][0]}: difference {share(difference['relative_difference'])} of their size, "
        f"{difference['unchanged_channels']} of {difference['channels']} channels unchanged"
    ]


def _weights(networks: list[Any], record: dict[str, Any]) -> list[str]:
    from core.workflows.inspection.network_comparison import moved

    rows = moved(*networks)
    record["weights"] = [
        {
            "layer": row.layer,
            "parameters": row.parameters,
            "relative": row.relative if row.relative < float("inf") else None,
            "statistics": row.statistics if row.statistics is None or row.statistics < float("inf") else None,
        }
        for row in rows
    ]
    still = sum(row.relative == 0.0 for row in rows)
    changed = [(row.layer, row.parameters, share(row.relative)) for row in rows if row.relative > 0]
    lines = [f"weights: {still} of {len(rows)} layers are the same to the last bit"]
    return [*lines, *table(changed[-12:], ("layer", "parameters", "change"))] if changed else lines


def _similarity(
    arguments: argparse.Namespace, networks: list[Any], output: Output, record: dict[str, Any]
) -> list[str]:
    import numpy as np

    from core.data.sources import open_dataset
    from core.workflows.inspection.channel_survey import chosen
    from core.workflows.inspection.network_comparison import similarity

    images = chosen(open_dataset(arguments.data), limit=arguments.images)

    def report(doing: str, done: int, total: int) -> None:
        output.progress(f"{doing} {done}/{total}", passing=True)

    found = similarity(networks[0], networks[1], images, budget=None, progress=report)
    values = [[float(value) if np.isfinite(value) else None for value in row] for row in found.values]
    record["cka"] = {"rows": found.rows, "columns": found.columns, "values": values, "images": found.images}
    if found.rows != found.columns:
        best = [
            (row, found.columns[int(np.nanargmax(line))], round(float(np.nanmax(line)), 3))
            for row, line in zip(found.rows, found.values, strict=True)
            if np.isfinite(line).any()
        ]
        return table(best, ("layer", "most alike", "CKA"))
    return table(
        [(name, round(float(value), 3)) for name, value in zip(found.rows, np.diagonal(found.values), strict=True)],
        ("layer", "CKA with itself"),
    )


_SORTS = ("mean", "maximum", "variance")
_SCALES = ("channel", "layer", "network")


def add_features(verb: argparse.ArgumentParser) -> None:
    """Adds what ``features`` takes."""
    verb.add_argument("reference", metavar="RUN|BACKBONE", help="a run at another moment: RUN@start, RUN@last, RUN@12")
    verb.add_argument("image", metavar="IMAGE")
    verb.add_argument("--weights", choices=specs.WEIGHTS, default="default", help="for a backbone")
    layers = verb.add_mutually_exclusive_group()
    layers.add_argument("--layer", metavar="NAME", help="by default the layer that heatmaps look at")
    layers.add_argument("--all", action="store_true", help="every layer that gives maps")
    layers.add_argument("--kinds", metavar="A,B,...", help="layers of these kinds: conv, activation, norm, pool, …")
    verb.add_argument("--sort", choices=_SORTS, help="channels by this figure of their maps, the largest first")
    verb.add_argument("--scale", choices=_SCALES, default="channel", help="what shares one scale of brightness")
    verb.add_argument("--columns", type=int, default=16, metavar="N", help="tiles a row")
    verb.add_argument("--tile", type=int, metavar="PX", help="side of a tile; by default the maps' own size")
    verb.add_argument("--npz", action="store_true", help="write the numbers, too: maps.npz, an array a layer")
    verb.add_argument("--out", required=True, metavar="DIR")


def add_compare(verb: argparse.ArgumentParser) -> None:
    """Adds what ``compare`` takes."""
    verb.add_argument("first", metavar="RUN_A", help="a run, RUN@start, RUN@last, RUN@12 (an epoch), or a backbone")
    verb.add_argument("second", metavar="RUN_B", help="likewise")
    verb.add_argument("image", metavar="IMAGE")
    verb.add_argument("--layer", metavar="NAME", help="by default the layer that heatmaps look at")
    verb.add_argument("--channels", type=int, default=16, metavar="N", help="how many that differ most are drawn")
    verb.add_argument("--data", metavar="PATH|NAME", help="images to compare the layers by (CKA)")
    verb.add_argument("--images", type=int, default=64, metavar="N", help="how many of them, at most")
    verb.add_argument("--out", required=True, metavar="FILE.png")
