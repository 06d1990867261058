"""Records as short texts for the address: versioned, bounded, and read with suspicion, as anybody can write a link."""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Mapping
from typing import Any

from core.errors import InputError

VERSION = "1"
EMPTY = VERSION
"""The text of an empty record, for a link that says so: what is left out of an address is not changed by it."""
LONGEST = 3000
"""Characters of an address that a text may take; what is longer lives in the session alone."""
_UNPACKED = 100_000  # bytes that a text may unfold to
_LARGEST = 2**53  # of whole numbers: a browser's own limit


def pack(record: Mapping[str, Any]) -> str | None:
    """Returns a JSON record as a text; ``None`` where it is empty or would be too long."""
    if not record:
        return None
    packed = zlib.compress(json.dumps(record, separators=(",", ":")).encode(), 9)
    text = VERSION + base64.urlsafe_b64encode(packed).decode().rstrip("=")
    return text if len(text) <= LONGEST else None


def unpack(text: str) -> dict[str, Any]:
    """Reads what :func:`pack` wrote, now or before there were versions.

    Raises:
        InputError: The text is too long, cut off, damaged, or of a later version.
    """
    if len(text) > LONGEST:
        raise InputError("It has {count} characters; at most {most} are read.", count=len(text), most=LONGEST)
    if text == EMPTY:
        return {}
    if text[:1].isdigit() and not text.startswith(VERSION):
        raise InputError("It was written by a later version of Backbone Lab.")
    try:
        packed = base64.urlsafe_b64decode(text.removeprefix(VERSION) + "=" * (-len(text.removeprefix(VERSION)) % 4))
        unfolding = zlib.decompressobj()
        unfolded = unfolding.decompress(packed, _UNPACKED)
        if not unfolding.eof:
            raise ValueError
        record = json.loads(unfolded, parse_int=_whole, parse_float=_real, parse_constant=_real)
    except (ValueError, RecursionError, zlib.error):
        raise InputError("It is damaged; perhaps the link was cut off. Copy the whole of it.") from None
    if not isinstance(record, dict):
        raise InputError("It is damaged; perhaps the link was cut off. Copy the whole of it.")
    return record


def _whole(digits: str) -> int:
    if len(digits) > 17 or abs(int(digits)) > _LARGEST:
        raise ValueError
    return int(digits)


def _real(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError
    return value
