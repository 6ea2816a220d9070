"""What holds for every test: no network beyond this machine, one thread, pictures drawn without a screen, no deadlines;
options."""

import os
import socket
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import torch

from tests.towns import WANTED

os.environ.setdefault("MPLBACKEND", "Agg")
torch.set_num_threads(1)
hypothesis.settings.register_profile("untimed", deadline=None)  # a busy machine is no failure
hypothesis.settings.load_profile("untimed")

_HERE = {"127.0.0.1", "::1", "localhost"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--regold", action="store_true", help="rewrite the golden files; review the diff")
    parser.addoption("--society", action="append", help="for tests/conformance: this one, instead of the whole library")
    parser.addoption("--people", type=Path, help="for tests/conformance: a population file or a folder of persons")
    parser.addoption("--agents", type=int, help="for tests/conformance: how many people")


def pytest_configure(config: pytest.Config) -> None:
    WANTED.societies = tuple(config.getoption("--society") or ())
    WANTED.people, WANTED.agents = config.getoption("--people"), config.getoption("--agents")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where a society is named, only what is checked of it."""
    if WANTED.societies:
        items[:] = [item for item in items if isinstance(item, pytest.Function) and hasattr(item, "callspec")]


@pytest.fixture
def regold(request: pytest.FixtureRequest) -> bool:
    """Should golden files be rewritten instead of compared?"""
    return bool(request.config.getoption("--regold"))


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch):
    """A test that reaches for the internet fails at once, and says so."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def check(sock: socket.socket, address: Any) -> None:
        if sock.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in _HERE:
            raise RuntimeError(f"a test tried to reach {address}; tests stay on this machine")

    def local_only(self: socket.socket, address: Any) -> None:
        check(self, address)
        connect(self, address)

    def local_only_ex(self: socket.socket, address: Any) -> int:
        check(self, address)
        return connect_ex(self, address)

    monkeypatch.setattr(socket.socket, "connect", local_only)
    monkeypatch.setattr(socket.socket, "connect_ex", local_only_ex)
