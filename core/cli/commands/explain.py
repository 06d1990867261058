"""Verbs that look inside a network."""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.common.helpers import method_settings
from core.cli.common.output import Output, attributes, duration, share, table, write
from core.errors import InputError

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from core.interpret.attribution.explain import Explanation, Heatmap
    from core.models.network import Network
    from core.runs.store import Run

MANY_PASSES, LONG_SECONDS = 20, 5.0
"""Passes from which on one is timed, and seconds from which on the person is told beforehand."""
_TITLE_PX = 150  # pixels that the longest title takes
_TRUST = {"trust": "trust it", "partly": "trust it in part", "not": "do not trust it"}


def explain(arguments: argparse.Namespace, output: Output) -> None:
    """Makes a heatmap, or several side by side, and lays it over the image as the network saw it."""
    from core.data.encoding import check_ending, encoded
    from core.data.images import fit, open_image, to_tensor
    from core.interpret.attribution.explain import METHODS, explain_many
    from core.interpret.drawing.overlay import draw_heatmap
    from core.interpret.target import class_index
    from core.workflows.checkpoints import network_named

    path = Path(arguments.out)
    check_ending(path)
    image = open_image(Path(arguments.image))
    network = network_named(arguments.reference, weights=arguments.weights, runs_dir=arguments.runs_dir)
    run = _learner(arguments) if arguments.nearest is not None else None
    begin = time.perf_counter()
    names, left_out = _methods(arguments, network)
    target, against = (
        None if name is None else class_index(name, network.classes) for name in (arguments.target, arguments.against)
    )
    x = to_tensor(image, network.preprocessing)
    _announce(network, x, names, arguments, output)
    found = explain_many(
        network,
        x,
        names,
        target=target,
        against=against,
        layer=arguments.layer,
        settings=method_settings(arguments.setting),
        progress=lambda done, total: output.progress(f"{done} of {total} passes", passing=True),
    )
    picture = fit(image, network.preprocessing)
    drawn = [draw_heatmap(picture, found[name].heatmap, opacity=arguments.opacity) for name in names]
    sheet = drawn[0] if len(names) == 1 else _beside(drawn, [METHODS[name].title for name in names])
    write(path, encoded(sheet, path))
    rows = [_record(network, found[name]) for name in names]
    record = {**rows[0], "seconds": time.perf_counter() - begin, "out": str(path)}
    if len(names) > 1:
        record["maps"] = rows
    if left_out:
        record["left_out"] = [{"method": name, "reason": reason} for name, reason in left_out.items()]
    lines = [f"predicted: {record['predicted']} ({share(record['probability'])})"]
    lines += [f"{name} is left out: {reason}" for name, reason in left_out.items()]
    for row in rows:
        rather = f" rather than {row['against']}" if row["against"] is not None else ""
        where = f" at {row['layer']}" if row["layer"] else ""
        by = " by captum" if row["served_by"] == "captum" else ""
        lines.append(f"{row['method']}{by} for {row['target']}{rather}{where}: {path}")
        if row["empty"]:
            lines.append("The image holds no evidence for this class at this layer: the map is empty.")
    if arguments.metrics:
        add_metrics(network, x, found, rows, lines, output, settings=method_settings(arguments.setting))
        record |= {"metrics": rows[0]["metrics"]}
    if run is not None:
        _add_nearest(run, arguments.nearest, network, image, record, lines, output)
    output.result(record, lines)


def _learner(arguments: argparse.Namespace) -> Run:
    """Returns the run whose training images are asked for."""
    from core.workflows.checkpoints import run_named

    run = run_named(arguments.reference, runs_dir=arguments.runs_dir)
    if run is None:
        raise InputError("{name} is a backbone, and learned from no images here. Name a run.", name=arguments.reference)
    return run


def _add_nearest(
    run: Run, count: int, network: Network, image: Image.Image, record: dict[str, Any], lines: list[str], output: Output
) -> None:
    """Adds the training images that the run's network finds most like the image."""
    from core.workflows.inspection.nearest import nearest_training_images

    found = nearest_training_images(
        run,
        network,
        [image],
        count=count,
        progress=lambda done, total: output.progress(f"{done} of {total} training images", passing=True),
    )
    near = [attributes(one, "key", "label", "cosine") for one in found.neighbours[0]]
    record["nearest"] = {"looked_at": found.looked_at, "of": found.of, "images": near}
    rows = [(one["key"], one["label"], f"{one['cosine']:.3f}") for one in near]
    lines += ["", *table(rows, (f"nearest of {found.looked_at} training images", "class", "cosine"))]


def _methods(arguments: argparse.Namespace, network: Network) -> tuple[list[str], dict[str, str]]:
    """Returns the methods asked for, and why some of several cannot work on the network.

    ``all`` stands for those that work. One that was asked for by itself is not left out: explaining says why not.
    """
    from core.interpret.attribution.explain import METHODS

    if arguments.methods == "all":
        return [row.id for row in METHODS.values() if row.unavailable(network) is None], {}
    listed = [arguments.method] if arguments.methods is None else arguments.methods.split(",")
    names = list(dict.fromkeys(name.strip() for name in listed if name.strip()))
    if not names:
        raise InputError("No method is named. See: python -m core methods.")
    if arguments.layer and not any(name not in METHODS or METHODS[name].needs_layer for name in names):
        raise InputError(
            "{method} looks at the picture itself, not at a layer. Choose another method.",
            method=", ".join(METHODS[name].title for name in names),
        )
    reasons = {name: METHODS[name].unavailable(network) for name in names if name in METHODS}
    left_out = {name: reason for name, reason in reasons.items() if reason is not None}
    remaining = [name for name in names if name not in left_out]
    return (remaining, left_out) if remaining else (names, {})


