"""The specs of the training engine: what is refused, what JSON keeps, and how older files are read."""

from __future__ import annotations

import dataclasses
import json
import math
import random
from typing import Any

import pytest

from core.errors import InputError
from core.specs import (
    LIVE_CHANGES,
    SCHEDULES,
    AugmentSpec,
    DataSpec,
    EarlyStopping,
    Experiment,
    FreezePlan,
    HeadSpec,
    LiveChange,
    Loss,
    Mix,
    ModelSpec,
    Phase,
    Piece,
    Schedule,
    TrainingSpec,
)

FULL = Experiment(
    data=DataSpec(
        "photos",
        0.25,
        0.1,
        4,
        30,
        folds=5,
        fold=3,
        val_of="rest",
        group_by="stem",
        classes=("cats", "dogs"),
        anew=True,
        revision="0123456789abcdef0123",
        class_share=0.5,
        class_caps=(("cats", 9),),
    ),
    model=ModelSpec(
        "own",
        "none",
        48,
        1,
        "he-normal",
        0.01,
        HeadSpec((32, 16), "flatten", 0.3),
        (Piece("conv", size=8, kernel=3, padding=1), Piece("leaky-relu", rate=0.2), Piece("flatten")),
        "pad",
        "data",
        ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6)),
    ),
    training=TrainingSpec(
        "custom",
        (
            Phase(
                "a",
                "head",
                3,
                "sgd",
                0.1,
                0.5,
                0.4,
                (("stage1", 0.01), ("head", 2.0)),
                0.01,
                0.8,
                True,
                (("dampening", 0.0), ("foreach", True)),
                Schedule("multi-step", 1.5, 7, (1, 2), 0.3, 2.0, 0.1, 4, "val_f1"),
                FreezePlan(1, ("layer1.0",), ("layer4.1",), "norm-bias", "train"),
                AugmentSpec(True, 0.5, 10.0, 0.2),
            ),
            Phase("b", "plan", 4, "NAdam"),
        ),
        "auto",
        7,
        "cuda:1",
        "bf16",
        Loss("focal", 0.1, 1.5, "balanced"),
        Mix(0.2, 0.7),
        2.5,
        3,
        0.99,
        EarlyStopping("val_f1", 9, 0.01),
        "val_loss",
        4,
        True,
        True,
        False,
        processes=2,
        kept_mib=64,
        draws="stream",
        precisions=("bf16", "fp32"),
        acts=(LiveChange(3, "rate", 0.5, 0), LiveChange(9, "unfreeze", 2, 1), LiveChange(11, "extend", 3, 1)),
        sampler="oversample",
    ),
    freeze=FreezePlan("all"),
    augment=AugmentSpec(rotation=5.0),
    name="all of it",
    series="a1b2",
)
"""An experiment in which no field has its default."""


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Returns the path of every object, list and value in a JSON record."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += leaves(inner, (*path, key))
    return found


def test_no_field_of_the_full_experiment_is_at_its_default() -> None:
    def check(record: Any) -> None:
        for field in dataclasses.fields(record):
            value = getattr(record, field.name)
            if field.default is not dataclasses.MISSING:
                assert value != field.default, f"{type(record).__name__}.{field.name}"

    training, phase = FULL.training, FULL.training.phases[0]
    for record in (
        FULL,
        FULL.data,
        FULL.model,
        FULL.model.head,
        training,
        phase,
        phase.schedule,
        phase.freeze,
        training.loss,
        training.mix,
        training.early,
    ):
        check(record)


def test_every_field_survives_json() -> None:
    assert Experiment.from_json(FULL.to_json()) == FULL
    assert Experiment.from_json(Experiment.from_json(FULL.to_json()).to_json()) == FULL


JUNK = (None, True, 0, -1, 3, 10**400, 1.5, -0.1, "", "junk", "\n", [], [1], [[1]], ["a"], [None], {}, {"a": 1}, [{}])


@pytest.mark.parametrize("path", leaves(json.loads(FULL.to_json())), ids=lambda path: ".".join(map(str, path)))
def test_junk_in_any_field_is_read_or_refused_in_a_sentence(path: tuple[Any, ...]) -> None:
    for junk in JUNK:
        record = json.loads(FULL.to_json())
        inner = record
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = junk
        try:
            read = Experiment.from_json(json.dumps(record))
        except InputError:
            continue
        assert Experiment.from_json(read.to_json()) == read


