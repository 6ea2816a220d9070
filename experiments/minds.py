"""The minds of a run's language-model people, and the words around the society's own that the run keeps."""

import io
import tempfile
from dataclasses import replace
from pathlib import Path

import torch
from ruamel.yaml import YAML

from agents.llm.engine import Engine, Request
from agents.llm.journal import Journal
from agents.llm.mind import LONGEST
from agents.llm.mindful import MindfulPopulation
from agents.llm.mock import ALL_WAYS, Answer, MockEngine
from agents.llm.population import LanguagePopulation
from agents.llm.wording import Wording, wording
from experiments.config import Config
from experiments.errors import ROOT, UserError
from experiments.files import write_text
from experiments.runs import Run, another
from learning.draws import child_seed, draws
from mechanism.explore import RandomRules
from personas.rosters import Rosters
from societies.base import Felt, Society, Talkative
from societies.play import play


def has_minds(config: Config, society: Society) -> bool:
    """Is there anything around the society's own words?"""
    return talks(society) or not config.population.mind.mind.is_empty or config.population.words is not None


def talks(society: Society) -> bool:
    """Can people hear each other?"""
    return isinstance(society, Talkative) and society.hears > 0


def with_minds(
    people: LanguagePopulation, config: Config, run: Run, society: Society
) -> LanguagePopulation | MindfulPopulation:
    """The people as the config wants them, who were checked. UserError: the words were changed halfway."""
    if not has_minds(config, society):
        return people
    return MindfulPopulation(people, config.population.mind.mind, _kept(config, run))


def foreseen(config: Config, society: Society, rosters: Rosters, seed: int, longest: bool) -> list[list[Request]]:
    """All that the model would be asked in one episode under random rules, wave by wave, each in the order of the
    agents: notes, messages, thoughts, decisions. People choose at random; words of their own are stood in for, at
    their longest if that is asked for.
    """
    most = limits(config, society)

    def answer(request: Request) -> Answer:
        key = request.question.key
        if request.way == "words":
            return f"({key} of the model's own)".ljust(most[key] if longest else 0, ".")
        return child_seed(seed, request.question.user) % len(request.question.choices)

    engine, lots = MockEngine(answer, ways=ALL_WAYS), draws(seed, 0, 1)
    with tempfile.TemporaryDirectory() as folder, Journal(Path(folder) / "journal.sqlite") as journal, torch.no_grad():
        people = LanguagePopulation(engine, journal, way="sample", chunk=society.agents)
        minded = MindfulPopulation(people, config.population.mind.mind, words_of(config))
        play(society, minded, rosters.people(lots), RandomRules(society, lots), lots)
    way = config.population.way
    return [[one if one.way == "words" else replace(one, way=way) for one in wave] for wave in engine.batches]


def calls_each(config: Config, society: Society) -> float:
    """Calls of a decision, with the words before it, on average over an episode."""
    later = 1 - 1 / society.steps  # of the steps, those but one
    mind = config.population.mind
    return 1 + later * (mind.note > 0) + later * talks(society) + (mind.reasoning != "off")


def limits(config: Config, society: Society) -> dict[str, int]:
    """Characters of the words of their own that people may write, by what they are."""
    mind, message = config.population.mind, society.longest_message if isinstance(society, Talkative) else 0
    return {"note": mind.note, "thoughts": LONGEST.get(mind.reasoning, 0), "message": message}


def check_minds(config: Config, society: Society, engine: Engine | None) -> None:
    """UserError: a mind that this society or this model cannot have. engine: None = not known yet."""
    mind = config.population.mind.mind
    if engine is not None and engine.model == "embedded" and has_minds(config, society):
        raise UserError(
            "the embedded model reads the society's own words and no others, and writes none of its own",
            where="population.model",
            fix="name another model, or leave population.mind, population.words and society.talk out",
        )
    if engine is not None and (mind.writes or talks(society)) and "words" not in engine.ways:
        raise UserError(
            f"{engine.model} writes no words of its own, which notes, thoughts and talk need",
            where="population.model",
            fix="name another model, or leave population.mind.note, population.mind.reasoning and society.talk out",
        )
    if (mind.best or mind.worst) and not isinstance(society, Felt):
        raise UserError(
            f"people of {society.name} are not told how a period went for them, so none is the best or the worst",
            where="population.mind",
            fix="leave best and worst out, and use last",
        )


def words_of(config: Config) -> Wording:
    """The words that a config asks for. UserError: there is no such file. PersonaFileError naming line and fix."""
    given = config.population.words
    return wording(None if given is None else words_file(given))


def words_file(given: str) -> Path:
    """As given from here, else from the repository. UserError."""
    for path in (Path(given), ROOT / given):
        if path.is_file():
            return path
    raise UserError(
        f"there is no file of words at {given}",
        where="population.words",
        fix="copy agents/llm/words.yaml, change what you want, and name your file",
    )


def _kept(config: Config, run: Run) -> Wording:
    """The words of a run, which are the same in all its sessions. UserError: they were changed halfway."""
    file = run.folder / "words.yaml"
    if run.replay:
        return wording(file)
    words = words_of(config)
    if not file.exists():
        write_text(file, _as_yaml(words))
    elif dict(wording(file).texts) != dict(words.texts):
        raise UserError(
            "the words around the society's own were edited after this run began; its people would change halfway",
            where=str(run.folder),
            fix=f"give the new run its own name (name={another(config)}), or put back what is in {file}",
        )
    return words


def _as_yaml(words: Wording) -> str:
    out = io.StringIO()
    YAML(typ="safe", pure=True).dump(dict(words.texts), out)
    return out.getvalue()
