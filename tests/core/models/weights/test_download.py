"""Downloads from a server on this machine that behaves well, badly, or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from core.errors import WeightsUnavailable
from core.models.weights import background_download, download, huggingface
from core.models.weights.download import DownloadProgress, fetch

BODY = bytes(range(256)) * 4096  # 1 MiB
DIGEST = hashlib.sha256(BODY).hexdigest()
NAME = f"net-{DIGEST[:8]}.pth"


class Server(ThreadingHTTPServer):
    """Serves ``BODY`` under every path, in the manner that the path begins with."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str, str | None]] = []
        self.gate = threading.Event()

    def handle_error(self, *_args: object) -> None:
        """A client that hangs up is what some tests are about."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.server.asked.append(("HEAD", self.path, None))
        self.send_response(200)
        self.send_header("ETag", f'"{DIGEST}"')
        self.send_header("X-Repo-Commit", "c0ffee")
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()

    def do_GET(self) -> None:
        manner = self.path.split("/")[1]
        wanted = self.headers.get("Range")
        self.server.asked.append(("GET", self.path, wanted))
        if manner == "missing":
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and manner != "deaf" else 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(BODY) - start))
        self.end_headers()
        if manner in ("breaks", "deaf") and len(self.server.asked) == 1:
            self.wfile.write(BODY[: len(BODY) // 2])
        elif manner == "always-breaks":
            self.wfile.write(b"")
        elif manner in ("stalls", "gated"):
            self.wfile.write(BODY[start : len(BODY) // 2])
            self.wfile.flush()
            self.server.gate.wait(20)
            if manner == "gated":
                self.wfile.write(BODY[len(BODY) // 2 :])
        elif manner == "wrong":
            self.wfile.write(BODY[::-1])
        else:
            self.wfile.write(BODY[start:])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for key in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(key, raising=False)
    running = Server()
    threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield running
    running.gate.set()
    running.shutdown()
    running.server_close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "cache"
    made.mkdir()
    return made


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def test_a_file_arrives_whole_with_its_progress_told(server: Server, folder: Path) -> None:
    told: list[DownloadProgress] = []
    file = fetch(f"{server.address}/well/{NAME}", folder / "new" / NAME, report=told.append)
    assert file.read_bytes() == BODY
    assert leftovers(file.parent) == [NAME]
    assert told[-1].done == told[-1].total == len(BODY)
    assert told[-1].rate > 0
    fetch(f"{server.address}/missing/{NAME}", file)
    assert len(server.asked) == 1


def test_a_broken_transfer_goes_on_where_it_stopped(server: Server, folder: Path) -> None:
    file = fetch(f"{server.address}/breaks/{NAME}", folder / NAME)
    assert file.read_bytes() == BODY
    assert [wanted for _, _, wanted in server.asked] == [None, f"bytes={len(BODY) // 2}-"]


def test_a_server_that_cannot_go_on_starts_again(server: Server, folder: Path) -> None:
    assert fetch(f"{server.address}/deaf/{NAME}", folder / NAME).read_bytes() == BODY
    assert leftovers(folder) == [NAME]


def test_a_download_that_breaks_for_good_is_resumed_the_next_time(server: Server, folder: Path) -> None:
    (folder / f".{NAME}.part").write_bytes(BODY[:1000])
    with pytest.raises(WeightsUnavailable, match="broke off"):
        fetch(f"{server.address}/always-breaks/{NAME}", folder / NAME)
    assert not (folder / NAME).exists()
    assert len(server.asked) == 1
    fetch(f"{server.address}/well/{NAME}", folder / NAME)
    assert server.asked[-1][2] == "bytes=1000-"
    assert (folder / NAME).read_bytes() == BODY


def test_without_a_digest_nothing_is_resumed(server: Server, folder: Path) -> None:
    (folder / ".plain.bin.part").write_bytes(b"of another file")
    assert fetch(f"{server.address}/well/plain.bin", folder / "plain.bin").read_bytes() == BODY
    with pytest.raises(WeightsUnavailable, match="broke off"):
        fetch(f"{server.address}/always-breaks/other.bin", folder / "other.bin")
    assert leftovers(folder) == ["plain.bin"]


def test_other_contents_than_announced_are_not_kept(server: Server, folder: Path) -> None:
    with pytest.raises(WeightsUnavailable, match="SHA-256") as caught:
        fetch(f"{server.address}/wrong/{NAME}", folder / NAME, title="net")
    assert DIGEST[:8] in str(caught.value)
    assert leftovers(folder) == []


def test_a_stalled_server_is_given_up(server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "STALL_SECONDS", 0.3)
    monkeypatch.setattr(download, "CONNECT_SECONDS", 5.0)
    begin = time.monotonic()
    with pytest.raises(WeightsUnavailable, match="broke off after 1 MB"):
        fetch(f"{server.address}/stalls/{NAME}", folder / NAME)
    assert time.monotonic() - begin < 4
    assert not (folder / NAME).exists()


def test_a_missing_file_and_a_silent_host_are_told_apart(server: Server, folder: Path) -> None:
    with pytest.raises(WeightsUnavailable, match="answered 404"):
        fetch(f"{server.address}/missing/{NAME}", folder / NAME)
    server.shutdown()
    server.server_close()
    with pytest.raises(WeightsUnavailable, match="there is no network, or 127") as caught:
        fetch(f"{server.address}/well/{NAME}", folder / NAME)
    for part in (NAME, str(folder), "random weights"):
        assert part in str(caught.value)
    assert leftovers(folder) == []


@pytest.mark.parametrize("known", [len(BODY), None])
def test_no_space_is_seen_before_the_first_byte(
    known: int | None, server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=download.MARGIN_BYTES + len(BODY) - 1))
    with pytest.raises(WeightsUnavailable, match="needs 33 MB, but only 33 MB are free"):
        fetch(f"{server.address}/well/{NAME}", folder / NAME, size=known)
    assert leftovers(folder) == []
    assert len(server.asked) == (known is None)


def test_a_disk_that_fills_up_on_the_way(server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("core.models.weights.download._Transfer._copy", full)
    (folder / f".{NAME}.part").write_bytes(BODY[:10])
    with pytest.raises(WeightsUnavailable, match="disk is full"):
        fetch(f"{server.address}/well/{NAME}", folder / NAME)
    assert leftovers(folder) == []


def test_a_folder_that_cannot_be_written(server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "file").write_text("no folder")
    with pytest.raises(WeightsUnavailable, match="TORCH_HOME"):
        fetch(f"{server.address}/well/{NAME}", folder / "file" / "under" / NAME)
    closed = folder / "closed"
    closed.mkdir(mode=0o500)
    if os.access(closed, os.W_OK):  # whoever may do everything gets the refusal from the system's mouth

        def refuse(*_args: object, **_options: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("core.models.weights.download.FileLock.acquire", refuse)
    with pytest.raises(WeightsUnavailable, match="cannot be written to the folder"):
        fetch(f"{server.address}/well/{NAME}", closed / NAME)


def test_two_who_want_one_file_fetch_it_once(server: Server, folder: Path) -> None:
    told: list[DownloadProgress] = []
    first = threading.Thread(target=fetch, args=(f"{server.address}/gated/{NAME}", folder / NAME))
    first.start()
    wait(lambda: bool(server.asked))
    second = threading.Thread(
        target=fetch, args=(f"{server.address}/gated/{NAME}", folder / NAME), kwargs={"report": told.append}
    )
    second.start()
    wait(lambda: bool(told))
    server.gate.set()
    first.join(5)
    second.join(5)
    assert len(server.asked) == 1
    assert (folder / NAME).read_bytes() == BODY


def test_a_job_runs_in_the_background_and_can_be_cancelled(server: Server, folder: Path) -> None:
    key = ("net", str(folder))
    work = lambda manner: lambda report: fetch(f"{server.address}/{manner}/{NAME}", folder / NAME, report=report)  # noqa: E731
    job = background_download.start(key, "Net", work("gated"))
    assert background_download.start(key, "Net", work("gated")) is job is background_download.find(key)
    wait(lambda: job.progress is not None)
    job.cancel()
    assert job.state == background_download.CANCELLED
    server.gate.set()
    job.join(5)
    assert job.state == background_download.CANCELLED
    assert not (folder / NAME).exists()
    again = background_download.start(key, "Net", work("well"))
    assert again is not job
    again.join(5)
    assert (again.state, again.error) == (background_download.FINISHED, None)
    assert again.progress == DownloadProgress(len(BODY), len(BODY), again.progress.rate if again.progress else 0)


def test_a_job_that_fails_keeps_the_sentence(server: Server, folder: Path) -> None:
    job = background_download.start(
        ("net", "missing"), "Net", lambda report: fetch(f"{server.address}/missing/x", folder / "x", report=report)
    )
    job.join(5)
    assert job.state == background_download.FAILED
    assert "404" in str(job.error)


def test_the_hubs_cache_is_filled_as_its_own_library_would(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(folder))
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    sources = huggingface.Sources("timm/tiny.in1k", "", "")
    assert huggingface.local(sources) is None
    file = huggingface.fetch(sources, title="tiny")
    assert file == huggingface.local(sources) == folder / "models--timm--tiny.in1k/snapshots/c0ffee/model.safetensors"
    assert file.read_bytes() == BODY
    assert file.resolve().name == DIGEST
    hub = pytest.importorskip("huggingface_hub")
    assert hub.try_to_load_from_cache("timm/tiny.in1k", "model.safetensors", cache_dir=folder) == str(file)
    asked = len(server.asked)
    assert huggingface.fetch(sources, title="tiny") == file
    assert len(server.asked) == asked


def test_offline_the_hub_is_not_asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(folder))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(WeightsUnavailable, match="HF_HUB_OFFLINE"):
        huggingface.fetch(huggingface.Sources("timm/tiny.in1k", "", ""), title="tiny")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    begin = time.monotonic()
    with pytest.raises(WeightsUnavailable, match=r"127\.0\.0\.1:9 does not answer"):
        huggingface.fetch(huggingface.Sources("timm/tiny.in1k", "", ""), title="tiny")
    assert time.monotonic() - begin < 5


def wait(ready: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not ready():
        assert time.monotonic() < end
        time.sleep(0.01)
