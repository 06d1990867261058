"""Names in archives: what is declared, what is true, and what has to be guessed."""

from __future__ import annotations

import zipfile
import zlib
from io import BytesIO
from pathlib import Path

import pytest

from core.data.folders.archive import unpack_zip
from core.data.folders.zip_names import guess_code_page
from core.data.sources import open_dataset
from core.errors import InputError
from tests.core.data.conftest import encoded, photo


class RawName(zipfile.ZipInfo):
    """An entry whose name is written as it is, without the flag of UTF-8."""

    raw: bytes

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:
        return self.raw, self.flag_bits & ~0x800


def packed(names: dict[bytes, bytes], extra: dict[bytes, bytes] | None = None) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for number, (name, data) in enumerate(names.items()):
            info = RawName(f"{number}.png")
            info.raw, info.extra = name, (extra or {}).get(name, b"")
            file.writestr(info, data)
    return buffer.getvalue()


def classes_of(names: list[str], codec: str) -> tuple[tuple[str, ...], list[str]]:
    files = {f"{name}/{k}.png".encode(codec): encoded(photo(seed=k)) for k, name in enumerate(names)}
    dataset = open_dataset(str(unpack_zip(packed(files), "set.zip")))
    return dataset.classes, [str(sentence) for _, sentence in dataset.ignored]


def test_the_byte_of_a_backslash_within_a_character_is_no_separator() -> None:
    names = ["九", "十", "十一", "十二"]  # 十 is 0x8F 0x5C in Shift-JIS
    found, notes = classes_of(names, "cp932")
    assert set(found) == set(names)
    assert "read as cp932" in notes[0]


def test_names_in_utf_8_without_the_flag_are_read_without_a_word() -> None:
    assert classes_of(["十", "Pâté"], "utf-8") == (("Pâté", "十"), [])


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        ("ねこ/猫", "cp932"),
        ("表示/能", "cp932"),
        ("猫狗", "gb18030"),
        ("图片 训练", "gb18030"),
        ("貓狗", "big5"),
        ("고양이/강아지", "euc_kr"),
        ("кошки", "cp866"),
        ("кошки", "cp1251"),
        ("Pâté", "cp850"),
        ("größe", "cp437"),
    ],
)
def test_the_likeliest_code_page_is_taken(text: str, codec: str) -> None:
    raw = text.encode(codec)
    assert raw.decode(guess_code_page([raw])) == text


def test_bytes_of_no_code_page_are_read_all_the_same() -> None:
    assert guess_code_page([b"\xff\xff"]) in ("cp437", "cp850", "cp1251", "cp866")


def test_the_unicode_path_is_taken_where_its_checksum_fits() -> None:
    def field(raw: bytes, name: str) -> bytes:
        body = b"\x01" + zlib.crc32(raw).to_bytes(4, "little") + name.encode()
        return (0x7075).to_bytes(2, "little") + len(body).to_bytes(2, "little") + body

    right, stale = "a\x82/1.png".encode("latin-1"), "b\x82/1.png".encode("latin-1")
    extra = {right: field(right, "anné/1.png"), stale: field(b"another", "wrong/1.png")}
    files = {right: encoded(photo()), stale: encoded(photo(seed=1))}
    dataset = open_dataset(str(unpack_zip(packed(files, extra), "set.zip")))
    assert "anné" in dataset.classes
    assert "wrong" not in dataset.classes


def test_pictures_of_kinds_that_are_not_read_are_named_with_what_to_do() -> None:
    files = {b"cats/1.heic": b"x", b"birds/1.HEIC": b"x"}
    with pytest.raises(InputError, match=r"2 \.heic\. Save them as JPEG or PNG"):
        unpack_zip(packed(files), "phone.zip")
    files |= {b"cats/1.png": encoded(photo()), b"dogs/1.png": encoded(photo(seed=1))}
    dataset = open_dataset(str(unpack_zip(packed(files), "phone.zip")))
    assert [name for name, _ in dataset.ignored] == ["cats/1.heic", "birds/1.HEIC"]
    assert "Save it as JPEG" in str(dataset.ignored[0][1])


def test_notes_that_are_no_notes_count_as_none(tmp_path: Path) -> None:
    from core.data.folders.passed_over import NOTES_FILE, read_notes

    for text in ("", "[]", "{}", "[1]", '[["no kind", "a", "b"]]', "null"):
        (tmp_path / NOTES_FILE).write_text(text)
        assert read_notes(tmp_path) == ()