def _announce(network: Network, x: Tensor, names: Sequence[str], arguments: argparse.Namespace, output: Output) -> None:
    """Says beforehand how long the heatmaps will take, where that is more than some seconds; one pass is timed."""
    from core.interpret.attribution.explain import METHODS
    from core.interpret.probe import probabilities

    given = method_settings(arguments.setting)
    passes = 0
    for method in (METHODS[name] for name in names if name in METHODS):
        own = {setting.id for setting in method.settings}
        passes += method.cost({name: value for name, value in given.items() if name in own}, network.anatomy)
    if passes < MANY_PASSES:
        return
    probabilities(network, x)
    begin = time.perf_counter()
    probabilities(network, x)
    seconds = passes * (time.perf_counter() - begin)
    if seconds > LONG_SECONDS:
        output.progress(f"about {passes} passes through the network: about {duration(seconds)}")


def _record(network: Network, found: Explanation) -> dict[str, Any]:
    from core.interpret.attribution.explain import METHODS

    heat = found.heatmap
    return {
        "predicted": network.classes[found.predicted],
        "probability": float(found.probabilities[found.predicted]),
        "target": network.classes[heat.target],
        "target_probability": float(found.probabilities[heat.target]),
        "against": None if heat.against is None else network.classes[heat.against],
        "method": heat.method,
        "served_by": METHODS[heat.method].served_by,
        "layer": heat.layer,
        "empty": heat.empty,
    }


def _beside(pictures: list[Image.Image], titles: list[str]) -> Image.Image:
    """Places pictures of one size in rows, each with its title; small ones are enlarged to leave it room."""
    from PIL import Image, ImageDraw

    across = min(6, len(pictures))
    times = -(-_TITLE_PX // pictures[0].width)
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


def add_metrics(
    network: Network,
    x: Tensor,
    found: Mapping[str, Explanation],
    rows: Sequence[dict[str, Any]],
    lines: list[str],
    output: Output,
    *,
    settings: Mapping[str, int] | None = None,
) -> None:
    """Tests every map of ``explain``, and adds what came out to its records and lines.

    Args:
        network: The network.
        x: The image that was explained, 1xCxHxW.
        found: Method's id -> explanation.
        rows: The records, in the same order; each gets the key ``metrics``.
        lines: What a person reads; it grows.
        output: Shows progress.
        settings: The methods' settings that the maps were made with.
    """
    for (name, explanation), row in zip(found.items(), rows, strict=True):
        record, report = metrics(network, x, explanation.heatmap, output, settings=settings)
        row.update(record)
        lines += ["", f"{name}:", *report] if len(found) > 1 else report


def metrics(
    network: Network, x: Tensor, heat: Heatmap, output: Output, *, settings: Mapping[str, int] | None = None
) -> tuple[dict[str, Any], list[str]]:
    """Tests a heatmap and returns what came out, as a record and as lines.

    Args:
        network: The network.
        x: The image that was explained, 1xCxHxW.
        heat: Its heatmap.
        output: Shows progress.
        settings: The method's settings that the heatmap was made with.
    """
    from core.workflows.inspection.trust import trust
    from core.workflows.inspection.trust_verdict import verdict

    if heat.empty:
        return {"metrics": None}, ["An empty map cannot be tested."]
    found = trust(
        network,
        x,
        heat,
        settings=settings,
        progress=lambda done, total: output.progress(f"testing: {done} of {total} passes", passing=True),
    )
    rows, record = [], {}
    for row in found.compared():
        record[row.metric.id] = {
            **attributes(row, "value", "random", "deviation", "beaten", "chance", "unlearned", "advantage"),
            "higher_is_better": row.metric.higher,
        }
        unlearned = "-" if row.unlearned is None else f"{row.unlearned:.4g}"
        better = "higher" if row.metric.higher else "lower"
        rows.append(
            (row.metric.title, f"{row.value:.4g}", f"{row.random:.4g} ± {row.deviation:.2g}", unlearned, better)
        )
    lines = ["", *table(rows, ("figure", "map", "random maps", "random weights", "better"))]
    if found.sensitivity is not None:
        lines.append(f"sensitivity {found.sensitivity:.3g} (unrelated maps {found.unrelated:.3g})")
    if found.likeness is not None:
        lines.append(f"with random weights: Spearman {found.likeness.spearman:.2f}, SSIM {found.likeness.ssim:.2f}")
    region = found.region
    lines.append(f"above the threshold (Otsu): {share(region.share)} of the picture, box {region.box}")
    judged = verdict(found)
    findings = judged.findings
    lines += ["", f"{_TRUST[judged.word]}: {judged.reason.sentence}"]
    lines += ["", *(f"{finding.sentence} {finding.evidence}" for finding in findings)]
    records = [
        {"id": r.id, "tone": r.tone, "sentence": str(r.sentence), "evidence": str(r.evidence), "advice": str(r.advice)}
        for r in findings
    ]
    likeness = None
    if found.likeness is not None:
        likeness = {"spearman": found.likeness.spearman, "ssim": _number(found.likeness.ssim)}
    rest = {
        "probability": found.probability,
        "sensitivity": _number(found.sensitivity),
        "unrelated": _number(found.unrelated),
        "likeness": likeness,
        "region": {"threshold": region.threshold, "box": region.box, "area": region.share, "heat": region.heat},
        "trust": judged.word,
        "verdict": records,
        "metric_seconds": found.seconds,
    }
    return {"metrics": record | rest}, lines


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
