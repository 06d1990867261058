"""What the names in a zip archive mean: UTF-8 where that is flagged or true, and else the likeliest code page.

Names are decoded before anybody looks for separators: in Shift-JIS, GBK and Big5 the byte of a backslash is the second
half of some characters.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Sequence

_UNICODE_PATH = 0x7075
"""Extra field of Info-ZIP: the name in UTF-8 beside one in a code page (APPNOTE.TXT 4.6.9)."""

CODE_PAGES = ("cp932", "gb18030", "euc_kr", "big5", "cp866", "cp1251", "cp850", "cp437")
"""Code pages that are tried, in this order where they fit equally well."""

_COMMON = {  # codec: ranges of the two bytes of its everyday characters
    "cp932": ((0x829F, 0x8396), (0x889F, 0x9872)),  # kana and the kanji of JIS level 1
    "gb18030": ((0xB0A1, 0xD7F9),),  # hanzi of GB 2312 level 1
    "euc_kr": ((0xB0A1, 0xC8FE),),  # the Hangul of KS X 1001
    "big5": ((0xA440, 0xC67E),),  # the frequently used hanzi
}
_CYRILLIC, _LATIN = ("cp866", "cp1251"), ("cp850", "cp437")
_HANGUL = 4
_ASCII = frozenset(map(chr, range(128)))


def decoded_names(entries: Sequence[zipfile.ZipInfo]) -> tuple[list[str], str]:
    """Returns the names of an archive's entries, and the code page that was guessed for some of them.

    Args:
        entries: As :mod:`zipfile` read them.

    Returns:
        The names in the same order, and a codec of :data:`CODE_PAGES`; an empty text where nothing was guessed.
    """
    names: list[str | None] = []
    unknown: list[bytes] = []
    for info in entries:
        name = _declared(info)
        if name is None:
            unknown.append(_raw(info))
        names.append(name)
    if not unknown:
        return [name or "" for name in names], ""
    codec = guess_code_page(unknown)
    return [
        _raw(info).decode(codec) if name is None else name for info, name in zip(entries, names, strict=True)
    ], codec


def guess_code_page(names: Sequence[bytes]) -> str:
    """Returns the code page in which all names can be read and most of their characters are everyday ones."""
    scores = {codec: min(_share(name, codec) for name in names) for codec in CODE_PAGES}
    best = max(scores.values())
    if best <= 0:
        return "cp437"
    equal = [codec for codec in CODE_PAGES if scores[codec] >= best - 1e-9]
    if "euc_kr" in equal and len({letter for name in names for letter in name.decode("euc_kr")} - _ASCII) >= _HANGUL:
        return "euc_kr"  # its Hangul are a part of GB 2312's hanzi: few characters may be both, many are Korean
    return equal[0]


def _declared(info: zipfile.ZipInfo) -> str | None:
    """Returns a name as the archive declares it, or as UTF-8 where it is; ``None`` where neither is so."""
    if info.flag_bits & 0x800:
        return info.orig_filename
    raw = _raw(info)
    if raw.isascii():
        return raw.decode("ascii")
    extra, place = info.extra, 0
    while place + 4 <= len(extra):
        kind, size = (int.from_bytes(extra[place + at : place + at + 2], "little") for at in (0, 2))
        body = extra[place + 4 : place + 4 + size]
        if kind == _UNICODE_PATH and len(body) > 5 and int.from_bytes(body[1:5], "little") == zlib.crc32(raw):
            try:
                return body[5:].decode("utf-8")
            except UnicodeDecodeError:
                break
        place += 4 + size
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _raw(info: zipfile.ZipInfo) -> bytes:
    try:
        return info.orig_filename.encode("cp437")
    except UnicodeEncodeError:  # Python took it from an extra field already
        return info.orig_filename.encode("utf-8")


def _share(name: bytes, codec: str) -> float:
    """Returns which share of a name's characters beyond ASCII are everyday ones in a code page; -1 if it is none."""
    try:
        text = name.decode(codec)
    except UnicodeDecodeError:
        return -1.0
    letters = [letter for letter in text if not letter.isascii()]
    if not letters:
        return 0.0
    if codec in _LATIN:
        return sum(0x00C0 <= ord(letter) <= 0x017F for letter in letters) / len(letters)
    if re.search(r"[A-Za-z][^\x00-\x7f]|[^\x00-\x7f][A-Za-z]", text):  # two scripts in one word
        return 0.5 * _everyday(letters, codec)
    return _everyday(letters, codec)


def _everyday(letters: Sequence[str], codec: str) -> float:
    if codec in _CYRILLIC:
        return sum(0x0400 <= ord(letter) <= 0x045F for letter in letters) / len(letters)
    codes = [int.from_bytes(letter.encode(codec), "big") for letter in letters]
    return sum(any(low <= code <= high for low, high in _COMMON[codec]) for code in codes) / len(letters)
