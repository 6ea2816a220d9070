"""The commit that a result names: with a mark where the code is not that of the commit."""

import subprocess
from pathlib import Path

import pytest

from experiments import provenance


def test_only_code_that_differs_from_the_commit_is_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def git(*words: str) -> None:
        named = ("-c", "user.name=somebody", "-c", "user.email=somebody@nowhere.invalid")
        subprocess.run(["git", *named, *words], cwd=tmp_path, check=True, capture_output=True)

    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    assert provenance.commit() == "unknown"
    (tmp_path / "people.yaml").write_text("a: 1")
    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    (tmp_path / "mine.yaml").write_text("a config of a user's")
    (tmp_path / "results").mkdir()
    (tmp_path / "results/part.safetensors").write_text("measured just now")
    assert len(provenance.commit()) == 12
    (tmp_path / "more.py").write_text("new code")
    assert provenance.commit().endswith("+changes")
    (tmp_path / "more.py").unlink()
    (tmp_path / "people.yaml").write_text("a: 2")
    assert provenance.commit().endswith("+changes")
