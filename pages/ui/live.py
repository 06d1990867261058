"""A run as it happens: progress, figures and curves that grow, and how it ended.

The training process writes its folder; this module only reads it, once a second, and only while the run is alive.
"""

from __future__ import annotations

import time
from html import escape
from typing import Any

import streamlit as st

from core.runs.store import ENDED, LIVE
from pages.ui import caches, charts, components, figures, nav
from pages.ui.components import Figure
from pages.ui.faces import broken, guarded
from pages.ui.i18n import N_, _

DOING = {
    "queued": N_("Waiting for the device"),
    "loading libraries": N_("Loading PyTorch"),
    "reading images": N_("Reading the images"),
    "building the network": N_("Building the network"),
    "downloading the weights": N_("Downloading the weights"),
    "computing features": N_("Computing the frozen backbone's features once"),
    "training": N_("Training"),
    "validating": N_("Validating"),
    "evaluating": N_("Judging the best weights"),
}
STEP_POINTS = 400
"""Most points of the step curve that are sent to the browser."""


def watch(run: Any, *, key: str) -> None:
    """Draws a run that is alive, renewed every second; the page is drawn anew once it has ended.

    Args:
        run: The :class:`core.runs.store.Run`.
        key: Stable start of the widgets' keys.
    """
    alive = run.state in LIVE
    st.fragment(_panel, run_every=1.0 if alive else None)(run, key, alive)


@guarded
def _panel(run: Any, key: str, was_alive: bool) -> None:
    status = run.status()
    if was_alive and status["state"] in ENDED:
        st.rerun()
    rows = caches.epochs_of(run)
    _head(run, status, key)
    _figures(status, rows)
    draw_curves(run, status, rows, key=key, steps=True)


def _head(run: Any, status: dict[str, Any], key: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key=f"bl-live-head-{key}"):
        st.html(
            f'<div class="bl-live-title">{components.badge(status["state"])}<b><bdi>{escape(run.name)}</bdi></b></div>',
            width="stretch",
        )
        stopping = status["state"] == "stopping"
        if st.button(
            _("Stopping …") if stopping else _("Stop, keep the best"), icon=":material/stop_circle:",
            key=f"{key}-stop", disabled=stopping or status["state"] not in LIVE,
            help=_("Ends after the step it is in. The best weights so far are kept and judged."),
        ):  # fmt: skip
            from core.runs.launch import stop

            stop(run)
            st.rerun(scope="fragment")
    share, text = _progress(status)
    st.progress(share, text=text)


def _progress(status: dict[str, Any]) -> tuple[float, str]:
    """Returns how far what is being done has come, and a sentence about it."""
    doing = str(status.get("doing") or "queued")
    words = _(DOING.get(doing, doing))
    ahead = int(status.get("ahead") or 0)
    if status["state"] == "queued" and ahead:
        return 0.0, _("{what}: {n} ahead").format(what=words, n=ahead)
    if doing == "training" and status.get("steps"):
        share = min(1.0, float(status.get("step") or 0) / float(status["steps"]))
        phase = charts.phase_label(str(status.get("phase") or ""))
        text = _("Epoch {epoch} of {epochs}, phase {phase}").format(
            epoch=max(1, int(status.get("epoch") or 1)), epochs=status.get("epochs"), phase=phase
        )
        eta = status.get("eta_seconds")
        return share, text + (_(", about {time} left").format(time=figures.duration(eta)) if eta else "")
    done, total = status.get("done") or 0, status.get("total") or 0
    if total:
        count = _("{done} of {total} images").format(done=figures.exact(done), total=figures.exact(total))
        if status.get("doing") == "downloading the weights":
            count = _("{done} of {total}").format(done=figures.size(done), total=figures.size(total))
        return min(1.0, done / total), f"{words}: {count}"
    return (1.0 if doing == "evaluating" else 0.0), words


