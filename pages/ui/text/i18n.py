"""Words. Every visible text goes through :func:`_`, looked up per call for the person's own language.

Nothing is installed globally: two people may read two languages on one server. A language is a folder
``assets/locales/<code>/LC_MESSAGES/backbone_lab.mo``. ``pybabel extract`` writes the template that translators start
from (``pyproject.toml`` says of what); ``pybabel init`` and ``pybabel compile`` make a language of it.
"""

from __future__ import annotations

import streamlit as st

from core import translations
from core.errors import InputError
from core.messages import N_ as N_  # marks a text where it is written, to be looked up where it is shown
from core.messages import Sentence

_KEY = "bl.language"
_translation = translations.catalogue


def _(text: str) -> str:
    """Returns the text in the person's language. Values are filled in afterwards: ``_("{n} images").format(n=n)``."""
    return _translation(language()).gettext(text) if text else ""


def _n(one: str, many: str, count: int) -> str:
    """Returns the form of a text that fits a count."""
    return _translation(language()).ngettext(one, many, count)


def language() -> str:
    """Returns the code of the language this session reads."""
    return str(st.session_state.get(_KEY, "en"))


def direction() -> str:
    """Returns ``rtl`` or ``ltr``."""
    return translations.direction(language())


def choose_language() -> str:
    """Settles the session's language: the address's ``?lang=``, what was chosen before, the browser's, English."""
    known = translations.languages()
    wanted = (st.query_params.get("lang"), st.session_state.get(_KEY), st.context.locale)
    for code in wanted:
        short = str(code or "").replace("_", "-").split("-")[0].lower()
        if short in known:
            st.session_state[_KEY] = short
            return short
    st.session_state[_KEY] = "en"
    return "en"


def translate_error(error: InputError | Sentence) -> str:
    """Returns a user error's sentence, or a remark of the core, in the person's language, its values unchanged."""
    try:
        return _(error.template).format(**error.values)
    except (KeyError, IndexError):  # a translation that names a value the error does not have
        return str(error)
