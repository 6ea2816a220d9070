"""A persona file in the user's own editor: a copy is edited, and whatever was typed is kept until it is in place."""

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from experiments.errors import UserError
from experiments.files import write_atomic
from personas.load import PersonaFileError, load_persona


@dataclass(frozen=True)
class Typed:
    """What somebody made of a file. `done` throws the copy away."""

    text: str
    copy: Path

    def done(self) -> None:
        shutil.rmtree(self.copy.parent, ignore_errors=True)


def typed(file: Path, tell: Callable[[str], object], again: Callable[[], bool]) -> Typed:
    """Opens a copy of the file in $VISUAL or $EDITOR until it is a valid person. `tell` is told what is wrong, and
    `again` asks whether to go back to the editor. UserError: it was given up, and where what was typed is.
    """
    copy = Path(tempfile.mkdtemp(prefix="solon-edit-")) / file.name
    shutil.copyfile(file, copy)
    while True:
        _edit(copy)
        try:
            load_persona(copy)
            return Typed(copy.read_bytes().decode("utf-8"), copy)
        except PersonaFileError as error:
            tell(f"{error}\nwhat you typed is in {copy}")
        if not again():
            raise UserError("not a valid person; nothing was changed", where=str(file), fix=_kept(copy, file))


def put(file: Path, before: bytes, target: Path, text: str) -> None:
    """Puts the text in place of the target. UserError: the file was changed by somebody else in the meantime."""
    if file.read_bytes() != before:
        raise UserError(
            "somebody else changed this file in the meantime; nothing was written", where=str(file), fix="edit it again"
        )
    write_atomic(target, lambda part: part.write_bytes(text.encode("utf-8")))


def _edit(copy: Path) -> None:
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        ended = subprocess.run([*shlex.split(editor), str(copy)], check=False).returncode
    except OSError as error:
        shutil.rmtree(copy.parent, ignore_errors=True)
        raise UserError(
            f"the editor cannot be started: {error.strerror}", where=editor, fix="set EDITOR, or use --set NAME=VALUE"
        ) from None
    if ended:
        raise UserError(f"the editor ended with code {ended}; nothing was changed", where=editor, fix=f"see {copy}")


def _kept(copy: Path, file: Path) -> str:
    return f"what you typed is kept: mend {copy}, check it with `solon personas validate`, and copy it to {file}"
