"""The verb that takes a network apart."""

from __future__ import annotations

import argparse
from pathlib import Path

from core.cli.common.output import Output, table, write
from core.specs import ModelSpec

_SHOWN = (
    "name",
    "type",
    "output",
    "kernel",
    "stride",
    "padding",
    "groups",
    "parameters",
    "formula",
    "macs",
    "receptive_size",
    "receptive_jump",
)


def anatomy(arguments: argparse.Namespace, output: Output) -> None:
    """Prints a network's stages and layers; writes the table of layers to a file where one is asked for."""
    from core.models.anatomy_cache import blueprint
    from core.models.layer_table import layer_rows, to_csv, to_excel, totals

    spec = ModelSpec(arguments.name, image_size=arguments.image_size, channels=arguments.channels)
    found = blueprint(spec, arguments.classes)
    for place, writer in ((arguments.csv, to_csv), (arguments.excel, to_excel)):
        if place:
            write(Path(place), writer(found))
    rows = layer_rows(found)
    stages = [
        (
            stage.name,
            "-" if stage.spatial is None else f"{stage.spatial[0]}x{stage.spatial[1]}",
            stage.channels or "-",
            len(stage.blocks),
            stage.parameters,
        )
        for stage in found.stages
    ]
    lines = [
        f"{arguments.name}: {found.channels} x {found.input_size} x {found.input_size} -> {found.num_classes} classes",
        f"{found.total:,} parameters, {found.macs:,} multiply-adds, {found.activation_bytes:,} bytes of activations",
        "",
        *table(stages, ("stage", "map", "channels", "blocks", "parameters")),
        "",
        *table([["" if row[key] is None else row[key] for key in _SHOWN] for row in rows], _SHOWN),
    ]
    lines += [f"written to {place}" for place in (arguments.csv, arguments.excel) if place]
    output.result({"anatomy": found.to_dict(), "rows": rows, "totals": totals(found)}, lines)
