"""Downloading weight files: with progress, in bounded time, resumed, verified, and never half a file as a whole one.

A file arrives under a name of its own (``.NAME.part``) beside its place and is moved there once its length and its
digest are right. Publishers write the first digits of the file's SHA-256 digest into its name; torch.hub's caches
count on that too. A file is downloaded by one process at a time; others wait for it.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from filelock import FileLock, Timeout

from core.errors import InputError, WeightsUnavailable

Report = Callable[["DownloadProgress"], None]
"""Hears of a download's progress; may raise to end it."""

CONNECT_SECONDS = 8.0
"""How long to wait for a connection and its first answer."""
STALL_SECONDS = 20.0
"""How long to wait for the next bytes of a file."""
MAX_ATTEMPTS = 3
"""How often a broken transfer is taken up again."""
MARGIN_BYTES = 32_000_000
"""Bytes that must stay free on the disk."""

_CHUNK = 1 << 18
_REPORT_SECONDS = 0.2
_DIGEST = re.compile(r"-([0-9a-f]{8,})\.")
_AGENT = "backbone-lab"


@dataclass(frozen=True, slots=True)
class DownloadProgress:
    """How far a download is.

    Attributes:
        done: Bytes that are here.
        total: Bytes of the whole file; ``None`` where the server does not send it.
        rate: Bytes a second, over the last seconds; 0 at the start.
    """

    done: int
    total: int | None
    rate: float


def digest_of(name: str) -> str:
    """Returns the first digits of the SHA-256 digest that a file's name promises; empty where it promises none."""
    promised = _DIGEST.search(name)
    return promised[1] if promised else ""


def intact(file: Path, digest: str | None = None) -> bool:
    """Returns whether a file has the digest that its name (or ``digest``) promises; true where nothing is promised."""
    promised = digest_of(file.name) if digest is None else digest
    if not promised:
        return True
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest().startswith(promised)


def fetch(
    address: str,
    target: Path,
    *,
    title: str = "",
    digest: str | None = None,
    size: int | None = None,
    report: Report | None = None,
) -> Path:
    """Downloads a file, unless it is here already.

    Args:
        address: Its address, http or https.
        target: Where it belongs; missing folders are made.
        title: What the sentences call it; by default the file's name.
        digest: First hexadecimal digits of its SHA-256 digest; by default those in its name.
        size: Its size in bytes, where it is known beforehand, for the check of free disk space.
        report: Called a few times a second with the progress, from this thread. What it raises ends the download;
            what has arrived is kept for the next time.

    Returns:
        ``target``.

    Raises:
        WeightsUnavailable: No network, no such file, not the promised contents, no space, no permission; each in one
            sentence on what to do.
    """
    if target.is_file():
        return target
    transfer = _Transfer(address, target, title or target.name, digest_of(target.name) if digest is None else digest)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone(target, transfer, report):
            if not target.is_file():
                transfer.run(size, report)
    except InputError:
        raise
    except (OSError, HTTPException, ValueError) as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            transfer.part.unlink(missing_ok=True)
        raise refusal(error, address, target, transfer.title) from error
    return target


@contextmanager
def _alone(target: Path, transfer: _Transfer, report: Report | None) -> Iterator[None]:
    """Waits until no other process downloads the file, reporting how far that one is."""
    lock = FileLock(target.with_name(f".{target.name}.lock"), thread_local=False)
    while True:
        try:
            lock.acquire(timeout=0.5)
            break
        except Timeout:
            if report:
                report(DownloadProgress(transfer.arrived(), None, 0.0))
    try:
        yield
    finally:
        lock.release()


class _Broken(Exception):
    """The transfer ended before the file did."""


