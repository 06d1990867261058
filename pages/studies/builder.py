"""A study of one's own: what stays the same, which fields are varied over which values, the design, and the seeds."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from core.errors import InputError
from core.specs import Experiment
from core.specs.study import DESIGNS, MOST_SAMPLES, PRUNERS, Study
from core.workflows.studies import search
from pages.studies import factor_fields, launching, words
from pages.ui.kit import components, form_fields, nav
from pages.ui.kit.page_states import broken, busy, empty
from pages.ui.plan import experiment_plan
from pages.ui.session import caches, choices
from pages.ui.text import display_names
from pages.ui.text.i18n import N_, _, translate_error

MOST_SEEDS = 20
BASES = {"plan": N_("What Train would train now"), "run": N_("The chosen run")}
ABOUT = {
    "grid": N_("Every combination of the values."),
    "random": N_("Settings drawn by lot, each value on its own: ranges and many fields cost no more."),
    "sobol": N_("Settings spread evenly over all fields at once, where lots would leave holes."),
    "optuna": N_(
        "Each setting is picked after the validation accuracy of those before (TPE): a search for a good one."
    ),
}


def draw() -> None:
    """Draws the choices, what they come to, and the button."""
    base = _base()
    if base is None:
        return
    left, right = st.columns([1.5, 1], gap="large")
    with right:
        design, samples, seeds, pruner = _design()
    with left:
        factors, refused = factor_fields.draw(base, ranges=design != "grid")
    if design == "optuna" and not search.available():
        components.note(_("Optuna is not installed here: pip install -r requirements-optuna.txt"))
        return
    if refused is not None:
        broken(_("This is no study yet"), translate_error(refused), icon="report", tone="warn")
        return
    if not factors and (design != "grid" or len(seeds) < 2):
        components.note(_("Pick what is varied: a field, and two values or more; or nothing, and two seeds or more."))
        return
    if not factors:
        components.note(_("Nothing is varied yet: as it stands, one recipe is trained once with each seed."))
    name = st.text_input(
        _("Name"), max_chars=60, placeholder=words.usual_name(base), **form_fields.words("bl-studies-name")
    )
    try:
        study = Study(
            base, factors, design, samples, seeds, (name or "").strip() or words.usual_name(base), pruner=pruner
        )
    except InputError as error:
        broken(_("This is no study yet"), translate_error(error), icon="report", tone="warn")
        return
    launching.draw(study, key="bl-studies-start")


def _base() -> Experiment | None:
    """Draws what stays the same; returns it, or ``None`` with the reason drawn."""
    run = choices.run_experiment()
    kind = "plan"
    if run is not None:
        kind = form_fields.choice(_("What stays the same"), BASES, "bl-studies-base", default="plan")
    if kind == "plan" and choices.data() is None:
        empty(
            _("No images chosen yet"),
            _("A study varies a training, which needs images. Choose a built-in set or your own folder first."),
            action=_("Choose images"),
            target="data",
            icon="photo_library",
        )
        return None
    try:
        with busy(_("Looking through images and network …"), height=60):
            found = run if kind == "run" and run is not None else _planned()
    except InputError as error:
        broken(_("This does not fit together yet"), translate_error(error), icon="report", tone="warn")
        return None
    with st.container(horizontal=True, vertical_alignment="center", key="bl-studies-base-row"):
        components.note(_told(found))
        if kind == "plan":
            nav.link("train", _("Change it on Train"))
    training = replace(found.training, acts=(), precisions=(), processes=1)
    return replace(found, name="", series="", training=training)


def _planned() -> Experiment:
    choice = choices.train_choice().own
    dataset = caches.divided(choices.chosen_data())
    anatomy = caches.anatomy(experiment_plan.network(choice), len(dataset.classes))
    found = experiment_plan.experiment(choice, experiment_plan.recipe(choice, anatomy))
    experiment_plan.check(found, anatomy)
    return found


def _told(found: Experiment) -> str:
    return _("{data} · {network}, {weights} · {recipe}, {epochs} epochs").format(
        data=display_names.data(found.data.source),
        network=display_names.backbone(found.model.backbone),
        weights=display_names.weights(found.model.weights),
        recipe=display_names.preset(found.training.preset),
        epochs=found.training.epochs,
    )


def _design() -> tuple[str, int, tuple[int, ...], str]:
    """Draws the design, how many settings it picks, the seeds, and what ends a setting early."""
    titles = {name: words.DESIGNS[name] for name in DESIGNS}
    design = form_fields.choice(_("Design"), titles, "bl-studies-design", default="grid", wrap=True)
    components.note(_(ABOUT[design]))
    samples = 16
    if design != "grid":
        key = "bl-studies-samples"
        bound = form_fields.number(key, 16, 2, MOST_SAMPLES)
        samples = int(st.number_input(_("Settings drawn"), 2, MOST_SAMPLES, step=1, **bound))
    pruner = "none"
    if design == "optuna":
        pruner = form_fields.choice(
            _("Pruner"),
            {name: words.PRUNERS[name] for name in PRUNERS},
            "bl-studies-pruner",
            default="median",
            help=_(
                "Ends a setting after an epoch in which its validation accuracy lies below the median of those before."
            ),
        )
    seeds = int(
        st.number_input(
            _("Seeds a setting"),
            1,
            MOST_SEEDS,
            step=1,
            help=_("Other first weights and another order of the images; three at least say what is chance."),
            **form_fields.number("bl-studies-seeds", 3, 1, MOST_SEEDS),
        )
    )
    return design, samples, tuple(range(seeds)), pruner
