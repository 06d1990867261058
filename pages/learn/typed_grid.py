"""A grid of numbers typed as one line: rows end with ``;``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from pages.ui.kit import form_fields
from pages.ui.kit.page_states import broken
from pages.ui.text.i18n import _, translate_error

if TYPE_CHECKING:
    from torch import Tensor


def grid(label: str, key: str, usual: str, *, rows: int, columns: int, what: str) -> Tensor | None:
    """Draws the field and returns its numbers, HxW; ``None`` where they cannot be read and that was said.

    Args:
        label: What is typed, translated.
        key: Stable key, which also keeps the text in the address.
        usual: The numbers to begin with.
        rows: Most rows.
        columns: Most columns.
        what: What it is, marked for translation, for the sentence that says what is wrong.
    """
    from core.lessons.numbers import read_grids

    text = st.text_input(
        label,
        help=_("Numbers parted by commas, rows by semicolons. Press Enter to take them."),
        max_chars=form_fields.LONGEST_TEXT,
        **form_fields.kept(key).entry(key, usual, lambda value: value[: form_fields.LONGEST_TEXT]),
    )
    try:
        return read_grids(str(text), most=(1, 1, rows, columns), what=what)[0, 0]
    except InputError as error:
        broken(_("This cannot be read"), translate_error(error), icon="report", tone="warn")
        return None
