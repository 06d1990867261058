"""What a server settles at its start: open files, and the names it is reached by."""

from __future__ import annotations

import resource
import socket

import pytest

from pages.ui.shell import server

UNLIMITED = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("soft", "hard", "granted", "expected"),
    [
        (256, 1_000_000, 1_000_000, 4096),
        (256, UNLIMITED, 10_240, 4096),
        (256, UNLIMITED, 3000, 2048),  # more is refused, whatever the hard limit says
        (256, 700, 700, 700),
        (256, 256, 256, 256),
        (8192, 8192, 8192, 8192),
        (UNLIMITED, UNLIMITED, UNLIMITED, None),
    ],
)
def test_the_limit_of_open_files_is_raised_as_far_as_the_system_lets_it(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, granted: int, expected: int | None
) -> None:
    limits = [soft, hard]

    def change(_: int, wanted: tuple[int, int]) -> None:
        if granted != UNLIMITED and wanted[0] > granted:
            raise ValueError("current limit exceeds maximum limit")
        limits[:] = wanted

    monkeypatch.setattr(resource, "getrlimit", lambda _: tuple(limits))
    monkeypatch.setattr(resource, "setrlimit", change)
    assert server.raise_file_limit() == expected
    assert limits == [UNLIMITED if expected is None else expected, hard]


def test_names_that_a_person_gives_are_kept_beside_the_machine_s_own() -> None:
    assert server.with_own_names(["lab.example.org"]) == [
        "lab.example.org",
        "localhost",
        "127.0.0.1",
        "::1",
        socket.gethostname(),
    ]
    assert server.with_own_names([]) == []
    assert server.with_own_names(["*"]) == ["*"]
