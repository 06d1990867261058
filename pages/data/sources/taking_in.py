"""Making a data source of what a person brought: its progress, its refusal in a sentence, and choosing it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import streamlit as st

from core.errors import Cancelled, InputError
from core.messages import Progress
from core.specs import DataSpec
from pages.ui.kit.page_states import broken
from pages.ui.session import choices
from pages.ui.session.address import Bound
from pages.ui.text import number_format
from pages.ui.text.i18n import _, translate_error

FROM = Bound("from")
"""Where images are looked for, as long as none of there are chosen."""


def take_in(work: Callable[[Progress], Path], *, key: str, cancel: Callable[[], None]) -> Path | InputError | None:
    """Does the work with progress; what is clicked meanwhile ends it, and nothing is left behind.

    Args:
        work: Makes the source, and calls its argument with images taken in and all (0 where that is not known).
        key: Stable start of the keys.
        cancel: Called when it is cancelled, so that it is not begun anew.

    Returns:
        The source's folder, or why there is none; ``None`` where somebody cancelled.
    """
    place = st.empty()
    with place.container(horizontal=True, vertical_alignment="center", key=f"{key}-doing"):
        bar = st.progress(0.0, text=_("Taking the images in …"), width="stretch")
        st.button(_("Cancel"), icon=":material/close:", key=f"{key}-cancel", on_click=cancel)

    def report(done: int, total: int) -> None:
        if total:
            text = _("Taking the images in: {done} of {total}")
            text = text.format(done=number_format.exact(done), total=number_format.exact(total))
        else:
            text = _("Taking the images in: {done}").format(done=number_format.exact(done))
        bar.progress(min(done / total, 1.0) if total else 0.0, text=text)

    try:
        return work(report)
    except InputError as error:
        return error
    except Cancelled:
        return None
    finally:
        place.empty()


def refused(error: InputError) -> None:
    """Says why nothing was made of what the person brought."""
    broken(
        _("This was not taken"),
        translate_error(error),
        kept=_("Nothing of it was kept."),
        icon="upload_file",
        tone="warn",
    )


def choose(path: Path) -> None:
    """Chooses a source that was just made, and draws the page anew for it."""
    choices.set_data(DataSpec(str(path), test_share=choices.TEST_SHARE), path.name)
    FROM.choose("upload")
    st.rerun()


def make_classes(
    cards: Sequence[tuple[str, Sequence[tuple[str, BinaryIO]]]], name: str, *, key: str, done: Callable[[], None]
) -> None:
    """Makes a source of classes with their pictures and chooses it, or says why that cannot be done.

    Args:
        cards: Names of classes with what was put into each; one with neither counts for nothing.
        name: What the source is called; empty for the classes' names.
        key: Stable start of the keys.
        done: Called once it is made, before the page is drawn anew.
    """
    from core.data.importing.uploaded import Incoming, free_name, import_classes

    def work(progress: Progress) -> Path:
        classes = _named(cards)
        sent = {label: [Incoming(*file) for file in files] for label, files in classes.items()}
        return import_classes(sent, name or free_name("-".join(classes)), progress=progress)

    found = take_in(work, key=key, cancel=lambda: None)
    if isinstance(found, Path):
        done()
        choose(found)
    elif found is not None:
        refused(found)


def _named(cards: Sequence[tuple[str, Sequence[tuple[str, BinaryIO]]]]) -> Mapping[str, Sequence[tuple[str, BinaryIO]]]:
    classes: dict[str, Sequence[tuple[str, BinaryIO]]] = {}
    for place, (label, files) in enumerate(cards, 1):
        if not label and not files:
            continue
        if not label:
            raise InputError("Class {n} has pictures but no name.", n=place)
        if not files:
            raise InputError("The class {name} has no pictures yet.", name=label)
        if label in classes:
            raise InputError("Two classes are called {name}.", name=label)
        classes[label] = files
    return classes
