"""Feature maps over the epochs: the snapshots that a run kept of its pinned images, with the time scrubber."""

from __future__ import annotations

from pages.ui import components, scrubber, style
from pages.ui.i18n import _
from pages.ui.inside import Subject


def offered(subject: Subject) -> bool:
    """Whether there is anything to show: a run that kept snapshots."""
    run = subject.target.run
    if run is None:
        return False
    from core.runs import snapshots

    return bool(snapshots.epochs(run.path))


def draw(subject: Subject) -> None:
    """Draws the scrubber over the run's snapshots."""
    style.watching()
    components.section(
        _("Over the epochs"),
        _("What the network saw in a few pinned images after each epoch. Weights are kept of the best and the last one "
          "only, so other pictures can be looked at there."),
    )  # fmt: skip
    run = subject.target.run
    scrubber.draw(run, run.status(), key="bl-maps-time")
