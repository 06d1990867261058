"""Evaluate's further views: all figures, curves, and a matrix from elsewhere."""

from __future__ import annotations

from html import escape

import pytest

from core.evaluation.figures import judge_matrix, read_matrix
from pages.evaluate import curves_view, figures_view
from pages.evaluate.matrix_view import EXAMPLES, parsed


def test_all_figures_stand_with_their_intervals(open_page, learned, words) -> None:
    app = open_page("evaluate", run=learned().id, view="figures")
    assert not app.exception
    said = words(app)
    assert "83.3" in said  # 5 of 6
    for title in figures_view.titles().values():
        assert ("Top-" in title) != (escape(title) in said)  # two classes have no top three
    assert "95 % interval" in said
    assert "weighted avg" in app.code[0].value
    assert app.query_params["view"] == "figures"


def test_the_curves_and_a_threshold(open_page, learned, words) -> None:
    app = open_page("evaluate", run=learned().id, view="curves")
    assert not app.exception
    said = words(app)
    for part in ("ROC curve", "Precision against recall", "logits divided by", "When it may abstain"):
        assert part in said
    slider = next(slider for slider in app.slider if slider.key == "bl-eval-threshold")
    slider.set_value(95).run()
    assert not app.exception
    assert "3 missed" in words(app)
    assert app.query_params["threshold"] == "95"


def test_a_set_of_one_class_has_no_roc_curve(open_page, learned, words, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from core.workflows import evaluate

    whole = evaluate.recorded

    def one_class(run):
        found = whole(run)["test"]
        rows = [row for row, label in enumerate(found.predictions.labels) if label == 0]
        part = replace(
            found.predictions,
            keys=tuple(found.predictions.keys[row] for row in rows),
            splits=("test",) * len(rows),
            labels=found.predictions.labels[rows],
            probabilities=found.predictions.probabilities[rows],
        )
        return {"test": replace(found, predictions=part)}

    monkeypatch.setattr(evaluate, "recorded", one_class)
    app = open_page("evaluate", run=learned().id, view="curves")
    assert not app.exception
    assert "no ROC curve" in words(app)


def test_a_pasted_matrix_gets_its_figures(open_page, learned, words) -> None:
    app = open_page("evaluate", run=learned().id, view="matrix")
    app.selectbox(key="bl-matrix-example").set_value(next(iter(EXAMPLES))).run()
    assert not app.exception
    said = words(app)
    assert "82.1" in said  # accuracy
    assert "78.1 to 85.5 %" in said  # Wilson
    assert "mean recall" in " ".join(part.value for part in app.markdown)
    app.text_area(key="bl-matrix-text").set_value("1 2\n3").run()
    assert not app.exception
    assert "not square" in words(app)


def test_it_needs_no_run(open_page, words) -> None:
    app = open_page("evaluate")
    app.text_area(key="bl-matrix-text").set_value("5,1;2\n1,7;0\n0,0;9").run()
    assert not app.exception
    assert "25 images" in words(app)


@pytest.mark.parametrize(
    "text", ["[[203,33],[41,136]]", "203 33\n41 136", "203\t33\n41\t136\n", "[203, 33]\n[41, 136]"]
)
def test_a_matrix_is_read_as_people_write_it(text: str) -> None:
    assert judge_matrix(read_matrix(parsed(text))).values["accuracy"] == pytest.approx(339 / 413)


@pytest.mark.parametrize(
    "text", ["1 -2\n3 4", "one two\nthree four", "1.5 2\n3 4", "[[1,2],[3]]", "[", "0 0\n0 0", "{}"]
)
def test_what_is_no_matrix_is_refused_in_words(text: str) -> None:
    from core.errors import InputError

    with pytest.raises(InputError):
        read_matrix(parsed(text))


def test_no_more_lines_than_colours() -> None:
    assert len(set(curves_view.charts.OTHERS)) == curves_view.LINES
