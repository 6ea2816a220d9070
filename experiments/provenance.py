"""What made a result: the commit, the versions, the machine."""

import hashlib
import importlib.metadata
import os
import platform
import subprocess
from functools import cache
from pathlib import Path

from agents.embedded.vocabulary import MODEL_FOLDER
from experiments.errors import ROOT

# The packages whose version can change a number or a reply.
WATCHED = ("torch", "transformers", "numpy", "scipy", "langchain-core", "langchain-openai", "pyarrow", "vllm")
_CODE = ("*.py", "*.toml", "*.safetensors")
_NOT_CODE = (":!results", ":!runs", ":!docs", ":!*.md")  # a changed result or page does not change what the code does


def commit() -> str:
    """The commit of the working tree, with "+changes" where code differs from it; "unknown" outside a git clone."""
    head = _git("rev-parse", "HEAD")
    if not head:
        return "unknown"
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", *_NOT_CODE)
    # a user's own configs beside the code change nothing
    new = _git("ls-files", "--others", "--exclude-standard", "--", *_CODE, *_NOT_CODE)
    return head[:12] + ("+changes" if changed or new else "")


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def versions() -> dict[str, str]:
    """Python's version and that of every watched package that is installed."""
    found = {"python": platform.python_version()}
    for name in WATCHED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def embedded_weights() -> str:
    """The SHA-256 of the embedded model."""
    return hashlib.sha256((MODEL_FOLDER / "model.safetensors").read_bytes()).hexdigest()


@cache
def hardware() -> str:
    """The machine in a line: cores, processor, memory, accelerator."""
    return f"{os.cpu_count()} x {_processor()}, {memory_gib():.0f} GiB, {accelerator()}"


def memory_gib() -> float:
    """Physical memory in GiB."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def accelerator() -> str:
    """The accelerators that torch can use, or "no GPU"."""
    import torch

    if not torch.cuda.is_available():
        return "no GPU"
    return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name(0)}"
