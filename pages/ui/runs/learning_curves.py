"""Training curves that grow in place and stay light however long the run: some hundred points, the extremes included.

What a chart shows is worked out once for all who look at it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

from core.runs.status import RunStatus
from pages.ui.kit import charts, growing_chart
from pages.ui.kit.charts import ACCENT, HAIR, TRAIN, VAL
from pages.ui.kit.growing_chart import arrow, epoch_axis, line_layer, pointer_layer, round_up
from pages.ui.session import caches
from pages.ui.text import i18n, number_format
from pages.ui.text.i18n import N_, _

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.runs.journal import Journal
    from core.runs.store import Run

POINTS = 480
"""Epochs of a chart, at most: with two curves under 1,000 points reach the browser."""
POINTED = 80
"""Epochs up to which each has a point of its own."""
STEPS = 300
"""Points of the step curve, at most."""
LABELLED_PHASES = 8
"""Most phases whose names fit above a chart."""
FLOORS = {0.98: 4, 0.95: 5, 0.9: 5, 0.8: 4, 0.5: 5}
"""Where the axis of a share may begin -> how many equal steps it then has."""
LOW = 250
"""Pixels below which a chart has no room for them: it has two."""
COLOURS = {"train": TRAIN, "val": VAL, "only": ACCENT}
FORMATS = {"share": ".1%", "gap": ".1%", "loss": ".3f", "rate": ".3~g"}


@dataclass(frozen=True, slots=True)
class Measure:
    """Something that is measured each epoch.

    Attributes:
        title: Its name.
        columns: Its curves (``train``, ``val`` or ``only``) and their columns in ``metrics.jsonl``.
        step: Its column in the step curve.
        kind: ``share``, ``gap``, ``loss``, ``rate`` or ``plain``.
        help: What it is.
    """

    title: str
    columns: tuple[tuple[str, str], ...]
    step: str = ""
    kind: str = "share"
    help: str = ""


MEASURES = {
    "accuracy": Measure(N_("Accuracy"), (("train", "train_accuracy"), ("val", "val_accuracy")), "accuracy"),
    "loss": Measure(N_("Loss"), (("train", "train_loss"), ("val", "val_loss")), "loss", "loss"),
    "lr": Measure(N_("Learning rate"), (("only", "lr"),), "lr", "rate"),
    "balanced": Measure(
        N_("Balanced accuracy"),
        (("val", "val_balanced_accuracy"),),
        help=N_("Mean over the classes of the share classified right: rare classes count as much as frequent ones."),
    ),
    "f1": Measure(
        N_("F1"),
        (("val", "val_f1"),),
        help=N_("Mean over the classes of the F1 score, which asks both how many are found and how many are right."),
    ),
    "gap": Measure(
        N_("Training less validation accuracy"),
        (("train", "train_accuracy"), ("val", "val_accuracy")),
        kind="gap",
        help=N_("Large when images are learned by heart."),
    ),
    "speed": Measure(N_("Images per second"), (("only", "images_per_second"),), kind="plain"),
    "seconds": Measure(N_("Seconds an epoch"), (("only", "seconds"),), kind="plain"),
}
CHOICE = ("balanced", "f1", "gap", "speed", "seconds")
"""What can be shown beside the rate."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened at a place of the curve.

    Attributes:
        epoch: Where, in epochs done.
        text: What, translated.
    """

    epoch: float
    text: str


def draw(
    run: Run,
    status: RunStatus,
    measure: str,
    *,
    key: str,
    marks: Sequence[Mark] = (),
    steps: bool = False,
    height: int = 290,
) -> None:
    """Draws one chart, and the line of text under it.

    Args:
        run: The run.
        status: Its status.
        measure: One of :data:`MEASURES`.
        key: The chart's key.
        marks: What a person changed.
        steps: Whether the curve of single steps is drawn behind.
        height: In pixels.
    """
    book = caches.journal(run)
    version = book.look()
    before = _before(book)
    asked = (status.epochs, status.steps, status.best_epoch, tuple(marks), steps, height, tuple(before.items()))
    spec = caches.remember(
        "curves",
        (run.id, measure, *(version if steps else (version[0], version[2])), asked, i18n.language()),
        lambda: chart(book, measure, status, marks=marks, steps=steps, height=height),
        entries=48,
    )
    text = sentence(book, measure)
    known = MEASURES[measure]
    low = share_floor(_with_before(_lines(book, known), known, before)) if known.kind == "share" else 0.0
    if before and any(column in before for _name, column in known.columns):
        text += " " + _("Epoch 0 is the network before training.")
    if low:
        text += " " + _("The axis begins at {value}.").format(value=number_format.percent(low))
    growing_chart.show(spec, key=key, alt=text)


def pair(run: Run, status: RunStatus, *, key: str, marks: Sequence[Mark] = (), steps: bool = False) -> None:
    """Draws accuracy and loss side by side."""
    with st.container(key=f"bl-wrap-{key}"):
        places = st.columns(2, gap="medium")
    for place, measure in zip(places, ("accuracy", "loss"), strict=True):
        with place:
            draw(run, status, measure, key=f"{key}-{measure}", marks=marks, steps=steps)


def sentence(book: Journal, measure: str) -> str:
    """Returns the line of text under a curve."""
    row, known = book.epochs.last, MEASURES[measure]
    if not row:
        return {"accuracy": _("Accuracy after each epoch."), "loss": _("Loss after each epoch.")}.get(measure) or _(
            "{what} after each epoch."
        ).format(what=_(known.title))
    values = {name: row.get(column) for name, column in known.columns}
    if measure == "accuracy":
        return _("Accuracy after epoch {n}: training {train}, validation {val}.").format(
            n=row["epoch"], train=number_format.percent(values["train"]), val=number_format.percent(values["val"])
        )
    if measure == "loss":
        return _("Loss after epoch {n}: training {train}, validation {val} nats.").format(
            n=row["epoch"], train=number_format.number(values["train"]), val=number_format.number(values["val"])
        )
    if known.kind == "gap":
        train, val = values["train"], values["val"]
        value = number_format.percent(None if train is None or val is None else train - val)
    else:
        value = (number_format.percent if known.kind == "share" else number_format.number)(next(iter(values.values())))
    return _("{what} after epoch {n}: {value}.").format(what=_(known.title), n=row["epoch"], value=value)


# --- a chart ----------------------------------------------------------------------------------------------------------


def chart(
    book: Journal,
    measure: str,
    status: RunStatus,
    *,
    marks: Sequence[Mark] = (),
    steps: bool = False,
    height: int = 290,
) -> dict[str, Any]:
    """Returns the chart of one measure as a Vega-Lite specification; see :func:`draw`.

    What grows stands in its data sets alone: a browser that has the chart takes in new points without drawing it from
    nothing, as long as the axes hold.
    """
    import numpy as np

    known, best = MEASURES[measure], status.best_epoch
    lines = _lines(book, known)
    titles = {name: _(known.title) if name == "only" else charts.split_label(name) for name in lines}
    rows = _rows(book, list(lines.values()), best)
    pointed = len(rows) <= POINTED
    curve = _step_curve(book, known, status) if steps and known.step else {"epoch": [], "value": []}
    before, epochs = _before(book), book.epochs.column("epoch")[rows]
    shown = {name: line[rows] for name, line in lines.items()}
    begun = _with_before(shown, known, before)
    if begun is not shown:
        epochs, shown = np.insert(epochs, 0, 0), begun
    values = [value for line in (*shown.values(), curve["value"]) for value in line]
    done = int(book.epochs.last.get("epoch", 0))
    return {
        "datasets": {
            "epochs": arrow(epoch=epochs, **shown),
            "steps": arrow(**curve),
            "best": arrow(**_best(book, known, lines, best)),
            "phases": arrow(
                epoch=[epoch - 0.5 for epoch, _name in _starts(book)],
                text=[charts.phase_label(name) for _epoch, name in _starts(book)],
            ),
            "marks": arrow(epoch=[mark.epoch for mark in marks], text=[mark.text for mark in marks]),
        },
        "height": height,
        "layer": [
            *([_step_layer(known)] if steps and known.step else []),
            line_layer(
                "epochs",
                titles,
                [COLOURS[name] for name in lines],
                width=2.5 if pointed else 1.8,
                point=30 if pointed else 0,
                legend=list(lines) != ["only"],
            ),
            pointer_layer("epochs", titles, FORMATS.get(known.kind, ",.3~g")),
            _best_layer(),
            *_phase_layers(labelled=len(book.phases) <= LABELLED_PHASES),
            _mark_layer(),
        ],
        "encoding": {
            "x": epoch_axis(done, status.epochs),
            "y": _y_axis(known, values, share_floor(_with_before(lines, known, before)), height),
        },
    }


def _lines(book: Journal, known: Measure) -> dict[str, NDArray[np.float64]]:
    """Returns the values of each curve of a measure."""
    lines = {name: book.epochs.column(column) for name, column in known.columns}
    return {"only": lines["train"] - lines["val"]} if known.kind == "gap" else lines


def _before(book: Journal) -> dict[str, float]:
    """Returns what the network was worth on the validation images before training."""
    from core.workflows.comparing.curves import judged_before

    return judged_before(book.epochs.path.parent)


def _with_before(
    lines: dict[str, NDArray[np.float64]], known: Measure, before: Mapping[str, float]
) -> dict[str, NDArray[np.float64]]:
    """Returns the curves with the value before training in front, where one of them has it."""
    import numpy as np

    first = {name: before.get(column, math.nan) for name, column in known.columns if known.kind != "gap"}
    if all(map(math.isnan, first.values())):
        return lines
    return {name: np.insert(line, 0, first[name]) for name, line in lines.items()}


def _rows(book: Journal, lines: list[NDArray[np.float64]], best: int | None) -> NDArray[np.intp]:
    """Returns which epochs are drawn: the extremes, the best one, and both sides of a phase's beginning."""
    import numpy as np

    from core.runs.journal import thinned

    epochs = book.epochs.column("epoch")
    pinned = np.searchsorted(epochs, [*(first for first, _name in book.phases), best or 0])
    return thinned(lines, POINTS, keep=[*pinned, *(pinned - 1)])


