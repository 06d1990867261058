"""The runs of the course as ready recipes: what each does, sets and needs, and the slip that it avoids."""

from __future__ import annotations

from dataclasses import fields, replace
from html import escape

import streamlit as st

from core.specs import HeadSpec, TrainingSpec
from core.training.course_recipes import COURSE, CourseRun
from pages.ui.kit import clicks, components, nav
from pages.ui.session import choices
from pages.ui.session.train_form import TrainChoice
from pages.ui.text import augmentation_words, display_names, number_format
from pages.ui.text.i18n import _, _n

KEPT = ("preset", "phases", "seed", "device")
"""What of a course's training is not taken over as it is."""


def draw(choice: TrainChoice, classes: int) -> TrainChoice:
    """Draws the runs of the course; the picked one is the plan, and what will happen stands beside.

    Args:
        choice: As it is.
        classes: Of the chosen images.
    """
    now = COURSE[choice.course]
    choices.follow("bl-course", now.stands_for or now.id)
    picked = st.selectbox(
        _("Training of the notes"),
        [run.id for run in COURSE.values() if not run.stands_for],
        key="bl-course",
        format_func=lambda name: _(COURSE[name].title),
        help=_("The trainings that the notes tell of, with their own numbers."),
    )
    run = _stand_in(COURSE[picked], wanted=bool(now.stands_for))
    st.html(f'<p class="bl-course">{escape(_(run.description))}</p>')
    _sets(run)
    if run.slip:
        said = (
            _("A slip of the notes, left in to be seen: {slip}")
            if run.slip_kept
            else _("A slip of the notes, avoided here: {slip}")
        )
        components.note(said.format(slip=_(run.slip)))
    _needs(run, classes)
    _division(run)
    components.note(
        _("It brings its own network, head and settings; the network that you chose is there again under Presets.")
    )
    nav.link("about", _("Which notes these are"))
    return replace(choice, course=run.id)


def take(choice: TrainChoice) -> TrainChoice:
    """Makes all that a run of the course sets the person's own: network, head, what learns, changed images, phases.

    Args:
        choice: As it is, with the run in force; its seed, device and name stay.
    """
    run = COURSE[choice.course]
    choices.set_model(run.model)
    choices.set_freeze(run.freeze)
    own = {f.name for f in fields(TrainChoice)}
    brought = {
        f.name: getattr(run.training, f.name) for f in fields(TrainingSpec) if f.name in own and f.name not in KEPT
    }
    return replace(choice, phases=run.training.phases, augment=run.augment, gradual=(), stage_factors=(), **brought)


# --- what it sets and needs -------------------------------------------------------------------------------------------


def _sets(run: CourseRun) -> None:
    """Says what a run sets beside its phases, which the summary tells."""
    lines = [
        _("{network}, {weights}, head {head}.").format(
            network=display_names.backbone(run.model.backbone),
            weights=display_names.weights(run.model.weights),
            head=head_words(run.model.head),
        ),
        augmentation_words.sentence(run.augment),
        _("Batches of {n}.").format(n=run.training.batch_size),
    ]
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    st.html(f'<ul class="bl-settings">{items}</ul>')


def head_words(head: HeadSpec) -> str:
    """Says what a head is made of."""
    parts = ["Flatten"] if head.pool == "flatten" else []
    parts += [f"Linear({size})-ReLU" for size in head.hidden]
    return "-".join([*parts, *(["Dropout"] if head.dropout else []), "Linear"])


def _stand_in(run: CourseRun, *, wanted: bool) -> CourseRun:
    """Offers a run on EfficientNet-Lite0 where its own weights are not here; returns the run to take."""
    from core.models.catalog import catalog

    other = run.stand_in
    if other is None or (not wanted and catalog.weights_state(run.model.backbone, run.model.weights) == "available"):
        return run
    choices.follow("bl-course-lite0", wanted)
    on = st.toggle(
        _("On EfficientNet-Lite0, whose weights are here"),
        key="bl-course-lite0",
        help=_(
            "The weights of {network} are not on this machine and have to be downloaded first. The same recipe on a "
            "smaller network needs no download; its figures are not those of the notes."
        ).format(network=display_names.backbone(run.model.backbone)),
    )
    return other if on else run


def _division(run: CourseRun) -> None:
    """Offers to divide the chosen images as a run of the notes divided them."""
    data = choices.chosen_data()
    wanted = run.divided(data)
    if run.division is None or data.folds:
        return
    test, val = (number_format.percent(share) for share in run.division)
    if wanted == data:
        components.note(
            _("Divided as in the notes: {test} test, {val} of the rest validation.").format(test=test, val=val)
        )
        return
    components.note(
        _(
            "The notes kept {test} for the test and {val} of the rest for validation; yours are divided otherwise."
        ).format(test=test, val=val)
    )
    if clicks.button(_("Divide as the notes did"), icon=":material/call_split:", key="bl-course-divide"):
        choices.set_data(wanted, choices.data_title())
        st.rerun()


def _needs(run: CourseRun, classes: int) -> None:
    if classes != run.classes:
        components.note(
            _n(
                "The notes had {n} class; yours have {own}, and the head follows.",
                "The notes had {n} classes; yours have {own}, and the head follows.",
                run.classes,
            ).format(n=run.classes, own=classes)
        )
