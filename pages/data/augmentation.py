"""What augmentation will do to these images: cards, draws, a batch, and copies on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.specs import DataSpec
from pages.data import offline_copies
from pages.ui.augmentation import batch_view, cards
from pages.ui.selection.image_picker import image_picker

if TYPE_CHECKING:
    from core.data.dataset import Dataset


def draw(spec: DataSpec, dataset: Dataset) -> None:
    """Draws the view; not as a fragment, in which clicks were lost while the address was written."""
    image_picker()
    cards.draw(dataset)
    batch_view.draw(dataset)
    offline_copies.draw(spec, dataset)
