"""What terms mean: the sign "?" on figures, headings and tables, and the glossary behind it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pages.ui.kit import components
from pages.ui.text import glossary

PAGES = Path(glossary.__file__).parents[2]
USES = re.compile(r"\b(?:explain|term|glossary\.title)\(\s*[\"']([^\"']+)[\"']")


def _figures() -> None:
    from pages.ui.kit.components import Figure, metrics

    metrics([Figure("F<1>", "0.9", "of 1", 'a "term"'), Figure("Total", "2.3 M", exact="2,345,678"), Figure("A", "1")])


def test_a_figure_with_a_term_has_a_sign_and_others_have_none(words: Callable[[AppTest], str]) -> None:
    said = words(AppTest.from_function(_figures).run())
    assert 'data-tip="a &quot;term&quot;"' in said
    assert 'aria-label="F&lt;1&gt;: a &quot;term&quot;"' in said
    assert '<dd class="bl-exact" tabindex="0" data-tip="2,345,678"><bdi>2.3 M</bdi></dd>' in said
    assert "<dt>A</dt><dd><bdi>1</bdi></dd>" in said
    assert "title=" not in said


def test_no_text_no_sign() -> None:
    assert components.help_sign("", "Accuracy") == ""


def test_a_term_is_named_and_explained() -> None:
    assert "Log loss" in components.term("log loss")
    assert glossary.explain("log loss").startswith("Mean of −log p")
    assert "nats" in glossary.explain("log loss")


@pytest.mark.parametrize("key", glossary.TERMS)
def test_a_term_is_one_sentence_with_a_source_that_can_be_opened(key: str) -> None:
    term = glossary.TERMS[key]
    assert key == key.lower()
    assert term.title
    assert term.sentence.endswith(".")
    assert ". " not in term.sentence
    assert bool(term.address) <= bool(term.source)
    assert not term.address or term.address.startswith("https://")


def test_pages_ask_for_terms_that_there_are() -> None:
    asked = {key for path in PAGES.rglob("*.py") for key in USES.findall(path.read_text())}
    assert "multiply-adds" in asked
    assert asked <= set(glossary.TERMS)
