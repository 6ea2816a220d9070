"""Errors that a user can mend: what is wrong, where it is, and what to do about it."""

import os
import sys
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class UserError(ValueError):
    """Something the user can mend. The command line prints it on one screen, without a traceback."""

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        self.what, self.where, self.fix = what, where, fix
        super().__init__(
            "\n".join(line for line in (what, where and f"  at: {where}", fix and f"  fix: {fix}") if line)
        )


def is_users(error: BaseException) -> bool:
    """Did Solon's own code refuse something (a ValueError that it raised itself), rather than stumble?

    A ValueError out of a library that Solon called wrongly is a defect of Solon, and keeps its traceback; so does
    everything where the environment has SOLON_TRACEBACK.
    """
    if not isinstance(error, ValueError) or os.environ.get("SOLON_TRACEBACK"):
        return False
    if isinstance(error, UserError):
        return True
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and (frames[-1].line or "").startswith("raise ") and _is_ours(Path(frames[-1].filename))


def _is_ours(file: Path) -> bool:
    inside = file.resolve()
    return inside.is_relative_to(ROOT) and not any(part.startswith(".venv") for part in inside.parts)


def of_the_disk(error: OSError) -> UserError:
    """What the operating system refused, as an error that can be mended."""
    return UserError(
        error.strerror or str(error) or type(error).__name__,
        where=str(error.filename or ""),
        fix="see that it is there, is of the right kind, may be written, and that the disk is not full; "
        "what was finished is saved, and the same command continues",
    )


def _visible(line: str) -> str:
    """Without what would move the cursor, colour the terminal or turn the direction of writing: texts are untrusted."""
    return "".join(c for c in line if c.isprintable() or c == "\t")


def show(error: ValueError) -> None:
    """Print the message to stderr, at most one screen of it."""
    lines = [_visible(line) for line in str(error).splitlines()] or [type(error).__name__]
    kept = lines[:30] + ([f"... and {len(lines) - 30} more lines"] if len(lines) > 30 else [])
    sys.stderr.write("error: " + "\n".join(kept) + "\n")
