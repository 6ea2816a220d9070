"""The files of a run's people: where they are, what tells them from others, and the copy that a run keeps."""

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from experiments.config import Config
from experiments.errors import ROOT, UserError
from personas.load import persona_paths, population_files


def people_file(config: Config) -> Path:
    """The population file or folder of persons: as given from here, else from the repository. UserError."""
    given = Path(config.population.people)
    for path in (given, ROOT / given):
        if path.exists():
            return path
    raise UserError(
        f"there are no people at {given}",
        where="population.people",
        fix="name a population file, such as personas/populations/communities.yaml, or a folder of persons",
    )


def people_hash(path: Path) -> str:
    """SHA-256 of a population file with its table, or of the persons' files of a folder; and of their names."""
    digest = hashlib.sha256()
    for file in files_of(path):
        name, content = "." if file == path else file.name, file.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def files_of(people: Path) -> list[Path]:
    """What is read of them: whatever else a folder holds is nobody's business. PersonaFileError where nobody is."""
    return [file for file in persona_paths(people) if file.is_file()] if people.is_dir() else population_files(people)


def keep_people(files: Sequence[Path], kept: Path) -> None:
    """Copies them into the run. UserError: they are that copy."""
    if any(file.resolve().is_relative_to(kept.resolve()) for file in files):
        raise UserError(
            "these people are the copy that this run would write anew", where=str(kept), fix="set another name="
        )
    shutil.rmtree(kept, ignore_errors=True)
    for file in files:
        kept.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, kept)
