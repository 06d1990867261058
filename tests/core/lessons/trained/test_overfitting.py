"""A polynomial by heart, and digits by number: numpy's own fit, errors as defined, a gap that pictures close."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InputError
from core.lessons.trained import overfitting


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 6), st.integers(8, 60), st.integers(0, 20))
def test_the_polynomial_is_numpys(degree: int, points: int, seed: int) -> None:
    found = overfitting.polynomial(degree, points, seed=seed)
    wanted = np.polynomial.Polynomial.fit(found.x, found.y, degree)
    np.testing.assert_allclose(np.polynomial.Polynomial(found.coefficients)(found.x), wanted(found.x), atol=1e-6)
    assert found.learned == pytest.approx(float(np.mean((wanted(found.x) - found.y) ** 2)), abs=1e-6)


def test_ten_points_are_learned_by_heart_and_a_hundred_are_not() -> None:
    few, many = overfitting.polynomial(9, 10), overfitting.polynomial(9, 100)
    assert few.learned < 1e-12
    assert few.new > 10 * many.new
    assert many.new < 2 * overfitting.NOISE**2
    with pytest.raises(InputError, match="0 to 15"):
        overfitting.polynomial(16, 20)


def test_more_digits_close_the_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overfitting, "EPOCHS", 8)
    calls: list[tuple[int, int]] = []
    found = overfitting.by_number(numbers=(2, 20), seeds=(0,), progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (32, 32)
    assert [(one.each, one.changed) for one in found] == [(2, False), (2, True), (20, False), (20, True)]
    few, _few_changed, many, _many_changed = found
    assert few.learned - few.held > many.learned - many.held + 0.1