def _starts(book: Journal) -> list[tuple[int, str]]:
    return book.phases if len(book.phases) > 1 else []


def _step_curve(book: Journal, known: Measure, status: RunStatus) -> dict[str, Any]:
    """Returns the thin curve of single steps, on the scale of epochs."""
    from core.runs.journal import thinned

    per_epoch = status.steps / (status.epochs or 1)
    line = book.steps.column(known.step)
    rows: Any = thinned([line], STEPS) if per_epoch else []
    return {"epoch": book.steps.column("step")[rows] / (per_epoch or 1), "value": line[rows]}


def _best(
    book: Journal, known: Measure, lines: dict[str, NDArray[np.float64]], best: int | None
) -> dict[str, list[float]]:
    """Returns the best epoch's place on the validation curve."""
    epochs = book.epochs.columns.get("epoch", ())
    if best and "val" in lines and known.kind != "gap" and best in epochs:
        return {"epoch": [float(best)], "value": [float(lines["val"][list(epochs).index(best)])]}
    return {"epoch": [], "value": []}


# --- its layers -------------------------------------------------------------------------------------------------------


def _step_layer(known: Measure) -> dict[str, Any]:
    """Returns the thin curve of single steps behind; of the rate it is the curve itself."""
    faint = known.kind != "rate"
    look = {"color": TRAIN if faint else ACCENT, "opacity": 0.35 if faint else 0.8, "strokeWidth": 1 if faint else 1.5}
    return {"data": {"name": "steps"}, "mark": {"type": "line", "clip": True, **look}}


