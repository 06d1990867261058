"""Evaluate: how good a run is on images it did not learn from, and where it is wrong."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from core.runs.status import LIVE, RunStatus
from pages.evaluate import against_view, confusion_chart, curves_view, figures_view, matrix_view, mistakes, slices_view
from pages.evaluate.closer import robustness_view, views_view
from pages.evaluate.confusion import draw_confusion, draw_per_class
from pages.ui.comparing import answers
from pages.ui.kit import clicks, components, form_fields, page_states
from pages.ui.kit.components import Figure
from pages.ui.runs import learning_curves, report_panel, run_panel
from pages.ui.selection import network_picker, subjects, view_strip
from pages.ui.session import address, caches
from pages.ui.text import display_names as names
from pages.ui.text import glossary, number_format
from pages.ui.text.i18n import N_, _, translate_error
from pages.ui.text.number_format import percent

if TYPE_CHECKING:
    from core.runs.store import Run
    from core.workflows.evaluate import Evaluation

VIEWS = {
    "overview": N_("Overview"),
    "figures": N_("All figures"),
    "curves": N_("Curves"),
    "slices": N_("Slices"),
    "changes": N_("Against another run"),
    "robustness": N_("Robustness"),
    "views": N_("Several views"),
    "matrix": N_("Matrix from elsewhere"),
}
WITH_ANSWERS = frozenset({"figures", "curves", "slices", "changes"})
"""Views of what a run answered."""
CLOSER = {"robustness": robustness_view.draw, "views": views_view.draw}
"""Views that ask its network anew."""
VIEW = address.Bound("view", kept="bl.evaluate.view")
SPLITS = {"test": N_("Test"), "val": N_("Validation"), "all": N_("All images")}


def render() -> None:
    """Draws the page."""
    subjects.begin("evaluate")
    with st.container(key="bl-wrap-title"):
        left, right = st.columns([1, 1.5], gap="large", vertical_alignment="bottom")
    with left:
        run = network_picker.run_picker("bl-eval-run", weights=False)
    if run is None:
        page_states.empty(
            _("Nothing to judge yet"),
            _("Train a network first; here you then see how often it is right, and on which pictures it is not."),
            action=_("Train one"),
            target="train",
            icon="fact_check",
        )
        matrix_view.draw()
        return
    status = run.status()
    with right:
        _title(run, status)
    if status.state in LIVE:
        components.note(_("It is still training. Its figures are drawn here when it has ended."))
        run_panel.monitor(run, key="bl-eval-live")
        components.next_step("train", _("Go to the training"), run=run.id)
        return
    run_panel.ended(run, status)
    found = _evaluations(run)
    others = answers.rivals(run) if found else []
    without = (frozenset() if found else WITH_ANSWERS) | (frozenset() if others else {"changes"})
    without |= frozenset() if run.has_weights else frozenset(CLOSER)
    view = view_strip.choose(VIEWS, VIEW, "bl-eval-view", without=without)
    if view == "matrix":
        matrix_view.draw()
    elif view == "changes":
        against_view.draw(run, others)
    elif view in CLOSER:
        CLOSER[view](run)
    elif found:
        _judgement(run, found, view)
    if view == "overview" and len(caches.journal(run).epochs):
        components.section(_("How it got there"))
        learning_curves.pair(run, status, key="bl-eval-curves", marks=run_panel.marks(run, status))
    if found and view == "overview":
        report_panel.draw(run)
    if found:
        components.next_step("heatmaps", _("See where it looks"), run=run.id)
    elif not run.has_weights:
        components.next_step("train", _("Train again"))


def _title(run: Run, status: RunStatus) -> None:
    """Says in one line what the run is."""
    try:
        spec = run.experiment
    except InputError as error:
        components.note(translate_error(error))
        return
    parts = [
        names.backbone(spec.model.backbone),
        names.weights(spec.model.weights),
        names.preset(spec.training.preset).lower(),
        names.data(spec.data.source),
    ]
    if status.seconds:
        parts.append(number_format.duration(status.seconds))
    words = f"{number_format.NBSP}· ".join(f"<bdi>{escape(part)}</bdi>" for part in parts)
    st.html(
        f'<p class="bl-facts">{components.badge(status.state)}{components.leaky(status.leaks)}<span>{words}</span></p>'
    )


def _evaluations(run: Run) -> dict[str, Evaluation]:
    """Returns what the run left behind, or what was judged here since; offers to judge where there is neither."""
    try:
        found = answers.recorded(run)
    except InputError as error:
        components.note(translate_error(error))
        found = {}
    if found or not run.has_weights:
        return dict(found)
    key = (run.id, run.checkpoint.stat().st_mtime_ns)
    if not caches.known("judged", key):
        components.note(_("It was never judged on images it did not learn from. Its best weights still can be."))
        if not clicks.button(_("Judge the best weights"), type="primary", icon=":material/fact_check:", key="bl-judge"):
            return {}
    try:
        with page_states.busy(_("Judging the held-out images …")):
            judged = caches.remember("judged", key, lambda: _judge(run))
    except InputError as error:
        page_states.broken(_("It cannot be judged here"), translate_error(error), icon="folder_off", tone="warn")
        return {}
    return {judged.split: judged}


def _judge(run: Run) -> Evaluation:
    from core.workflows.evaluate import evaluate

    return evaluate(run, roots=caches.roots())


def _judgement(run: Run, found: dict[str, Evaluation], view: str) -> None:
    order = [split for split in SPLITS if split in found]
    split = order[0]
    if len(order) > 1:
        counts = {name: found[name].scores.images for name in order}
        split = (
            form_fields.choice(
                _("Judged on"),
                order,
                "bl-eval-split",
                format_func=lambda s: f"{_(SPLITS[s])} · {counts[s]}",
                default=order[0],
                help=_(
                    "Test images were never used. Validation images chose the best epoch, so they flatter a little."
                ),
            )
            or order[0]
        )
    judged = found[split]
    if view == "figures":
        figures_view.draw(run, judged)
        return
    if view == "slices":
        slices_view.draw(run, judged)
        return
    if view == "curves":
        curves_view.draw(run, judged, found.get("val") if split != "val" else None)
        return
    _answer(judged)
    against_view.told(run, VIEW)
    leaks = run.recorded.leaks
    if leaks is not None and leaks.warning:
        subjects.callout(translate_error(leaks.warning), icon="water_drop")
    if "test" not in found:
        _no_test(run)
    marked = mistakes.shown_kind(judged)
    if len(judged.predictions.classes) > confusion_chart.CROWDED:
        draw_confusion(judged, marked=marked, pick=mistakes.show_kind)
        draw_per_class(judged)
    else:
        with st.container(key="bl-wrap-judged"):
            left, right = st.columns(2, gap="large")
        with left:
            draw_confusion(judged, marked=marked, pick=mistakes.show_kind)
        with right:
            draw_per_class(judged)
    mistakes.draw_mistakes(run, judged)


def _answer(judged: Evaluation) -> None:
    """Draws the figures, each with what it is to be compared with."""
    scores = judged.scores
    largest = max(scores.per_class, key=lambda row: row.support)
    right = _("{k} of {n} right").format(k=scores.right, n=scores.images)
    components.metrics(
        [
            _figure("accuracy", percent(scores.accuracy), right),
            _figure("baseline", percent(scores.baseline), _("always naming {name}").format(name=largest.name)),
            _figure("balanced accuracy", percent(scores.balanced_accuracy), _("each class counts the same")),
            Figure(_("Mean F1"), percent(scores.macro_f1), _("over the classes"), glossary.explain("f1")),
            _figure("log loss", number_format.number(scores.log_loss), _("nats, lower is better")),
        ]
    )
    low, high = scores.interval
    components.note(
        _("With {n} images the true accuracy lies between {low} and {high} (95\u00a0% Wilson interval).").format(
            n=scores.images, low=percent(low), high=percent(high)
        ),
        term="wilson interval",
    )


def _figure(term: str, value: str, note: str) -> Figure:
    return Figure(glossary.title(term), value, note, glossary.explain(term))


def _no_test(run: Run) -> None:
    text = _(
        "This run has no test images. The validation images judged here also chose its best epoch, so the figures "
        "flatter it a little."
    )
    subjects.callout(f"{text} {_fairer(run)}")


def _fairer(run: Run) -> str:
    """Returns what a person can do to get test images: data that bring their own split have no share to set."""
    try:
        listed = caches.listed(run.experiment.data)
    except InputError:
        listed = None
    if listed is not None and listed.presplit and {"train", "val"} <= {item.split for item in listed.items}:
        return _(
            "For a fair one put images that were not used into a folder named test beside train and val, with the same "
            "class folders, and train again."
        )
    return _("Set a test share on the Data page and train again to get a fair one.")
