"""An anatomy gives its parts by name, and stays a plain record."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import pytest
from torch import nn

from core.errors import InputError
from core.models.anatomy.examine import Anatomy, examine


@pytest.fixture
def anatomy(tiny: nn.Module) -> Anatomy:
    return examine(tiny, num_classes=5, image_size=32)


def test_layers_and_stages_by_name(anatomy: Anatomy) -> None:
    assert [anatomy.layer(layer.name) for layer in anatomy.layers] == list(anatomy.layers)
    assert [anatomy.stage(stage.name) for stage in anatomy.stages] == list(anatomy.stages)
    assert list(anatomy.layers_by_name) == [layer.name for layer in anatomy.layers]
    assert list(anatomy.stages_by_name) == [stage.name for stage in anatomy.stages]
    assert anatomy.stage(anatomy.layer("stem.0").stage).parameters > 0


def test_an_unknown_part_is_named(anatomy: Anatomy) -> None:
    with pytest.raises(InputError, match=r"no layer middle\.9"):
        anatomy.layer("middle.9")
    with pytest.raises(InputError, match=r"no stage stage9.*stage1.*head"):
        anatomy.stage("stage9")


def test_what_was_looked_up_is_no_part_of_the_record(anatomy: Anatomy) -> None:
    before, fresh = anatomy.to_dict(), copy.deepcopy(anatomy)
    assert anatomy.layers_by_name is anatomy.layers_by_name
    assert anatomy.to_dict() == before
    assert anatomy == fresh
    assert hash(anatomy) == hash(fresh)
    assert pickle.loads(pickle.dumps(anatomy)) == anatomy
    assert Anatomy.from_dict(before) == anatomy


def test_another_anatomy_has_other_parts(anatomy: Anatomy) -> None:
    assert "stem.0" in anatomy.layers_by_name
    less = dataclasses.replace(anatomy, layers=anatomy.layers[1:], stages=anatomy.stages[1:])
    assert anatomy.layers[0].name not in less.layers_by_name
    assert anatomy.stages[0].name not in less.stages_by_name
