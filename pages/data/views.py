"""The views of the page Data: one row a view, in the order of the strip; only the chosen one is computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.specs import DataSpec
from pages.data import augmentation, map_view, network_input, overview
from pages.data.problems import view as problems
from pages.ui.session.address import Bound
from pages.ui.text.i18n import N_

if TYPE_CHECKING:
    from core.data.dataset import Dataset


@dataclass(frozen=True, slots=True)
class View:
    """One view.

    Attributes:
        title: What the strip calls it, to be translated.
        draw: Draws it, given the chosen data and their images, divided.
    """

    title: str
    draw: Callable[[DataSpec, Dataset], None]


VIEWS = {
    "overview": View(N_("Overview"), overview.draw),
    "problems": View(N_("Problems"), problems.draw),
    "map": View(N_("Map"), map_view.draw),
    "augmentation": View(N_("Augmentation"), augmentation.draw),
    "input": View(N_("As the network sees it"), network_input.draw),
}
"""All views, by their names in the address."""
VIEW = Bound("view", kept="bl.data.view")
"""The chosen view."""
