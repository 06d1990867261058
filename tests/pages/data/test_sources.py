"""Every way to bring images becomes a source on the page, or a sentence."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from core import settings


def picture(seed: int) -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (24, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def sent(name: str, data: bytes) -> tuple[str, bytes, str]:
    return name, data, "application/octet-stream"


NOISE = np.random.default_rng(0).integers(0, 255, (12, 8, 8), dtype=np.uint8)
ARRAYS = io.BytesIO()
np.savez(ARRAYS, images=NOISE, labels=np.arange(12) % 2)
PIXELS = "\n".join(f"{n % 2},{','.join(map(str, image.ravel()))}" for n, image in enumerate(NOISE)).encode()
ROWS = "path;label\n" + "".join(f"{n}.png;{'cat' if n % 2 else 'dog'}\n" for n in range(12))
BROUGHT = {
    "arrays": [sent("two kinds.npz", ARRAYS.getvalue())],
    "pixels": [sent("two kinds.csv", PIXELS)],
    "table": [sent("two kinds.csv", ROWS.encode()), *[sent(f"{n}.png", picture(n)) for n in range(12)]],
}


@pytest.mark.parametrize("kind", BROUGHT)
def test_files_become_a_source(kind: str, open_page, words) -> None:
    app = open_page("data", **{"from": "upload"})
    app.file_uploader(key="bl-upload-files-0").set_value(BROUGHT[kind]).run()
    assert not app.exception
    assert app.session_state["bl.data"].source == str(settings.uploads_dir() / "two-kinds")
    assert "Images of each class" in words(app)
    assert app.selectbox(key="bl-uploaded").options == ["two-kinds"]


def test_a_refusal_names_the_reason_and_a_missing_file_can_be_added(open_page, words) -> None:
    app = open_page("data", **{"from": "upload"})
    table, *pictures = BROUGHT["table"]
    app.file_uploader(key="bl-upload-files-0").set_value([table]).run()
    assert not app.exception
    assert "None of the 12 files that two kinds.csv names is there" in words(app)
    app.text_input(key="bl-upload-name-0").set_value("../up").run()
    assert "cannot be the name of a data source" in words(app)
    app.text_input(key="bl-upload-name-0").set_value("mine").run()
    app.file_uploader(key="bl-upload-files-0").set_value([table, *pictures]).run()
    assert not app.exception
    assert app.session_state["bl.data"].source.endswith("/mine")


def test_pictures_are_put_into_named_classes(open_page, words) -> None:
    app = open_page("data", **{"from": "classes"})
    app.button(key="bl-classes-make").click().run()
    assert "Name at least two classes." in words(app)
    for place, name in enumerate(("cats", "سگ‌ها")):
        app.text_input(key=f"bl-class-name-0-{place}").set_value(name)
        files = [sent(f"{n}.png", picture(10 * place + n)) for n in range(4)]
        app.file_uploader(key=f"bl-class-files-0-{place}").set_value([*files, sent("notes.txt", b"text")])
    app.run()
    app.button(key="bl-classes-more").click().run()
    app.text_input(key="bl-class-name-0-2").set_value("birds").run()
    app.button(key="bl-classes-make").click().run()
    assert "The class birds has no pictures yet." in words(app)
    app.text_input(key="bl-class-name-0-2").set_value("").run()
    app.text_input(key="bl-classes-name-0").set_value("pets").run()
    app.button(key="bl-classes-make").click().run()
    assert not app.exception
    assert app.session_state["bl.data"].source == str(settings.uploads_dir() / "pets")
    assert "notes.txt" in words(app)


@pytest.mark.parametrize("frames", [None, [[0]], [["x", "YQ=="]], [[0, "no base64!"]], [[99, "YQ=="]], "text"])
def test_what_a_camera_never_sends_is_refused(frames: object, open_page, words, monkeypatch) -> None:
    from pages.data.sources import webcam

    sent = {"number": 1, "frames": frames, "last": True}
    monkeypatch.setattr(webcam, "component", lambda *_names: lambda **_data: None)
    app = open_page("data", **{"from": "webcam"}, session={"bl.webcam.frames": [(0, b"a")]})
    monkeypatch.setattr(webcam, "_batch", lambda: sent)
    monkeypatch.setattr(webcam, "component", lambda *_names: lambda **data: data["on_batch_change"]())
    app.run()
    app.run()
    assert not app.exception
    assert "What the camera sent could not be read" in words(app)
    assert "bl.webcam.frames" not in app.session_state


def test_classes_are_chosen_left_out_and_ordered(open_page, params, words) -> None:
    app = open_page("data", data="letters")
    app.multiselect(key="bl-classes-take").set_value(["Z", "A", "M"]).run()
    app.button(key="bl-classes-use").click().run()
    assert app.session_state["bl.data"].classes == ("Z", "A", "M")
    assert "3 of 26 classes are taken." in words(app)
    again = open_page("data", **params(app))
    assert again.session_state["bl.data"].classes == ("Z", "A", "M")
    app.button(key="bl-classes-all").click().run()
    assert app.session_state["bl.data"].classes == ()
    app.segmented_control(key="bl-classes-way").set_value("leave").run()
    app.multiselect(key="bl-classes-leave").set_value(["B"]).run()
    app.button(key="bl-classes-use").click().run()
    assert len(app.session_state["bl.data"].classes) == 25
    app.multiselect(key="bl-classes-leave").set_value(list("BCDEFGHIJKLMNOPQRSTUVWXYZ")).run()
    app.button(key="bl-classes-use").click().run()
    assert not app.exception
    assert "Name at least two classes" in " ".join(warning.value for warning in app.warning)


def test_classes_are_merged_and_renamed_by_a_revision(open_page, image_folder) -> None:
    from core.specs import DataSpec

    root = image_folder("pets", classes=("cat", "kitten", "dog"))
    app = open_page("data", session={"bl.data": DataSpec(str(root), classes=("kitten", "dog", "cat"))})
    app.multiselect(key="bl-merge-classes").set_value(["cat", "kitten"]).run()
    app.text_input(key="bl-merge-name").set_value("feline").run()
    app.button(key="bl-merge-do").click().run()
    assert not app.exception
    known = app.session_state["bl.data"]
    assert known.classes == ("feline", "dog")
    assert known.revision
    assert sorted(path.name for path in root.iterdir()) == ["cat", "dog", "kitten"]
    app.multiselect(key="bl-merge-classes").set_value(["feline", "dog"]).run()
    app.text_input(key="bl-merge-name").set_value("pet").run()
    app.button(key="bl-merge-do").click().run()
    assert app.session_state["bl.data"] == known
    assert app.warning


def test_fit_and_normalisation_are_chosen_for_the_network(open_page, words, image_folder) -> None:
    from core.specs import DataSpec
    from pages.ui.session.choices import model_params

    root = image_folder("wide")
    app = open_page("data", session={"bl.data": DataSpec(str(root))}, view="input")
    assert not app.exception
    said = words(app)
    assert "C × H × W: 3 × 224 × 224" in list(app.table[0].value["Shape"])
    assert "cuts off" in said
    app.segmented_control(key="bl-fit").set_value("pad").run()
    app.segmented_control(key="bl-normalise").set_value("data").run()
    assert not app.exception
    model = app.session_state["bl.model"]
    assert (model.fit, model.normalise, len(model.colours)) == ("pad", "data", 2)
    app.segmented_control(key="bl-normalise").set_value("255").run()
    model = app.session_state["bl.model"]
    assert (model.fit, model.normalise, model.colours) == ("pad", "255", ())
    assert "Mean (0, 0, 0) and deviation (1, 1, 1)" in words(app)
    again = open_page(
        "data", backbone=model.backbone, network=model_params(model)["network"], view="input", data=str(root)
    )
    assert again.session_state["bl.model"] == model


def test_measured_colours_are_those_of_the_images_that_are_trained_on(image_folder) -> None:
    from core.specs import DataSpec, ModelSpec
    from pages.ui.session import caches

    before = ModelSpec("squeezenet1_1", "none", normalise="data", colours=((0.1,) * 3, (0.2,) * 3))
    found = caches.normalised(before, DataSpec(str(image_folder("two"))))
    assert found.colours != before.colours
    assert caches.normalised(ModelSpec("resnet18"), DataSpec("shapes")) == ModelSpec("resnet18")


def test_each_normalisation_is_measured_on_request(open_page, image_folder, monkeypatch) -> None:
    from core.runs.jobs import JobStore
    from core.specs import DataSpec, ModelSpec
    from core.workflows.jobs import job_process

    def start(request, **_):
        job_process.work(JobStore(request.kind).create(request.as_record()))

    monkeypatch.setattr("pages.data.network_input.start_job", start)

    root = image_folder("two")
    session = {"bl.data": DataSpec(str(root)), "bl.model": ModelSpec("squeezenet1_1", "none", image_size=64)}
    app = open_page("data", session=session, view="input")
    app.button(key="bl-normalise-measure").click().run()
    assert not app.exception
    table = app.dataframe[-1].value
    assert list(table["Normalisation"]) == [
        "The weights' own",
        "ImageNet's",
        "Measured on these images",
        "Only / 255",
        "−1 to 1",
    ]
    assert table["Accuracy of frozen features"].notna().all()


def _parquet(size: int, count: int = 4) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    stream = io.BytesIO()
    images = [{"bytes": bytes([n]) * size, "path": "a.png"} for n in range(count)]
    rows = {"image": images, "label": ["cat", "dog"] * (count // 2)}
    pq.write_table(pa.table(rows), stream, compression="zstd")
    return stream.getvalue()


HOSTILE = {
    "wrong delimiter": ("a.csv", b"path label\nx.png cat\n", "has one column"),
    "formula": ("a.csv", b"path,label\n=1+1,cat\n", "holds a formula"),
    "roots": ("a.csv", b"path,label\n/etc/passwd,cat\n../x.png,dog\n", "leads outside the folders"),
    "zip upward": ("a.zip", None, "leads outside the archive"),
    "cut off": ("a.npz", ARRAYS.getvalue()[:-200], "damaged or cut short"),
    "no parquet": ("a.parquet", b"PAR1 nothing PAR1", "is no parquet file"),
    "parquet bomb": ("a.parquet", _parquet(3_000_000), "grows far too much"),
    "parquet of no pictures": ("a.parquet", _parquet(100), "holds no images that can be read"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_files_are_sentences_on_the_page(kind: str, open_page, words, monkeypatch) -> None:
    name, data, sentence = HOSTILE[kind]
    if data is None:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("../../cat/1.png", picture(1))
        data = stream.getvalue()
    monkeypatch.setenv("BACKBONE_LAB_QUOTA_MB", "10")
    app = open_page("data", **{"from": "upload"})
    app.file_uploader(key="bl-upload-files-0").set_value([sent(name, data)]).run()
    assert not app.exception
    said = words(app)
    assert "This was not taken" in said
    assert sentence in said
    assert not settings.uploads_dir().exists() or not list(settings.uploads_dir().iterdir())


def test_too_many_classes_are_a_sentence(open_page, words, monkeypatch) -> None:
    monkeypatch.setattr("core.data.importing.collected.MOST_CLASSES", 5)
    rows = "path,label\n" + "".join(f"{n}.png,{n}\n" for n in range(12))
    app = open_page("data", **{"from": "upload"})
    files = [sent("a.csv", rows.encode()), *[sent(f"{n}.png", picture(n)) for n in range(12)]]
    app.file_uploader(key="bl-upload-files-0").set_value(files).run()
    assert "has more than 5 classes" in words(app)


def test_a_torchvision_set_is_chosen_once_its_job_is_done(open_page, image_folder, monkeypatch) -> None:
    import shutil

    from core.runs import launch
    from core.runs.jobs import JobStore
    from core.runs.recorder import Recorder

    monkeypatch.setattr(launch, "spawn", lambda *_: None)
    app = open_page("data", **{"from": "torchvision"})
    app.selectbox(key="bl-known-set").set_value("MNIST").run()
    app.button(key="bl-known-fetch").click().run()
    assert not app.exception
    (job,) = JobStore("known-sets").list()
    assert job.request == {"name": "MNIST", "called": "MNIST"}
    path = settings.uploads_dir() / "MNIST"
    shutil.copytree(image_folder("for mnist"), path)
    job.write_result({"path": str(path)})
    Recorder(job).update(state="finished")
    app.run()
    assert not app.exception
    assert app.session_state["bl.data"].source == str(path)


def test_a_set_of_kaggle_is_fetched_by_its_address(open_page, words, monkeypatch) -> None:
    from core.runs import launch
    from core.runs.jobs import JobStore
    from pages.data.sources import kaggle

    monkeypatch.setattr(launch, "spawn", lambda *_: None)
    monkeypatch.setattr(kaggle, "find_spec", lambda _: None)
    app = open_page("data", **{"from": "kaggle"})
    assert not app.exception
    assert "requirements-kaggle.txt" in words(app)
    assert not any(button.key == "bl-kaggle-fetch" for button in app.button)
    monkeypatch.setattr(kaggle, "find_spec", lambda _: object())
    app.run()
    app.text_input(key="bl-kaggle-address").set_value("pets").run()
    app.button(key="bl-kaggle-fetch").click().run()
    assert not app.exception
    assert "owner/name" in words(app)
    assert JobStore("known-sets").list() == []
    app.text_input(key="bl-kaggle-address").set_value("https://www.kaggle.com/datasets/some-one/pets").run()
    app.button(key="bl-kaggle-fetch").click().run()
    assert not app.exception
    (job,) = JobStore("known-sets").list()
    assert job.request == {"name": "kaggle:some-one/pets", "called": "pets"}
