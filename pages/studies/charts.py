"""A study as charts: means with intervals, a heatmap of two factors, parallel coordinates, what matters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from core.specs.study import Factor, Level
from core.workflows.studies.analysis import Row
from pages.studies import words
from pages.ui.kit import charts
from pages.ui.text.i18n import _

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

SHARES = ("test_accuracy", "val_accuracy", "val_balanced_accuracy", "val_f1")


def means(factors: Sequence[Factor], rows: Sequence[Row], measure: str, across: int, by: int | None) -> Figure:
    """Returns the mean of each value of a factor with its 95 % interval; a line for each value of another factor.

    Where there are further factors, a point is the mean over their settings and has no interval.
    """
    go = charts.plotly()
    chart = charts.figure(340, hovermode="closest")
    order = _order(factors[across], [row.values[across] for row in rows])
    groups = _order(factors[by], [row.values[by] for row in rows]) if by is not None else [""]
    numeric = _numbers(order)
    for place, group in enumerate(groups):
        points = [(label, _cell(rows, {across: label} | ({by: group} if by is not None else {}))) for label in order]
        points = [(label, cell) for label, cell in points if cell]
        if not points:
            continue
        xs: list[Any] = [float(label) if numeric else words.value(factors[across].name, label) for label, _c in points]
        ys = [_scaled(fmean(row.mean or 0.0 for row in cell), measure) for _l, cell in points]
        ends = [cell[0].interval if len(cell) == 1 else None for _l, cell in points]
        name = words.setting(factors[by], _level(factors[by], group)) if by is not None else _axis(measure)
        if numeric:
            xs = _beside(xs, place - (len(groups) - 1) / 2, order)
        chart.add_trace(
            go.Scatter(
                x=xs,
                y=ys,
                name=name,
                mode="lines+markers" if numeric or len(points) > 1 else "markers",
                marker={"size": 9},
                line={"width": 2, "dash": "solid" if numeric else "dot"},
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "array": [_half(end, y, 1, measure) for end, y in zip(ends, ys, strict=True)],
                    "arrayminus": [_half(end, y, 0, measure) for end, y in zip(ends, ys, strict=True)],
                    "thickness": 1.5,
                },
                hovertemplate="%{x}: %{y:.4g}<extra>" + charts.text(name) + "</extra>",
                marker_color=charts.OTHERS[place % len(charts.OTHERS)] if place else charts.TRAIN,
                showlegend=by is not None,
            )
        )
    chart.update_xaxes(title_text=words.field(factors[across].name))
    if numeric and _spans(order):
        titles = [words.value(factors[across].name, label) for label in order]
        chart.update_xaxes(type="log", tickvals=[float(label) for label in order], ticktext=titles)
    elif numeric:
        chart.update_xaxes(tickvals=[float(label) for label in order], ticktext=order)
    chart.update_yaxes(title_text=_axis(measure))
    return chart


def heatmap(factors: Sequence[Factor], rows: Sequence[Row], measure: str, across: int, down: int) -> Figure:
    """Returns a cell for each pair of values of two factors: its mean, over all other factors where there are any."""
    go = charts.plotly()
    columns = _order(factors[across], [row.values[across] for row in rows])
    lines = _order(factors[down], [row.values[down] for row in rows])
    cells = [[_cell(rows, {across: column, down: line}) for column in columns] for line in lines]
    z = [[fmean(row.mean or 0.0 for row in cell) if cell else None for cell in line] for line in cells]
    shown = [[None if value is None else _scaled(value, measure) for value in line] for line in z]
    written = [["" if value is None else words.measured(value, measure) for value in line] for line in z]
    chart = charts.figure(max(240, 110 + 44 * len(lines)), hovermode="closest")
    chart.add_trace(
        go.Heatmap(
            x=[words.value(factors[across].name, label) for label in columns],
            y=[words.value(factors[down].name, label) for label in lines],
            z=shown,
            text=written,
            texttemplate="%{text}",
            colorscale=charts.COLORSCALE,
            xgap=2,
            ygap=2,
            colorbar={"title": {"text": _axis(measure), "side": "right", "font": {"size": 14}}, "thickness": 12},
            hovertemplate="%{x}, %{y}: %{text}<extra></extra>",
        )
    )
    chart.update_xaxes(title_text=words.field(factors[across].name), type="category", showgrid=False)
    chart.update_yaxes(
        title_text=words.field(factors[down].name), type="category", showgrid=False, autorange="reversed"
    )
    return chart


def parallel(factors: Sequence[Factor], rows: Sequence[Row], measure: str) -> Figure:
    """Returns a line for each setting through its values to its mean."""
    go = charts.plotly()
    known = [row for row in rows if row.mean is not None]
    dimensions = []
    for place, factor in enumerate(factors):
        order = _order(factor, [row.values[place] for row in known])
        many = len(order) > 12 and _numbers(order)
        values = [float(row.values[place]) if many else float(order.index(row.values[place])) for row in known]
        ticks: dict[str, Any] = {}
        if not many:
            titles = [words.value(factor.name, label) for label in order]
            ticks = {"tickvals": list(range(len(order))), "ticktext": titles}
        dimensions.append({"label": words.field(factor.name), "values": values, **ticks})
    scaled = [float(f"{_scaled(row.mean or 0.0, measure):.4g}") for row in known]
    dimensions.append({"label": _axis(measure), "values": scaled})
    chart = charts.figure(360)
    chart.add_trace(
        go.Parcoords(
            dimensions=dimensions,
            line={"color": scaled, "colorscale": charts.COLORSCALE},
            labelfont={"size": 14},
            tickfont={"size": 13},
        )
    )
    chart.update_layout(margin={"l": 100, "r": 110, "t": 60, "b": 24})
    return chart


def importance(shares: Mapping[str, float]) -> Figure:
    """Returns a bar for each part of the variance, the largest on top."""
    go = charts.plotly()
    parts = sorted(shares.items(), key=lambda pair: pair[1])
    chart = charts.figure(90 + 38 * len(parts), hovermode="closest")
    chart.add_trace(
        go.Bar(
            x=[100 * share for _name, share in parts],
            y=[words.field(name) for name, _share in parts],
            orientation="h",
            marker_color=[charts.FROZEN if name in ("together", "seeds") else charts.ACCENT for name, _s in parts],
            text=[f"{100 * share:.0f} %" for _name, share in parts],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{y}: %{x:.1f} %<extra></extra>",
        )
    )
    chart.update_xaxes(title_text=_("Share of the variance, %"), range=[0, 112])
    return chart


def _level(factor: Factor, label: str) -> Level:
    """Returns a factor's value by its label; one of a range is made anew."""
    known = next((level for level in factor.levels if level.label == label), None)
    return known or Level(label, ((factor.name, label),))