def _figures(status: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    last = rows[-1] if rows else {}
    best = status.get("best_val_accuracy")
    done, epochs = len(rows), status.get("epochs")
    memory = status.get("memory_bytes")
    components.metrics(
        [
            Figure(_("Epochs"), figures.exact(done), _("of {n}").format(n=epochs) if epochs else ""),
            Figure(_("Validation accuracy"), figures.percent(last.get("val_accuracy")),
                   _("best {value}").format(value=figures.percent(best)) if best is not None else "",
                   _("Share of the held-out images that are classified right.")),
            Figure(_("Training accuracy"), figures.percent(last.get("train_accuracy"))),
            Figure(_("Speed"), figures.rate(status.get("images_per_second")), _("images/s")),
            Figure(_("Device"), str(status.get("device") or status.get("queue_device") or figures.DASH),
                   _("{size} in use").format(size=figures.size(memory)) if memory else ""),
            Figure(_("Running for"), figures.duration(_elapsed(status)), _("started {when}").format(
                when=figures.ago(status.get("started"))) if status.get("started") else ""),
        ],
        compact=True,
    )  # fmt: skip


def _elapsed(status: dict[str, Any]) -> float | None:
    begun = status.get("begun") or status.get("started")
    return (status.get("ended") or time.time()) - begun if begun else None


def draw_curves(
    run: Any, status: dict[str, Any], rows: list[dict[str, Any]], *, key: str, steps: bool = False, height: int = 260
) -> None:
    """Draws accuracy and loss side by side, with one line of text under each."""
    points = _step_points(run, status) if steps else {"loss": [], "accuracy": []}
    with st.container(key=f"bl-wrap-{key}"):
        places = st.columns(2, gap="medium")
    for place, measure in zip(places, ("accuracy", "loss"), strict=True):
        with place:
            chart = charts.curves(
                rows, measure, epochs=status.get("epochs"), steps=points[measure], best=status.get("best_epoch"),
                height=height,
            )  # fmt: skip
            charts.show(chart, key=f"{key}-{measure}", alt=curve_sentence(measure, rows))


def curve_sentence(measure: str, rows: list[dict[str, Any]]) -> str:
    """Returns the line of text under a curve."""
    if not rows:
        return _("Accuracy after each epoch.") if measure == "accuracy" else _("Loss after each epoch.")
    last = rows[-1]
    if measure == "accuracy":
        return _("Accuracy after epoch {n}: training {train}, validation {val}.").format(
            n=last["epoch"], train=figures.percent(last["train_accuracy"]), val=figures.percent(last["val_accuracy"])
        )
    return _("Loss after epoch {n}: training {train}, validation {val} nats.").format(
        n=last["epoch"], train=figures.number(last["train_loss"]), val=figures.number(last["val_loss"])
    )


def _step_points(run: Any, status: dict[str, Any]) -> dict[str, list[tuple[float, float]]]:
    """Returns the step curve on the scale of epochs, thinned to what a chart can show."""
    rows, _offset = run.steps()
    per_epoch = (status.get("steps") or 0) / (status.get("epochs") or 1)
    if not per_epoch:
        return {"loss": [], "accuracy": []}
    every = max(1, len(rows) // STEP_POINTS)
    thinned = rows[::every]
    return {
        measure: [(row["step"] / per_epoch, row[measure]) for row in thinned if row.get(measure) is not None]
        for measure in ("loss", "accuracy")
    }


def ended(run: Any, status: dict[str, Any]) -> None:
    """Draws how a run ended, where it did not simply finish: stopped, failed or interrupted."""
    kept = _("The best weights so far are kept and can be used.") if run.has_weights else None
    state = status["state"]
    if state == "failed":
        broken(_("This run failed"), message(status), kept=kept)
    elif state == "interrupted":
        broken(
            _("This run was interrupted"),
            _("Its process ended without a word: the machine went down, or somebody ended it. Train it again."),
            kept=kept, icon="bolt", tone="warn",
        )  # fmt: skip
    elif state == "stopped":
        broken(_("This run was stopped"), _("It ended before its last epoch, as asked."), kept=kept,
               icon="stop_circle", tone="warn")  # fmt: skip


def message(status: dict[str, Any]) -> str:
    """Returns why a run failed, in the person's language."""
    template = status.get("message_template")
    if template:
        try:
            return _(template).format(**status.get("message_values", {}))
        except (KeyError, IndexError):
            pass
    return str(
        status.get("message") or _("The run ended with an error that was not foreseen; its log has the details.")
    )


def result_figures(status: dict[str, Any]) -> list[Figure]:
    """Returns the figures of a run that has ended."""
    best = status.get("best_epoch")
    trainable, total = status.get("trainable_parameters"), status.get("total_parameters")
    test = status.get("test_accuracy")
    return [
        Figure(_("Validation accuracy"), figures.percent(status.get("val_accuracy") or status.get("best_val_accuracy")),
               _("best epoch {n}").format(n=best) if best else "",
               _("Share of the held-out images that are classified right.")),
        Figure(_("Test accuracy"), figures.percent(test), _("on images never used before") if test is not None else
               _("no test images")),
        Figure(_("Learned"), figures.count(trainable), _("of {n} parameters").format(n=figures.count(total)),
               _("{n} parameters").format(n=figures.exact(trainable))),
        Figure(_("Time"), figures.duration(status.get("seconds") or _elapsed(status)),
               _("{n} images/s").format(n=figures.rate(status.get("images_per_second")))),
    ]  # fmt: skip


def links(run: Any) -> None:
    """Draws the ways on from a run: judge it, look inside."""
    with st.container(horizontal=True, key="bl-ways"):
        nav.link("evaluate", _("How good, and where not"), run=run.id)
        nav.link("heatmaps", _("Where it looks"), run=run.id)
        nav.link("feature_maps", _("What each layer sees"), run=run.id)
