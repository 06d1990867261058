"""The advisor on the Backbone page: the four situations, the recipe at a click, the ranking's faces."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.evaluation.transferability import Transferability
from core.messages import Sentence
from core.runs.jobs import Job, JobStore
from core.specs import DataSpec, FreezePlan, ModelSpec
from core.workflows.advisor.ranking import Ranked, Ranking
from core.workflows.jobs.ranking import RankingRequest
from pages.backbone import ranking_panel

DATA = DataSpec("shapes?per_class=12", test_share=0.2)
LITE0 = ModelSpec("efficientnet_lite0")
NAMES = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")


def _card(spec, data):  # type: ignore[no-untyped-def]  # its source runs by itself, without this module's names
    from pages.backbone import advisor
    from pages.ui.kit.page_states import boundary
    from pages.ui.session import choices

    with boundary():
        if data is not None and choices.data() is None:
            choices.set_data(data)
        advisor.draw(spec, data)


@pytest.fixture
def card() -> Callable[..., AppTest]:
    """Runs the advisor by itself, for a network and images."""

    def opened(spec: ModelSpec = LITE0, data: DataSpec | None = DATA) -> AppTest:
        return AppTest.from_function(_card, args=(spec, data), default_timeout=120).run()

    return opened


def scores(log_me: float = 0.3, *, alike: bool = True) -> Transferability:
    knn, leep = (0.98, -0.1) if alike else (0.5, -1.2)
    return Transferability(log_me, 2.5, None, leep, knn, knn, 0.25, 1.386, 40, 1280, 4)


def ranking_of(*rows: Ranked, complete: bool = True) -> Ranking:
    return Ranking(DATA, rows, 40, 40, 4, 9.0, "cpu", complete)


def make_job(ranking: Ranking | None = None, models: int = 1, **status: Any) -> Job:
    job = JobStore("rankings").create(RankingRequest(DATA, (LITE0,) * models, 40, "cpu").as_record())
    if ranking is not None:
        job.write_result(ranking.as_record())
    (job.path / "status.json").write_text(json.dumps({"state": "finished", **status}))
    return job


def buttons(app: AppTest) -> dict[str, Any]:
    return {button.key: button for button in app.button}


def test_without_images_the_empty_face_leads_to_them(card, words) -> None:
    app = card(data=None)
    assert not app.exception
    assert "No images chosen yet" in words(app)
    assert "bl-ranking-start" not in buttons(app)


def test_before_a_measurement_the_advice_goes_by_the_number_and_says_so(card, words) -> None:
    app = card()
    assert not app.exception
    text = words(app)
    assert "has not been measured yet" in text
    assert "here, or beside it" in text
    assert "you are here" not in text
    assert "bl-advice-measure" in buttons(app)


@pytest.mark.parametrize(
    ("alike", "preset", "recipe", "stages"),
    [(True, "linear-probe", "The head alone", 0), (False, "gradual", "Stage after stage", 2)],
)
def test_a_measurement_marks_the_place_and_the_recipe_is_filled_in(
    card, words, alike: bool, preset: str, recipe: str, stages: int
) -> None:
    make_job(ranking_of(Ranked(LITE0, scores(alike=alike))))
    app = card()
    assert not app.exception
    text = words(app)
    assert f"{recipe}<span>you are here</span>" in text
    assert "LEEP" in text
    assert "bl-advice-measure" not in buttons(app)
    app.session_state["bl.freeze"] = FreezePlan(1, norm="train")
    app.button(key="bl-advice-use").click().run()
    assert not app.exception
    assert app.session_state["bl.train"].preset == preset
    assert app.session_state["bl.freeze"] == FreezePlan(stages, norm="train")
    assert app.button(key="bl-advice-use").disabled
    assert "This recipe is chosen" in app.button(key="bl-advice-use").label
    if preset == "gradual":
        assert [name for name, _ in app.session_state["bl.train"].gradual] == ["stage5", "stage4"]
        assert app.session_state["bl.train"].augment.rotation > 0


def test_the_notes_advice_stands_beside_and_both_are_trained_on_a_click(card, words, monkeypatch) -> None:
    from core.runs import launch

    started: list[tuple[Any, dict[str, Any]]] = []

    def start(experiment: Any, **more: Any) -> Any:
        started.append((experiment, more))
        return type("Run", (), {"id": f"run-{len(started)}"})

    monkeypatch.setattr(launch, "start", start)
    make_job(ranking_of(Ranked(LITE0, scores(alike=False))))
    app = card()
    assert "The notes say: freeze the first layers and retrain the rest" in words(app)
    app.button(key="bl-notes-both").click().run()
    assert not app.exception
    assert [experiment.training.preset for experiment, _ in started] == ["gradual", "fine-tune"]
    assert all(more["roots"] for _, more in started)


def test_where_the_notes_say_the_same_there_is_nothing_to_compare(card, words) -> None:
    make_job(ranking_of(Ranked(LITE0, scores(alike=True))))
    app = card()
    assert "The notes say the same" in words(app)
    assert "bl-notes-both" not in buttons(app)


def test_random_weights_are_trained_from_scratch(card, words) -> None:
    app = card(ModelSpec("resnet18", "none"))
    assert not app.exception
    assert "starts from random weights" in words(app)
    assert "bl-advice-measure" not in buttons(app)
    app.button(key="bl-advice-use").click().run()
    assert app.session_state["bl.train"].preset == "scratch"
    assert app.session_state["bl.freeze"].trainable_stages == "all"


def test_measuring_starts_a_process_for_the_chosen_network_alone(card, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[RankingRequest, dict[str, Any]]] = []
    monkeypatch.setattr(ranking_panel, "start_job", lambda request, **more: started.append((request, more)))
    app = card()
    app.button(key="bl-advice-measure").click().run()
    assert not app.exception
    assert [request for request, _ in started] == [RankingRequest(DATA, (LITE0,), 200)]
    assert started[0][1]["roots"]  # the process may read no more than the page


def test_ranking_starts_with_the_backbones_whose_weights_are_here(card, words, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[ModelSpec]] = []
    monkeypatch.setattr(ranking_panel, "start_job", lambda request, **_: started.append(list(request.models)))
    app = card(ModelSpec("resnet18", "none"))
    assert set(app.multiselect(key="bl-ranking-names").value) >= {"chosen", *NAMES}
    assert "will stand here" in words(app)
    app.multiselect(key="bl-ranking-names").set_value(["chosen", "efficientnet_lite1"]).run()
    app.button(key="bl-ranking-start").click().run()
    assert not app.exception
    assert started == [[ModelSpec("resnet18", "none"), ModelSpec("efficientnet_lite1")]]
    app.multiselect(key="bl-ranking-names").set_value([]).run()
    assert not app.exception


def test_a_ranking_at_work_shows_how_far_it_is_and_can_be_cancelled(card, alive) -> None:
    job = make_job(
        models=3,
        state="running",
        doing="computing features",
        backbone="efficientnet_lite1",
        number=1,
        networks=3,
        done=20,
        total=40,
        **alive,
    )
    app = card()
    assert not app.exception
    assert buttons(app)["bl-ranking-start"].disabled
    assert "bl-advice-measure" not in buttons(app)
    progress = app.main.get("progress")[0].proto
    assert progress.value == 50
    assert "20 of 40 images" in progress.text
    assert "backbone 2 of 3" in progress.text
    app.button(key="bl-ranking-0-stop").click().run()
    assert job.stop_requested


def rows() -> tuple[Ranked, ...]:
    problem = Sentence("The weights of {name} are nowhere.", {"name": "resnet18"})
    told = [Ranked(ModelSpec(name), scores(0.1 * place), 2.0) for place, name in enumerate(NAMES)]
    return (*told, Ranked(ModelSpec("resnet18"), problem=problem))


def test_a_finished_ranking_shows_the_order_the_reasons_and_the_winner(card, words) -> None:
    make_job(ranking_of(*rows()), models=4)
    app = card()
    assert not app.exception
    text = words(app)
    assert "EfficientNet-Lite2 leads" in text
    assert "The weights of resnet18 are nowhere." in text
    assert "Once runs with these backbones" in text
    table = app.dataframe[0].value
    assert list(table["backbone"]) == ["EfficientNet-Lite2", "EfficientNet-Lite1", "EfficientNet-Lite0"]
    assert list(table["probe_accuracy"]) == pytest.approx([98.0] * 3)
    app.segmented_control(key="bl-ranking-score").set_value("leep").run()
    assert not app.exception
    app.button(key="bl-ranking-take").click().run()
    assert app.session_state["bl.model"].backbone == "efficientnet_lite2"


def test_predictions_stand_beside_what_runs_reached(card, words, make_run) -> None:
    make_job(ranking_of(*rows()), models=4)
    for place, name in enumerate(NAMES):
        run = make_run(val_accuracy=0.7 + 0.1 * place, test_accuracy=0.6 + 0.1 * place)
        record = json.loads((run.path / "experiment.json").read_text())
        record["data"], record["model"]["backbone"] = dataclasses.asdict(DATA), name
        (run.path / "experiment.json").write_text(json.dumps(record))
    app = card()
    assert "Kendall's tau" not in words(app)  # all have the same probe accuracy: there is no order
    text = words(app.segmented_control(key="bl-ranking-score").set_value("log_me").run())
    assert "3 backbones were ranked and trained" in text
    assert "reached: 1.00" in text


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (
            {
                "state": "failed",
                "message": "No.",
                "message_template": "There is no {x}.",
                "message_values": {"x": "disk"},
            },
            "There is no disk.",
        ),
        ({"state": "running", "pid": 2**22 + 1, "create_time": 1.0}, "This ranking was interrupted"),
    ],
)
@pytest.mark.parametrize("models", [1, 3])
def test_a_ranking_that_broke_says_so(card, words, status: dict[str, Any], said: str, models: int) -> None:
    make_job(models=models, **status)
    app = card()
    assert not app.exception
    assert said in words(app)
    assert not buttons(app)["bl-ranking-start"].disabled


def test_a_network_that_could_not_be_measured_says_why(card, words) -> None:
    make_job(ranking_of(rows()[-1]))
    assert "The weights of resnet18 are nowhere." in words(card())


def test_images_that_are_gone_are_said(card, words, tmp_path) -> None:
    app = card(data=DataSpec(str(tmp_path / "data" / "nowhere")))
    assert not app.exception
    assert "nowhere" in words(app)


def test_the_backbone_page_holds_the_advisor(open_page, words) -> None:
    app = open_page("backbone", session={"bl.data": DATA})
    assert not app.exception
    assert "What to do with your images" in words(app)
