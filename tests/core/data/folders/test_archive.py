"""Archives: the good are unpacked, the bad leave nothing behind."""

from __future__ import annotations

import os
import stat
import time
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from core import settings
from core.data.folders import archive, passed_over
from core.data.folders.archive import unpack_zip
from core.data.sources import open_dataset
from core.errors import InputError
from core.uploads import delete, usage
from tests.core.data.conftest import encoded, photo

IMAGE = encoded(photo())
GOOD = {"cats/1.png": IMAGE, "dogs/1.png": encoded(photo(seed=1))}


def packed(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name, data in files.items():
            file.writestr(zipfile.ZipInfo(name), data, method)
    return buffer.getvalue()


def refusal(data: bytes, name: str = "pets.zip") -> str:
    """Checks that an archive is refused without a trace and returns the reason."""
    with pytest.raises(InputError) as caught:
        unpack_zip(data, name)
    assert caught.value.values["name"] == name
    uploads = settings.uploads_dir()
    assert not uploads.exists() or list(uploads.iterdir()) == []
    return str(caught.value)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_images_come_out_and_nothing_else(method: int) -> None:
    extra = {
        "readme.txt": b"x",
        "cats/run.py": b"x",
        "__MACOSX/cats/._1.png": b"x",
        ".hidden/2.png": IMAGE,
        "empty/": b"",
    }
    path = unpack_zip(packed({**GOOD, **extra}, method), "My pets.zip")
    assert path == settings.uploads_dir() / "My-pets"
    files = sorted(str(p.relative_to(path)) for p in path.rglob("*") if p.is_file())
    assert files == [passed_over.NOTES_FILE, "cats/1.png", "dogs/1.png"]
    assert [note.name for note in passed_over.read_notes(path)] == ["readme.txt", "cats/run.py"]
    assert (path / "cats/1.png").read_bytes() == IMAGE
    assert open_dataset(str(path), roots=settings.data_roots()).counts() == {"all": {"cats": 1, "dogs": 1}}


def test_a_path_a_stream_and_bytes_are_taken(tmp_path: Path) -> None:
    data = packed(GOOD)
    (tmp_path / "x.zip").write_bytes(data)
    paths = [unpack_zip(file, "x.zip") for file in (tmp_path / "x.zip", data, BytesIO(data))]
    assert [path.name for path in paths] == ["x", "x-2", "x-3"]
    assert len(open_dataset(str(paths[2]))) == 2


@pytest.mark.parametrize(
    "name", ["گربه‌ها و سگ‌ها.zip", "قطط.zip", "../../etc/passwd", "a/b\\pets.zip", "...zip", "", "🐈.zip"]
)
def test_any_name_makes_a_folder_of_its_own(name: str) -> None:
    path = unpack_zip(packed(GOOD), name)
    assert path.parent == settings.uploads_dir()
    assert not path.name.startswith(".")
    assert len(path.name) > 2


def test_names_of_any_script_inside() -> None:
    path = unpack_zip(packed({"گربه‌ها/گربه ۱.png": IMAGE, "كلاب/صورة.png": IMAGE}), "x.zip")
    assert set(open_dataset(str(path)).classes) == {"گربه‌ها", "كلاب"}


def test_utf8_names_that_do_not_say_so_and_backslashes() -> None:
    class Undeclared(zipfile.ZipInfo):
        def _encodeFilenameFlags(self) -> tuple[bytes, int]:
            return self.filename.encode(), self.flag_bits & ~0x800

    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr(Undeclared("سگ/۱.png"), IMAGE)
        file.writestr(Undeclared("cats\\1.png"), IMAGE)
    path = unpack_zip(buffer.getvalue(), "x.zip")
    assert set(open_dataset(str(path)).classes) == {"سگ", "cats"}


def test_a_backslash_beside_slashes_is_a_letter_where_files_may_have_it() -> None:
    unix, windows = zipfile.ZipInfo("cats/n\\o.png"), zipfile.ZipInfo("dogs/n\\o.png")
    unix.create_system, windows.create_system = 3, 0
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for info in (unix, windows):
            file.writestr(info, IMAGE)
    path = unpack_zip(buffer.getvalue(), "x.zip")
    assert (path / "cats" / "n\\o.png").is_file()
    assert (path / "dogs" / "n" / "o.png").is_file()


@pytest.mark.parametrize(
    "name", ["../evil.png", "cats/../../evil.png", "/etc/evil.png", "C:\\evil.png", "..\\evil.png", "a/..\\b.png"]
)
def test_entries_that_lead_outside_are_refused(name: str) -> None:
    assert "leads outside the archive" in refusal(packed({**GOOD, name: IMAGE}))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFBLK])
def test_links_and_devices_are_refused(kind: int) -> None:
    buffer = BytesIO(packed(GOOD))
    with zipfile.ZipFile(buffer, "a") as file:
        info = zipfile.ZipInfo("cats/link.png")
        info.external_attr = (kind | 0o777) << 16
        file.writestr(info, "/etc/passwd")
    assert "is a link or a device" in refusal(buffer.getvalue())


@pytest.mark.parametrize("inner", ["more.zip", "cats/more.ZIP", "x.tar.gz", "x.7z"])
def test_an_archive_in_an_archive_is_refused_in_clear_words(inner: str) -> None:
    told = refusal(packed({**GOOD, inner: packed(GOOD)}))
    assert "holds another archive" in told
    assert "Unpack that one first" in told


