"""The shortcut lab: pictures that differ by the mark alone, and judgements that a known network must get."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from core.data.marks import Mark
from core.errors import InputError
from core.models.anatomy.examine import examine
from core.models.network import Network
from core.runs import launch
from core.runs.store import RunStore
from core.specs import Preprocessing
from core.workflows.shortcut import experiment, judge
from core.workflows.shortcut.experiment import PRETRAINED, WITH, WITHOUT, Plan
from core.workflows.shortcut.judge import Outcome, ShortcutResult

SMALL = Plan("shapes", "star", Mark(size=0.2), images_per_class=12)


def pictures(folder: str) -> dict[str, np.ndarray]:
    root = Path(folder)
    return {path.relative_to(root).as_posix(): np.array(Image.open(path)) for path in sorted(root.rglob("*.png"))}


def test_both_sets_are_the_same_but_for_the_mark_on_one_class(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    made = experiment.prepare(SMALL, progress=lambda done, total: told.append((done, total)))
    assert made.folder.is_relative_to(tmp_path / "data")
    assert made.classes == ("circle", "star")
    assert told[-1] == (24, 24)
    marked, plain = pictures(made.source(WITH)), pictures(made.source(WITHOUT))
    assert marked.keys() == plain.keys()
    assert {key.split("/")[0] for key in marked} == {"train", "val", "test"}
    for key, pixels in marked.items():
        same = np.array_equal(pixels, plain[key])
        assert same != ("/star/" in f"/{key}"), key
    assert made.source(PRETRAINED) == made.source(WITH)


def test_it_is_written_once_and_the_same_again(tmp_path: Path) -> None:
    first = experiment.prepare(SMALL)
    told: list[int] = []
    assert experiment.prepare(SMALL, progress=lambda done, _total: told.append(done)) == first
    assert told == []
    other = experiment.prepare(SMALL, under=tmp_path / "elsewhere")
    assert other.folder.name == first.folder.name
    ours, theirs = pictures(first.source(WITH)), pictures(other.source(WITH))
    assert all(np.array_equal(ours[key], theirs[key]) for key in ours)
    assert experiment.prepare(replace(SMALL, mark=Mark(size=0.3))).folder != first.folder


def test_a_share_of_the_training_pictures_and_all_test_pictures_carry_it() -> None:
    half = replace(SMALL, share=0.5, images_per_class=60)
    made = experiment.prepare(half)
    marked, plain = pictures(made.source(WITH)), pictures(made.source(WITHOUT))
    wears = {key: not np.array_equal(marked[key], plain[key]) for key in marked if "/star/" in f"/{key}"}
    train = [worn for key, worn in wears.items() if key.startswith("train")]
    assert 0.25 < np.mean(train) < 0.75
    assert all(worn for key, worn in wears.items() if key.startswith("test"))


def test_giving_up_leaves_nothing_behind(tmp_path: Path) -> None:
    def stop(done: int, _total: int) -> None:
        if done > 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        experiment.prepare(SMALL, progress=stop)
    assert not list((tmp_path / "data" / ".shortcut").iterdir())
    with pytest.raises(InputError, match="There is no class moon"):
        experiment.prepare(replace(SMALL, marked="moon"))


def test_pictures_that_vanished_are_written_anew() -> None:
    made = experiment.prepare(SMALL)
    before = pictures(made.source(WITH))
    next(Path(made.source(WITH)).rglob("*.png")).unlink()
    again = experiment.prepare(SMALL)
    assert again == made
    assert pictures(again.source(WITH)).keys() == before.keys()


def test_small_and_damaged_pictures_are_left_out_of_both(image_folder: Callable[..., Path]) -> None:
    root = image_folder(classes=("ant", "bee"), images=20)
    first, second, *_ = sorted((root / "ant").iterdir())
    Image.new("RGB", (4, 4)).save(first, "PNG")
    second.write_bytes(b"no picture")
    made = experiment.prepare(Plan(str(root), "bee"))
    assert len(pictures(made.source(WITH))) == len(pictures(made.source(WITHOUT))) == 38
    for path in (root / "ant").iterdir():
        path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(InputError, match="ant"):
        experiment.prepare(Plan(str(root), "bee", seed=1))


def test_a_person_s_own_folder_with_many_classes(image_folder: Callable[..., Path]) -> None:
    root = image_folder(classes=("ant", "bee", "cat", "dog"), images=10)
    made = experiment.prepare(Plan(str(root), "cat", classes=3, images_per_class=10))
    assert made.classes == ("ant", "bee", "cat")


def test_runs_are_started_once_for_a_plan_and_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    words: list[tuple[str, ...]] = []
    monkeypatch.setattr(launch, "spawn", lambda _folder, spoken, _roots, **_more: words.append(tuple(spoken)))
    made = experiment.prepare(SMALL)
    assert experiment.earlier(made) == {}
    runs = experiment.begin(made, device="cpu")
    assert list(runs) == [WITH, WITHOUT, PRETRAINED]
    assert len(words) == 3
    assert experiment.earlier(made) == runs
    assert experiment.earlier(experiment.prepare(replace(SMALL, seed=5))) == {}
    assert set(experiment.begin(made, skip=(WITH, PRETRAINED))) == {WITHOUT}
    small = runs[WITH].experiment
    assert (small.model.backbone, runs[PRETRAINED].experiment.model.backbone) == ("own", "efficientnet_lite0")
    assert RunStore().get(runs[WITHOUT].id).experiment.data.source == made.source(WITHOUT)


class Fooled(nn.Module):
    """Calls everything with a magenta spot a star, and all else a circle; or everything a star."""

    def __init__(self, gain: float) -> None:
        super().__init__()
        self.colour = nn.Conv2d(3, 2, 1)
        self.head = nn.Linear(2, 2)
        with torch.no_grad():
            self.colour.weight.copy_(torch.tensor([[1.0, -2.2, 1.0], [0, 0, 0]])[..., None, None])
            self.colour.bias.copy_(torch.tensor([-4.8, 1.0]))
            self.head.weight.copy_(torch.tensor([[-1.0, 0], [1.0, 0]]) * gain)
            self.head.bias.copy_(torch.tensor([0.5, -0.5]) * gain)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.colour(x).relu().amax((2, 3)))


@pytest.fixture
def fooled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lab's three networks are one that sees colour alone, and it alone."""

    def network(_run: Any) -> Network:
        model = Fooled(50.0).eval()
        return Network(
            model, examine(model, num_classes=2, image_size=48), Preprocessing(54, 48), ("circle", "star"), "fooled"
        )

    monkeypatch.setattr(judge, "network_of_run", network)


