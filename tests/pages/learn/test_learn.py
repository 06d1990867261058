"""The map and the frame: what is predicted is scored, the answer is shown when asked for, a link opens a state."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from pages.learn.table import LESSONS
from pages.ui.kit import nav


def test_the_map_names_every_lesson_with_its_question_and_minutes(open_page, words) -> None:
    app = open_page("learn")
    assert not app.exception
    said = words(app)
    for lesson in LESSONS.values():
        assert lesson.question.split(",")[0] in said
        assert f"{lesson.minutes} minutes" in said


def test_a_lesson_that_there_is_not_is_said(open_page, words) -> None:
    assert "no lesson of the name <b>" in words(open_page("learn", lesson="<b>")).replace("&lt;", "<").replace(
        "&gt;", ">"
    )


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_asks_first_scores_and_shows_the_answer_when_asked(name: str, open_page, words) -> None:
    app: AppTest = open_page("learn", lesson=name)
    assert not app.exception
    question = LESSONS[name].ask()
    assert question.answer in question.options
    assert set(question.slips) <= set(question.options) - {question.answer}
    assert len(question.options) > 1
    assert question.because not in words(app)
    assert app.button(key="bl-learn-give").disabled
    wrong = next(option for option in question.options if option != question.answer)
    app.radio(key=f"bl-learn-said-{name}").set_value(wrong).run()
    app.button(key="bl-learn-give").click().run()
    assert not app.exception
    kept = app.session_state["bl.learn.predictions"][name]
    assert (kept.said, kept.right) == (wrong, False)
    assert app.query_params["step"] == ["play"] or app.query_params["step"] == "play"
    assert "The answer:" not in words(app)
    app.button(key="bl-learn-reveal").click().run()
    assert not app.exception
    assert "The answer:" in words(app)
    app.button(key="bl-learn-anew").click().run()
    assert name not in app.session_state["bl.learn.predictions"]
    app.radio(key=f"bl-learn-said-{name}").set_value(question.answer).run()
    app.button(key="bl-learn-give").click().run()
    assert app.session_state["bl.learn.predictions"][name].right


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_names_pages_and_a_source(name: str) -> None:
    lesson, why = LESSONS[name], LESSONS[name].why()
    assert all(page in nav.PLACES for page, _sentence in lesson.used)
    assert lesson.used
    assert why.source[1].startswith("https://")
    assert why.formula


@pytest.mark.parametrize("name", [name for name, lesson in LESSONS.items() if lesson.own])
def test_a_lesson_on_ones_own_network_opens_by_its_link(name: str, open_page, words) -> None:
    app = open_page("learn", lesson=name, step="play", image="sample:cat", **{"learn-on": "own"})
    assert not app.exception
    assert "Something went wrong" not in words(app)
    assert "does not work" not in words(app)


def test_the_way_back_shows_the_notes_figures_and_the_slip_of_the_mean(open_page, words) -> None:
    app = open_page("learn", lesson="backward", step="play")
    assert "dL/dF[1, 1] = 1 · 2 + 1 · 3 + 1 · 3 + 1 · 1 = <b>9</b>" in words(app)
    app.button_group(key="bl-learn-loss").set_value("mean").run()
    assert "= <b>2.25</b>" in words(app)
    assert "hands back 1/4" in words(app)
    app.number_input(key="bl-learn-row").set_value(2).run()
    assert "dL/dF[2, 1]" in words(app)
    assert "= <b>1.75</b>" in words(app)
    bad = open_page("learn", lesson="backward", step="play", **{"learn-xb": "1,2;cat"})
    assert "is no number" in words(bad)
    assert not bad.exception


def test_the_figures_of_a_loss_are_torchs(open_page, words) -> None:
    import torch

    from pages.learn.number_grid import written

    app = open_page("learn", lesson="cross-entropy", step="play", **{"learn-logit-0": "0.5", "learn-temperature": "2"})
    logits = torch.tensor([0.5, 1.0, -1.0], dtype=torch.float64, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(logits[None] / 2, torch.tensor([0]))
    loss.backward()
    said = words(app)
    for value in (*torch.softmax(logits.detach() / 2, 0).tolist(), *logits.grad.tolist(), float(loss.detach())):
        assert f"<bdi>{written(value)}</bdi>" in said


def test_a_chain_is_followed_and_the_notes_counts_are_shown(open_page, words, params) -> None:
    app = open_page("learn", lesson="sizes", step="play")
    assert "7,845 parameters, weights 5 × 1568" in words(app)
    app.selectbox(key="bl-learn-chain").set_value("autoencoder").run()
    assert not app.exception
    assert "28 px come back as 31" in words(app)
    assert "5 cells paint (5 − 1) · 2 − 2 · 0 + 3 = 11 places" in words(app)
    assert "a checkerboard" in words(app)
    assert ">557<" in words(app)
    app.text_area(key="bl-learn-layers").set_value("conv 4 3 2\nflatten").run()
    assert "4 × 13 × 13" in words(app)
    assert "conv 4 3 2" in params(app)["layers"]
    app.text_input(key="bl-learn-wanted").set_value("676").run()
    assert "Reached" in words(app)
    for layers, says in (("conv 0 3", "channels is 0"), ("linear 5", "Put flatten before"), ("x", "is no layer")):
        assert says in words(open_page("learn", lesson="sizes", step="play", layers=layers))
    assert "is no shape" in words(open_page("learn", lesson="sizes", step="play", input="1 2"))


def test_the_families_are_compared_and_resnet18_is_explained(open_page, words) -> None:
    said = words(open_page("learn", lesson="sizes", step="play", **{"learn-sizes": "families"}))
    for figure in ("138,357,544", "133,638,952", "(A-LRN)", "11,689,512", "11,511,784", "9,600", "172,032", "4.09 G"):
        assert figure in said


def test_pooling_shows_the_notes_figures(open_page, words) -> None:
    said = words(open_page("learn", lesson="pooling", step="play", **{"learn-pool": "mean"}))
    assert ">152.5<" in said
    assert "mean pooling is a convolution" in said
    assert "does not fit" in words(open_page("learn", lesson="pooling", step="play", **{"learn-pool-map": "1"}))


def test_uneven_classes_compare_the_cures_with_always_naming_the_common_one(open_page, words) -> None:
    app = open_page("learn", lesson="uneven", step="play")
    assert "Always the common class</td><td><bdi>95" in words(app)
    app.slider(key="bl-learn-share").set_value(10).run()
    assert not app.exception
    assert "Always the common class</td><td><bdi>90" in words(app)


def test_the_race_keeps_its_optimizers_in_the_address_and_says_how_each_went(open_page, words, params) -> None:
    app = open_page("learn", lesson="race", step="play", **{"learn-rates": "one", "learn-rate": "0"})
    assert "exploded" in words(app)
    app.button_group(key="bl-learn-optimizers").set_value(["Adam"]).run()
    assert params(app)["learn-optimizers"] == "Adam"
    assert "<td>SGD</td>" not in words(app)
    assert "at least one" in words(open_page("learn", lesson="race", step="play", **{"learn-optimizers": "-"}))
    assert not open_page("learn", lesson="race", step="play", **{"learn-race": "digits"}).exception


def test_batch_norm_and_dropout_show_torchs_figures(open_page, words) -> None:
    import torch

    from pages.learn.number_grid import written

    values = torch.tensor([[2.0], [4.0], [4.0], [6.0]], dtype=torch.float64)
    layer = torch.nn.BatchNorm1d(1).double()
    wanted = float(layer(values)[0].detach())
    said = words(open_page("learn", lesson="batch-norm", step="play"))
    assert f"<b>{written(wanted)}</b>" in said
    assert f"<bdi>{written(float(layer.running_var))}</bdi>" in said
    assert "at least two values" in words(open_page("learn", lesson="batch-norm", step="play", **{"learn-norm": "3"}))
    app = open_page("learn", lesson="dropout", step="play", **{"learn-drop-share": "0"})
    assert "<bdi>36</bdi>" in words(app)
    app.button(key="bl-learn-drop-again").click().run()
    assert not app.exception


def test_a_network_without_batch_norm_has_no_trap_and_says_so(open_page, words) -> None:
    query = {"learn-on": "own", "backbone": "squeezenet1_1", "weights": "none", "image": "sample:cat"}
    said = words(open_page("learn", lesson="batch-norm", step="play", **query))
    assert "no batch norm that keeps figures" in said


def test_the_patch_of_the_picture_that_a_clicked_cell_sees_is_marked(open_page, words) -> None:
    query = {"learn-on": "own", "backbone": "mnist_cnn", "weights": "none", "image": "sample:cat"}
    said = words(open_page("learn", lesson="convolution", step="play", **query, **{"learn-at": "3.4"}))
    assert "What this cell sees of the picture: 5 × 5 px" in said
    assert "rows 2 to 6, columns 3 to 7" in said  # padding 1, so the window begins a pixel before the cell
    corner = words(open_page("learn", lesson="convolution", step="play", **query, **{"learn-at": "0.0"}))
    assert "rows 0 to 3, columns 0 to 3 · the rest lies outside of the picture" in corner
