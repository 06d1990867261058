"""Charts and the texts beside them write figures alike."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pages.ui.kit import charts, growing_chart
from pages.ui.text.number_format import NBSP, percent

PAGES = Path(charts.__file__).resolve().parents[2]
BARE = re.compile(r"""(?:tickformat"?[=:] ?"|%\{{1,2}\w+(?:\[\d\])?:)\.\d~?%""")
"""A share in Plotly's own format: its sign follows the figure without a space."""


def test_shares_are_written_with_the_space_of_the_texts() -> None:
    assert percent(0.5) == f"50{NBSP}%"
    plotly = charts.CONFIG["locales"]
    assert plotly["en-US"]["format"]["currency"] == ["", f"{NBSP}%"]  # type: ignore[index]
    assert growing_chart.LOOK["locale"]["number"]["percent"] == f"{NBSP}%"  # type: ignore[index]
    assert BARE.search('tickformat=".0%"')
    assert BARE.search("hovertemplate='%{y:.1%}'")
    assert [path.name for path in PAGES.rglob("*.py") if BARE.search(path.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize(("last", "ticks"), [(2, {"dtick": 1, "tick0": 0}), (10, {"dtick": 1, "tick0": 0}), (50, {})])
def test_epochs_are_whole(last: int, ticks: dict[str, int]) -> None:
    assert charts.whole_ticks(last) == ticks
