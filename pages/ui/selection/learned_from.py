"""The images that a network of a page's own learns from: the chosen ones, or built-in digits until some are chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.errors import InputError
from core.specs import DataSpec
from pages.ui.kit import components, nav, page_states
from pages.ui.session import caches, choices
from pages.ui.text.i18n import _, translate_error

if TYPE_CHECKING:
    from core.data.dataset import Dataset


def opened(usual: DataSpec) -> tuple[DataSpec, Dataset] | None:
    """Returns the images, divided; says why they cannot be used, and returns ``None``.

    Args:
        usual: What it learns from where nothing was chosen.
    """
    try:
        data = caches.anchored(choices.data() or usual)
        return data, caches.divided(data)
    except InputError as error:
        page_states.broken(_("These images cannot be used"), translate_error(error), icon="broken_image", tone="warn")
        nav.link("data", _("Choose images"))
        return None


def say(dataset: Dataset, usual: str) -> None:
    """Says which images they are, with a link to others.

    Args:
        dataset: The images.
        usual: What is said where nothing was chosen, translated.
    """
    own = _("Your images: {name}.").format(name=components.plain(choices.data_title() or dataset.title))
    components.note(usual if choices.data() is None else own)
    nav.link("data", _("Choose others"))


def gray(data: DataSpec, dataset: Dataset) -> bool:
    """Returns whether a few of the images have no colour."""
    from core.workflows.advisor.dataset_facts import looks

    return bool(caches.remember("gray", (data,), lambda: looks(dataset)[1], entries=8))
