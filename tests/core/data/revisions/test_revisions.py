"""Revisions: what is changed of a source is an immutable record, stored by its contents, and the files stay."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import settings
from core.data.revisions import store
from core.data.revisions.applying import revised
from core.data.revisions.record import Revision
from core.data.sources import open_dataset, open_spec, revise
from core.data.splits import split
from core.errors import InputError
from core.specs import DataSpec

KEYS = st.text(max_size=12)
CLASSES = st.sampled_from(["a", "b", "c"])
EDITS = st.lists(
    st.one_of(
        st.tuples(st.just("excluding"), st.sets(KEYS, max_size=4)),
        st.tuples(st.just("relabelling"), st.dictionaries(KEYS, CLASSES, max_size=4)),
        st.tuples(st.just("moving"), st.dictionaries(KEYS, st.sampled_from(["train", "val", "test"]), max_size=4)),
        st.tuples(st.just("merging"), st.dictionaries(CLASSES, CLASSES, max_size=2)),
        st.tuples(st.just("keeping"), st.sets(KEYS, min_size=1, max_size=4)),
    ),
    max_size=6,
)


def edited(edits: list[tuple[str, object]]) -> Revision:
    found = Revision("source")
    for how, what in edits:
        found = getattr(found, how)(what)
    return found


@given(EDITS)
def test_a_record_goes_to_json_and_back_and_is_known_by_its_contents(edits: list[tuple[str, object]]) -> None:
    revision = edited(edits)
    again = Revision.from_record(json.loads(json.dumps(revision.as_record())))
    assert again == revision
    assert again.hash == revision.hash
    assert hash(again) == hash(revision)
    assert dataclasses.replace(revision, name="x", parent="y", made=3.0).hash == revision.hash
    assert bool(revision.hash) == revision.changed


@given(st.sets(KEYS, max_size=4), st.dictionaries(KEYS, CLASSES, max_size=4), st.sets(KEYS, min_size=1), st.data())
def test_edits_of_different_kinds_can_be_made_in_any_order(
    excluded: set[str], labels: dict[str, str], kept: set[str], data: st.DataObject
) -> None:
    edits = [
        ("excluding", excluded),
        ("relabelling", labels),
        ("keeping", kept),
        ("moving", dict.fromkeys(kept, "val")),
    ]
    assert edited(data.draw(st.permutations(edits))).hash == edited(edits).hash


@given(EDITS)
def test_what_was_changed_can_be_taken_back(edits: list[tuple[str, object]]) -> None:
    revision = edited(edits)
    named = {*revision.keys, *(key for _, keys in revision.kept for key in keys)}
    assert dataclasses.replace(revision.restoring(named), merged=()).hash == ""


def test_classes_are_renamed_as_they_are_called_at_the_time() -> None:
    both = Revision("s").merging({"a": "x", "b": "x"}).relabelling({"k": "x"}).merging({"x": "y"})
    assert dict(both.relabelled) == {"k": "y"}
    assert {name: dict(both.merged)[name] for name in "ab"} == {"a": "y", "b": "y"}
    assert dict(Revision("s").merging({"a": "b", "b": "a"}).merged) == {"a": "b", "b": "a"}
    assert Revision("s").merging({"a": "b"}).merging({"b": "a"}).merged == (("b", "a"),)
    with pytest.raises(InputError, match="without a name"):
        Revision("s").merging({"a": " "})


def test_a_finding_is_kept_with_its_kind_and_its_parts_but_not_when_it_grows() -> None:
    revision = Revision("s").keeping(["a", "b", "c"])
    assert revision.keeps(["c", "a"])
    assert not revision.keeps(["a", "d"])
    assert not revision.keeps(["a"], "suspects")


def test_changes_are_said_since_the_parent() -> None:
    first = Revision("s").excluding(["a", "b"])
    second = first.restoring(["a"]).relabelling({"c": "cats"}).merging({"dogs": "cats"})
    assert [str(sentence) for sentence in second.changes(first)] == [
        "1 taken back in",
        "1 in another class",
        "dogs is called cats",
    ]
    assert [str(sentence) for sentence in first.changes()] == ["2 left out"]


@pytest.fixture
def folder(image_folder: Callable[..., Path]) -> Path:
    return image_folder("pets", ("cats", "dogs", "owls"), 8)


def test_a_source_is_opened_as_its_revision_has_it_and_the_files_stay(folder: Path) -> None:
    spec = DataSpec(str(folder))
    before = open_spec(spec)
    cat, dog = before.items[0].key, before.items[8].key
    held = next(item.key for item in split(before, spec).items if item.split == "val")
    revision = Revision(before.name).excluding([cat]).merging({"owls": "birds"}).relabelling({dog: "birds"})
    new = revise(spec, revision.gathering([held, "gone.png"]))
    opened = open_spec(new)
    assert opened.classes == ("cats", "dogs", "birds")
    assert opened.counts() == {"all": {"cats": 7, "dogs": 7, "birds": 9}}
    assert str(opened.ignored[-1][1]) == "The revision names pictures that are not there (any more): 1."
    divided = split(opened, new)
    assert next(item.split for item in divided.items if item.key == held) == "train"
    assert open_spec(spec).items == before.items
    assert len(list(folder.rglob("*.*"))) == 24


def test_what_its_caller_refuses_is_not_in_the_history(folder: Path) -> None:
    spec = DataSpec(str(folder))
    opened = open_spec(spec)
    revision = Revision(opened.name).excluding([opened.items[0].key])

    def refuse(_: DataSpec) -> None:
        raise InputError("It cannot be divided.")

    with pytest.raises(InputError, match="divided"):
        revise(spec, revision, check=refuse)
    assert store.history(opened.name) == []
    revise(spec, revision)
    with pytest.raises(InputError, match="divided"):
        revise(spec, revision, check=refuse)
    assert [one.hash for one in store.history(opened.name)] == [revision.hash]  # it was there before


def test_relatives_are_still_known_by_the_folder_of_their_first_class(image_folder: Callable[..., Path]) -> None:
    classes = tuple(f"{name}/p{patient}" for name, first in (("cats", 0), ("dogs", 1)) for patient in range(first, 9))
    folder = image_folder("scans", classes, 3)
    spec = DataSpec(str(folder), group_by="folder")
    opened = open_spec(spec)
    new = revise(spec, Revision(opened.name).merging({"cats": "tigers"}).relabelling({opened.items[1].key: "dogs"}))
    divided = split(open_spec(new), new)
    of_patient: dict[str, set[str]] = {}
    for item in divided.items:
        of_patient.setdefault(Path(item.key).parts[-2], set()).add(item.split)
    assert {len(splits) for splits in of_patient.values()} == {1}


@given(
    moves=st.dictionaries(st.integers(0, 39), st.sampled_from(["train", "val", "test"]), max_size=8),
    seed=st.integers(0, 99),
)
def test_a_division_with_a_revision_is_complete_and_heeds_the_moves(moves: dict[int, str], seed: int) -> None:
    dataset = open_dataset("shapes?per_class=10&size=32")
    keys = [item.key for item in dataset.items]
    revision = Revision(dataset.name).excluding(keys[-2:]).moving({keys[place]: part for place, part in moves.items()})
    divided = split(revised(dataset, revision), DataSpec(dataset.name, test_share=0.2, seed=seed))
    assert [item.key for item in divided.items] == [key for key in keys if key not in revision.excluded]
    assert {item.split for item in divided.items} == {"train", "val", "test"}
    assert all(item.split == dict(revision.moved).get(item.key, item.split) for item in divided.items)


def test_classes_that_a_spec_chooses_follow_a_merger_and_its_undoing(folder: Path) -> None:
    spec = DataSpec(str(folder), classes=("owls", "dogs"), class_caps=(("owls", 3),))
    merged = revise(spec, store.of(str(folder)).merging({"owls": "birds"}))
    assert merged.classes == ("birds", "dogs")
    assert open_spec(merged).counts() == {"all": {"birds": 3, "dogs": 8}}
    assert revise(merged, store.of(str(folder), store.load(merged.revision).parent)) == spec


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda r, keys: r.excluding(keys["owls"]), "No picture of owls is left"),
        (lambda r, keys: r.relabelling(dict.fromkeys(keys["owls"], "cats")), "No picture of owls is left"),
        (lambda r, keys: r.relabelling({keys["owls"][0]: "ants"}), "has no class ants. Its classes: cats, dogs, owls"),
        (lambda r, _: r.merging({"cats": "owls", "dogs": "owls"}), "has the one class owls"),
        (lambda r, _: r.excluding(["a.png"]), "has none of them"),
    ],
)
def test_what_spoils_a_source_is_refused_and_not_stored(
    folder: Path, change: Callable[..., Revision], sentence: str
) -> None:
    spec = DataSpec(str(folder))
    opened = open_spec(spec)
    keys: dict[str, list[str]] = {}
    for position, item in enumerate(opened.items):
        keys.setdefault(opened.class_of(position), []).append(item.key)
    with pytest.raises(InputError, match=sentence):
        revise(spec, change(Revision(opened.name), keys))
    assert store.history(opened.name) == []


def test_a_division_without_validation_because_of_moves_says_so(folder: Path) -> None:
    spec = DataSpec(str(folder))
    opened = open_spec(spec)
    new = revise(spec, Revision(opened.name).gathering(item.key for item in opened.items))
    with pytest.raises(InputError, match="val is left without any"):
        split(open_spec(new), new)


def test_the_store_keeps_contents_once_and_passes_over_what_is_damaged() -> None:
    first = store.save(Revision("s").excluding(["a"]))
    second = store.save(first.excluding(["b"]).named("  without   b "))
    assert store.load(second.hash) == second
    assert (second.parent, second.name) == (first.hash, "without b")
    assert [one.hash for one in store.history("s")] == [second.hash, first.hash]
    again = store.save(Revision("s").excluding(["b", "a"]))
    assert (again.parent, again.made) == (first.hash, second.made), "as it was first stored"
    assert store.find("s", "without b") == second
    assert store.find("s", second.hash[:8]) == second
    path = next(settings.revisions_dir().glob(f"*/{second.hash}.json"))
    for content in (b"", b"[]", b"\xff", b'{"source": 3}', b'{"source": "s", "excluded": ["z"]}', b"[" * 100_000):
        path.write_bytes(content)
        assert [one.hash for one in store.history("s")] == [first.hash]
        with pytest.raises(InputError, match="There is no revision"):
            store.load(second.hash)
    assert store.save(second) == second, "what was damaged is stored anew"


@pytest.mark.parametrize("value", ["../../etc/passwd", "0" * 19, "G" * 20, 7])
def test_a_spec_takes_hashes_only(value: object) -> None:
    with pytest.raises(InputError, match="hash of a revision"):
        DataSpec("shapes", revision=value)  # type: ignore[arg-type]


def test_a_spec_with_an_unknown_revision_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="There is no revision 00000000000000000000 here"):
        open_spec(DataSpec(str(folder), revision="0" * 20))


def test_a_run_s_folder_brings_its_revision(tmp_path: Path) -> None:
    made = store.save(Revision("s").excluding(["a"]))
    store.write_into(tmp_path, made.hash)
    next(settings.revisions_dir().glob(f"*/{made.hash}.json")).unlink()
    store.adopt(tmp_path)
    assert store.load(made.hash) == made
