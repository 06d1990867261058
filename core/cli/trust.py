"""How far a heatmap can be trusted, for ``explain --metrics``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from core.cli.output import Output, share, table

if TYPE_CHECKING:
    from torch import Tensor

    from core.interpret.attribution import Explanation, Heatmap
    from core.models.network import Network


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
        record, said = metrics(network, x, explanation.heatmap, output, settings=settings)
        row.update(record)
        lines += ["", f"{name}:", *said] if len(found) > 1 else said


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
    from core.lab.trust import trust
    from core.lab.verdict import verdict

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
            "value": row.value,
            "random": row.random,
            "deviation": row.deviation,
            "beaten": row.beaten,
            "chance": row.chance,
            "unlearned": row.unlearned,
            "advantage": row.advantage,
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
    remarks = verdict(found)
    lines += ["", *(f"{remark.sentence} {remark.evidence}" for remark in remarks)]
    said = [
        {"id": r.id, "tone": r.tone, "sentence": str(r.sentence), "evidence": str(r.evidence), "advice": str(r.advice)}
        for r in remarks
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
        "verdict": said,
        "metric_seconds": found.seconds,
    }
    return {"metrics": record | rest}, lines


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
