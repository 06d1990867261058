"""The race of the optimizers on one's own pictures: heads on frozen features, accuracy over rates."""

from __future__ import annotations

from core.errors import InputError
from core.messages import Progress
from pages.learn import own_network, rates_chart
from pages.ui.kit import components
from pages.ui.kit.page_states import broken
from pages.ui.selection import background_work, subjects
from pages.ui.selection.network_picker import Target
from pages.ui.text.i18n import _, translate_error

STEPS = 30


@own_network.on_network
def draw(target: Target) -> None:
    """Draws the choice of a network, and the race on the chosen pictures."""
    from core.lessons.race import Trained, race_heads
    from core.workflows.lesson_race import features, places_of

    dataset = own_network.divided(
        own_network.pictures(target),
        shown=_("Heads on frozen features of your pictures would race here: accuracy by optimizer and learning rate."),
        icon="downhill_skiing",
    )
    if dataset is None:
        return
    try:
        learned, held = places_of(dataset)
    except InputError as error:
        broken(_("These pictures cannot race"), translate_error(error), icon="report", tone="warn")
        return
    network = subjects.load(target)
    if network is None:
        return

    def made(progress: Progress) -> list[Trained]:
        return race_heads(STEPS, features(dataset, network, progress=progress))

    try:
        rows = background_work.by_click(
            "learn-own-race",
            (*target.key, dataset.state(learned + held)),
            made,
            label=_("Look at {n} pictures, then train 63 heads").format(n=len(learned) + len(held)),
            doing=_("Computing what {name} makes of each picture …").format(name=target.title),
        )
    except InputError as error:
        broken(_("These pictures cannot race"), translate_error(error), icon="report", tone="warn")
        return
    if rows is None:
        components.note(
            _(
                "The network is frozen: a new last layer learns from what reaches it, with seven optimizers at nine "
                "rates each. The accuracies will stand here."
            )
        )
        return
    rates_chart.draw(
        rows,
        key="bl-learn-own-race-chart",
        alt=_(
            "Accuracy on {held} held-out pictures of yours after {n} steps, by learning rate and optimizer; a "
            "linear head learned from {learned}"
        ).format(held=len(held), n=STEPS, learned=len(learned)),
    )
