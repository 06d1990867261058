"""Weight files from the Hugging Face hub, in its usual cache, by way of this project's own downloads.

The cache is laid out as huggingface_hub does (``blobs``, ``snapshots``, ``refs``), so that both find the other's files.
Its ``hf_hub_download`` itself does not serve here, measured with version 2.4: a file that is not in the cache is asked
for seven times, whatever ``etag_timeout`` is, which takes 23 s where the hub refuses and 385 s where it is silent
(here: 8 s at most); a transfer that stalls ends after 65 s (here: 20 s); and contents that do not have the announced
SHA-256 digest are kept as the file.
"""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO
from urllib.parse import quote, urljoin

import torch

from core.errors import WeightsUnavailable
from core.models.weights import download
from core.models.weights.download import Report

FILES = ("model.safetensors", "pytorch_model.bin")


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a weight file can be had.

    Attributes:
        repository: Name on the hub, such as ``timm/resnet18.a1_in1k``, perhaps with ``@revision``; may be empty.
        file: Name of the file in it; empty for the usual ones.
        address: Another address; may be empty.
    """

    repository: str
    file: str
    address: str


def local(sources: Sources) -> Path | None:
    """Returns where the file lies on this machine, or ``None``."""
    if sources.repository:
        repository, revision = _split(sources.repository)
        folder = _folder(repository)
        for name in (sources.file,) if sources.file else FILES:
            commit = _text(folder / "refs" / revision) or revision
            file = folder / "snapshots" / commit / name
            if file.is_file():
                return file
    if sources.address:
        file = _hub_file(sources.address)
        return file if file.is_file() else None
    return None


def fetch(sources: Sources, *, title: str, report: Report | None = None) -> Path:
    """Returns the file, downloading it where it is not here.

    Raises:
        WeightsUnavailable: It cannot be had; in one sentence.
    """
    here = local(sources)
    if here is not None:
        return here
    if sources.repository:
        if _offline():
            raise WeightsUnavailable(
                "The weights of {title} are not on this machine, and HF_HUB_OFFLINE forbids downloading them. Choose "
                "random weights.",
                title=title,
            )
        return _from_hub(sources, title, report)
    if not sources.address:
        raise WeightsUnavailable("{title} has no pretrained weights. Choose random weights.", title=title)
    return download.fetch(sources.address, _hub_file(sources.address), title=title, report=report)


def _from_hub(sources: Sources, title: str, report: Report | None) -> Path:
    repository, revision = _split(sources.repository)
    folder = _folder(repository)
    names = (sources.file,) if sources.file else FILES
    for name in names:
        address = f"{_endpoint()}/{repository}/resolve/{revision}/{quote(name)}"
        try:
            head = _head(address)
        except urllib.error.HTTPError as error:
            if error.code == 404 and name != names[-1]:
                continue
            raise download.refusal(error, address, folder / name, title) from error
        except (OSError, HTTPException, ValueError) as error:
            raise WeightsUnavailable(
                "The weights of {title} are not on this machine, and {host} does not answer. Choose random weights, "
                "or fetch them where there is network: hf download {repository}",
                title=title,
                host=urllib.request.Request(address).host,
                repository=repository,
            ) from error
        return _store(folder, revision, name, address, head, title, report)
    raise AssertionError(names)


def _store(
    folder: Path, revision: str, name: str, address: str, head: Message[str, str], title: str, report: Report | None
) -> Path:
    """Downloads a file into the hub's cache and enters it there."""
    etag = (head["X-Linked-Etag"] or head["ETag"] or "").removeprefix("W/").strip('"')
    commit = head["X-Repo-Commit"] or revision
    size = head["X-Linked-Size"] or head["Content-Length"]
    blob = folder / "blobs" / (etag or f"{commit}-{name}")
    digest = etag if len(etag) == 64 else ""  # large files go by their SHA-256 digest
    download.fetch(address, blob, title=title, digest=digest, size=int(size) if size else None, report=report)
    file = folder / "snapshots" / commit / name
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            file.unlink(missing_ok=True)
            _link(blob, file)
        if commit != revision:
            reference = folder / "refs" / revision
            reference.parent.mkdir(parents=True, exist_ok=True)
            reference.write_text(commit)
    except OSError as error:
        raise download.refusal(error, address, file, title) from error
    return file


def _link(blob: Path, file: Path) -> None:
    try:
        file.symlink_to(os.path.relpath(blob, file.parent))
    except OSError:  # no links here, as on some Windows machines: the file itself moves
        blob.rename(file)


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows redirects within the hub only: the first answer, not the storage's, has the file's names."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        if urllib.request.Request(urljoin(req.full_url, newurl)).host != req.host or headers["X-Linked-Etag"]:
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _head(address: str) -> Message[str, str]:
    request = urllib.request.Request(address, method="HEAD", headers={"Accept-Encoding": "identity"})
    try:
        with urllib.request.build_opener(_Stay).open(request, timeout=download.CONNECT_SECONDS) as answer:
            return answer.headers
    except urllib.error.HTTPError as error:
        if 300 <= error.code < 400:
            return error.headers
        raise


def _offline() -> bool:
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}


def _endpoint() -> str:
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")


def _folder(repository: str) -> Path:
    home = Path(os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface")
    cache = Path(os.environ.get("HF_HUB_CACHE") or home / "hub").expanduser()
    return cache / f"models--{repository.replace('/', '--')}"


def _split(repository: str) -> tuple[str, str]:
    name, _, revision = repository.partition("@")
    return name, revision or "main"


def _text(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""


def _hub_file(address: str) -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints" / Path(address.partition("?")[0]).name
