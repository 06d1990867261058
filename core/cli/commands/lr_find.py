"""The verb that looks for a learning rate before a training."""

from __future__ import annotations

import argparse
from typing import Any

from core.cli.common.helpers import gentle_stop, roots
from core.cli.common.output import Output
from core.errors import Cancelled

_BARS = " ▁▂▃▄▅▆▇█"


def find(arguments: argparse.Namespace, output: Output) -> int:
    """Runs a learning-rate range test with the data, network and plan of a training."""
    from core.cli.common.experiment_args import experiment as read_experiment
    from core.workflows.jobs.lr_finder import find_now

    stop_requested = [False]

    def request_stop() -> None:
        stop_requested[0] = True

    experiment = read_experiment(arguments)
    phase = int(arguments.phase) if arguments.phase.isdigit() else arguments.phase
    with gentle_stop(lambda: stop_requested[0], request_stop):
        try:
            found = find_now(
                experiment,
                phase,
                steps=arguments.steps,
                runs_dir=arguments.runs_dir,
                roots=roots(arguments),
                emit=lambda record: _show(record, output),
                stop=lambda: stop_requested[0],
            )
        except Cancelled:
            output.result({"state": "stopped"}, ["stopped"])
            return 1
    lines = [
        f"phase {found.phase}, {found.optimizer}, batch {found.batch}, {found.precision}"
        + (", on features computed once" if found.cached else ""),
        f"rates {found.rates[0]:g} to {found.rates[-1]:g} in {len(found.rates)} steps, {found.seconds:.1f} s"
        + (", ended as the loss exploded" if found.exploded else ""),
        _sketch(found.smoothed),
    ]
    if found.suggested is None:
        lines.append(found.reason)
    else:
        lines.append(
            f"suggested: {found.suggested:g} (falls fastest at {found.steepest:.1e}, middle of the fall "
            f"{found.valley:.1e}, a tenth of its end {found.tenth:.1e})"
        )
    output.result({"state": "finished", **found.as_record()}, lines)
    return 0


def _sketch(values: tuple[float, ...]) -> str:
    """Draws a curve in one line of text."""
    low, high = min(values), max(values)
    span = high - low or 1.0
    return "".join(_BARS[1 + round((value - low) / span * (len(_BARS) - 2))] for value in values)


def _show(record: dict[str, Any], output: Output) -> None:
    """Turns what goes on into a line of progress."""
    output.step(record, after=f", rate {record['rate']:.1e}, loss {record['loss']:.4f}" if "rate" in record else "")
