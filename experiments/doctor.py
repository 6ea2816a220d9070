"""What this machine can run: each line is a finding, good or bad, with the fix where there is one."""

import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from experiments.errors import ROOT
from experiments.provenance import accelerator, commit, hardware, memory_gib

State = Literal["good", "note", "bad"]  # bad = something that Solon needs does not work
LEAST_DISK, LEAST_MEMORY = 2.0, 4.0  # GiB
FOLDERS = ("learning", "personas", "agents", "societies", "world_model", "mechanism", "experiments")


@dataclass(frozen=True)
class Finding:
    """One line of `solon doctor`."""

    about: str
    state: State
    found: str
    fix: str = ""


def examine() -> list[Finding]:
    """Every check. None of them asks a model or reaches for the network."""
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (
        _machine,
        _python,
        _packages,
        _folders,
        _torch,
        _model,
        _vllm,
        _keys,
        _disk,
        _journal,
    )
    return [finding for check in checks for finding in check()]


def _machine() -> Iterator[Finding]:
    yield Finding("machine", "good", hardware())
    if memory_gib() < LEAST_MEMORY:
        yield Finding("memory", "note", f"{memory_gib():.1f} GiB", "small runs only; 4 GiB are comfortable")


def _python() -> Iterator[Finding]:
    version = platform.python_version()
    good = platform.python_version_tuple()[:2] in (("3", "11"), ("3", "12"))
    yield Finding(
        "python", "good" if good else "bad", version, "" if good else "use Python 3.11: make setup PYTHON=..."
    )
    yield Finding("solon", "good", f"commit {commit()}")


def _packages() -> Iterator[Finding]:
    """What is installed against constraints.txt."""
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE))
    installed = {name: version for name in pins if (version := _version(name))}
    other = [f"{n} {v} (pinned {pins[n]})" for n, v in installed.items() if v.split("+")[0] != pins[n]]
    lacking = [name for name in pins if name not in installed]
    if other:
        yield Finding("packages", "note", "other versions: " + _few(other), "make setup")
    if lacking:
        yield Finding("packages", "note", "not installed: " + _few(lacking), "make setup (tests and checks need them)")
    if not other and not lacking:
        yield Finding("packages", "good", f"{len(pins)} at their pinned versions")


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _folders() -> Iterator[Finding]:
    """Another package of one of our names would be picked up instead of ours."""
    for name in FOLDERS:
        spec = importlib.util.find_spec(name)
        place = spec.origin if spec else None
        if place is None or not place.startswith(str(ROOT)):
            yield Finding(name, "bad", f"comes from {place}", "another package has this name: use a fresh .venv")


def _torch() -> Iterator[Finding]:
    import torch

    threads = torch.get_num_threads()
    yield Finding("torch", "good", f"{torch.__version__}, {threads} of {os.cpu_count()} threads, {accelerator()}")
    if threads > 1 and "OMP_NUM_THREADS" not in os.environ:
        yield Finding("threads", "good", "a run uses one (threads in its config): two ran no faster on small networks")
    x = torch.randn(512, 512)
    began = time.perf_counter()
    for _ in range(20):
        torch.mm(x, x)
    rate = 20 * 2 * 512**3 / (time.perf_counter() - began) / 1e9
    yield Finding("arithmetic", "good" if rate > 5 else "note", f"{rate:,.0f} billion operations a second")


def _model() -> Iterator[Finding]:
    """Is the small model there, and can it be read?"""
    from agents.embedded.vocabulary import MODEL_FOLDER

    wanted = ("config.json", "tokenizer.json", "model.safetensors")
    lacking = [name for name in wanted if not (MODEL_FOLDER / name).is_file()]
    if lacking:
        yield Finding(
            "small model", "bad", f"{MODEL_FOLDER} lacks {_few(lacking)}", "solon train-embedded (about an hour)"
        )
        return
    size = sum(file.stat().st_size for file in MODEL_FOLDER.iterdir()) / 1e6
    from transformers import AutoConfig

    try:
        kind = AutoConfig.from_pretrained(MODEL_FOLDER).model_type
    except (OSError, ValueError) as error:
        yield Finding(
            "small model", "bad", f"cannot be read: {str(error).splitlines()[0]}", "git checkout agents/embedded"
        )
        return
    yield Finding("small model", "good", f"{kind}, {size:.1f} MB")


def _vllm() -> Iterator[Finding]:
    version = _version("vllm")
    if version:
        yield Finding("vLLM", "good", version)
    else:
        fix = "a GPU: pip install -e '.[gpu]'; or a server: population.model=vllm:NAME population.base_url=URL"
        yield Finding("vLLM", "note", "not installed; needed only to serve a large model here", fix)


def _keys() -> Iterator[Finding]:
    """Which providers have a key. Their values are never looked at."""
    names = sorted(name for name in os.environ if name.endswith("_API_KEY"))
    found = f"set: {_few(names)}" if names else "none set; only local models and servers without a key"
    yield Finding("API keys", "note" if not names else "good", found)


def _disk() -> Iterator[Finding]:
    free = shutil.disk_usage(ROOT).free / 2**30
    state: State = "good" if free >= LEAST_DISK else "bad"
    yield Finding("disk", state, f"{free:.1f} GiB free at {ROOT}", "" if state == "good" else "make room for journals")
    writable = os.access(ROOT, os.W_OK)
    if not writable:
        yield Finding("runs", "bad", f"{ROOT} cannot be written to", "run Solon from a folder of your own")


def _journal() -> Iterator[Finding]:
    """The journal needs SQLite with write-ahead logging."""
    version = sqlite3.sqlite_version_info
    good = version >= (3, 24)
    yield Finding(
        "journal",
        "good" if good else "bad",
        f"SQLite {sqlite3.sqlite_version}",
        "" if good else "SQLite 3.24 is needed",
    )


def _few(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
