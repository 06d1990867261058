"""Sets of Kaggle, by a kagglehub that stands in for the real one: no test asks Kaggle."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from core import settings
from core.data.importing import kaggle
from core.data.importing.kaggle import fetch_kaggle, slug_of
from core.data.sources import open_dataset
from core.errors import Cancelled, InputError
from tests.core.data.conftest import encoded, photo


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Path], Any]], list[str]]:
    """Puts a kagglehub in place that writes into the folder it is given; returns what it was asked for."""

    def put(write: Callable[[Path], Any]) -> list[str]:
        asked: list[str] = []

        def download(handle: str, *, output_dir: str) -> str:
            asked.append(handle)
            write(Path(output_dir))
            return output_dir

        module = ModuleType("kagglehub")
        module.dataset_download = download  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "kagglehub", module)
        return asked

    return put


def left() -> list[str]:
    root = settings.uploads_dir()
    return sorted(path.name for path in root.iterdir()) if root.is_dir() else []


def pictures(folder: Path, below: str = "animals") -> None:
    for kind in ("cat", "dog"):
        for number in range(3):
            path = folder / below / kind / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encoded(photo(seed=number)))


def test_a_set_is_fetched_watched_and_taken_in(hub) -> None:
    asked = hub(pictures)
    said: list[tuple[str, int, int]] = []
    path = fetch_kaggle(
        "https://www.kaggle.com/datasets/some-one/pets?resource=x", "pets", progress=lambda *w: said.append(w)
    )
    assert asked == ["some-one/pets"]
    assert open_dataset(str(path)).counts() == {"all": {"cat": 3, "dog": 3}}
    assert said[-1][0] == "fetching"
    assert said[-1][1] > 0
    assert left() == ["pets"]


def test_links_are_not_followed(hub, tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(encoded(photo()))

    def write(folder: Path) -> None:
        pictures(folder)
        (folder / "animals" / "cat" / "link.png").symlink_to(secret)

    hub(write)
    assert len(open_dataset(str(fetch_kaggle("some-one/pets", "pets")))) == 6


def test_a_table_and_a_zip_are_taken_in_too(hub) -> None:
    def table(folder: Path) -> None:
        pictures(folder, "images")
        rows = "".join(f"images/{kind}/{n}.png,{kind}s\n" for kind in ("cat", "dog") for n in range(3))
        (folder / "labels.csv").write_text("path,label\n" + rows)

    hub(table)
    assert open_dataset(str(fetch_kaggle("some-one/pets", "a"))).classes == ("cats", "dogs")

    def packed(folder: Path) -> None:
        with zipfile.ZipFile(folder / "archive.zip", "w") as archive:
            for kind in ("cat", "dog"):
                archive.writestr(f"{kind}/1.png", encoded(photo()))

    hub(packed)
    assert open_dataset(str(fetch_kaggle("some-one/pets", "b"))).classes == ("cat", "dog")
    assert left() == ["a", "b"]


class KaggleApiHTTPError(OSError):
    def __init__(self, status: int) -> None:
        super().__init__("token=SECRET")
        self.response = SimpleNamespace(status_code=status)


class UnauthenticatedError(Exception): ...


class DataCorruptionError(Exception): ...


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (KaggleApiHTTPError(403), "no valid credentials are here"),
        (UnauthenticatedError("no"), "kaggle.json"),
        (ValueError("Invalid Kaggle credentials file at /home/x"), "damaged"),
        (KaggleApiHTTPError(404), "no public data set"),
        (DataCorruptionError("hash"), "cut short"),
        (ConnectionError("Name or service not known"), "no network here"),
    ],
)
def test_what_goes_wrong_is_said_and_nothing_is_left(hub, error: Exception, said: str) -> None:
    def write(folder: Path) -> None:
        pictures(folder)
        raise error

    hub(write)
    with pytest.raises(InputError, match=said) as raised:
        fetch_kaggle("some-one/pets", "pets")
    assert "SECRET" not in str(raised.value)
    assert left() == []


def test_without_kagglehub_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(InputError, match=r"requirements-kaggle\.txt"):
        fetch_kaggle("some-one/pets", "pets")
    assert left() == []


def test_what_is_too_large_or_given_up_leaves_nothing(hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub(pictures)

    def give_up(*_: object) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        fetch_kaggle("some-one/pets", "pets", progress=give_up)
    monkeypatch.setattr(settings, "upload_quota", lambda: 10)
    with pytest.raises(InputError, match="no room"):
        fetch_kaggle("some-one/pets", "pets")
    assert left() == []


def test_a_set_without_images_is_refused(hub) -> None:
    hub(lambda folder: (folder / "readme.txt").write_text("x"))
    with pytest.raises(InputError):
        fetch_kaggle("some-one/pets", "pets")
    assert left() == []


@pytest.mark.parametrize("address", ["", "pets", "a/b/c", "../../etc", "owner/name;rm", "https://example.org/a/b"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(InputError, match="owner/name"):
        slug_of(address)


def test_addresses_are_read_as_people_paste_them() -> None:
    for text in ("kaggle:some-one/pets", "kaggle.com/datasets/some-one/pets/", " some-one/pets "):
        assert slug_of(text) == "some-one/pets"
    assert slug_of("some-one/pets/versions/3") == "some-one/pets/versions/3"
    assert kaggle.PREFIX == "kaggle:"
