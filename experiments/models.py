"""The models of a run, and which of its people are asked of which."""

from pathlib import Path
from typing import Protocol, runtime_checkable

from agents.embedded.taught import Taught
from agents.llm.engine import Engine, parameters_of
from agents.llm.models import engine_for
from agents.llm.prompts import canonical
from agents.llm.recorded import RecordedEngine
from agents.mixed import Kind, by_share
from experiments.config import Config
from experiments.config_people import PartConfig
from experiments.errors import UserError
from experiments.files import read_json, write_json
from experiments.mixed_people import own_share
from experiments.runs import Run, find_run
from learning.draws import draws
from personas.people import People
from personas.rosters import Sampler, Village
from personas.spelling import suggest
from societies.base import Society

_FILE = "models.json"  # in the folder of a run that asks several


@runtime_checkable
class Pupil(Protocol):
    """An engine that answers questions of those societies only that it was taught."""

    societies: tuple[Taught, ...]

    def taught(self, system: str) -> Taught | None:
        """The society whose rules a system message begins with."""
        ...


def parts_of(config: Config) -> list[PartConfig]:
    """The model that most are asked of, then the others; its share is what they leave."""
    who = config.population
    left = 1.0 - sum(part.share or 0.0 for part in who.others)
    main = PartConfig(model=who.model, base_url=who.base_url, settings=who.settings, share=max(left, 1e-12))
    return [main, *who.others]


def kind_of(config: Config) -> Kind:
    """Which of them somebody is asked of."""
    parts = parts_of(config)
    return by_share([0.0, *(part.share or 0.0 for part in parts[1:])], [frozenset(part.people) for part in parts])


def check_named(config: Config, rosters: Sampler | Village) -> None:
    """UserError: somebody is named who is not there."""
    known = [person.id for person in rosters.residents] if isinstance(rosters, Village) else []
    for name in (name for part in config.population.others for name in part.people):
        if name not in known:
            fix = "name some of the people of a folder by their ids"
            fix += (
                f": {', '.join(known[:8])}, ..." if known else "; those of a population file are drawn, so give a share"
            )
            raise UserError(f"there is nobody {name!r}{suggest(name, known)}", where="population.others", fix=fix)


def check_taught(engine: Engine, society: Society, rosters: Sampler | Village) -> None:
    """UserError: the small model that ships was not taught the words of this society."""
    if not isinstance(engine, Pupil):
        return
    people = rosters.people(draws(0, 0, 1))
    view = society.look(society.reset(people), society.default_mechanism()[None])[0, 0]
    if engine.taught(society.tell(view, people.persona(0, 0)).system) is None:
        known = ", ".join(taught.name for taught in engine.societies)
        raise UserError(
            f"the small model that ships was not taught the rules of {society.name}; it knows {known}",
            where="population.model",
            fix="name a model of your own (docs/your-own-model.md), or ask none: population.kind=scripted; where kinds "
            "are compared, compare.populations=[rl,scripted]",
        )


def shares_of(config: Config, people: People) -> list[float]:
    """How much of the people is asked of each, by the ids of these for those that are named."""
    parts = parts_of(config)
    ids = [people.persona(w, n).id for w in range(people.worlds) for n in range(people.agents)]
    named = [sum(name in part.people for name in ids) / len(ids) for part in parts]
    free = 1.0 - sum(named)
    asked = own_share(config)  # the others are asked of no model
    return [asked * (own + free * (part.share or 0.0)) for own, part in zip(named, parts, strict=True)]


def engines_of(config: Config, run: Run) -> list[Engine]:
    """The models; of a finished run the tape, whoever serves them now. ValueError: see `engine_for`."""
    if run.replay:
        return _recorded(run)
    engines = [engine_of(part) for part in parts_of(config)]
    if len(engines) > 1:
        told = [[engine.model, canonical(parameters_of(engine))] for engine in engines]
        write_json(run.folder / _FILE, told)
    return engines


def engine_of(part: PartConfig) -> Engine:
    """One of them. ValueError: see `engine_for`."""
    return engine_for(located(part.model), part.base_url, **part.settings)


def located(model: str) -> str:
    """`recorded:RUN` with the folder of that run, if RUN is its name. UserError: there is no such run."""
    kind, _, name = model.partition(":")
    run, mark, rest = name.partition("#")
    if kind != "recorded" or not run or Path(name).exists() or Path(run).exists():
        return model
    return f"{kind}:{find_run(run)}{mark}{rest}"


def _recorded(run: Run) -> list[Engine]:
    """Under the names and settings that the run's journal knows them by."""
    file = run.folder / _FILE
    if not file.exists():
        return [RecordedEngine(run.journal)]
    known: list[tuple[str, str]] = [(model, parameters) for model, parameters in read_json(file)]
    return [RecordedEngine(run.journal, model, parameters) for model, parameters in known]
