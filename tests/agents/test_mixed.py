"""Populations of several kinds of people: who belongs where, and that each is asked as if the others were not there."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from agents.base import Decisions, Fallback, Message, Round
from agents.llm.budget import Budget, BudgetSpent
from agents.llm.engine import Reply
from agents.llm.journal import Journal
from agents.llm.mock import MockEngine, mock
from agents.llm.population import LanguagePopulation
from agents.llm.prices import Bill, Price
from agents.mixed import MixedPopulation, by_share
from agents.scripted import ScriptedPopulation
from learning.draws import Draws, child_seed, draws
from personas.people import People, Persona
from personas.rosters import Rosters, open_rosters
from societies.library.income_tax import IncomeTax
from societies.play import Fixed, play
from tests.agents.llm.town import a_round, people

POPULATION = Path(__file__).parents[2] / "personas/populations/communities.yaml"


def person(name: str) -> Persona:
    return Persona(name, name, "", {}, frozenset(), {})


def seated(worlds: int, agents: int) -> People:
    return replace(people(worlds, agents), persona=lambda w, n: person(f"{w} {n}"))


def evens(persona: Persona) -> int:
    return int(persona.id.split()[1]) % 2


class Same:
    """People who always do the same, and tell what they were asked."""

    def __init__(self, action: int, whole: bool = False) -> None:
        self.action, self.whole = action, whole
        self.rounds = list[Round]()

    def start(self, people: People) -> int:
        return 0

    def decide(self, memory: int, round: Round, draws: Draws) -> tuple[int, Decisions]:
        self.rounds.append(round)
        turn = round.choices.any(-1)
        log_probs = torch.full(round.choices.shape, -torch.inf)
        log_probs[..., self.action] = torch.where(turn, 0.0, -torch.inf)
        first: list[int] = turn.nonzero()[0].tolist()
        return memory + 1, Decisions(
            torch.where(turn, self.action, -1),
            log_probs if self.whole else None,
            (Fallback(*first, "uniform", f"of {self.action}"),),
            (Message(*first, f"hello {self.action}"),),
        )


def test_each_part_is_asked_its_own_and_remembers_for_itself():
    parts = (Same(3), Same(5))
    mixed = MixedPopulation(parts, evens)
    round_ = replace(a_round(0, 2, 4), people=seated(2, 4))
    memory, decisions = mixed.decide(mixed.start(round_.people), round_, draws(0, 0, 2))
    assert decisions.action.tolist() == [[3, 5, 3, 5]] * 2
    assert decisions.log_probs is None
    assert [f.reason for f in decisions.fallbacks] == ["of 3", "of 5"]
    assert [m.text for m in decisions.messages] == ["hello 3", "hello 5"]
    assert memory.parts == (1, 1)
    assert [r.choices.any(-1).tolist() for p in parts for r in p.rounds] == [
        [[True, False] * 2] * 2,
        [[False, True] * 2] * 2,
    ]


def test_a_part_without_anybody_on_turn_is_not_asked():
    parts = (Same(3), Same(5))
    mixed = MixedPopulation(parts, evens)
    choices = torch.ones(1, 4, 21, dtype=torch.bool)
    choices[:, 1::2] = False
    round_ = replace(a_round(0, 1, 4, choices=choices), people=seated(1, 4))
    memory, decisions = mixed.decide(mixed.start(round_.people), round_, draws(0, 0, 1))
    assert decisions.action.tolist() == [[3, -1, 3, -1]]
    assert memory.parts == (1, 0)


def test_distributions_and_single_actions_go_together():
    mixed = MixedPopulation((Same(3, whole=True), Same(5)), evens)
    round_ = replace(a_round(0, 1, 2), people=seated(1, 2))
    decisions = mixed.decide(mixed.start(round_.people), round_, draws(0, 0, 1))[1]
    assert decisions.log_probs is not None
    assert decisions.log_probs.exp().nonzero().tolist() == [[0, 0, 3], [0, 1, 5]]


def test_shares_are_of_persons_and_hold_for_life():
    kind = by_share([0.0, 0.2, 0.3], [frozenset(), frozenset(), frozenset({"p7"})])
    found = Counter(kind(person(f"p{i}")) for i in range(4000))
    assert found[1] / 4000 == pytest.approx(0.2, abs=0.03)
    assert found[2] / 4000 == pytest.approx(0.3, abs=0.03)
    assert kind(person("p7")) == 2
    assert all(kind(person(f"p{i}")) == kind(person(f"p{i}")) for i in range(50))


@pytest.mark.parametrize("lot", ["part", "kind"])
def test_drawn_people_are_mixed_anew_in_every_split_and_seed_and_residents_never(lot: str):
    kind = by_share([0.0, 0.5], [frozenset(), frozenset()], lot)
    drawn, village = open_rosters(POPULATION, 32), open_rosters(POPULATION.parents[1] / "village")

    def kinds(rosters: Rosters, seed: int, split: str, start: int = 0, worlds: int = 8) -> list[list[int]]:
        people = rosters.people(draws(child_seed(seed, split), start, worlds))
        return [[kind(people.persona(w, n)) for n in range(people.agents)] for w in range(worlds)]

    first = kinds(drawn, 0, "training")
    assert kinds(drawn, 0, "training", 3, 2) == first[3:5]  # the same people, in whatever batch
    assert all(0 < sum(town) < 32 for town in first)
    for seed, split in ((0, "held-out"), (1, "training")):
        assert all(a != b for a, b in zip(first, kinds(drawn, seed, split), strict=True))
    assert kinds(village, 0, "training") == kinds(village, 1, "held-out")


def test_half_a_town_of_language_models_decides_as_in_a_town_of_them_alone(tmp_path: Path):
    society, lots = IncomeTax(), draws(4, 0, 2)
    roster = open_rosters(POPULATION).people(lots)
    rules = Fixed(society.default_mechanism())

    def kind(persona: Persona) -> int:
        return len(persona.name) % 2

    with Journal(tmp_path / "journal.sqlite") as journal:
        model = LanguagePopulation(mock("uniform"), journal)
        mixed = play(society, MixedPopulation((ScriptedPopulation(), model), kind), roster, rules, lots).episode
        ledger = journal.ledger()
        alone = play(society, model, roster, rules, lots).episode
    scripted = play(society, ScriptedPopulation(), roster, rules, lots).episode
    own = torch.tensor([[kind(roster.persona(w, n)) for n in range(32)] for w in range(2)])
    first = torch.where(own == 1, alone.action[:, 0], scripted.action[:, 0])
    assert torch.equal(mixed.action[:, 0], first)  # later years differ: they live in another town
    assert 0 < int(own.sum()) < 64
    assert ledger.decisions == int(own.sum()) * 12


def test_models_share_a_journal_and_a_budget(tmp_path: Path):
    round_ = replace(a_round(0, 2, 4), people=seated(2, 4))
    with Journal(tmp_path / "journal.sqlite") as journal:
        budget = Budget(calls=6)
        parts = tuple(LanguagePopulation(MockEngine(lambda r: 3, model=name), journal, budget) for name in ("a", "b"))
        mixed = MixedPopulation(parts, evens)
        with pytest.raises(BudgetSpent):
            mixed.decide(mixed.start(round_.people), round_, draws(0, 0, 2))
        assert journal.spent.calls == 4
        assert set(journal.spent.by_model) == {"a"}
        richer = tuple(replace(part, budget=Budget(calls=8)) for part in parts)
        mixed = MixedPopulation(richer, evens)
        mixed.decide(mixed.start(round_.people), round_, draws(0, 0, 2))
        spent, tokens = journal.spent, journal.ledger().tokens
    assert spent.calls == 8
    assert spent.split == tokens
    assert sum(map(sum, tokens.values())) == spent.tokens
    with Journal(tmp_path / "journal.sqlite") as journal:
        assert journal.spent == spent


def test_a_dear_model_is_not_taken_to_be_as_cheap_as_another(tmp_path: Path):
    round_ = replace(a_round(0, 16, 4), people=seated(16, 4))
    bill = Bill({"small": Price(input=1.0, output=1.0), "dear": Price(input=1.0, output=1000.0)}, "USD")
    small, dear = (Reply('{"hours":40}', None, 300, tokens) for tokens in (1, 500))
    with Journal(tmp_path / "journal.sqlite") as journal:
        parts = tuple(
            LanguagePopulation(
                MockEngine(lambda r, reply=reply: reply, model=name),
                journal,
                budget,
                "sample",
                parameters=most,
                chunk=8,
            )
            for name, reply in (("small", small), ("dear", dear))
            for budget, most in [(Budget(money=5.0, bill=bill), {"max_tokens": 512})]
        )
        mixed = MixedPopulation(parts, evens)
        with pytest.raises(BudgetSpent):
            mixed.decide(mixed.start(round_.people), round_, draws(0, 0, 16))
        assert 0 < bill.of(journal.spent.split) <= 5.0
