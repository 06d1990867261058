"""The one word on how far a heatmap can be trusted, as every page that shows heatmaps has it, and where it is kept."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from html import escape
from typing import TYPE_CHECKING

from pages.ui.kit import components
from pages.ui.runs import finding_cards
from pages.ui.session import caches
from pages.ui.text.i18n import N_, _

if TYPE_CHECKING:
    from core.interpret.attribution.heatmap import Heatmap
    from core.workflows.inspection.trust import Trust
    from core.workflows.inspection.trust_verdict import Verdict

SHELF, ENTRIES = "trust", 256
WORDS: Mapping[str, tuple[str, str, str]] = {
    "trust": (N_("Trust it"), "check_circle", "good"),
    "partly": (N_("Partly"), "warning", "warn"),
    "not": (N_("Do not"), "cancel", "bad"),
}
"""What each word of :class:`core.workflows.inspection.trust_verdict.Verdict` is called, with its symbol and tone."""


def identity(heat: Heatmap, settings: Mapping[str, int] | None) -> tuple[Hashable, ...]:
    """Returns what distinguishes a heatmap from others of the same picture and network."""
    return heat.method, heat.layer, heat.target, heat.against, tuple(sorted((settings or {}).items()))


def said(found: Verdict) -> str:
    """Returns the HTML of the word and the sentence that it rests on."""
    title, icon, tone = WORDS[found.word]
    return (
        f'<p class="bl-verdict bl-{tone}"><span class="bl-symbol" aria-hidden="true">{icon}</span>'
        f"<b>{escape(_(title))}</b><span>{components.phrase(finding_cards.translated(found.reason.sentence))}</span></p>"
    )


def there(known: tuple[Hashable, ...]) -> bool:
    """Whether a map was tested already: since the server's start, or before; then the shelf has it from now on.

    Args:
        known: Network, picture, and :func:`identity`.
    """
    from core.workflows.inspection import trust_store

    if caches.known(SHELF, known, entries=ENTRIES):
        return True
    found = trust_store.load(known)
    if found is None:
        return False
    caches.remember(SHELF, known, lambda: found, entries=ENTRIES)
    return True


def tested(known: tuple[Hashable, ...], make: Callable[[], Trust]) -> Trust:
    """Returns what was found of a map, tested now where it was not yet, and kept."""
    from core.workflows.inspection import trust_store

    def measured() -> Trust:
        found = make()
        trust_store.save(known, found)
        return found

    return caches.remember(SHELF, known, measured, entries=ENTRIES)