def test_several_junks_at_once() -> None:
    chance = random.Random(0)
    paths = leaves(json.loads(FULL.to_json()))
    for _ in range(300):
        record = json.loads(FULL.to_json())
        for path in chance.sample(paths, 3):
            inner: Any = record
            try:
                for key in path[:-1]:
                    inner = inner[key]
                inner[path[-1]] = chance.choice(JUNK)
            except (KeyError, IndexError, TypeError):
                continue
        try:
            Experiment.from_json(json.dumps(record))
        except InputError:
            continue


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1" + "0" * 400])
@pytest.mark.parametrize("field", ["lr", "weight_decay", "epochs"])
def test_numbers_that_json_only_pretends_to_know(text: str, field: str) -> None:
    record = json.loads(FULL.to_json())
    record["training"]["phases"][0][field] = "HERE"
    with pytest.raises(InputError, match=f"{field} is"):
        Experiment.from_json(json.dumps(record).replace('"HERE"', text))


PHASE = {"name": "a", "trains": "plan", "epochs": 5}


@pytest.mark.parametrize(
    ("kind", "values", "sentence"),
    [
        (Phase, PHASE | {"epochs": 0}, "epochs is 0"),
        (Phase, PHASE | {"epochs": 2.5}, "epochs is 2.5"),
        (Phase, PHASE | {"name": ""}, "has no name"),
        (Phase, PHASE | {"optimizer": "adamx"}, "name of a class in torch.optim"),
        (Phase, PHASE | {"optimizer": "os.system"}, "name of a class in torch.optim"),
        (Phase, PHASE | {"nesterov": True}, "way of SGD with momentum"),
        (Phase, PHASE | {"optimizer": "sgd", "nesterov": True, "momentum": 0.0}, "way of SGD with momentum"),
        (Phase, PHASE | {"momentum": 1.0}, "momentum is 1.0"),
        (Phase, PHASE | {"weight_decay": -0.1}, "weight_decay is -0.1"),
        (Phase, PHASE | {"stage_decay": 0.0}, "stage_decay is 0.0"),
        (Phase, PHASE | {"options": (("eps", math.nan),)}, "eps is nan"),
        (Phase, PHASE | {"options": ("eps", 1)}, "list of pairs"),
        (Phase, PHASE | {"stage_factors": (("stage1", -1.0),)}, "stage_factors is -1.0"),
        (Phase, PHASE | {"schedule": Schedule("cosine", warmup=5.0)}, "Choose a shorter warm-up"),
        (Phase, PHASE | {"schedule": "cosine"}, "must be a JSON object"),
        (Schedule, {"name": "linear"}, "Choose one of"),
        (Schedule, {"name": "multi-step"}, "needs milestones"),
        (Schedule, {"milestones": (3, 2)}, "larger than the one before"),
        (Schedule, {"milestones": (2, 2)}, "larger than the one before"),
        (Schedule, {"gamma": 0.0}, "gamma is 0.0"),
        (Schedule, {"warmup": -1.0}, "warmup is -1.0"),
        (Schedule, {"every": 0}, "every is 0"),
        (Schedule, {"metric": "loss"}, "metric is loss"),
        (Loss, {"name": "hinge"}, "loss is hinge"),
        (Loss, {"smoothing": 1.0}, "smoothing is 1.0"),
        (Loss, {"gamma": -1.0}, "gamma is -1.0"),
        (Mix, {"mixup": -0.2}, "mixup is -0.2"),
        (EarlyStopping, {"patience": 0}, "patience is 0"),
        (EarlyStopping, {"minimum": math.inf}, "minimum is inf"),
        (LiveChange, {"step": -1, "kind": "rate", "value": 1.0}, "step is -1"),
        (LiveChange, {"step": 0, "kind": "stop", "value": 1.0}, "act is stop"),
        (LiveChange, {"step": 0, "kind": "rate", "value": 0.0}, "rate is 0.0"),
        (LiveChange, {"step": 0, "kind": "extend", "value": 1.5}, "extend is 1.5"),
        (LiveChange, {"step": 0, "kind": "extend", "value": math.nan}, "extend is nan"),
        (LiveChange, {"step": 0, "kind": "unfreeze", "value": "two"}, "unfreeze is two"),
        (LiveChange, {"step": 0, "kind": "unfreeze", "value": None}, "unfreeze is None"),
    ],
)
def test_what_cannot_be_is_refused_with_its_name_and_value(kind: type, values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        kind(**values)


TRAINING = {"preset": "full", "phases": (Phase("a", "plan", 5),)}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"clip": 0.0}, "clip is 0.0"),
        ({"clip": math.nan}, "clip is nan"),
        ({"accumulate": 0}, "accumulate is 0"),
        ({"ema": 1.0}, "ema is 1.0"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"batch_size": "all"}, "batch_size is all"),
        ({"seed": -1}, "seed is -1"),
        ({"device": "gpu"}, "device gpu is not known"),
        ({"best": "f1"}, "best is f1"),
        ({"views": -1}, "views is -1"),
        ({"recover": 1}, "recover is 1"),
        ({"phases": ()}, "has no phase"),
        ({"mix": Mix(0.2), "loss": Loss("l1")}, "which the loss l1 cannot take"),
        ({"early": "val_loss"}, "early must be a JSON object"),
        ({"acts": ("rate",)}, "acts must be a list"),
    ],
)
def test_impossible_trainings_are_refused(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        TrainingSpec(**(TRAINING | values))


def test_whole_numbers_of_acts_may_be_spelled_as_floats() -> None:
    assert LiveChange(1, "extend", 2.0).value == 2
    assert {LiveChange(1, kind, 3).kind for kind in LIVE_CHANGES} == set(LIVE_CHANGES)


def test_a_head_that_is_no_object_is_refused() -> None:
    with pytest.raises(InputError, match="head must be a JSON object"):
        ModelSpec("resnet18", head="linear")  # type: ignore[arg-type]


def old(schema: int) -> dict[str, Any]:
    """Returns an experiment as versions with an older schema wrote it."""
    head = {"dropout": 0.25} if schema == 1 else {"head": {"hidden": [64], "pool": "own", "dropout": 0.25}}
    phase = {
        "name": "head",
        "trains": "head",
        "epochs": 3,
        "optimizer": "adamw",
        "lr": 0.01,
        "backbone_factor": 1.0,
        "weight_decay": 0.0,
        "momentum": 0.9,
        "schedule": "constant",
    }
    return {
        "schema": schema,
        "data": {"source": "shapes", "val_share": 0.2, "test_share": 0.0, "seed": 0, "images_per_class": None},
        "model": {"backbone": "resnet18", "weights": "default", "image_size": None, **head},
        "training": {
            "preset": "two-phase",
            "phases": [phase, {**phase, "name": "fine-tune", "trains": "plan", "schedule": "cosine"}],
            "batch_size": 32,
            "seed": 0,
            "device": "auto",
            "precision": "auto",
        },
        "freeze": {"trainable_stages": 1, "norm": "eval"},
        "augment": {"flip": True, "crop_scale": 0.7, "rotation": 0.0, "color": 0.0},
        "name": "old",
    }


@pytest.mark.parametrize("schema", [1, 2])
def test_older_schemas_are_brought_up_to_date(schema: int) -> None:
    read = Experiment.from_json(json.dumps(old(schema)))
    assert [phase.schedule for phase in read.training.phases] == [Schedule("constant"), Schedule("cosine")]
    assert read.model.head == HeadSpec(() if schema == 1 else (64,), dropout=0.25)
    assert (read.training.loss, read.training.mix, read.training.early) == (Loss(), Mix(), None)
    assert (read.data.folds, read.series, read.training.draws) == (0, "", "stream")
    assert json.loads(read.to_json())["schema"] == 5
    assert Experiment.from_json(read.to_json()) == read


def test_runs_of_schema_3_and_before_draw_as_they_began() -> None:
    record = json.loads(FULL.to_json())
    cases = (("stream", 4, "stream"), ("image", 4, "image"), (None, 3, "stream"), (None, 4, "image"))
    for draws, schema, found in cases:
        training = {key: value for key, value in record["training"].items() if key != "draws"}
        training |= {"draws": draws} if draws else {}
        read = Experiment.from_json(json.dumps({**record, "schema": schema, "training": training}))
        assert read.training.draws == found


def test_small_networks_of_schema_4_keep_their_layers_and_names() -> None:
    record = json.loads(FULL.to_json())
    for name, found in (("alzheimer_cnn", "alzheimer_cnn"), ("flowers_cnn", "five_classes_cnn")):
        model = {"backbone": name, "weights": "none"}
        read = Experiment.from_json(json.dumps({**record, "schema": 4, "model": model})).model
        assert read.backbone == found
        sizes = [piece.size for piece in read.design if piece.kind == "conv"]
        assert sizes == ([32, 32, 64, 64] if name == "alzheimer_cnn" else [])
        now = Experiment.from_json(json.dumps({**record, "model": {"backbone": "alzheimer_cnn"}})).model
        assert now.design == ()


@pytest.mark.parametrize("schema", [0, 6, "5", None, [5]])
def test_schemas_of_the_future_are_refused(schema: object) -> None:
    with pytest.raises(InputError, match="this version reads schema 5"):
        Experiment.from_json(json.dumps({**json.loads(FULL.to_json()), "schema": schema}))


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_goes_with_a_part_of_an_epoch_of_warm_up(name: str) -> None:
    schedule = Schedule(name, warmup=0.5, milestones=(1,) if name == "multi-step" else ())
    assert Phase("a", "plan", 1, schedule=schedule).schedule.warmup == 0.5
