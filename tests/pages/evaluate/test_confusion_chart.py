"""The confusion matrix: mistakes are seen, names are whole on hover, and cells are never lost in gaps."""

from __future__ import annotations

import numpy as np

from pages.evaluate import confusion_chart
from pages.ui.kit import charts, class_cells

NAMES = ["cat", "dog <b>", "a very long name of a class $x$", "fox"]


def drawn(counts: np.ndarray, names: list[str], *, as_shares: bool = False, marked: tuple[int, int] | None = None):
    shares = counts / counts.sum(axis=1, keepdims=True).clip(1)
    return confusion_chart.draw(counts, shares, names, as_shares=as_shares, marked=marked)


def opacity(colour: str) -> float:
    return float(colour.rpartition(",")[2].rstrip(")"))


def test_one_mistake_is_not_none_beside_many_right() -> None:
    counts = np.diag([500, 500, 500, 500])
    counts[0, 1], counts[2, 3] = 1, 9
    colours = np.array(drawn(counts, NAMES).data[0].marker.color).reshape(4, 4)
    none, one, nine = colours[0, 2], colours[0, 1], colours[2, 3]
    assert confusion_chart.WRONG in one
    assert confusion_chart.WRONG in nine
    assert confusion_chart.WRONG not in none
    assert opacity(none) < 0.1 < 0.2 < opacity(one) < opacity(nine)
    assert all(confusion_chart.RIGHT in colours[i, i] for i in range(4))


def test_the_figures_are_written_into_the_cells() -> None:
    counts = np.array([[3, 1], [0, 4]])
    assert list(drawn(counts, NAMES[:2]).data[1].text) == ["3", "1", "0", "4"]
    shares = [text.replace("\u00a0", " ") for text in drawn(counts, NAMES[:2], as_shares=True).data[1].text]
    assert shares == ["75 %", "25 %", "0 %", "100 %"]


def test_names_are_cut_at_the_axis_whole_on_hover_and_text_everywhere() -> None:
    chart = drawn(np.eye(4, dtype=int), NAMES)
    assert list(chart.layout.yaxis.ticktext) == ["cat", "dog &lt;b>", "a very long name…", "fox"]
    assert chart.data[0].customdata[1][3] == "dog &lt;b>"
    assert chart.data[0].customdata[2][3] == "a very long name of a class &#36;x&#36;"
    assert "customdata[2]" in chart.data[0].hovertemplate


def test_two_hundred_classes_have_no_gaps_and_names_that_do_not_overlap() -> None:
    counts = np.diag(np.full(200, 9))
    counts[3, 150] = 1
    chart = drawn(counts, [f"species {i}" for i in range(200)])
    right, wrong, _points = chart.data
    assert not right.xgap
    assert not wrong.xgap
    assert [row[i] for i, row in enumerate(right.z)] == [9.0] * 200
    assert wrong.z[3][150] == 1.0
    assert sum(value is not None for row in wrong.z for value in row) == 1
    assert 15 < len(chart.layout.xaxis.tickvals) < 40
    assert chart.layout.xaxis.tickangle == -40


def test_a_click_says_which_cell_and_the_shown_one_is_framed() -> None:
    chart = drawn(np.eye(3, dtype=int), NAMES[:3], marked=(1, 2))
    assert [(frame.x0, frame.y0) for frame in chart.layout.shapes] == [(1.5, 0.5)]
    assert class_cells.clicked({"customdata": chart.data[0].customdata[5]}) == (1, 2)
    assert class_cells.clicked({"customdata": None}) is None
    assert class_cells.clicked({}) is None


def test_a_click_says_which_cell_of_any_number_of_classes() -> None:
    counts = np.diag(np.full(200, 9))
    counts[3, 150] = 1
    *_images, points = drawn(counts, [f"species {i}" for i in range(200)]).data
    assert points.type in ("scatter", "scattergl")  # of an image the browser does not say what is clicked
    assert len(points.x) == 201
    place = [*zip(points.y, points.x, strict=True)].index((3, 150))
    assert list(points.customdata[place][2:]) == ["species 3", "species 150", 1.0]
    assert class_cells.clicked({"customdata": points.customdata[place]}) == (3, 150)


def test_names_are_slanted_as_soon_as_one_does_not_fit() -> None:
    assert charts.slant(["cat", "dog"]) == 0
    assert charts.slant([str(digit) for digit in range(10)]) == 0
    assert charts.slant(["Abyssinian", "American pit bull", "n", "x", "y", "z"]) == -40


def test_bars_of_classes_are_named_like_the_matrix() -> None:
    for names in (NAMES, [f"{name} {i}" for i in range(10) for name in NAMES]):
        chart = charts.class_bars({"train": dict.fromkeys(names, 3), "test": dict.fromkeys(names, 1)})
        assert list(chart.data[0].customdata) == [charts.text(name) for name in names]
        assert "customdata" in chart.data[1].hovertemplate
        shown = chart.layout.xaxis.ticktext or chart.layout.yaxis.ticktext
        assert all(len(name) <= 25 and "<" not in name for name in shown)
