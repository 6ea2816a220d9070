"""Rules learned on one kind of people, kept by another: how each is learned, carried over, adapted and judged.

Shapes: S seeds, C held-out communities.
"""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from torch import Tensor

from agents.base import Population
from agents.embedded.engine import EmbeddedEngine
from agents.llm.journal import Journal
from agents.llm.population import LanguagePopulation
from agents.rl import Policy, RLPopulation
from agents.scripted import ScriptedPopulation
from experiments.errors import ROOT
from experiments.judging import Place, Tensors, judge
from experiments.rl_people import LearnedForm
from experiments.saving_work import Bench
from experiments.town_scale import swm_budget
from learning.draws import child_seed
from mechanism.explore import VariedRules
from mechanism.swm_ap import Outcome, SWMSettings, swm_ap
from personas.rosters import open_rosters
from societies.base import Society
from societies.best_response import train
from societies.catalog import load
from societies.people_ppo import BestResponseSettings
from societies.stage import Rosters, Stage
from world_model.fit import quiet

Kind = Literal["llm", "rl", "scripted"]
KINDS: tuple[Kind, ...] = ("llm", "rl", "scripted")
HELD_OUT_SEED = 930_001  # of the communities that rules are judged on; never learned from


@dataclass(frozen=True)
class Subject:
    """One society, and how its rules and its RL people are learned. Episodes are real ones."""

    name: str
    home: str  # its file of people
    episodes: int  # that rules are learned from
    adapt: tuple[int, ...]  # that rules made for other people are adapted with
    held_out: int  # communities
    swm: SWMSettings
    rl: BestResponseSettings

    @property
    def society(self) -> Society:
        """With its own headline objective."""
        return load(self.name)


@dataclass(frozen=True)
class Lab:
    """One subject and one seed: the same training and held-out communities for all kinds of people."""

    subject: Subject
    seed: int
    people: Mapping[Kind, Population]

    def place(self, kind: Kind, split: str) -> Place:
        """Where rules are learned on people of that kind, and judged on them."""
        subject = self.subject
        who, rosters, training = self.people[kind], rosters_of(subject), child_seed(self.seed, f"{split}, {kind}")
        society = subject.society
        learned = Stage(society, who, rosters, training)
        return Place(learned, Stage(society, who, rosters, HELD_OUT_SEED), subject.held_out)

    def learned(self, kind: Kind, split: str) -> Outcome:
        """Rules for people of that kind."""
        return self._learn(kind, split, self.subject.episodes)

    def blind(self, kind: Kind, split: str, sighted: Outcome) -> Outcome:
        """The same world model, and rules that are made and kept without ever learning who is who."""
        told = replace(self.subject.swm, beliefs="prior")

        def keep(name: str, make: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
            return sighted.model.state_dict() if name.startswith("people") else make()

        settings = swm_budget(told, self.subject.episodes)
        return swm_ap(self.place(kind, split).training, settings, self._seed(split), quiet, keep)

    def adapted(self, kind: Kind, episodes: int, before: Outcome | None) -> Outcome:
        """Rules from a few episodes with people of that kind: from nothing, or from the world model of others."""
        return self._learn(kind, f"adapting, {episodes}", episodes, before)

    def _learn(self, kind: Kind, split: str, episodes: int, before: Outcome | None = None) -> Outcome:
        settings = swm_budget(self.subject.swm, episodes)
        known = None if before is None else before.model.state_dict()
        if known is not None:  # other starts than what is known would forget it
            settings = replace(settings, fit=replace(settings.fit, kind_starts=1))
        return swm_ap(self.place(kind, split).training, settings, self._seed(split), quiet, known=known)

    def _seed(self, split: str) -> int:
        return child_seed(self.seed, f"swm_ap, {split}")

    def welfare(self, kind: Kind, outcome: Outcome) -> Tensor:
        """[1, C] of the rules on held-out communities of that kind of people."""
        return judge(self.place(kind, "held out"), outcome.learned)["welfare"]


@contextmanager
def lab(subject: Subject, seed: int, bench: Bench, journals: Path) -> Generator[Lab]:
    """Opens all kinds of people; those who learn do so once."""
    learned = bench.stages.get("rl-people", LearnedForm(), partial(_rl_people, subject, seed))
    assert isinstance(learned, Policy)
    journals.mkdir(parents=True, exist_ok=True)
    with Journal(journals / f"{bench.unit}.sqlite") as journal:
        asked = LanguagePopulation(EmbeddedEngine(), journal, purpose="transfer_matrix")
        yield Lab(subject, seed, {"llm": asked, "rl": RLPopulation(learned), "scripted": ScriptedPopulation()})


def _rl_people(subject: Subject, seed: int) -> Policy:
    """Trained under rules of all kinds, on rosters that nobody else meets."""
    society = subject.society
    return train(
        society,
        rosters_of(subject),
        lambda draws: VariedRules(society, draws),
        subject.rl,
        child_seed(seed, f"RL people of {subject.name}"),
        quiet,
    )


def rosters_of(subject: Subject) -> Rosters:
    """All of the people in its file."""
    society, path = subject.society, ROOT / "personas" / "populations" / f"{subject.home}.yaml"
    return open_rosters(path, society.agents, "all", society.attributes_used, society.traits_used)


def work(subject: Subject, seed: int, journals: Path, bench: Bench) -> None:
    """Everything of one subject and seed: what the people's own rules bring, then what others' rules do."""
    with lab(subject, seed, bench, journals) as here:
        for kind in KINDS:
            bench.part(f"itself {kind}", partial(_itself, here, kind))
        for kind in KINDS:
            bench.part(f"from {kind}", partial(_from, here, kind))


def _itself(here: Lab, kind: Kind) -> Tensors:
    """[1, C] each: rules learned on people of that kind, and from few episodes with them."""
    found = {"welfare": here.welfare(kind, here.learned(kind, "itself"))}
    for episodes in here.subject.adapt:
        found[f"from nothing, {episodes}"] = here.welfare(kind, here.adapted(kind, episodes, None))
    return found


def _from(here: Lab, kind: Kind) -> Tensors:
    """[1, C] each: on people of every kind, rules learned on people of this one, as they are; likewise those that learn
    of nobody who they are; and, on other people, those that were adapted.
    """
    found, sighted = dict[str, Tensor](), here.learned(kind, "from")
    blind = here.blind(kind, "from", sighted)
    for other in KINDS:
        found[f"{other}, as it is"] = here.welfare(other, sighted)
        found[f"{other}, without inference"] = here.welfare(other, blind)
        for episodes in here.subject.adapt if other != kind else ():
            found[f"{other}, adapted with {episodes}"] = here.welfare(other, here.adapted(other, episodes, sighted))
    return found
