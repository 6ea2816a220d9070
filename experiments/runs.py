"""A run is a folder. Issuing the same command again continues it; another config is turned away.

config.yaml      resolved, as last finished    manifest.json   what made it, session by session
people/          the files people came from    rosters/        who they were, frozen and hashed, by split
journal.sqlite   every call to a model         episodes/       real episodes (Parquet; traits in sealed/)
stages/          finished results              report.html     what to look at
metrics.jsonl    how the learning went         schedules.svg   one of the report's pictures
price.json       what its model costs          words.yaml      what is put around the society's own words
models.json      by which settings each of several models is known to the journal
run.lock         held while a process works here
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeGuard

from agents.llm.storage import Lock
from agents.packages import POPULATIONS, origin
from experiments.config import SMOKE, Config, differences, dump_config, load_config
from experiments.errors import ROOT, UserError
from experiments.files import read_json, write_json, write_text
from experiments.metrics import Metrics
from experiments.people_files import files_of, keep_people, people_file, people_hash
from experiments.provenance import commit, hardware, versions
from experiments.stages import Stages
from experiments.tables import counted
from societies.catalog import GROUP as SOCIETIES

FORMAT = 1
RUNS = Path(os.environ.get("SOLON_RUNS", ROOT / "runs"))


@dataclass(frozen=True)
class Run:
    """An open run folder; a context manager that holds its lock."""

    folder: Path
    config: Config
    stages: Stages
    notes: tuple[str, ...]  # what the user should know before it continues
    _lock: Lock
    replay: bool = False  # is everybody's answer on tape already, and nobody to be asked?

    @property
    def people(self) -> Path:
        """The population file or folder of persons; of a finished run, the copy that it keeps."""
        if not self.replay:
            return people_file(self.config)
        kept = self.folder / "people"
        file = kept / Path(self.config.population.people).name
        return file if file.is_file() else kept

    @property
    def journal(self) -> Path:
        return self.folder / "journal.sqlite"

    @property
    def metrics(self) -> Metrics:
        return Metrics(self.folder / "metrics.jsonl")

    @property
    def report(self) -> Path:
        return self.folder / "report.html"

    def episodes(self, name: str) -> Path:
        """The folder of a set of real episodes: see `societies.store`."""
        return _made(self.folder / "episodes" / name)

    def roster(self, split: str) -> Path:
        """The file of a split's frozen people."""
        return _made(self.folder / "rosters") / f"{split}.jsonl"

    def manifest(self) -> dict[str, Any]:
        """What made this run: see `_manifest`."""
        return _manifest(self.folder)

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def open_run(config: Config, runs: Path | None = None, command: str = "run") -> Run:
    """The run folder of that config, made anew or continued, by `solon COMMAND`.

    UserError: the folder belongs to another config, other people or another command. JournalError: another process is
    at work in it.
    """
    folder = (runs or RUNS) / config.name
    _refuse_strangers(folder)
    folder.mkdir(parents=True, exist_ok=True)
    lock = Lock(folder / "run", folder)
    try:
        notes = _continue(folder, config, command) if _worked_on(folder) else _begin(folder, config, command)
    except BaseException:
        lock.release()
        raise
    return Run(folder, config, Stages(folder / "stages"), notes, lock)


def open_finished(name: str, runs: Path | None = None) -> Run:
    """A finished run, to look at it again from what its folder holds; nothing of it is compared with the present.

    UserError: there is no such run, or it was broken off. JournalError: another process is at work in it.
    """
    folder = find_run(name, runs)
    manifest = _manifest(folder)
    _check_format(folder, manifest, "use the version that made it, or run its config again under another name")
    if not manifest.get("finished"):
        fix = "issue the command that began it again: it continues"
        raise UserError("this run is not finished, so there is nothing to report yet", where=str(folder), fix=fix)
    config = load_config(folder / "config.yaml")
    return Run(folder, config, Stages(folder / "stages"), (), Lock(folder / "run", folder), replay=True)


def find_run(name: str, runs: Path | None = None) -> Path:
    """The folder of a run, by name or by path. UserError naming the runs there are."""
    home = runs or RUNS
    for folder in (home / name, Path(name)):
        if (folder / "manifest.json").is_file():
            return folder
    there = sorted(p.parent.name for p in home.glob("*/manifest.json") if _worked_on(p.parent))
    raise UserError(
        f"there is no run {name!r}", where=str(home), fix=f"name one of: {', '.join(there) or 'there are none yet'}"
    )


def _refuse_strangers(folder: Path) -> None:
    """A folder that holds things but is no run is somebody's own."""
    if folder.is_dir() and not (folder / "manifest.json").exists():
        ours = ("run.lock", "config.yaml", "people", "stages")
        strange = [p.name for p in folder.iterdir() if p.name not in ours and p.suffix != ".part"]
        if strange:
            raise UserError(
                f"it holds {strange[0]!r} but no manifest: not a run", where=str(folder), fix="set another name="
            )


def _worked_on(folder: Path) -> bool:
    """Was anything done there? A run that was refused before it began does not keep its folder."""
    begun = ("journal.sqlite", "stages", "episodes", "rosters")
    return (folder / "manifest.json").exists() and any((folder / part).exists() for part in begun)


