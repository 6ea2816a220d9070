"""What every test runs under: one thread, no network but this machine, and the --regold switch."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest
import torch

LOOPBACK = ("127.0.0.1", "::1", "localhost")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--regold", action="store_true", help="rewrite the golden files; review the diff")


@pytest.fixture
def regold(request: pytest.FixtureRequest) -> bool:
    """Should golden files be rewritten instead of compared?"""
    return bool(request.config.getoption("--regold"))


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def _no_network() -> Iterator[None]:
    """Nothing but the loopback (and Unix sockets) may be reached, whatever a library would like to fetch."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def check(sock: socket.socket, address: Any) -> None:
        inet = sock.family in (socket.AF_INET, socket.AF_INET6)
        if inet and address[0] not in LOOPBACK:
            raise RuntimeError(f"tests may not use the network, but something connects to {address}")

    def guarded(sock: socket.socket, address: Any) -> None:
        check(sock, address)
        connect(sock, address)

    def guarded_ex(sock: socket.socket, address: Any) -> int:
        check(sock, address)
        return connect_ex(sock, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded)
        patch.setattr(socket.socket, "connect_ex", guarded_ex)
        yield
