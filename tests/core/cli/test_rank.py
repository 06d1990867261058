"""``rank`` and ``advise`` on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from core.cli import main
from core.specs import DataSpec, ModelSpec
from core.workflows.jobs import ranking

TINY = "shufflenet_v2_x0_5@none"


def answer(capsys: pytest.CaptureFixture[str]) -> dict:
    return json.loads(capsys.readouterr().out.strip().splitlines()[-1])


def test_backbones_are_ranked(image_folder: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    words = ["rank", "--data", str(image_folder()), "--backbones", f"{TINY},no_such", "--images", "10"]
    assert main([*words, "--device", "cpu", "--json"]) == 0
    record = answer(capsys)
    assert record["order"] == [0]
    assert record["rows"][0]["scores"]["images"] == 10
    assert "no_such" in json.dumps(record["rows"][1]["problem"])
    assert record["reached"] == {"split": "val", "pairs": [], "tau": None, "weighted_tau": None}
    assert main([*words, "--device", "cpu", "--quiet"]) == 0
    text = capsys.readouterr().out
    assert "LogME" in text
    assert "left out: no_such" in text
    assert "10 of" in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rank", "--data", "shapes", "--backbones", TINY, "--images", "0"], "--images"),
        (["rank", "--data", "nowhere", "--backbones", TINY], "nowhere"),
        (["rank", "--data", "shapes", "--backbones", "resnet18@odd"], "odd"),
        (["rank", "--data", "shapes", "--backbones", " , "], "No backbone"),
        (["job", "nowhere"], "nowhere"),
        (["advise", "--data", "shapes", "--backbone", "no_such"], "no_such"),
    ],
)
def test_what_cannot_be_ranked_is_said(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error.startswith("error:")
    assert said in error


@pytest.mark.parametrize(
    ("words", "said"), [(["rank"], "--data, --backbones"), (["rank", "--data", "x"], "--backbones")]
)
def test_what_is_ranked_must_be_named(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(words)
    assert left.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("error:")
    assert said in error


def test_a_ranking_in_which_nothing_could_be_ranked_is_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rank", "--data", "shapes?per_class=6", "--backbones", "no_such", "--quiet"]) == 2
    assert "No backbone could be ranked" in capsys.readouterr().out


def test_a_job_is_done(image_folder: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    from core.runs.jobs import JobStore

    root = image_folder()
    request = {
        "data": {"source": str(root)},
        "models": [{"backbone": "shufflenet_v2_x0_5", "weights": "none"}],
        "images": 8,
        "device": "cpu",
    }
    job = JobStore("rankings").create(request)
    assert main(["job", str(job.path), "--json", "--within", str(root.parent)]) == 0
    assert answer(capsys)["state"] == "finished"
    assert ranking.result(job) is not None
    outside = JobStore("rankings").create(request)
    assert main(["job", str(outside.path), "--within", str(root / "red")]) == 2
    assert outside.state == "failed"


def test_advice_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["advise", "--data", "shapes?per_class=10", "--backbone"]
    assert main([*words, TINY, "--json"]) == 0
    record = answer(capsys)
    assert record["preset"] == "scratch"
    assert len(record["reason"]) == 2
    assert main([*words, "efficientnet_lite0", "--unmeasured", "--json"]) == 0
    record = answer(capsys)
    assert (record["preset"], record["kind"]) == ("linear-probe", "")
    assert record["facts"]["per_class"] == 8


def test_advice_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["advise", "--data", "shapes?per_class=10", "--backbone", "efficientnet_lite0", "--device", "cpu"]
    assert main([*words, "--quiet"]) == 0
    text = capsys.readouterr().out
    assert "recipe:" in text
    assert "LEEP" in text


def test_the_request_of_a_page_is_read_back() -> None:
    import dataclasses

    from core.specs import from_record

    for spec in (ModelSpec("resnet18", "none", 64), DataSpec("shapes", 0.1, 0.2, 3)):
        assert from_record(type(spec), "it", json.loads(json.dumps(dataclasses.asdict(spec)))) == spec