def _best_layer() -> dict[str, Any]:
    return {
        "data": {"name": "best"},
        "mark": {"type": "point", "shape": "circle", "size": 150, "color": VAL, "strokeWidth": 2.5, "filled": False},
        "encoding": {"tooltip": [{"field": "epoch", "type": "quantitative", "title": _("Best epoch"), "format": ",d"}]},
    }


def _phase_layers(*, labelled: bool) -> list[dict[str, Any]]:
    """Returns the hairlines where phases begin, with their names if there are not too many."""
    line = {
        "data": {"name": "phases"},
        "mark": {"type": "rule", "color": HAIR, "strokeDash": [2, 3]},
        "encoding": {"y": None},
    }
    words = {
        "data": {"name": "phases"},
        "mark": {
            "type": "text",
            "align": "left",
            "baseline": "bottom",
            "dx": 3,
            "dy": -3,
            "color": "#7B888D",
            "fontSize": 13,
        },
        "encoding": {"y": {"value": 0}, "text": {"field": "text", "type": "nominal"}},
    }
    return [line, words] if labelled else [line]


def _mark_layer() -> dict[str, Any]:
    """Returns what a person changed, as small triangles on the lower edge."""
    return {
        "data": {"name": "marks"},
        "mark": {
            "type": "point",
            "shape": "triangle-up",
            "filled": True,
            "size": 110,
            "color": ACCENT,
            "opacity": 1,
            "yOffset": -6,
        },
        "encoding": {
            "y": {"value": "height"},
            "tooltip": [{"field": "text", "type": "nominal", "title": _("Changed")}],
        },
    }