def _beside(xs: list[Any], place: float, order: Sequence[str]) -> list[Any]:
    """Moves points a little, so that intervals at one value stand side by side."""
    if _spans(order):
        return [x * 1.04**place for x in xs]
    return [x + 0.008 * place * (float(order[-1]) - float(order[0])) for x in xs]


def _cell(rows: Sequence[Row], wanted: Mapping[int, str]) -> list[Row]:
    known = [row for row in rows if row.mean is not None]
    return [row for row in known if all(row.values[place] == label for place, label in wanted.items())]


def _order(factor: Factor, present: Sequence[str]) -> list[str]:
    """Returns the values that there are, in the order of the factor; those of a range by size."""
    if factor.ranged:
        return sorted(set(present), key=float)
    return [level.label for level in factor.levels if level.label in set(present)]


def _numbers(order: Sequence[str]) -> bool:
    try:
        return len(order) > 1 and list(map(float, order)) == sorted(map(float, order))
    except ValueError:
        return False


def _spans(order: Sequence[str]) -> bool:
    """Whether numbers span orders of magnitude."""
    low, high = float(order[0]), float(order[-1])
    return low > 0 and high / low >= 50


def _scaled(value: float, measure: str) -> float:
    return 100 * value if measure in SHARES else value


def _half(interval: tuple[float, float] | None, y: float, end: int, measure: str) -> float | None:
    return None if interval is None else abs(_scaled(interval[end], measure) - y)


def _axis(measure: str) -> str:
    name = _(words.MEASURES[measure])
    return f"{name}, %" if measure in SHARES else f"{name}, s" if measure == "seconds" else name
