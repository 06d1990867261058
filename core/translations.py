"""The languages that texts are there in. A language is a file ``assets/locales/<code>/LC_MESSAGES/backbone_lab.mo``."""

from __future__ import annotations

import gettext
from functools import lru_cache

from core import settings
from core.errors import InputError
from core.messages import Sentence

DOMAIN = "backbone_lab"
LOCALES = settings.PROJECT / "assets" / "locales"
RIGHT_TO_LEFT = frozenset({"ar", "fa", "he", "ur"})


@lru_cache(maxsize=1)
def languages() -> tuple[str, ...]:
    """Returns the codes of the languages that have a catalogue, English first."""
    found = sorted(path.parent.parent.name for path in LOCALES.glob(f"*/LC_MESSAGES/{DOMAIN}.mo"))
    return ("en", *(code for code in found if code != "en"))


@lru_cache(maxsize=16)
def catalogue(code: str) -> gettext.NullTranslations:
    """Returns the texts of a language; the English ones where it has no catalogue."""
    return gettext.translation(DOMAIN, LOCALES, languages=[code], fallback=True)


def direction(code: str) -> str:
    """Returns ``rtl`` or ``ltr``."""
    return "rtl" if code in RIGHT_TO_LEFT else "ltr"


class Words:
    """Texts in one language, for what is written outside of a page.

    Args:
        code: The language.

    Example:
        >>> _ = Words("en")
        >>> _("{n} images").format(n=3)
        '3 images'
    """

    def __init__(self, code: str) -> None:
        self.code = code
        self._catalogue = catalogue(code)

    def __call__(self, text: str) -> str:
        """Returns a text; its values are filled in afterwards."""
        return self._catalogue.gettext(text) if text else ""

    def said(self, sentence: InputError | Sentence) -> str:
        """Returns a user error, or a remark of the core, with its values unchanged."""
        try:
            return self(sentence.template).format(**sentence.values)
        except (KeyError, IndexError):  # a translation that names a value the sentence does not have
            return str(sentence)