def _manifest(folder: Path) -> dict[str, Any]:
    """UserError where it is not one: without it nobody can say whose answers the journal holds."""
    try:
        found = read_json(folder / "manifest.json")
    except ValueError:
        found = None
    if not _is_whole(found):
        raise UserError(
            "the manifest is damaged, so it cannot be told whether this run may be continued",
            where=str(folder / "manifest.json"),
            fix="put it back from a copy, or give a new run its own name=; the answers in journal.sqlite stay readable",
        )
    return found


def _is_whole(manifest: Any) -> TypeGuard[dict[str, Any]]:
    """Has it all that `_begin` writes?"""
    if not isinstance(manifest, dict):
        return False
    found: dict[str, Any] = manifest
    sessions: Any = found.get("sessions")
    told = isinstance(sessions, list) and sessions and all(_is_session(each) for each in sessions)
    return bool(told) and isinstance(found.get("people"), str) and isinstance(found.get("rosters"), dict)


def _is_session(found: Any) -> bool:
    return isinstance(found, dict) and {"started", "commit", "versions", "hardware"} <= found.keys()


def _check_format(folder: Path, manifest: Mapping[str, Any], fix: str) -> None:
    """UserError where another version of Solon made the run."""
    made = manifest.get("format")
    if made != FORMAT:
        raise UserError(f"it was made by another version of Solon (format {made})", where=str(folder), fix=fix)


def _begin(folder: Path, config: Config, command: str) -> tuple[str, ...]:
    people = people_file(config)
    files = files_of(people)
    write_text(folder / "config.yaml", dump_config(config))
    keep_people(files, folder / "people")
    manifest = {
        "format": FORMAT,
        "command": command,
        "seed": config.seed,
        "people": people_hash(people),
        "rosters": {},
        "sessions": [_session(config)],
    }
    write_json(folder / "manifest.json", manifest)  # last: a folder with a manifest is a whole one
    return ()


def _continue(folder: Path, config: Config, command: str) -> tuple[str, ...]:
    manifest = _manifest(folder)
    _check_format(folder, manifest, "set another name=")
    _refuse_another(folder, config)
    if (made := manifest.get("command", command)) != command:
        raise UserError(
            f"this folder is of `solon {made}`, and `solon {command}` would write over its report",
            where=str(folder),
            fix="give one of the two another name",
        )
    people = people_file(config)
    if people_hash(people) != manifest["people"]:
        raise UserError(
            f"{people} was edited after this run began; its people would change halfway",
            where=str(folder),
            fix=f"give the new run its own name (name={another(config)}), or put back what is in {folder / 'people'}",
        )
    before, now = manifest["sessions"][-1], _session(config)
    write_json(folder / "manifest.json", {**manifest, "sessions": [*manifest["sessions"], now]})
    changed = tuple(
        f"{what} was {before[what]} when this run was last worked on, and is {now[what]} now"
        for what in ("commit", "versions")
        if before[what] != now[what]
    )
    return (*changed, *_on_lost_answers(folder, config))


def refuse_another(config: Config, runs: Path | None = None) -> None:
    """UserError: the run of that name was begun with another config."""
    folder = (runs or RUNS) / config.name
    if _worked_on(folder) and (folder / "config.yaml").exists():
        _refuse_another(folder, config)


def _refuse_another(folder: Path, config: Config) -> None:
    differ = differences(config, load_config(folder / "config.yaml"))
    if differ:
        raise UserError(
            f"this run folder belongs to another config; {counted(len(differ), 'key differs', 'keys differ')}\n    "
            + "\n    ".join(differ[:12]),
            where=str(folder),
            fix=f"give the new run its own name (name={another(config)}), or delete {folder}",
        )


def another(config: Config) -> str:
    """A name that a second run of the config may have, as it is given: what is small gains its ending by itself."""
    return f"{config.name.removesuffix(SMOKE)}-2"


def _on_lost_answers(folder: Path, config: Config) -> Iterator[str]:
    journal = folder / "journal.sqlite"
    gone = not journal.exists() or journal.stat().st_size == 0
    if config.population.kind == "llm" and gone and (folder / "episodes").exists():
        yield "its journal is gone or empty: what has to be played again is asked again, and paid for again"


def mark_finished(run: Run) -> None:
    """From now on its report can be written anew without asking anybody anything, for what it was asked this time: some
    keys may differ from those it began with (`experiments.config.FREE`).
    """
    write_text(run.folder / "config.yaml", dump_config(run.config))
    write_json(run.folder / "manifest.json", {**run.manifest(), "finished": True})


def note_roster(run: Run, split: str, digest: str) -> None:
    """Writes a split's roster hash into the manifest, or checks it against the one that is there. UserError."""
    manifest = run.manifest()
    rosters: dict[str, str] = manifest["rosters"]
    if rosters.setdefault(split, digest) != digest:
        raise UserError(
            f"the {split} people are not those this run began with",
            where=str(run.roster(split)),
            fix="the code that draws them changed: go back to the manifest's commit, or set another name=",
        )
    write_json(run.folder / "manifest.json", manifest)


def _session(config: Config) -> Mapping[str, Any]:
    made = {**versions(), **_from_packages(config)}
    started = datetime.now(UTC).isoformat(timespec="seconds")
    return {"started": started, "commit": commit(), "versions": made, "hardware": hardware()}


def _from_packages(config: Config) -> Mapping[str, str]:
    """The versions of what other packages bring to this run: "society pot" -> "my-pot 1.2"."""
    used = (("society", SOCIETIES, config.society.name), ("population", POPULATIONS, config.population.kind))
    return {f"{what} {name}": package for what, group, name in used if (package := origin(group, name))}


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
