"""Training curves that grow in place and stay light however long the run: some hundred points, the extremes included.

Drawn with Vega-Lite, whose data sets are replaced in the browser while the chart stays; a Plotly figure that changes is
drawn from nothing by Streamlit. What a chart shows is worked out once for all who watch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.ui.kit import charts
from pages.ui.kit.charts import ACCENT, HAIR, TRAIN, VAL
from pages.ui.session import caches
from pages.ui.text import i18n, number_format
from pages.ui.text.i18n import N_, _

if TYPE_CHECKING:
    from core.runs.journal import Journal

POINTS = 480
"""Epochs of a chart, at most: with two curves under 1,000 points reach the browser."""
POINTED = 80
"""Epochs up to which each has a point of its own."""
STEPS = 300
"""Points of the step curve, at most."""
LABELLED_PHASES = 8
"""Most phases whose names fit above a chart."""
SHORT = 60
"""Epochs up to which a chart shows the whole way from the start; a longer run's axis grows with it."""
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
    run: Any,
    status: dict[str, Any],
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
    asked = (status.get("epochs"), status.get("steps"), status.get("best_epoch"), tuple(marks), steps, height)
    spec = caches.remember(
        "curves",
        (run.id, measure, *(version if steps else (version[0], version[2])), asked, i18n.language()),
        lambda: chart(book, measure, status, marks=marks, steps=steps, height=height),
        entries=48,
    )
    text = sentence(book, measure)
    charts.show_growing(spec, key=key, alt=text)


