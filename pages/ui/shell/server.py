"""What a server settles once, before its first page: how it takes requests, its open files, its names."""

from __future__ import annotations

import logging
import socket
from collections.abc import Sequence
from contextlib import suppress
from functools import cache

from streamlit import config, runtime

from pages.ui.session import callbacks

LOG = logging.getLogger("backbone_lab.server")
WANTED_FILES = (4096, 2048, 1024)
"""Open files to ask the system for, the first that it grants. A session takes three as long as its tab is open, and for
two minutes afterwards; Streamlit keeps up to 128 that were closed."""
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
_HOSTS = "server.allowedHosts"


@cache
def prepare() -> None:
    """Keeps callbacks whole, raises the limit of open files and adds this machine's own name to those it answers to."""
    callbacks.keep_whole()
    if not runtime.exists():
        return
    limit = raise_file_limit()
    if limit is not None and limit < WANTED_FILES[-1]:
        LOG.warning(
            "this server may have %d files open: with more than about %d tabs pages stay blank; ulimit -Hn raises it",
            limit,
            max(0, limit - 100) // 3,
        )
    config.set_option(_HOSTS, with_own_names(config.get_option(_HOSTS)))


def raise_file_limit() -> int | None:
    """Raises how many files this process may have open, as far as the system lets it.

    Returns:
        The limit then; ``None`` where the system has none, or none of this kind.
    """
    try:
        import resource
    except ImportError:  # not on Windows, where sockets do not count
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return None
    for wanted in (*WANTED_FILES, hard):
        if soft >= wanted:
            break
        with suppress(OSError, ValueError):  # macOS grants less than it names
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            return wanted
    return int(soft)


def with_own_names(allowed: Sequence[str]) -> list[str]:
    """Returns the allowed names of a server with those that every machine has; no names at all allow any."""
    if not allowed or "*" in allowed:
        return list(allowed)
    return list(dict.fromkeys([*allowed, *LOCAL_NAMES, socket.gethostname()]))
