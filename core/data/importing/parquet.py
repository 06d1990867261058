"""Parquet with an image column, as Hugging Face writes data sets."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath

from core import settings
from core.data.importing.collected import Collected
from core.data.importing.tables import LABELS
from core.errors import InputError

_IMAGES = ("image", "img", "picture", "bytes", "jpg", "png")
_AT_ONCE = 64


def collect_parquet(path: Path, target: Collected) -> None:
    """Takes in the images of a parquet file, each checked by decoding it.

    Raises:
        InputError: The file is damaged or too large, or has no columns of images and labels.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        schema = file.schema_arrow
        size = sum(file.metadata.row_group(group).total_byte_size for group in range(file.metadata.num_row_groups))
        if size > settings.upload_quota():
            raise InputError("{name} grows far too much when it is unpacked. It was not opened.", name=path.name)
        image = next((name for name in _IMAGES if name in schema.names and _holds_bytes(schema.field(name).type)), None)
        label = next((name for name in LABELS if name in schema.names), None)
        if image is None or label is None:
            raise InputError(
                "{name} has the columns {found}. One must be called image and hold files, one must be called label.",
                name=path.name,
                found=", ".join(schema.names[:12]),
            )
        names = _class_names(schema.metadata, label)
        target.expected += file.metadata.num_rows
        others = [
            name
            for name in schema.names
            if name not in (image, label) and not pa.types.is_nested(schema.field(name).type)
        ]
        number = 0
        for batch in file.iter_batches(batch_size=_AT_ONCE, columns=[image, label, *others]):
            for row in batch.to_pylist():
                number += 1
                _take(target, row.pop(image), _label(row.pop(label), names), f"{path.stem}-{number:06d}", row)
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, MemoryError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("{name} is no parquet file, or it is damaged or cut short.", name=path.name) from error


def _holds_bytes(kind: object) -> bool:
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return any(field.name == "bytes" for field in kind)  # type: ignore[attr-defined]
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _class_names(metadata: dict[bytes, bytes] | None, label: str) -> list[str]:
    """Returns the names that Hugging Face notes for a column of numbers; none where it notes none."""
    try:
        noted = json.loads((metadata or {})[b"huggingface"])
        names = noted["info"]["features"][label]["names"]
        return [str(name) for name in names] if isinstance(names, list) else []
    except (KeyError, ValueError, TypeError):
        return []


def _label(value: object, names: list[str]) -> str:
    if isinstance(value, int) and 0 <= value < len(names):
        return names[value]
    return "" if value is None else str(value)


def _take(target: Collected, value: object, label: str, stem: str, row: dict[str, object]) -> None:
    given = ""
    if isinstance(value, dict):
        given = str(value.get("path") or "")
        value = value.get("bytes")
    name = PurePosixPath(given).name or stem
    if not isinstance(value, bytes) or not label:
        target.pass_over("no path", name)
        return
    columns = {key: str(cell) for key, cell in row.items() if cell is not None}
    target.add_checked(value, name, label, columns=columns)
