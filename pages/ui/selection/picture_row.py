"""The row of pictures that a picker shows: which there are, what they are called, and small views of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from pages.ui.kit.tiles import Tile
from pages.ui.selection import own_pictures, samples
from pages.ui.selection.picture_list import Pictures
from pages.ui.text.i18n import _

OWN, SAMPLE = "own:", "sample:"
"""Begin the names of pictures that are not of the data."""


@dataclass(frozen=True, slots=True)
class Row:
    """All that can be picked, in order: a person's own, then the data's or the samples.

    Attributes:
        own: Digests of a person's own pictures.
        front: Names of chosen pictures that the filter hides.
        pictures: The data, if any.
        positions: Images of the data, as filtered.
        samples: Names of samples.
    """

    own: tuple[str, ...]
    front: tuple[str, ...]
    pictures: Pictures | None
    positions: Sequence[int]
    samples: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.own) + len(self.front) + len(self.positions) + len(self.samples)

    def name(self, index: int) -> str:
        """Returns what names the picture at an index: an image's key, or a sample's or digest's name with its kind."""
        for kind, names in ((OWN, self.own), ("", self.front), (SAMPLE, self.samples)):
            if index < len(names):
                return f"{kind}{names[index]}"
            index -= len(names)
        assert self.pictures is not None
        return self.pictures.dataset.items[self.positions[index]].key

    def index(self, name: str) -> int:
        """Returns where a picture stands."""
        before = [f"{OWN}{one}" for one in self.own] + [*self.front] + [f"{SAMPLE}{one}" for one in self.samples]
        if name in before:
            return before.index(name)
        assert self.pictures is not None
        return len(before) + self.positions.index(self.pictures.places[name])

    def tiles(self, first: int, last: int) -> list[Tile]:
        """Returns thumbnails of a stretch of it, with what they are called."""
        names = [self.name(index) for index in range(first, last)]
        places = self.pictures.places if self.pictures is not None else {}
        drawn: dict[str, bytes | None] = {}
        if self.pictures is not None:
            data = [name for name in names if name in places]
            drawn = dict(zip(data, self.pictures.thumbnails([places[name] for name in data]), strict=True))
        return [self._tile(name, drawn) for name in names]

    def _tile(self, name: str, drawn: dict[str, bytes | None]) -> Tile:
        if name.startswith(OWN):
            choice, view = own_pictures.kept().pictures[name.removeprefix(OWN)]
            return Tile(view, choice.name, _("Yours"))
        if self.pictures is not None and name in self.pictures.places:
            item = self.pictures.dataset.items[self.pictures.places[name]]
            return Tile(drawn[name] or b"", self.pictures.dataset.classes[item.label], PurePosixPath(name).name)
        sample = name.removeprefix(SAMPLE)
        return Tile(samples.view_of(sample), _(samples.SAMPLES[sample]), _("Sample"))