def pair(run: Any, status: dict[str, Any], *, key: str, marks: Sequence[Mark] = (), steps: bool = False) -> None:
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
    status: dict[str, Any],
    *,
    marks: Sequence[Mark] = (),
    steps: bool = False,
    height: int = 290,
) -> dict[str, Any]:
    """Returns the chart of one measure as a Vega-Lite specification; see :func:`draw`.

    What grows stands in its data sets alone: a browser that has the chart takes in new points without drawing it from
    nothing, as long as the axes hold.
    """
    known, best = MEASURES[measure], status.get("best_epoch")
    lines = _lines(book, known)
    titles = {name: _(known.title) if name == "only" else charts.split_label(name) for name in lines}
    rows = _rows(book, list(lines.values()), best)
    pointed = len(rows) <= POINTED
    curve = _step_curve(book, known, status) if steps and known.step else {"epoch": [], "value": []}
    shown = {name: line[rows] for name, line in lines.items()}
    values = [value for line in (*shown.values(), curve["value"]) for value in line]
    done = int(book.epochs.last.get("epoch", 0))
    return {
        "datasets": {
            "epochs": table(epoch=book.epochs.column("epoch")[rows], **shown),
            "steps": table(**curve),
            "best": table(**_best(book, known, lines, best)),
            "phases": table(
                epoch=[epoch - 0.5 for epoch, _name in _starts(book)],
                text=[charts.phase_label(name) for _epoch, name in _starts(book)],
            ),
            "marks": table(epoch=[mark.epoch for mark in marks], text=[mark.text for mark in marks]),
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
        "encoding": {"x": epoch_axis(done, int(status.get("epochs") or 0)), "y": _y_axis(known, values)},
    }


def _lines(book: Journal, known: Measure) -> dict[str, Any]:
    """Returns the values of each curve of a measure."""
    lines = {name: book.epochs.column(column) for name, column in known.columns}
    return {"only": lines["train"] - lines["val"]} if known.kind == "gap" else lines


def _rows(book: Journal, lines: list[Any], best: Any) -> Any:
    """Returns which epochs are drawn: the extremes, the best one, and both sides of a phase's beginning."""
    import numpy as np

    from core.runs.journal import thinned

    epochs = book.epochs.column("epoch")
    pinned = np.searchsorted(epochs, [*(first for first, _name in book.phases), best or 0])
    return thinned(lines, POINTS, keep=[*pinned, *(pinned - 1)])


def _starts(book: Journal) -> list[tuple[int, str]]:
    return book.phases if len(book.phases) > 1 else []


def _step_curve(book: Journal, known: Measure, status: dict[str, Any]) -> dict[str, Any]:
    """Returns the thin curve of single steps, on the scale of epochs."""
    from core.runs.journal import thinned

    per_epoch = (status.get("steps") or 0) / (status.get("epochs") or 1)
    line = book.steps.column(known.step)
    rows: Any = thinned([line], STEPS) if per_epoch else []
    return {"epoch": book.steps.column("step")[rows] / (per_epoch or 1), "value": line[rows]}


def _best(book: Journal, known: Measure, lines: dict[str, Any], best: Any) -> dict[str, list[float]]:
    """Returns the best epoch's place on the validation curve."""
    epochs = book.epochs.columns.get("epoch", ())
    if best and "val" in lines and known.kind != "gap" and best in epochs:
        return {"epoch": [float(best)], "value": [float(lines["val"][list(epochs).index(best)])]}
    return {"epoch": [], "value": []}


def table(**columns: Any) -> bytes:
    """Returns columns as Arrow bytes: numbers in four bytes, as a screen needs no more."""
    import numpy as np
    import pyarrow as pa

    arrays = {
        name: pa.array(values, pa.string()) if name == "text" else pa.array(np.asarray(values, dtype=np.float32))
        for name, values in columns.items()
    }
    table = pa.table(arrays)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


# --- its layers -------------------------------------------------------------------------------------------------------


def line_layer(
    data: str, titles: Mapping[str, str], colours: Sequence[str], *, width: float, point: int = 0, legend: bool = True
) -> dict[str, Any]:
    """Returns curves, one a column, as a layer of a Vega-Lite specification.

    Args:
        data: Name of their data set.
        titles: The columns, and what each is called, translated.
        colours: Of each.
        width: Of the lines, in pixels.
        point: Area of the point at each value, in square pixels; 0 for none.
        legend: Whether there is something to tell apart.
    """
    names = list(titles)
    words = "".join(f"datum.label === '{name}' ? {_quoted(title)} : " for name, title in titles.items()) + "datum.label"
    look = {"title": None, "orient": "top", "symbolType": "stroke", "symbolStrokeWidth": 3, "labelLimit": 400}
    dots = {"size": point, "filled": True} if point else False
    colour = {"field": "curve", "type": "nominal", "scale": {"domain": names, "range": list(colours)}}
    return {
        "data": {"name": data},
        "transform": [{"fold": names, "as": ["curve", "value"]}, {"filter": "isValid(datum.value)"}],
        "mark": {"type": "line", "strokeWidth": width, "clip": True, "point": dots},
        "encoding": {"color": colour | {"legend": {**look, "labelExpr": words} if legend else None}},
    }


def _step_layer(known: Measure) -> dict[str, Any]:
    """Returns the thin curve of single steps behind; of the rate it is the curve itself."""
    faint = known.kind != "rate"
    look = {"color": TRAIN if faint else ACCENT, "opacity": 0.35 if faint else 0.8, "strokeWidth": 1 if faint else 1.5}
    return {"data": {"name": "steps"}, "mark": {"type": "line", "clip": True, **look}}


def pointer_layer(data: str, titles: Mapping[str, str], form: str) -> dict[str, Any]:
    """Returns the hairline under the pointer, which shows the values of its epoch in a format of d3."""
    tips = [{"field": "epoch", "type": "quantitative", "title": _("Epoch"), "format": ",d"}]
    tips += [{"field": name, "type": "quantitative", "title": title, "format": form} for name, title in titles.items()]
    nearest = {"type": "point", "on": "pointerover", "nearest": True, "clear": "pointerout", "encodings": ["x"]}
    shown = {"condition": {"param": "under", "empty": False, "value": 0.8}, "value": 0}
    return {
        "data": {"name": data},
        "mark": {"type": "rule", "color": "#8A9599"},
        "params": [{"name": "under", "select": nearest}],
        "encoding": {"y": None, "opacity": shown, "tooltip": tips},
    }


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


def epoch_axis(done: int, epochs: int) -> dict[str, Any]:
    """Returns the horizontal axis of a chart over epochs; see :func:`reach`."""
    scale = {"domain": [0, reach(done, epochs)], "nice": False}
    axis = {"tickMinStep": 1, "format": ",d"}
    return {"field": "epoch", "type": "quantitative", "title": _("Epoch"), "scale": scale, "axis": axis}


def _y_axis(known: Measure, values: list[float]) -> dict[str, Any]:
    """Returns the vertical axis; its ends are round, so that they seldom move."""
    found = [float(value) for value in values if math.isfinite(value)]
    axis: dict[str, Any] = {"tickCount": 5}
    scale: dict[str, Any] = {"nice": False}
    if known.kind == "share":
        scale["domain"], axis["format"] = [0, 1.03], ".0%"
        axis["values"] = [0, 0.25, 0.5, 0.75, 1]
    elif known.kind == "gap":
        scale["domain"] = [-_round_up(-min(found, default=0.0)), max(0.1, _round_up(max(found, default=0.1)))]
        axis["format"] = ".0%"
    elif known.kind == "rate":
        high = max(found, default=1.0) or 1.0
        low = max(min((value for value in found if value > 0), default=high), high * 1e-4)
        scale |= {"type": "log", "domain": [10 ** math.floor(math.log10(low / 1.5)), _round_up(high * 1.2)]}
        axis["format"] = ".0e"
    else:
        scale["domain"] = [0, _round_up(1.02 * max(found, default=1.0))]
    return {"field": "value", "type": "quantitative", "title": _(known.title), "scale": scale, "axis": axis}


def _round_up(value: float) -> float:
    """Returns the next of 1, 1.5, 2, 3, 5 or 7 times a power of ten; 0 for what is not above it."""
    if value <= 0:
        return 0.0
    size = 10.0 ** math.floor(math.log10(value))
    return next((step * size for step in (1, 1.5, 2, 3, 5, 7) if value <= step * size), 10 * size)


def _quoted(text: str) -> str:
    """Returns a text as a Vega expression's string."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def reach(done: int, epochs: int) -> int:
    """Returns the last epoch of the axis: the run's own, or for a long run a round number somewhat ahead of it.

    Args:
        done: Epochs that are complete.
        epochs: Epochs that the run is meant to have; 0 where it is not known.
    """
    end = max(done, epochs, 1)
    if end <= SHORT or done >= end / 4:
        return end
    return min(end, round(_round_up(max(SHORT / 3, 1.25 * done))))