def test_bombs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "grows far too much" in refusal(packed({"a/1.bmp": bytes(60_000_000), "b/1.png": IMAGE}))
    monkeypatch.setattr(archive, "FREE_BYTES", 1000)
    assert "grows far too much" in refusal(packed({"a/1.bmp": bytes(2_000_000), **GOOD}))


def test_an_archive_that_lies_about_sizes_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "FREE_BYTES", 1000)
    data = bytearray(packed({"a/1.bmp": bytes(2_000_000)}))
    true = (2_000_000).to_bytes(4, "little")
    place = data.rfind(true)
    data[place : place + 4] = (500).to_bytes(4, "little")
    assert "damaged" in refusal(bytes(data)) or "grows" in refusal(bytes(data))


def test_too_many_entries_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_ENTRIES", 10)
    assert "more than 10 entries" in refusal(packed({f"a/{n}.png": b"x" for n in range(11)}))
    monkeypatch.setattr(archive, "_DIRECTORY_BYTES", 100)
    monkeypatch.setattr(zipfile, "ZipFile", None)  # its table of contents is not even read
    assert "more than" in refusal(packed_before)


packed_before = packed({f"a/{n}.png": b"x" for n in range(11)})


def test_the_size_of_an_upload_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKBONE_LAB_UPLOAD_MB", "0.001")
    assert "an upload may have 0 MB" in refusal(packed(GOOD))


def test_all_uploads_share_a_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    data = packed(GOOD)
    first = unpack_zip(data, "x.zip")
    assert usage() == sum(len(content) for content in GOOD.values())
    monkeypatch.setenv("BACKBONE_LAB_QUOTA_MB", str(usage() * 1.5 / 1e6))
    with pytest.raises(InputError, match="Delete an older upload"):
        unpack_zip(data, "x.zip")
    assert list(settings.uploads_dir().iterdir()) == [first]
    delete(first, settings.uploads_dir())
    assert usage() == 0
    unpack_zip(data, "x.zip")


def test_what_is_no_archive_is_refused() -> None:
    assert "empty" in refusal(b"")
    assert "not a zip archive" in refusal(b"hello" * 50)
    assert "not a zip archive" in refusal(packed(GOOD)[:-40])
    assert "holds no images" in refusal(packed({"a.txt": b"x"}))
    assert "holds no images" in refusal(packed({}))
    assert "twice" in refusal(packed({"a/1.png": IMAGE, "a//1.png": IMAGE}))
    assert "too long" in refusal(packed({"a/" + "ب" * 200 + ".png": IMAGE}))
    assert "control characters" in refusal(packed({"a/x\n.png": IMAGE}))


def test_damaged_contents_leave_nothing() -> None:
    data = bytearray(packed(GOOD, zipfile.ZIP_STORED))
    place = data.find(IMAGE) + 30
    data[place] ^= 0xFF
    assert "damaged" in refusal(bytes(data))


def test_encrypted_and_unusual_archives_are_refused() -> None:
    data = bytearray(packed({"a/1.png": IMAGE}))
    data[data.rfind(b"PK\x01\x02") + 8] |= 1
    data[6] |= 1
    assert "encrypted" in refusal(bytes(data))
    assert "ordinary zip" in refusal(packed({"a/1.png": IMAGE}, zipfile.ZIP_LZMA))


def test_a_file_where_a_folder_should_be_leaves_nothing() -> None:
    assert "file and a folder" in refusal(packed({"a.png": IMAGE, "a.png/1.png": IMAGE}))


def test_a_full_disk_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Path.open

    def full(self: Path, mode: str = "r", *args: object) -> object:
        if "x" in mode:
            raise OSError(28, "No space left on device")
        return opened(self, mode, *args)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", full)
    assert "No space left on device" in refusal(packed(GOOD))


def test_half_unpacked_leftovers_are_swept_after_a_day() -> None:
    uploads = settings.uploads_dir()
    old, new = uploads / ".part-old", uploads / ".part-new"
    for folder in (old, new):
        folder.mkdir(parents=True)
    os.utime(old, (time.time() - 100_000,) * 2)
    unpack_zip(packed(GOOD), "x.zip")
    assert not old.exists()
    assert new.exists()


def test_only_uploads_are_deleted(tmp_path: Path) -> None:
    path = unpack_zip(packed(GOOD), "x.zip")
    other = tmp_path / "data" / "mine"
    other.mkdir()
    (settings.uploads_dir() / "link").symlink_to(other)
    for wrong in (
        other,
        settings.uploads_dir(),
        path / "cats",
        path / ".." / ".." / "mine",
        settings.uploads_dir() / "link",
    ):
        with pytest.raises(InputError, match="not an upload"):
            delete(wrong, settings.uploads_dir())
    assert other.is_dir()
    delete(path, settings.uploads_dir())
    assert not path.exists()
    with pytest.raises(InputError, match="not there any more"):
        delete(path, settings.uploads_dir())


def test_own_roots_may_be_given(tmp_path: Path) -> None:
    path = unpack_zip(packed(GOOD), "x.zip", tmp_path / "elsewhere")
    assert path == tmp_path / "elsewhere" / "x"
    assert usage(tmp_path / "elsewhere") > 0
    delete(path, tmp_path / "elsewhere")
    assert usage(tmp_path / "elsewhere") == 0
