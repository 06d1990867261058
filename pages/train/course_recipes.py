"""The runs of the course as ready recipes: what each does, sets and needs, and the slip that it avoids."""

from __future__ import annotations

from dataclasses import fields, replace
from html import escape
from typing import Any

import streamlit as st

from core.errors import InputError
from core.specs import AugmentSpec, Experiment, HeadSpec, ModelSpec, TrainingSpec
from pages.train import summary
from pages.ui.kit import components
from pages.ui.kit.page_states import broken
from pages.ui.session import caches, choices
from pages.ui.session.train_form import TrainChoice
from pages.ui.text import display_names
from pages.ui.text.i18n import _, _n, translate_error

KEPT = ("preset", "phases", "seed", "device")
"""What of a course's training is not taken over as it is."""


def draw(choice: TrainChoice, classes: int) -> tuple[TrainChoice, bool]:
    """Draws the runs of the course; returns the choice, and whether the picked run has just been taken.

    Args:
        choice: As it is.
        classes: Of the chosen images.
    """
    from core.training.course_recipes import COURSE

    choices.follow("bl-course", choice.course if choice.course in COURSE else next(iter(COURSE)))
    picked = st.selectbox(
        _("Run of the course"),
        list(COURSE),
        key="bl-course",
        format_func=lambda name: _(COURSE[name].title),
        help=_("The trainings that the course's notes tell of, with their own numbers."),
    )
    run = COURSE[picked]
    chosen = choice.preset == "course" and choice.course == run.id
    st.html(f'<p class="bl-course">{escape(_(run.description))}</p>')
    if not chosen:  # else all of it stands beside, under what will happen
        _sets(run, classes)
    if run.slip:
        components.note(_("A slip of the notes, avoided here: {slip}").format(slip=_(run.slip)))
    if not chosen:
        _needs(run, classes)
    taken = st.button(
        _("This recipe is chosen") if chosen else _("Use this recipe"),
        key="bl-course-use",
        disabled=chosen,
        icon=":material/check:" if chosen else ":material/school:",
    )
    if not chosen:
        components.note(_("Nothing changes before you use it. It brings its own network, head and parts that learn."))
    return (take(choice, run), True) if taken else (choice, False)


def take(choice: TrainChoice, run: Any) -> TrainChoice:
    """Fills a run of the course in: network, head, what learns, changed images and all about the training.

    Args:
        choice: As it is; its seed, device and name stay.
        run: A :class:`core.training.course_recipes.CourseRun`.
    """
    choices.set_model(run.model)
    choices.set_freeze(run.freeze)
    own = {f.name for f in fields(TrainChoice)}
    brought = {
        f.name: getattr(run.training, f.name) for f in fields(TrainingSpec) if f.name in own and f.name not in KEPT
    }
    return replace(
        choice,
        preset="course",
        course=run.id,
        phases=run.training.phases,
        augment=run.augment,
        gradual=(),
        stage_factors=(),
        **brought,
    )


def still(choice: TrainChoice) -> TrainChoice:
    """Returns the choice, as the person's own phases once another network took the place of the course's."""
    from core.training.course_recipes import COURSE

    run = COURSE.get(choice.course)
    if choice.preset == "course" and (run is None or run.model.backbone != choices.model().backbone):
        return replace(choice, preset="custom", course="")
    return choice


# --- what it sets and needs -------------------------------------------------------------------------------------------


def _sets(run: Any, classes: int) -> None:
    told = [_network(run.model)]
    try:
        planned = run.experiment(caches.anchored(choices.chosen_data()))
        told += [*_phases(planned, caches.anatomy(run.model, classes)), *summary.settings(planned)]
    except InputError as error:
        components.note(translate_error(error))
    told.append(_augmentation(run.augment))
    told.append(_("Batches of {n}.").format(n=run.training.batch_size))
    items = "".join(f"<li>{escape(line)}</li>" for line in told)
    st.html(f'<ul class="bl-settings">{items}</ul>')


def _network(spec: ModelSpec) -> str:
    return _("{network}, {weights}, head {head}.").format(
        network=display_names.backbone(spec.backbone),
        weights=display_names.weights(spec.weights),
        head=head_words(spec.head),
    )


def head_words(head: HeadSpec) -> str:
    """Says what a head is made of."""
    parts = ["Flatten"] if head.pool == "flatten" else []
    parts += [f"Linear({size})-ReLU" for size in head.hidden]
    return "-".join([*parts, *(["Dropout"] if head.dropout else []), "Linear"])


def _phases(planned: Experiment, anatomy: Any) -> list[str]:
    return [
        _("{phase}: {words}.").format(
            phase=display_names.phase(phase.name), words=summary.phase_words(planned, phase, anatomy)
        )
        for phase in planned.training.phases
    ]


def _augmentation(spec: AugmentSpec) -> str:
    return {
        "none": _("Images as they are."),
        "basic": _("Images mirrored and cropped a little."),
        "strong": _("Images changed strongly."),
        "own": _("Images changed at random: mirrored, cropped or turned as the notes say."),
    }[spec.preset_name or "own"]


def _needs(run: Any, classes: int) -> None:
    from core.models.catalog.catalog import weights_state

    if classes != run.classes:
        components.note(
            _n(
                "The course had {n} class; yours have {own}, and the head follows.",
                "The course had {n} classes; yours have {own}, and the head follows.",
                run.classes,
            ).format(n=run.classes, own=classes)
        )
    if run.model.weights == "default" and weights_state(run.model.backbone) == "needs download":
        broken(
            _("Its weights are not on this machine"),
            _(
                "{network} starts from pretrained weights. The run fetches them, or fails where there is no network. "
                "They can also be had on the Backbone page."
            ).format(network=display_names.backbone(run.model.backbone)),
            icon="cloud_off",
            tone="warn",
        )