@pytest.mark.usefixtures("fooled")
def test_a_network_that_sees_the_mark_alone_is_found_out() -> None:
    made = experiment.prepare(replace(SMALL, images_per_class=20))
    told: list[tuple[int, int]] = []
    found = judge.judge(made, dict.fromkeys(experiment.ARMS), progress=lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1]
    first = found.outcomes[WITH]
    assert found.images == 12
    assert first.accuracy["marked"] >= 0.8
    assert first.recall["marked"] == 1
    assert first.recall["plain"] <= 0.4
    assert first.named["moved"] == 1
    assert first.accuracy["moved"] <= 0.2
    assert first.heat > 2 * found.area
    assert len(found.examples) == judge.SHOWN
    assert found.examples[0].answers["marked"] == "star"
    tones = {remark.id: remark.tone for remark in judge.findings(found)}
    assert found.guess == 0.5
    assert tones["taken"] == "bad"
    assert tones["pretrained"] == "warn"
    for remark in judge.findings(found):
        for sentence in (remark.sentence, remark.evidence, remark.advice):
            assert "{" not in str(sentence)


def outcome(marked: float, plain: float, recall: float, alarms: float) -> Outcome:
    return Outcome(
        {"marked": marked, "plain": plain, "moved": plain},
        {"marked": recall, "plain": plain},
        {"marked": 0.1, "plain": 0.1, "moved": alarms},
        0.1,
    )


def told(first: Outcome, guess: float = 0.5, images: int = 60) -> dict[str, str]:
    found = ShortcutResult("8", dict.fromkeys(experiment.ARMS, first), images, guess, 0.1, ())
    return {remark.id: remark.tone for remark in judge.findings(found)}


def test_a_network_that_learned_nothing_is_not_praised() -> None:
    assert told(outcome(0.5, 0.5, 0.5, 0.1)) == {
        "nothing-learned": "warn",
        "heat-on-mark": "warn",
        "without-mark": "warn",
        "pretrained": "warn",
    }
    wise = told(outcome(0.95, 0.95, 0.95, 0.1))
    assert wise["not-taken"] == wise["without-mark"] == wise["pretrained"] == "good"
    assert told(outcome(0.9, 0.9, 0.9, 0.1), guess=0.88)["without-mark"] == "warn"  # most pictures are of one class
    assert told(outcome(0.62, 0.62, 0.6, 0.1), images=20)["without-mark"] == "warn"  # luck does as much


def test_the_usual_class_is_one_that_takes_a_look() -> None:
    assert experiment.usual("mnist", ("0", "1", "8")) == "8"
    assert experiment.usual("mnist", ("0", "1")) == "0"
    assert experiment.choice(Plan(images_per_class=8))[1] == "8"
