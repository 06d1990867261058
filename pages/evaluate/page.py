"""Evaluate: how good a run is on images it did not learn from, and where it is wrong."""

from __future__ import annotations

from collections import Counter
from html import escape
from typing import Any

import streamlit as st

from core.errors import InputError
from core.runs.store import LIVE
from pages.ui.kit import charts, components, nav, page_states
from pages.ui.kit.components import Figure
from pages.ui.kit.tile_sheet import gallery
from pages.ui.kit.tiles import Tile
from pages.ui.runs import learning_curves, run_panel
from pages.ui.selection import image_picker, network_picker, subjects
from pages.ui.session import caches
from pages.ui.text import display_names as names
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _, _n, translate_error

SPLITS = {"test": N_("Test"), "val": N_("Validation"), "all": N_("All images")}
PAGE = 12
SIDE = 320


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
        return
    status = run.status()
    with right:
        _title(run, status)
    if status["state"] in LIVE:
        components.note(_("It is still training. Its figures are drawn here when it has ended."))
        run_panel.watch(run, key="bl-eval-live")
        components.next_step("train", _("Go to the training"), run=run.id)
        return
    run_panel.ended(run, status)
    found = _evaluations(run)
    if found:
        _judgement(run, found)
    if len(caches.journal(run).epochs):
        components.section(_("How it got there"))
        learning_curves.pair(run, status, key="bl-eval-curves", marks=run_panel.marks(run, status))
    if found:
        components.next_step("heatmaps", _("See where it looks"), run=run.id)
    elif not run.has_weights:
        components.next_step("train", _("Train again"))


def _title(run: Any, status: dict[str, Any]) -> None:
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
    if status.get("seconds"):
        parts.append(number_format.duration(status["seconds"]))
    words = " · ".join(f"<bdi>{escape(part)}</bdi>" for part in parts)
    st.html(f'<p class="bl-facts">{components.badge(status["state"])}<span>{words}</span></p>')


def _evaluations(run: Any) -> dict[str, Any]:
    """Returns what the run left behind, or what was judged here since; offers to judge where there is neither."""
    from core.workflows.evaluate import recorded

    try:
        stamp = (run.path / "predictions.parquet").stat().st_mtime_ns
    except OSError:
        stamp = 0
    found = caches.remember("recorded", (run.id, stamp), lambda: recorded(run), entries=16) if stamp else {}
    if found or not run.has_weights:
        return dict(found)
    key = (run.id, run.checkpoint.stat().st_mtime_ns)
    if not caches.known("judged", key):
        components.note(_("It was never judged on images it did not learn from. Its best weights still can be."))
        if not st.button(_("Judge the best weights"), type="primary", icon=":material/fact_check:", key="bl-judge"):
            return {}
    try:
        with page_states.busy(_("Judging the held-out images …")):
            judged = caches.remember("judged", key, lambda: _judge(run))
    except InputError as error:
        page_states.broken(_("It cannot be judged here"), translate_error(error), icon="folder_off", tone="warn")
        return {}
    return {judged.split: judged}


def _judge(run: Any) -> Any:
    from core.workflows.evaluate import evaluate

    return evaluate(run, roots=caches.roots())


def _judgement(run: Any, found: dict[str, Any]) -> None:
    order = [split for split in SPLITS if split in found]
    split = order[0]
    if len(order) > 1:
        counts = {name: found[name].scores.images for name in order}
        split = (
            st.segmented_control(
                _("Judged on"),
                order,
                default=order[0],
                key="bl-eval-split",
                required=True,
                persist_state="session",
                format_func=lambda s: f"{_(SPLITS[s])} · {counts[s]}",
                help=_(
                    "Test images were never used. Validation images chose the best epoch, so they flatter a little."
                ),
            )
            or order[0]
        )
    judged = found[split]
    _answer(judged)
    if "test" not in found:
        _no_test()
    with st.container(key="bl-wrap-judged"):
        left, right = st.columns([1, 1.1], gap="large")
    with left:
        _confusion(judged)
    with right:
        _per_class(judged)
    _mistakes(run, judged)


