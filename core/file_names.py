"""Names that people gave, as names of files."""

from __future__ import annotations

import re
import unicodedata


def file_name(text: str, most: int = 80) -> str:
    """Returns a name as a part of a file's name: words of any script and dashes, at most so many bytes."""
    plain = re.sub(r"[^\w]+", "-", unicodedata.normalize("NFC", text)).strip("-")
    return plain.encode("utf-8", "replace")[:most].decode("utf-8", "ignore").strip("-") or "unnamed"
