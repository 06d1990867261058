"""Notes and terms: the notes are introduced, every term is listed with its source."""

from __future__ import annotations

from html import escape

from pages.about.page import NOTES
from pages.ui.kit import nav
from pages.ui.text.glossary import TERMS


def test_it_lists_the_notes_and_every_term(open_page, words) -> None:
    app = open_page("about")
    assert not app.exception
    said = words(app)
    for notes in NOTES:
        assert escape(notes.title) in said
        assert notes.target in nav.PLACES
    for term in TERMS.values():
        assert f"<dt>{escape(term.title)}</dt>" in said
        assert term.address in said