class _Transfer:
    """One file on its way."""

    def __init__(self, address: str, target: Path, title: str, digest: str) -> None:
        self.address, self.target, self.title, self.digest = address, target, title, digest
        self.part = target.with_name(f".{target.name}.part")

    def arrived(self) -> int:
        """Returns how many bytes are here."""
        try:
            return self.part.stat().st_size
        except OSError:
            return 0

    def run(self, size: int | None, report: Report | None) -> None:
        if size is not None:
            self._check_space(size - self.arrived())
        if not self.digest:  # without a digest nobody could know whether the rest is of the same file
            self.part.unlink(missing_ok=True)
        for attempt in range(MAX_ATTEMPTS):
            before = self.arrived()
            try:
                self._receive(report)
                break
            except (_Broken, TimeoutError, ConnectionError, HTTPException) as error:
                # a server that sends nothing more gets no requests over and over
                if attempt == MAX_ATTEMPTS - 1 or self.arrived() <= before or not self.digest:
                    raise self._interrupted() from error
        self._settle()

    def _receive(self, report: Report | None) -> None:
        start = self.arrived()
        headers = {"User-Agent": _AGENT, "Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
        request = urllib.request.Request(self.address, headers=headers)
        try:
            answer = urllib.request.urlopen(request, timeout=CONNECT_SECONDS)
        except urllib.error.HTTPError as error:
            if error.code == 416 and start:  # all of it (or more) is here
                return
            raise
        with answer:
            if answer.status != 206:
                start = 0
            length = answer.headers.get("Content-Length")
            total = start + int(length) if length else None
            if total is not None:
                self._check_space(total - start)
            _patience(answer, STALL_SECONDS)
            self._copy(answer, start, total, report)

    def _copy(self, answer: HTTPResponse, start: int, total: int | None, report: Report | None) -> None:
        done, meter = start, _Meter(start)
        with self.part.open("ab" if start else "wb") as file:
            while chunk := answer.read1(_CHUNK):
                file.write(chunk)
                done += len(chunk)
                if report and meter.due():
                    report(DownloadProgress(done, total, meter.rate(done)))
        if total is not None and done != total:
            raise _Broken
        if report:
            report(DownloadProgress(done, total, meter.rate(done)))

    def _settle(self) -> None:
        """Moves the file to its place, if it is what it should be."""
        if not intact(self.part, self.digest):
            self.part.unlink(missing_ok=True)
            raise WeightsUnavailable(
                "What arrived as {title} is not the file that its publisher announced (its SHA-256 digest does not "
                "begin with {digest}). It was not kept. Try again later.",
                title=self.title,
                digest=self.digest,
            )
        os.replace(self.part, self.target)  # noqa: PTH105

    def _check_space(self, needed: int) -> None:
        free = shutil.disk_usage(self.target.parent).free
        if needed + MARGIN_BYTES > free:
            raise WeightsUnavailable(
                "{title} needs {needed} MB, but only {free} MB are free in the folder {folder}. Make room, or choose a "
                "smaller network.",
                title=self.title,
                needed=_megabytes(max(needed, 0) + MARGIN_BYTES),
                free=_megabytes(free),
                folder=str(self.target.parent),
            )

    def _interrupted(self) -> WeightsUnavailable:
        if not self.digest:
            self.part.unlink(missing_ok=True)
        return WeightsUnavailable(
            "The download of {title} broke off after {done} MB. Try again: it goes on from there where the server can.",
            title=self.title,
            done=_megabytes(self.arrived()),
        )


def refusal(error: Exception, address: str, target: Path, title: str) -> WeightsUnavailable:
    """Returns the sentence for what went wrong on the way of a file to its place."""
    folder = str(target.parent)
    if isinstance(error, urllib.error.HTTPError):
        return WeightsUnavailable(
            "{title} could not be downloaded: the server answered {status} for {address}. Choose random weights, or "
            "try again later.",
            title=title,
            status=error.code,
            address=address,
        )
    code = error.errno if isinstance(error, OSError) else None
    if code in (errno.ENOSPC, errno.EDQUOT):
        return WeightsUnavailable(
            "The disk is full: {title} could not be written to the folder {folder}. Make room and try again.",
            title=title,
            folder=folder,
        )
    if code in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR):
        return WeightsUnavailable(
            "{title} cannot be written to the folder {folder}. Allow writing there, or set TORCH_HOME (HF_HOME for "
            "timm) to a folder of your own.",
            title=title,
            folder=folder,
        )
    return WeightsUnavailable(
        "{title} is not on this machine and could not be downloaded: there is no network, or {host} does not answer. "
        "Choose random weights, or put the file {file} into the folder {folder}.",
        title=title,
        host=urllib.request.Request(address).host,
        file=target.name,
        folder=folder,
    )


class _Meter:
    """Measures the rate of a transfer, and when to report it."""

    def __init__(self, start: int) -> None:
        self._told = 0.0
        self._samples = [(time.monotonic(), start)]

    def due(self) -> bool:
        now = time.monotonic()
        if now - self._told < _REPORT_SECONDS:
            return False
        self._told = now
        return True

    def rate(self, done: int) -> float:
        now = time.monotonic()
        self._samples.append((now, done))
        while len(self._samples) > 2 and now - self._samples[0][0] > 5:
            self._samples.pop(0)
        before, then = self._samples[0]
        return (done - then) / (now - before) if now > before else 0.0


def _patience(answer: HTTPResponse, seconds: float) -> None:
    """Sets how long a read may wait, on the connection behind a response."""
    raw = getattr(getattr(answer, "fp", None), "raw", None)
    connection = getattr(raw, "_sock", None)
    if isinstance(connection, socket.socket):
        connection.settimeout(seconds)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f}"
