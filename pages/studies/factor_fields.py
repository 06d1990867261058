"""Which fields a study varies and over which values: a widget for each, made from what the field takes."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from core.errors import InputError
from core.specs import Experiment
from core.specs.study import Factor
from core.workflows.studies.fields import FIELDS, Field, value_of, with_settings
from pages.studies import words
from pages.ui.session import address
from pages.ui.text.i18n import _

VARIED = "study-fields"
"""The parameter that names the fields and their values, packed as JSON."""
_KEPT = "bl.study.fields"
_FIELDS = "bl-studies-fields"
MOST = 4
"""Fields that are varied at once, so that a study can be read."""


def draw(base: Experiment, *, ranges: bool) -> tuple[tuple[Factor, ...], InputError | None]:
    """Draws the fields and their values.

    Args:
        base: What is varied.
        ranges: Whether numbers are drawn from a range, not named.

    Returns:
        The factors, and what of the values cannot be; a field whose values are not whole yet is left out.
    """
    kept = _read()
    if _FIELDS not in st.session_state or address.by_history():
        st.session_state[_FIELDS] = [name for name in kept if name in FIELDS]
    else:
        address.keep(_FIELDS)
    chosen = st.multiselect(
        _("What is varied"),
        list(FIELDS),
        format_func=words.field,
        key=_FIELDS,
        max_selections=MOST,
        placeholder=_("pick fields, such as the learning rate"),
    )
    factors, values = [], {}
    refused: InputError | None = None
    for name in chosen:
        field = FIELDS[name]
        known = kept.get(name)
        factor: Factor | None = None
        try:
            if ranges and field.kind in ("number", "whole"):
                values[name] = _range(field, known)
                factor = Factor(
                    name, low=values[name][0], high=values[name][1], log=field.log, whole=field.kind == "whole"
                )
            else:
                values[name] = _values(field, base, known)
                if len(values[name]) > 1:
                    factor = Factor.of(name, *values[name])
            if factor is not None:
                _try(base, factor)
                factors.append(factor)
        except InputError as error:
            refused = refused or error
    _write(values)
    return tuple(factors), refused


def _try(base: Experiment, factor: Factor) -> None:
    """Finds out what the experiment refuses of each value."""
    ends = (factor.low, factor.high) if factor.ranged else ()
    numbers = [int(end) if factor.whole else end for end in ends if end is not None]
    for value in numbers or [level.settings[0][1] for level in factor.levels]:
        with_settings(base, [(factor.name, value)])


def _values(field: Field, base: Experiment, known: Any) -> list[Any]:  # noqa: ANN401
    """Draws the values of a field; numbers of one's own can be typed."""
    key = f"bl-study-{field.name}"
    options = _options(field, base)
    if key not in st.session_state or address.by_history():
        chosen = known if isinstance(known, list) else _usual(field, base)
        st.session_state[key] = [str(value) for value in chosen]
    else:
        address.keep(key)
    typed = field.kind in ("number", "whole")
    texts = list(dict.fromkeys([*map(str, options), *st.session_state[key]]))
    picked = st.multiselect(
        words.field(field.name),
        texts,
        key=key,
        accept_new_options=typed,
        format_func=lambda text: words.value(field.name, text),
        placeholder=_("type a number and press Enter") if typed else _("pick two or more"),
    )
    return [_parsed(field, text) for text in picked]


def _options(field: Field, base: Experiment) -> tuple[Any, ...]:
    if field.name == "model.backbone":
        from core.models.catalog import catalog

        own = (base.model.backbone,)
        at_hand = [name for name in catalog.search() if catalog.weights_state(name) == "available"]
        return tuple(dict.fromkeys((*own, *at_hand)))
    if field.name == "freeze.trainable_stages":
        return (*field.options, "all")
    return field.options


def _usual(field: Field, base: Experiment) -> list[Any]:
    """Returns the values that a field begins with: what it has, and another one."""
    has = value_of(base, field.name)
    others = [value for value in _options(field, base) if value != has]
    begin = [has] if isinstance(has, int | float | str) and not isinstance(has, bool) else []
    return sorted([*begin, *others[: 2 - len(begin)]], key=lambda value: (isinstance(value, str), value))


def _parsed(field: Field, text: str) -> Any:  # noqa: ANN401
    """Returns what a text stands for.

    Raises:
        InputError: It is no number, where the field takes one.
    """
    if field.kind in ("choice", "text") or (field.name == "freeze.trainable_stages" and text == "all"):
        return text
    try:
        return int(text) if field.kind == "whole" else float(text)
    except ValueError as error:
        raise InputError("{value} is no number for {field}.", value=text[:60], field=words.field(field.name)) from error


def _range(field: Field, known: Any) -> list[float]:  # noqa: ANN401
    """Draws the two ends of a range."""
    numbers = [value for value in field.options if value > 0] if field.log else list(field.options)
    usual = [float(min(numbers)), float(max(numbers))]
    if isinstance(known, dict) and all(isinstance(known.get(end), int | float) for end in ("from", "to")):
        usual = [known["from"], known["to"]]
    low_key, high_key = f"bl-study-low-{field.name}", f"bl-study-high-{field.name}"
    for key, value in ((low_key, usual[0]), (high_key, usual[1])):
        if key not in st.session_state or address.by_history():
            st.session_state[key] = f"{value:g}"
        else:
            address.keep(key)
    with st.container(horizontal=True, vertical_alignment="bottom", key=f"bl-study-range-{field.name}"):
        low = st.text_input(_("{field}, from").format(field=words.field(field.name)), key=low_key)
        high = st.text_input(_("to"), key=high_key)
    ends = [_parsed(field, str(text).strip()) for text in (low, high)]
    return [float(end) for end in ends]


def _read() -> dict[str, Any]:
    """Returns what the address says of fields and values, else what was chosen last; nothing where it is damaged."""
    text = address.Bound(VARIED, kept=_KEPT).asked()
    try:
        found = json.loads(text or "{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        address.refuse(VARIED, InputError("{value} names no fields.", value=str(text)[:60]))
        st.session_state.pop(_KEPT, None)
        return {}
    return found


def _write(values: dict[str, Any]) -> None:
    text = json.dumps(values, separators=(",", ":"))
    if text != json.dumps(_read(), separators=(",", ":")):
        address.Bound(VARIED, kept=_KEPT).choose(text if values else None)
