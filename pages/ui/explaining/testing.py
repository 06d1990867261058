"""Testing heatmaps where they are shown: a button, how far it is, and the word that it comes to, kept for everyone."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import streamlit as st

from core.errors import InputError
from core.messages import StagedProgress
from pages.ui.explaining import trust_word
from pages.ui.selection import picture_list, user_images
from pages.ui.session import caches
from pages.ui.text.i18n import _

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from core.interpret.attribution.heatmap import Heatmap
    from core.models.network import Network
    from core.runs.store import Run
    from core.specs import Preprocessing
    from core.workflows.inspection.trust_verdict import Verdict


@dataclass(frozen=True, slots=True, eq=False)
class Testable:
    """A heatmap that can be tested.

    Attributes:
        of: What tells network and picture apart: the target's key and the digest of the picture's file.
        network: The network.
        picture: The picture as the network sees it.
        heat: The map.
        mask: Where the object is in the picture, HxW; ``None`` where nobody knows.
    """

    of: tuple[Hashable, ...]
    network: Network
    picture: Image.Image
    heat: Heatmap
    mask: NDArray[np.bool_] | None = None

    @property
    def key(self) -> tuple[Hashable, ...]:
        """What its test is kept under."""
        return (*self.of, *trust_word.identity(self.heat, None))

    def test(self, number: int, total: int, report: StagedProgress) -> None:
        """Tests it as one of several."""
        from core.data.images import to_tensor
        from core.workflows.inspection.trust import trust

        x = to_tensor(self.picture, self.network.preprocessing, fitted=True)

        def within(done: int, all_: int) -> None:
            report("testing", number * all_ + done, total * all_)

        trust_word.tested(self.key, lambda: trust(self.network, x, self.heat, mask=self.mask, progress=within))


def offer(maps: Sequence[Testable], label: str, *, key: str) -> None:
    """Offers to test those maps that were not yet, and does it with progress; then the page is drawn anew.

    Args:
        maps: The maps; an empty one has nothing to be tested.
        label: What the button says, translated.
        key: Stable start of the keys.
    """
    waiting = [one for one in maps if not one.heat.empty and not trust_word.there(one.key)]
    if not waiting:
        return
    asked, wanted = f"{key}-asked", tuple(one.key for one in maps)
    if st.session_state.get(asked) != wanted:
        st.button(
            label,
            icon=":material/science:",
            key=key,
            help=_("A heatmap always looks convincing. Each is held against 19 maps drawn at random, with progress."),
            on_click=lambda: st.session_state.update({asked: wanted}),
        )
        return

    def cancel() -> None:
        st.session_state[asked] = None

    with user_images.progress(key=key, cancel=cancel) as report:
        for number, one in enumerate(waiting):
            one.test(number, len(waiting), report)
    cancel()
    st.rerun()


def verdict_of(one: Testable) -> Verdict | None:
    """Returns what the test of a map came to; ``None`` where it was not tested."""
    from core.workflows.inspection.trust_verdict import verdict

    if one.heat.empty or not trust_word.there(one.key):
        return None

    def never() -> NoReturn:
        raise AssertionError

    return verdict(trust_word.tested(one.key, never))


def object_mask(run: Run, key: str, preprocessing: Preprocessing) -> NDArray[np.bool_] | None:
    """Returns where the object is in a run's image as the network sees it (bool, HxW); ``None`` where nobody knows."""

    def make() -> NDArray[np.bool_] | None:
        from core.interpret.explanation_metrics.localisation import seen_mask

        try:
            place = picture_list.positions(run).get(key)
            mask = None if place is None else picture_list.reopened(run).mask(place)
        except InputError:
            return None
        return None if mask is None else seen_mask(mask, preprocessing)

    return caches.remember("object-masks", (run.id, key, preprocessing), make, entries=64)
