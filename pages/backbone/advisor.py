"""The advisor: which recipe fits these images, and why; and below it the ranking of backbones."""

from __future__ import annotations

from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from core.runs import launch
from core.specs import DataSpec, ModelSpec
from pages.backbone import ranking_panel
from pages.ui.augmentation import presets
from pages.ui.kit import clicks, components, nav, style
from pages.ui.kit.page_states import busy, empty
from pages.ui.runs import queue_panel
from pages.ui.session import caches, choices
from pages.ui.text import display_names
from pages.ui.text.i18n import N_, _, translate_error

if TYPE_CHECKING:
    from core.messages import Sentence
    from core.workflows.advisor.advice import Advice

RECIPES = {
    ("large", "similar"): N_("Head first, then the last stages"),
    ("large", "different"): N_("Everything learns"),
    ("small", "similar"): N_("The head alone"),
    ("small", "different"): N_("Stage after stage"),
}
"""What is done in each of the four situations, in a few words."""


_BOTH = "bl.advice.both"
"""Ids of the two runs that were started last: the advisor's and the notes'."""


def draw(spec: ModelSpec, data: DataSpec | None) -> None:
    """Draws the advice for the chosen network and images, and the ranking of backbones on them.

    Args:
        spec: The chosen network and weights.
        data: The chosen images; ``None`` before any were chosen.
    """
    style.send("advisor.css")
    components.section(
        _("What to do with your images"), _("From their number, and how like the pretraining's they are.")
    )
    if data is None:
        empty(
            _("No images chosen yet"),
            _("The advisor looks at your images and names a recipe; it also ranks backbones before any training."),
            action=_("Choose images"),
            target="data",
            icon="lightbulb",
        )
        return
    try:
        with busy(_("Looking through the images …"), 200):
            anchored = caches.anchored(data)
            advice = _think(spec, anchored)
    except InputError as error:
        components.note(translate_error(error))
        return
    with st.container(key="bl-wrap-advice"):
        left, right = st.columns([1, 1.25], gap="large")
    with left:
        _grid(advice)
    with right:
        st.html(f'<p class="bl-reason">{escape(" ".join(_said(sentence) for sentence in advice.reason))}</p>')
        _buttons(spec, anchored, advice)
        items = "".join(f"<li>{escape(_said(sentence))}</li>" for sentence in advice.evidence)
        st.html(f'<ul class="bl-evidence">{items}</ul>')
    _notes(spec, anchored, advice)
    _why()
    ranking_panel.draw(spec, anchored)


def _think(spec: ModelSpec, data: DataSpec) -> Advice:
    """Returns the advice, from what was measured so far."""
    from core.workflows.advisor.advice import advise
    from core.workflows.advisor.dataset_facts import dataset_facts
    from core.workflows.jobs.ranking import latest

    found = latest(data, model=spec)
    row = found.find(spec) if found is not None else None
    scores = row.scores if row is not None else None
    dataset = caches.divided(data)
    plain = caches.remember("facts", (data, spec), lambda: dataset_facts(dataset, spec))
    facts = replace(plain, scores=scores)
    stages = [stage.name for stage in caches.anatomy(spec).backbone_stages]
    return advise(facts, stages)


def _said(sentence: Sentence) -> str:
    return _(sentence.template).format(**sentence.values)


def _grid(advice: Advice) -> None:
    """Draws the four situations with the person's own marked."""
    cells = ["<b></b>", *(f'<b class="bl-column">{escape(t)}</b>' for t in (_("Like the pretraining's"), _("Unlike")))]
    rows = {"small": _("Few images"), "large": _("Many images")}
    for size, title in rows.items():
        cells.append(f"<b>{escape(title)}</b>")
        for kind in ("similar", "different"):
            mark, tone = "", ""
            if advice.size == size and advice.kind == kind:
                mark, tone = _("you are here"), "bl-here"
            elif advice.size == size and advice.kind == "":
                mark, tone = _("here, or beside it"), "bl-maybe"
            line = f"<span>{escape(mark)}</span>" if mark else ""
            cells.append(f'<div class="{tone}">{escape(_(RECIPES[size, kind]))}{line}</div>')
    st.html(f'<div class="bl-advice" role="img" aria-label="{escape(_place(advice))}">{"".join(cells)}</div>')
    components.note(_place(advice))


def _place(advice: Advice) -> str:
    """Says where in the four situations the person stands."""
    if advice.kind == "random":
        return _(
            "The four situations are about pretrained weights. Yours are random, so everything learns from scratch."
        )
    few = advice.size == "small"
    if advice.kind == "":
        return (
            _("Few images. Whether they are like the pretraining's is not measured yet.")
            if few
            else _("Many images. Whether they are like the pretraining's is not measured yet.")
        )
    if advice.kind == "similar":
        return _("Few images, like the pretraining's.") if few else _("Many images, like the pretraining's.")
    return _("Few images, unlike the pretraining's.") if few else _("Many images, unlike the pretraining's.")


