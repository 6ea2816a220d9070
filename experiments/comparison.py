"""`solon compare-populations`: the same people as language models, trained agents and scripts, under the same rules.

A seed has its own rosters, its own draws and its own RL people. Within a seed every kind meets the same rosters under
the same rules with the same draws, so that what differs between kinds is paired. Everything is kept in the run's folder
as it is played: trained people in stages/, each kind under each of the rules in episodes/, calls in the journal.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch

from agents.base import Population
from agents.scripted import ScriptedPopulation
from experiments.cast import Cast, society_of
from experiments.compared_cells import Part, part_of
from experiments.compared_kinds import (
    AGAIN,
    cheapest_first,
    check_kinds,
    kinds_of,
    label_of,
    opened_kinds,
    seed_of,
)
from experiments.compared_rules import Rule, Rulebook, count_of, rules_for
from experiments.config import Config
from experiments.live import Live
from experiments.pipeline import keep_roster, once
from experiments.rl_people import TRAINING
from experiments.runs import Run
from experiments.signatures import Lived
from learning.draws import child_seed, draws
from personas.people import People
from personas.rosters import Village
from societies.base import Society
from societies.play import Played, play


@dataclass(frozen=True)
class Comparison:
    """What was played, as parts by kind and seed."""

    config: Config
    society: Society
    kinds: tuple[str, ...]  # in the order of the columns
    rules: tuple[Rule, ...]
    parts: Mapping[str, Sequence[Part]]  # by kind; AGAIN too where scripted people are compared
    models: tuple[str, ...] = ()  # that LLM people were asked of
    notes: tuple[str, ...] = ()


def plan(config: Config) -> tuple[str, ...]:
    """The stages, as the display names them: what costs nothing first."""
    kinds = cheapest_first(kinds_of(config.compare))
    before = (TRAINING,) if "rl" in kinds else ()
    return (*before, *map(label_of, kinds))


def decisions(config: Config) -> dict[str, int]:
    """How many each kind makes, by its label; of scripted people those with fresh draws too. UserError for what cannot
    be played.
    """
    society, told = checked(config), config.compare
    rules = count_of(Rulebook(society, _Nobody(), 0), told.mechanisms, told.drawn)
    each = told.seeds * told.rosters * rules * society.steps * society.agents
    kinds = kinds_of(told)
    return {label_of(kind): each for kind in (*kinds, *((AGAIN,) if "scripted" in kinds else ()))}


def checked(config: Config) -> Society:
    """The society, which every kind can play. UserError."""
    society = society_of(config)
    check_kinds(config, society)
    return society


SAME = "all seeds have the same residents, so none is left out"


class _Nobody:
    """Rosters where none are needed."""

    def people(self, draws: object) -> People:
        raise AssertionError("nobody is asked yet")


def compare(config: Config, run: Run, live: Live) -> Comparison:
    """All of it, or what is left of it. Errors name what is wrong before anything is spent."""
    torch.set_num_threads(config.threads)
    society, kinds = checked(config), kinds_of(config.compare)
    with opened_kinds(config, run, live, society) as here:
        rules = _rules(config, here.any)
        stages = {kind: _Stage(config, run, live, cast, rules) for kind, cast in here.casts.items()}
        parts = {kind: stage.parts(kind, here.people(kind)) for kind, stage in stages.items()}
        if "scripted" in stages:
            parts[AGAIN] = stages["scripted"].again()
        models, notes = here.models, (*here.of_a_village(), *here.notes())
    return Comparison(config, society, kinds, rules, parts, models, notes)


def _rules(config: Config, cast: Cast) -> tuple[Rule, ...]:
    """Those that are compared, the same for all."""
    book, told = Rulebook(cast.society, cast.rosters, config.seed), config.compare
    return tuple(rules_for(book, told.mechanisms, told.drawn))


@dataclass(frozen=True)
class _Stage:
    """Where one kind after the other is played."""

    config: Config
    run: Run
    live: Live
    cast: Cast
    rules: tuple[Rule, ...]

    def parts(self, kind: str, people: Callable[[int], Population]) -> list[Part]:
        """One of each seed, shown as a stage."""
        with self.live.stage(label_of(kind), decisions(self.config)[label_of(kind)]):
            return [self._part(kind, seed, people(seed)) for seed in range(self.config.compare.seeds)]

    def again(self) -> list[Part]:
        """Of scripted people once more, with fresh draws."""
        scripted = ScriptedPopulation(self.config.population.way == "distribution")
        return [self._part(AGAIN, seed, scripted) for seed in range(self.config.compare.seeds)]

    @torch.no_grad()
    def _part(self, kind: str, seed: int, who: Population) -> Part:
        number, rosters = seed_of(self.config, seed), self.config.compare.rosters
        people = self.cast.rosters.people(draws(number, 0, rosters))
        keep_roster(self.run, f"seed-{seed}", people)
        played = dict(self._played(kind, seed, who, people))
        part = part_of(Lived(people, played, self.cast.society))
        return replace(part, unread=SAME) if isinstance(self.cast.rosters, Village) else part

    def _played(self, kind: str, seed: int, who: Population, people: People) -> Iterator[tuple[str, Played]]:
        number = seed_of(self.config, seed)
        for rule in self.rules:
            d = draws(number, 0, people.worlds)
            own = draws(child_seed(number, AGAIN), 0, people.worlds) if kind == AGAIN else d
            make = partial(play, self.cast.society, who, people, rule.principal(d), own)
            yield rule.name, once(self.run.episodes(f"{kind}-{rule.name}-{seed}"), make)
