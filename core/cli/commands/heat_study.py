"""The verb that looks at the heatmaps of many pictures together."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from core.cli.common.helpers import gentle_stop, method_settings, roots
from core.cli.common.output import Output, attributes, share, table
from core.errors import InputError

if TYPE_CHECKING:
    from core.workflows.inspection.heatmap_study import Maps, Study


def heat_study(arguments: argparse.Namespace, output: Output) -> int:
    """Studies the heatmaps of a run's held-out pictures."""
    from core.workflows.checkpoints import network_named, run_named
    from core.workflows.images import reopen
    from core.workflows.inspection import heatmap_study as lab

    run = run_named(arguments.run, runs_dir=arguments.runs_dir)
    if run is None:
        raise InputError("A backbone held no pictures out, and {name} is one. Name a run.", name=arguments.run)
    stop_requested = [False]

    def request_stop() -> None:
        stop_requested[0] = True

    with gentle_stop(lambda: stop_requested[0], request_stop):
        made, maps = lab.study(
            network_named(arguments.run, runs_dir=arguments.runs_dir),
            reopen(run, roots=roots(arguments)),
            method=arguments.method,
            layer=arguments.layer,
            settings=method_settings(arguments.setting),
            of=arguments.of,
            most=lab.MAX_IMAGES if arguments.images is None else arguments.images,
            stop=lambda: stop_requested[0],
            progress=lambda done, total: output.progress(f"explaining: {done} of {total}", passing=True),
        )
    if not made.rows:
        output.result({"state": "stopped"}, ["stopped"])
        return 1
    _show(made, maps, output)
    return 0


def _show(made: Study, maps: Maps, output: Output) -> None:
    from core.workflows.inspection.heatmap_study import EVEN_BORDER, mean_of, outside

    rows, record = [], []
    for name in dict.fromkeys(row.target for row in made.rows):
        of_class = [place for place, row in enumerate(made.rows) if row.target == name]
        groups = sorted({row.group for row in made.rows if row.target == name and row.group is not None})
        for group in [None, *(groups if len(groups) > 1 else ())]:
            places = [place for place in of_class if group in (None, made.rows[place].group)]
            mean = mean_of(made.rows, maps, places)
            if mean is None:
                continue
            label = name if group is None else f"  group {group + 1}"
            rows.append(
                (label, mean.count, share(mean.right), share(mean.middle), share(mean.border), share(mean.inside))
            )
            figures = attributes(mean, "right", "middle", "border", "inside", "area")
            record.append({"class": name, "group": group, "images": mean.count, **figures})
    worst = [(made.rows[place].key, value) for place, value in outside(made, maps)[:10]]
    lines = table(rows, ("class", "images", "right", "middle quarter", "border", "on object"))
    lines += ["", f"Even heat would have 25 % in the middle quarter and {share(EVEN_BORDER)} at the border."]
    lines += ["", "most heat outside:", *(f"  {share(value)}  {key}" for key, value in worst)]
    result: dict[str, object] = {
        "state": "finished" if made.complete else "stopped",
        "method": made.method,
        "layer": made.layer,
    }
    result |= {"split": made.split, "images": len(made.rows), "seconds": made.seconds, "classes": record}
    output.result({**result, "outside": [{"key": key, "share": value} for key, value in worst]}, lines)
