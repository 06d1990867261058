"""Data sets of Kaggle, fetched by kagglehub and imported like any other files.

Credentials are a person's own and stay where kagglehub looks for them: they are never asked for, copied or noted.
"""

from __future__ import annotations

import re
import shutil
import threading
from pathlib import Path

from core import settings, uploads
from core.data.folders.archive import hidden_folder
from core.data.importing.collected import Collected
from core.data.importing.uploaded import import_staged
from core.errors import InputError
from core.messages import StagedProgress

PREFIX = "kaggle:"
"""What stands before a data set's address where other sources may be named, too."""
_ADDRESS = re.compile(r"[A-Za-z0-9][\w-]{1,60}/[A-Za-z0-9][\w-]{1,100}(/versions/\d{1,6})?")
_PAGE = re.compile(r"^(https?://)?(www\.)?kaggle\.com/datasets/")
_POLL = 0.5


def fetch_kaggle(address: str, called: str, *, progress: StagedProgress = lambda *_: None) -> Path:
    """Fetches a data set of Kaggle and makes a data source of it.

    Args:
        address: ``owner/name``, as the page of the data set has it in its address, or that page's address.
        called: What the data source is called.
        progress: Called with ``fetching`` and bytes on disk, then with ``taking in`` and images; 0 of all where that
            is not known. What it raises ends the work, and nothing is left behind.

    Returns:
        The source's folder among the uploads.

    Raises:
        InputError: The address is none, kagglehub is not installed, there is no network or no room, Kaggle wants to
            know who asks, there is no such set, or it holds nothing that is imported.
    """
    slug = slug_of(address)
    Collected(called, slug)  # a name that cannot be used is refused before anything is fetched
    staged = hidden_folder(settings.uploads_dir())
    try:
        _fetch(slug, staged, progress)
        return import_staged(staged, called, progress=lambda done, total: progress("taking in", done, total))
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def slug_of(address: str) -> str:
    """Returns ``owner/name`` of an address.

    Raises:
        InputError: It is none.
    """
    slug = _PAGE.sub("", address.strip().removeprefix(PREFIX)).split("?")[0].strip("/")
    if not _ADDRESS.fullmatch(slug):
        raise InputError(
            "{address} is no address of a data set of Kaggle. Write owner/name, as its page has them: "
            "kaggle.com/datasets/owner/name.",
            address=address[:100],
        )
    return slug


def _fetch(slug: str, folder: Path, progress: StagedProgress) -> None:
    """Has kagglehub fetch in a thread, and watches how much lies on disk meanwhile."""
    try:
        import kagglehub
    except ImportError as error:
        raise InputError(
            "Sets of Kaggle need the package kagglehub, which is not installed here: pip install -r "
            "requirements-kaggle.txt"
        ) from error
    room = min(settings.upload_quota() - uploads.usage(), shutil.disk_usage(folder).free)
    failed: list[BaseException] = []

    def work() -> None:
        try:
            kagglehub.dataset_download(slug, output_dir=str(folder))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is said in the thread that waits
            failed.append(error)

    thread = threading.Thread(target=work, daemon=True, name="kaggle")
    thread.start()
    working = True
    while working:
        thread.join(_POLL)
        working = thread.is_alive()  # what came at once is measured, too
        there = _size(folder)
        if there > room:
            raise InputError(
                "There is no room for {name}: all uploads together may take {quota} MB. Delete an older one first.",
                name=slug,
                quota=round(settings.upload_quota() / 1e6),
            )
        progress("fetching", there, 0)
    if failed:
        raise _sentence(slug, failed[0]) from failed[0]


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size
        except OSError:  # it is being moved
            continue
    return total


def _sentence(slug: str, error: BaseException) -> InputError:
    """Says what went wrong, with nothing of a person's credentials in it."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    kind = type(error).__name__
    if status in (401, 403) or "Unauthenticated" in kind or "Credential" in kind:
        return InputError(
            "Kaggle wants to know who asks for {name}, and no valid credentials are here. Make a token in the settings "
            "of your account on kaggle.com and save it on this machine as ~/.kaggle/kaggle.json, readable by you "
            "alone.",
            name=slug,
        )
    if status == 404:
        return InputError("Kaggle has no public data set {name}. Compare it with its page's address.", name=slug)
    if isinstance(error, ValueError) and "credentials" in str(error).lower() and status is None:
        return InputError(
            "The file of Kaggle's credentials on this machine is damaged. Make a new token on kaggle.com and save it "
            "again."
        )
    if "Corruption" in kind:
        return InputError("What was fetched of {name} is cut short or exchanged. Fetch it again.", name=slug)
    reason = str(error).strip().split("\n")[0] or kind
    return InputError(
        "{name} cannot be fetched: there is no network here, or Kaggle does not answer ({reason}). Fetch the zip with "
        "a browser elsewhere and import it.",
        name=slug,
        reason=reason[:120],
    )
