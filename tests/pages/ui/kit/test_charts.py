"""A logarithmic axis: powers of ten over many of them, round figures over few."""

from __future__ import annotations

import math

from pages.ui.kit import charts


def test_values_close_together_stand_between_round_figures() -> None:
    axis = charts.magnitudes([1.4, 8.0, 30.0, None, 0.0, math.inf])
    assert axis["ticktext"] == ["1", "2", "5", "10", "20", "50", "100", "200", "500"]
    assert axis["tickvals"] == [float(text) for text in axis["ticktext"]]
    assert charts.magnitudes([3e-5, 4e-5])["ticktext"][0] == "1e\N{MINUS SIGN}05"


def test_values_far_apart_and_none_have_powers_of_ten() -> None:
    for values in ([1e-3, 1e5], [], [0.0, -1.0]):
        assert charts.magnitudes(values) == {"type": "log", "exponentformat": "power", "nticks": 7}
