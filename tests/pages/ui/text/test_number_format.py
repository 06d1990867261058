"""Figures as text."""

from __future__ import annotations

import pytest

from pages.ui.text import number_format


@pytest.mark.parametrize(
    ("share", "digits", "text"),
    [
        (0.0, 1, "0 %"),
        (1.0, 1, "100 %"),
        (0.9833, 1, "98.3 %"),
        (0.5, 1, "50 %"),
        (0.00009, 1, "< 0.1 %"),
        (0.99999, 1, "> 99.9 %"),
        (0.0439, 2, "4.39 %"),
        (0.000004, 2, "< 0.01 %"),
        (0.996, 0, "> 99 %"),
        (None, 1, "–"),
        (float("nan"), 1, "–"),
    ],
)
def test_shares(share: float | None, digits: int, text: str) -> None:
    assert number_format.percent(share, digits) == text.replace(" ", "\u00a0")


def test_no_line_break_parts_a_sum_from_what_it_is() -> None:
    said = number_format.together("By 1 − 4 · 0.6 = −1.4, and (1 + 2) · (−3) = −9; a = b.")
    assert said.replace("\u00a0", "_") == "By 1 − 4_·_0.6_=_−1.4, and (1 + 2)_·_(−3)_=_−9; a = b."


def test_no_line_break_takes_a_figure_apart() -> None:
    said = number_format.together("In 632 ms, 98.3 % of 451 × 300 px; 2 seconds, 3 shown · 1 min 35 s.")
    assert said.replace("\u00a0", "_") == "In 632_ms, 98.3_% of 451_×_300_px; 2 seconds, 3 shown_· 1_min 35_s."


def test_no_line_break_stands_before_a_unit() -> None:
    written = (number_format.count(134_309_708), number_format.size(357e6), number_format.percent(0.5))
    assert [text.replace("\u00a0", "_") for text in written] == ["134.3_M", "357_MB", "50_%"]