def _answer(judged: Any) -> None:
    """Draws the figures, each with what it is to be compared with."""
    scores = judged.scores
    right = round(scores.accuracy * scores.images)
    largest = max(scores.per_class, key=lambda row: row.support)
    components.metrics(
        [
            Figure(
                _("Accuracy"),
                number_format.percent(scores.accuracy),
                _("{k} of {n} right").format(k=right, n=scores.images),
                _("Share of the images that are classified right."),
            ),
            Figure(
                _("Baseline"),
                number_format.percent(scores.baseline),
                _("always naming {name}").format(name=largest.name),
                _("What you get without looking: the share of the largest class."),
            ),
            Figure(
                _("Balanced accuracy"),
                number_format.percent(scores.balanced_accuracy),
                _("each class counts the same"),
                _("Mean of the recalls of the classes that occur."),
            ),
            Figure(
                _("Mean F1"),
                number_format.percent(scores.macro_f1),
                _("over the classes"),
                _("F1 is the harmonic mean of precision and recall; here its mean over the classes that occur."),
            ),
            Figure(
                _("Log loss"),
                number_format.number(scores.log_loss),
                _("nats, lower is better"),
                _("Mean of −log p of the true class: it also punishes being sure and wrong."),
            ),
        ]
    )
    low, high = interval(right, scores.images)
    components.note(
        _("With {n} images the true accuracy lies between {low} and {high} (95\u00a0% Wilson interval).").format(
            n=scores.images, low=number_format.percent(low), high=number_format.percent(high)
        )
    )


def interval(right: int, images: int) -> tuple[float, float]:
    """Returns the 95 % confidence interval of a share (Wilson 1927, JASA 22, 209-212)."""
    from scipy.stats import binomtest

    found = binomtest(right, images).proportion_ci(0.95, method="wilson")
    return float(found.low), float(found.high)


def _no_test() -> None:
    subjects.callout(
        _(
            "This run has no test images. The validation images judged here also chose its best epoch, so the figures "
            "flatter it a little. Set a test share on the Data page to get a fair one."
        )
    )


def _confusion(judged: Any) -> None:
    components.section(_("What it takes for what"))
    matrix, classes = judged.scores.confusion, judged.predictions.classes
    shown = st.segmented_control(
        _("Show"),
        ["counts", "shares"],
        default="counts",
        key="bl-eval-matrix",
        required=True,
        format_func=lambda s: _("Counts") if s == "counts" else _("Shares of each true class"),
        label_visibility="collapsed",
        persist_state="session",
    )
    shares = shown == "shares"
    values = matrix / matrix.sum(axis=1, keepdims=True).clip(1) if shares else matrix
    chart = charts.confusion(values.tolist(), classes, normalised=shares)
    chart.update_traces(showscale=len(classes) > 15)  # smaller ones carry their figures
    chart.update_xaxes(constraintoward="left")
    charts.show(chart, key="bl-eval-confusion", alt=_confusion_words(judged))


def _confusion_words(judged: Any) -> str:
    pairs = _pairs(judged).most_common(1)
    classes = judged.predictions.classes
    if not pairs:
        return _("All images are on the diagonal: none is taken for another class.")
    (true, said), count = pairs[0]
    return _n(
        "Rows are true classes. Most often {true} is taken for {said}: {n} image.",
        "Rows are true classes. Most often {true} is taken for {said}: {n} images.",
        count,
    ).format(true=classes[true], said=classes[said], n=count)


def _pairs(judged: Any) -> Counter[tuple[int, int]]:
    predictions = judged.predictions
    said = predictions.probabilities.argmax(axis=1)
    return Counter((int(t), int(p)) for t, p in zip(predictions.labels, said, strict=True) if t != p)


def _per_class(judged: Any) -> None:
    import pandas as pd

    components.section(_("Class by class"))
    rows = judged.scores.per_class
    table = pd.DataFrame(
        {
            "name": [row.name for row in rows],
            "precision": [100 * row.precision for row in rows],
            "recall": [100 * row.recall for row in rows],
            "f1": [100 * row.f1 for row in rows],
            "support": [row.support for row in rows],
        }
    )

    def share(title: str, help_: str) -> Any:
        return st.column_config.ProgressColumn(
            title, help=help_, format="%.1f %%", min_value=0.0, max_value=100.0, width="small"
        )

    st.dataframe(
        table,
        hide_index=True,
        key="bl-eval-classes",
        height=min(36 * (len(rows) + 1) + 2, 560),
        column_config={
            "name": st.column_config.TextColumn(_("Class")),
            "precision": share(_("Precision"), _("Of the images called so, the share that is so.")),
            "recall": share(_("Recall"), _("Of the images that are so, the share called so.")),
            "f1": share(_("F1"), _("Harmonic mean of precision and recall.")),
            "support": st.column_config.NumberColumn(_("Images"), help=_("Images that are so."), width=70),
        },
    )
    weakest = min((row for row in rows if row.support), key=lambda row: row.f1)
    words = _("Weakest class: {name}, with an F1 of {f1}.") if weakest.f1 < 1 else _("No class is ever missed.")
    components.note(words.format(name=weakest.name, f1=number_format.percent(weakest.f1)))


# --- mistakes --------------------------------------------------------------------------------------------------------