def _buttons(spec: ModelSpec, data: DataSpec, advice: Advice) -> None:
    """Draws the recipe's button and, where it is not known yet, the one that measures the likeness."""
    chosen = _is_chosen(spec, advice)
    with st.container(horizontal=True, vertical_alignment="center", key="bl-advice-buttons"):
        label = _("This recipe is chosen") if chosen else _("Use this recipe")
        if clicks.button(
            label,
            type="primary",
            icon=":material/check:" if chosen else ":material/auto_fix_high:",
            disabled=chosen,
            key="bl-advice-use",
        ):
            use(spec, advice)
            st.rerun()
        if chosen:
            nav.link("train", _("Go and train"), icon=":material/arrow_forward:")
    components.note(
        _("{recipe}: {epochs} epochs, augmentation {augment}.").format(
            recipe=display_names.preset(advice.preset), epochs=advice.epochs, augment=_augmentation(advice.strength)
        )
    )
    if advice.kind == "random":
        return
    ranking_panel.progress(data, alone=True)
    if ranking_panel.live(data):
        return
    if advice.kind == "" and clicks.button(
        _("Measure how like they are"),
        icon=":material/straighten:",
        key="bl-advice-measure",
        help=_("Sends up to 200 training images through the frozen network once. Seconds, and no training."),
    ):
        from core.workflows.advisor.dataset_facts import sample_size

        ranking_panel.start(data, (spec,), sample_size(len(caches.divided(data).classes)))
        st.rerun()


def _notes(spec: ModelSpec, data: DataSpec, advice: Advice) -> None:
    """Draws what the notes advise in this situation, why it differs, and the button that trains both ways."""
    from core.workflows.advisor.notes_advice import both, notes_advice

    anatomy = caches.anatomy(spec)
    notes = notes_advice(advice, [stage.name for stage in anatomy.backbone_stages])
    if notes is None:
        return
    with st.container(border=True, key="bl-notes-advice"):
        st.html(f"<b>{escape(_said(notes.says))}</b> {escape(_said(notes.differs))}")
        if notes.same:
            return
        with st.container(horizontal=True, vertical_alignment="center"):
            if clicks.button(
                _("Train both ways"),
                icon=":material/compare_arrows:",
                key="bl-notes-both",
                help=_("Two trainings with the same images, changes, seed and epochs, one after the other."),
            ):
                try:
                    pair = both(data, caches.normalised(spec, data), advice, notes, caches.anatomy(spec))
                    runs = [launch.start(one, roots=caches.roots(), owner=queue_panel.owner()) for one in pair]
                except InputError as error:
                    components.note(translate_error(error))
                    return
                choices.choose_run(runs[0].id)
                st.session_state[_BOTH] = tuple(run.id for run in runs)
            started = st.session_state.get(_BOTH)
            if started:
                nav.link("runs", _("See both in Runs"), icon=":material/arrow_forward:", run=started[0])


def _augmentation(strength: str) -> str:
    return {"none": _("none"), "basic": _("basic"), "strong": _("strong")}[strength]


def _is_chosen(spec: ModelSpec, advice: Advice) -> bool:
    choice = choices.train_choice()
    plan = choices.freeze()
    return (
        choice.preset == advice.preset
        and choice.epochs == advice.epochs
        and choice.augment == advice.augment
        and choice.gradual == advice.gradual
        and replace(plan, norm="eval") == advice.freeze
        and (advice.preset != "scratch" or spec.weights == "none")
    )


def use(spec: ModelSpec, advice: Advice) -> None:
    """Fills a piece of advice in: freeze plan, recipe, epochs and augmentation.

    Args:
        spec: The chosen network.
        advice: What the advisor recommends.
    """
    if advice.preset == "scratch" and spec.weights != "none":
        choices.set_model(replace(spec, weights="none"))
    choices.set_freeze(replace(advice.freeze, norm=choices.freeze().norm))
    presets.read_again(advice.augment)
    choice = choices.train_choice()
    choices.set_train_choice(
        replace(
            choice,
            preset=advice.preset,
            epochs=advice.epochs,
            lr=None,
            augment=advice.augment,
            gradual=advice.gradual,
            stage_factors=(),
        )
    )


def _why() -> None:
    components.why(
        _(
            "Few images can train only few values before they are learned by heart. And features that tell your "
            "classes apart as they are need no change, while features from other kinds of pictures do. The likeness is "
            "the mean of two measured shares: how far nearest neighbours by frozen features beat naming the largest "
            "class, and how much of your labels the network's own classes already tell (LEEP, against the labels' "
            "entropy). From 65 %\u00a0on images count as similar, from 500 training images a class on as many; both "
            "lines are conventions."
        ),
        formula=r"\tfrac12\Big(\frac{a_{\text{kNN}}-a_0}{1-a_0}+1+\frac{\mathrm{LEEP}}{H(y)}\Big)",
        paper=(
            "Nguyen et al. 2020, LEEP: a new measure to evaluate transferability",
            "https://arxiv.org/abs/2002.12462",
        ),
        key="bl-advice-why",
    )
