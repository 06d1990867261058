"""The race of the optimizers on one's own pictures: heads on frozen features, accuracy over rates."""

from __future__ import annotations

import streamlit as st

from core.errors import InputError
from core.messages import Progress
from pages.learn import rates_chart, training
from pages.ui.kit import page_states
from pages.ui.kit.page_states import broken, guarded
from pages.ui.session import caches, choices
from pages.ui.text.i18n import _, translate_error

STEPS = 30


def draw() -> None:
    """Draws the race on the chosen pictures."""
    st.fragment(_bench)()


@guarded
def _bench() -> None:
    from core.lessons.race import Trained
    from core.workflows.lesson_race import features, places_of, race

    spec = choices.data()
    if spec is None:
        page_states.empty(
            _("No pictures yet"),
            _("Heads on frozen features of your pictures would race here: accuracy by optimizer and learning rate."),
            action=_("Choose your pictures"),
            target="data",
            icon="downhill_skiing",
        )
        return
    try:
        dataset = caches.divided(spec)
        learned, held = places_of(dataset)
    except InputError as error:
        broken(_("These pictures cannot race"), translate_error(error), icon="report", tone="warn")
        return

    def made(progress: Progress) -> list[Trained]:
        return race(features(dataset, device=choices.train_choice().device, progress=progress), STEPS)

    rows = training.by_click(
        "learn-own-race",
        (repr(spec), dataset.name, len(dataset)),
        made,
        label=_("Look at {n} pictures, then train 63 heads").format(n=len(learned) + len(held)),
        doing=_("Computing frozen features of EfficientNet-Lite0, which are kept …"),
    )
    if rows is not None:
        rates_chart.draw(
            rows,
            key="bl-learn-own-race-chart",
            alt=_(
                "Accuracy on {held} held-out pictures of yours after {n} steps, by learning rate and optimizer; a "
                "linear head learned from {learned}"
            ).format(held=len(held), n=STEPS, learned=len(learned)),
        )
