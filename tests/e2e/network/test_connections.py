"""What a server takes from the network, without a browser: many openings at once, and names that are not its own."""

from __future__ import annotations

import resource
import socket
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

OPENINGS = 150
LOW_LIMIT = 256
"""Open files that macOS allows a process by default."""


@pytest.fixture
def scarce() -> Iterator[None]:
    """Lets processes that are started meanwhile have as few files open as on macOS."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (LOW_LIMIT, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def opened(port: int, host: str | None = None, origin: str | None = None) -> Iterator[ClientConnection]:
    """Opens the socket that a page opens, asking for a host, from a page of an origin."""
    host = host or f"127.0.0.1:{port}"
    with (
        socket.create_connection(("127.0.0.1", port)) as raw,
        connect(
            f"ws://{host}/_stcore/stream",
            sock=raw,
            origin=origin or f"http://{host}",  # type: ignore[arg-type]
            subprotocols=["streamlit"],  # type: ignore[list-item]
            max_size=None,
            compression=None,
            proxy=None,
        ) as connection,
    ):
        yield connection


def drawn(connection: ClientConnection) -> bool:
    """Asks for the page, and returns whether its script ran to its end."""
    request = BackMsg()
    request.rerun_script.query_string = ""
    connection.send(request.SerializeToString())
    while True:
        message = ForwardMsg()
        message.ParseFromString(connection.recv(timeout=60))  # type: ignore[arg-type]
        if message.WhichOneof("type") == "script_finished":
            return message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY


@pytest.mark.usefixtures("scarce")
def test_every_one_of_many_openings_is_answered(cold_server: Callable[[], AbstractContextManager[Any]]) -> None:
    with cold_server() as server:
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        for number in range(OPENINGS):
            with direct.open(server.url, timeout=20) as answer:
                assert answer.status == 200, number
            with opened(server.port) as connection:
                assert drawn(connection), number
        assert resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)[0] > LOW_LIMIT


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::1]", socket.gethostname()])
def test_local_names_are_answered(server: Any, name: str) -> None:
    with opened(server.port) as connection:
        drawn(connection)
    with opened(server.port, f"{name}:{server.port}") as connection:
        assert drawn(connection)


@pytest.mark.parametrize("name", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1"])
def test_a_foreign_name_is_refused_even_by_its_own_page(server: Any, name: str) -> None:
    """As a page does whose name was bound to this machine's address after it was loaded."""
    host = f"{name}:{server.port}"
    with pytest.raises(InvalidStatus) as refused, opened(server.port, host, f"http://{host}"):
        pass
    assert refused.value.response.status_code == 403
    with pytest.raises(InvalidStatus), opened(server.port, origin=f"http://{name}"):
        pass