def _mistakes(run: Any, judged: Any) -> None:
    """Draws the most confident mistakes with their pictures; without any, the least sure answers."""
    wrong = judged.predictions.mistakes()
    if not wrong:
        components.section(
            _("No mistakes"), _("All {n} images are right. These were the least sure.").format(n=judged.scores.images)
        )
        rows = [int(row) for row in judged.predictions.probabilities.max(axis=1).argsort()[:PAGE]]
        _pictures(run, judged, rows)
        return
    components.section(_("Worst mistakes"), _("The surest first. Click a picture to see where the network looked."))
    rows = _filtered(judged, wrong)
    pages = -(-len(rows) // PAGE)
    key = f"bl-eval-page-{judged.split}-{len(rows)}"
    page = min(int(st.session_state.get(key) or 1), pages)
    _pictures(run, judged, rows[(page - 1) * PAGE : page * PAGE])
    if pages > 1:
        st.pagination(pages, key=key)


def _filtered(judged: Any, wrong: list[int]) -> list[int]:
    """Draws the choice of one kind of mistake, where there are several, and returns its rows."""
    pairs = _pairs(judged).most_common(30)
    if len(pairs) < 2:
        return wrong
    classes, said = judged.predictions.classes, judged.predictions.probabilities.argmax(axis=1)
    names = {f"{true}-{taken}": (true, taken, count) for (true, taken), count in pairs}
    if st.session_state.get("bl-eval-kind") not in ("", *names):
        st.session_state["bl-eval-kind"] = ""

    def label(kind: str) -> str:
        if not kind:
            return _("All {n} mistakes").format(n=len(wrong))
        true, taken, count = names[kind]
        return _("{true} taken for {said} · {n}").format(true=classes[true], said=classes[taken], n=count)

    kind = st.selectbox(
        _("Mistakes"),
        ["", *names],
        key="bl-eval-kind",
        format_func=label,
        persist_state="session",
        label_visibility="collapsed",
        width=420,
    )
    if not kind:
        return wrong
    true, taken, _count = names[kind]
    return [row for row in wrong if judged.predictions.labels[row] == true and said[row] == taken]


def _pictures(run: Any, judged: Any, rows: list[int]) -> None:
    predictions = judged.predictions
    try:
        dataset = image_picker.reopened(run)
    except InputError as error:
        components.note(translate_error(error))
        components.note(_("The figures above are kept with the run and stay true."))
        _names(judged, rows)
        return
    place = caches.remember(
        "places", (run.id,), lambda: {item.key: index for index, item in enumerate(dataset.items)}, entries=4
    )
    tiles, keys, gone = [], [], 0
    for row in rows:
        key = predictions.keys[row]
        image = _thumbnail(run, dataset, place, key)
        if image is None:
            gone += 1
            continue
        said = int(predictions.probabilities[row].argmax())
        share = number_format.percent(float(predictions.probabilities[row, said]))
        true, called = predictions.classes[predictions.labels[row]], predictions.classes[said]
        quiet = _("right") if true == called else _("is {name}").format(name=true)
        alt = _("{true}, called {said} with {share}: {key}").format(true=true, said=called, share=share, key=key)
        tiles.append(Tile(image, f"{called} · {share}", quiet, alt))
        keys.append(key)
    small = all(tile.image.startswith(b"\x89PNG") for tile in tiles)  # only small pictures are encoded so
    picked = None
    if tiles:
        help_ = _("See where it looked")
        picked = gallery(tiles, key="bl-eval-mistakes", size=168, help=help_, pixelated=small)
    if gone:
        components.note(
            _n("{n} picture is not there any more.", "{n} pictures are not there any more.", gone).format(n=gone)
        )
    if picked is not None:
        nav.go("heatmaps", run=run.id, image=keys[picked])


def _thumbnail(run: Any, dataset: Any, place: dict[str, int], key: str) -> bytes | None:
    if key not in place:
        return None
    try:
        return caches.remember(
            "mistakes", (run.id, key), lambda: caches.encoded(dataset.load(place[key]), SIDE), entries=256
        )
    except InputError:
        return None


def _names(judged: Any, rows: list[int]) -> None:
    """Lists mistakes by name, where the pictures have gone."""
    import pandas as pd

    predictions = judged.predictions
    said = predictions.probabilities.argmax(axis=1)
    table = pd.DataFrame(
        {
            "key": [predictions.keys[row] for row in rows],
            "true": [predictions.classes[predictions.labels[row]] for row in rows],
            "said": [predictions.classes[said[row]] for row in rows],
            "share": [float(predictions.probabilities[row, said[row]]) for row in rows],
        }
    )
    st.dataframe(
        table,
        hide_index=True,
        key="bl-eval-names",
        column_config={
            "key": _("Picture"),
            "true": _("Is"),
            "said": _("Taken for"),
            "share": st.column_config.NumberColumn(_("Probability"), format="percent"),
        },
    )


if __name__ == "__main__":
    from pages.ui.shell.app import run

    run()
