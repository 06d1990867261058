"""The leak lab's page: relatives, a guess, a job, and what a finished lab shows."""

from __future__ import annotations

from core.runs import launch
from core.runs.jobs import JobStore
from core.workflows.jobs.leak import LeakRequest
from core.workflows.leak.record import LeakPlan, LeakResult, Measured, Shown

JPEG = (
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAP//////////////////////////////////////////////////////////////////////////////////////"
    "2wBDAf//////////////////////////////////////////////////////////////////////////////////////wAARCAABAAEDASIAAhEBAxEB"
)


def finished(plan: LeakPlan) -> LeakResult:
    def rows(nearest: float, linear: float) -> dict[str, Measured]:
        return {
            name: Measured(value, (value - 0.05, value + 0.02), 600)
            for name, value in (("nearest", nearest), ("linear", linear))
        }

    return LeakResult(
        plan,
        ("AD", "MCI"),
        600,
        120,
        0.5,
        {"before": rows(0.957, 0.811), "grouped": rows(0.527, 0.54)},
        {"before": 1.0, "grouped": 0.0},
        {"before": 0.913, "grouped": 0.0},
        (Shown(JPEG, "AD", {"before": (JPEG, "AD", True), "grouped": (JPEG, "MCI", False)}),),
    )


def test_from_relatives_and_a_guess_to_a_job(open_page, words, params, monkeypatch) -> None:
    spawned: list[tuple[str, ...]] = []
    monkeypatch.setattr(launch, "spawn", lambda _folder, spoken, _roots, **_more: spawned.append(tuple(spoken)))
    app = open_page("leak")
    assert not app.exception
    assert "1 · Pictures with relatives" in words(app)
    assert spawned == []
    app.slider(key="bl-leak-guess").set_value(70).run()
    assert params(app)["leak-guess"] == "70"
    app.button(key="bl-leak-go").click().run()
    assert not app.exception
    assert [spoken[0] for spoken in spawned] == ["job"]
    (made,) = JobStore("leaks").list()
    assert made.read_request().plan == LeakRequest.of(LeakPlan()).plan
    app.selectbox(key="bl-leak-pictures").set_value("shapes").run()
    assert not app.exception
    assert app.slider(key="bl-leak-copies").value == 4
    app.button(key="bl-leak-go").click().run()
    plan = JobStore("leaks").list()[0].read_request().plan
    assert (plan["source"], plan["copies"], plan["group_by"], plan["by_lot"]) == ("shapes", 4, "", False)


def test_a_finished_lab_shows_both_accuracies_the_guess_and_why(open_page, words) -> None:
    plan = LeakPlan()
    made = JobStore("leaks").create(LeakRequest.of(plan).as_record())
    made.write_result(finished(plan).as_record())
    from core.runs.recorder import Recorder

    Recorder(made).update(state="finished")
    app = open_page("leak", **{"leak-guess": "60"})
    assert "95.7" not in words(app)  # an earlier result does not spoil the guess
    app.button(key="bl-leak-go").click().run()
    assert not app.exception
    assert len(JobStore("leaks").list()) == 1
    said = words(app)
    for part in ("95.7", "52.7", "60 %", "36 points too low", "Whom it recognises", "Yagis", "drawn by lot"):
        assert part in said, part
    assert "promises what new pictures will not keep" in said
