"""The command line as a user meets it: quick to start, and calm about mistakes."""

import json
import resource
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from experiments import cli
from experiments.errors import ROOT, UserError, is_users
from experiments.statistics import mean_interval


def started(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "experiments.cli", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_help_comes_within_a_second():
    """Counted in processor time, which a busy machine does not stretch."""
    took: list[float] = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert started("--help").returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(took) < 1.0


def test_help_loads_nothing_heavy():
    program = "import sys, experiments.cli; print(sorted({'torch', 'matplotlib', 'transformers'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def broken(error: BaseException) -> typer.Typer:
    """A command line of the same make, whose one command raises."""
    app = typer.Typer(cls=cli._Group, pretty_exceptions_enable=False)

    @app.command()
    def fail() -> None:
        raise error

    @app.command()
    def other() -> None: ...

    return app


def test_a_users_error_is_one_message_without_a_traceback():
    error = UserError("the wage is 0", where="bob.yaml:3, wage", fix="write a wage above 0")
    done = CliRunner().invoke(broken(error), ["fail"])
    assert done.exit_code == 2
    assert done.stderr == "error: the wage is 0\n  at: bob.yaml:3, wage\n  fix: write a wage above 0\n"


def test_a_message_never_fills_more_than_a_screen():
    done = CliRunner().invoke(broken(UserError("x\n" * 500)), ["fail"])
    assert len(done.stderr.splitlines()) == 31


def test_an_interrupted_run_says_that_it_can_continue():
    done = CliRunner().invoke(broken(KeyboardInterrupt()), ["fail"])
    assert done.exit_code == 130
    assert "the same command continues" in done.stderr


def test_a_defect_keeps_its_traceback():
    with pytest.raises(RuntimeError):
        CliRunner().invoke(broken(RuntimeError("a defect")), ["fail"], catch_exceptions=False)


def test_only_what_solon_itself_refuses_counts_as_the_users_error(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ValueError, match="at least one") as refused:
        mean_interval([])
    with pytest.raises(ValueError, match="property name") as inside_a_library:
        json.loads("{")
    with pytest.raises(ValueError, match="invalid literal") as stumbled:
        int("twelve")
    assert [is_users(e.value) for e in (refused, inside_a_library, stumbled)] == [True, False, False]
    monkeypatch.setenv("SOLON_TRACEBACK", "1")
    assert not is_users(refused.value)