def share_floor(lines: Mapping[str, NDArray[np.float64]]) -> float:
    """Returns where the axis of a share begins: at 0, or near the lowest value where all lie far up."""
    lowest = min((float(value) for line in lines.values() for value in line if math.isfinite(value)), default=0.0)
    return next((floor for floor in FLOORS if floor <= lowest), 0.0)


def _y_axis(known: Measure, values: list[float], floor: float, height: int) -> dict[str, Any]:
    """Returns the vertical axis; its ends are round, so that they seldom move. Without values it has no figures."""
    found = [float(value) for value in values if math.isfinite(value)]
    axis: dict[str, Any] = {"tickCount": 5}
    scale: dict[str, Any] = {"nice": False}
    if known.kind == "share":
        steps = FLOORS.get(floor, 4) if height >= LOW else 2
        fine = (1 - floor) / steps < 0.01 or (floor, steps) == (0.95, 2)
        scale["domain"], axis["format"] = [floor, 1 + 0.03 * (1 - floor)], ".1%" if fine else ".0%"
        axis["values"] = [round(floor + (1 - floor) * step / steps, 4) for step in range(steps + 1)]
        axis["tickCount"] = len(axis["values"])  # of more values than that, Vega leaves out every other
    elif known.kind == "gap":
        scale["domain"] = [-round_up(-min(found, default=0.0)), max(0.1, round_up(max(found, default=0.1)))]
        axis["format"] = ".0%"
    elif known.kind == "rate":
        high = max(found, default=1.0) or 1.0
        low = max(min((value for value in found if value > 0), default=high), high * 1e-4)
        scale |= {"type": "log", "domain": [10 ** math.floor(math.log10(low / 1.5)), round_up(high * 1.2)]}
        axis["format"] = "~g"
    else:
        scale["domain"] = [0, round_up(1.02 * max(found, default=1.0))]
    if not found and known.kind != "share":
        axis |= {"labels": False, "ticks": False}
    return {"field": "value", "type": "quantitative", "title": _(known.title), "scale": scale, "axis": axis}
