"""torchvision's sets: listed by it, fetched from a server of this test, checked by their checksums."""

from __future__ import annotations

import gzip
import hashlib
import io
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from torchvision import datasets

from core import settings
from core.data.importing import known_sets
from core.data.importing.known_sets import fetch_set
from core.data.sources import open_dataset
from core.errors import Cancelled, InputError
from core.runs.jobs import JobStore
from core.workflows.jobs import job_process, known_set
from tests.core.data.conftest import encoded, photo

FILES: dict[str, bytes] = {}


def idx(array: np.ndarray) -> bytes:
    return gzip.compress(bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes())


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/silent/x":
            time.sleep(3)
            return
        data = FILES.get(self.path)
        self.send_response(200 if data else 404)
        self.send_header("Content-Length", str(len(data or b"")))
        self.end_headers()
        self.wfile.write(data or b"")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture
def mnist(address: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets MNIST come from this test's server: ten training and four test images."""

    def serve(damaged: bool = False, mirror: str = "/mnist/") -> None:
        rows = []
        for name, count in (("train", 10), ("t10k", 4)):
            images = np.random.default_rng(count).integers(0, 255, (count, 28, 28), dtype=np.uint8)
            for file, data in (
                (f"{name}-images-idx3-ubyte.gz", idx(images)),
                (f"{name}-labels-idx1-ubyte.gz", idx((np.arange(count) % 2).astype(np.uint8))),
            ):
                FILES[f"/mnist/{file}"] = data[:-9] if damaged else data
                rows.append((file, hashlib.md5(data, usedforsecurity=False).hexdigest()))
        monkeypatch.setattr(datasets.MNIST, "mirrors", [address + mirror])
        monkeypatch.setattr(datasets.MNIST, "resources", rows)

    return serve


def nothing_left() -> bool:
    return not settings.uploads_dir().exists() or not list(settings.uploads_dir().iterdir())


def test_the_list_is_torchvisions() -> None:
    names = known_sets.known_sets()
    assert {"MNIST", "EMNIST", "FashionMNIST", "CIFAR10", "STL10", "Food101", "OxfordIIITPet", "EuroSAT"} <= set(names)
    assert not {"VOCDetection", "Kinetics", "FakeData", "ImageFolder", "CelebA"} & set(names)


def test_a_set_is_fetched_with_its_splits(mnist: Callable[..., None]) -> None:
    mnist()
    seen: set[str] = set()
    path = fetch_set("MNIST", "digits-of-mine", progress=lambda doing, _done, _total: seen.add(doing))
    dataset = open_dataset("digits-of-mine")
    assert dataset.counts() == {"train": {"0 - zero": 5, "1 - one": 5}, "test": {"0 - zero": 2, "1 - one": 2}}
    assert seen == {"fetching"}  # so few images are not reported one by one
    assert list(settings.uploads_dir().iterdir()) == [path]
    with pytest.raises(InputError, match="digits-of-mine already"):
        fetch_set("MNIST", "digits-of-mine")


def test_pictures_in_files_are_taken_as_they_are(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    packed, picture = io.BytesIO(), encoded(photo(seed=1), "JPEG")
    with zipfile.ZipFile(packed, "w") as archive:
        for name in ("Forest", "River"):
            for number in range(3):
                archive.writestr(f"2750/{name}/{name}_{number}.jpg", picture)
    FILES["/EuroSAT.zip"] = packed.getvalue()
    checksum = hashlib.md5(packed.getvalue(), usedforsecurity=False).hexdigest()

    def download(self: datasets.EuroSAT) -> None:
        from torchvision.datasets.utils import download_and_extract_archive

        download_and_extract_archive(f"{address}/EuroSAT.zip", download_root=self._base_folder, md5=checksum)

    monkeypatch.setattr(datasets.EuroSAT, "download", download)
    path = fetch_set("EuroSAT", "land")
    assert open_dataset("land").counts() == {"all": {"Forest": 3, "River": 3}}
    assert next(path.rglob("*.jpg")).read_bytes() == picture


def test_what_is_damaged_silent_or_unknown_is_a_sentence(
    mnist: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    mnist(damaged=True)
    with pytest.raises(InputError, match="not what its checksum says"):
        fetch_set("MNIST", "new")
    monkeypatch.setattr(known_sets, "WAIT_SECONDS", 0.2)
    mnist(mirror="/silent/x?")
    with pytest.raises(InputError, match="MNIST cannot be fetched: there is no network here"):
        fetch_set("MNIST", "new")
    monkeypatch.setattr(datasets.MNIST, "mirrors", ["http://127.0.0.1:9/"])
    with pytest.raises(InputError, match="MNIST cannot be fetched: there is no network here"):
        fetch_set("MNIST", "new")
    with pytest.raises(InputError, match="no classification set Kinetics"):
        fetch_set("Kinetics", "new")
    monkeypatch.setenv("BACKBONE_LAB_QUOTA_MB", "0.001")
    mnist()
    with pytest.raises(InputError, match="no room for MNIST"):
        fetch_set("MNIST", "new")
    assert nothing_left()


def test_the_job_finds_the_source_and_leaves_nothing_when_cancelled(mnist: Callable[..., None]) -> None:
    mnist()
    request = known_set.KnownSetRequest("MNIST", "new")
    job = JobStore(request.kind).create(request.as_record())
    assert job_process.work(job).state == "finished"
    assert known_set.result(job) == settings.uploads_dir() / "new"
    other = JobStore(request.kind).create({**request.as_record(), "called": "other"})

    def cancelled(*_: object) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        fetch_set("MNIST", "other", progress=cancelled)
    assert known_set.result(other) is None
    assert [path.name for path in settings.uploads_dir().iterdir()] == ["new"]
