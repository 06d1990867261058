"""Names as names of files."""

from __future__ import annotations

from core.file_names import file_name


def test_names_become_parts_of_files() -> None:
    assert file_name("features.0.0") == "features-0-0"
    assert file_name("../..") == file_name("") == "unnamed"
    assert file_name("C:\\x\n\0y") == "C-x-y"
    assert file_name("Pa\u0302te\u0301") == file_name("Pâté") == "Pâté"
    assert len(file_name("ж" * 300).encode()) <= 80
