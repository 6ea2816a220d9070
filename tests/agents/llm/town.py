"""A tiny society for these tests: rounds of questions whose words depend on world, agent and step."""

from collections.abc import Callable
from pathlib import Path

import torch

from agents.base import Decisions, Question, Round
from agents.llm.engine import Request
from agents.llm.journal import Journal
from agents.llm.population import LanguagePopulation
from learning.draws import Draws
from personas.people import People, Persona

CHOICES = tuple(str(hours) for hours in range(0, 101, 5))  # K = 21
K = len(CHOICES)


def people(worlds: int, agents: int) -> People:
    nobody = Persona("p", "P", "", {}, frozenset(), {})
    return People(
        ("wage",), torch.ones(worlds, agents, 1), ("habit",), torch.ones(worlds, agents, 1), lambda w, n: nobody
    )


def question(agent: int, news: str) -> Question:
    system = f"You are agent {agent}. " + "The rules are long. " * 60
    return Question(system, news, "hours", CHOICES)


def a_round(
    step: int,
    worlds: int,
    agents: int,
    news: Callable[[int, int], str] | None = None,
    choices: torch.Tensor | None = None,
) -> Round:
    """A round in which, unless `news` says otherwise, every world's words differ."""
    told = news or (lambda world, agent: f"world {world} agent {agent} step {step}")
    if choices is None:
        choices = torch.ones(worlds, agents, K, dtype=torch.bool)
    return Round(
        step,
        lambda: torch.zeros(worlds, agents, 1),
        choices,
        people(worlds, agents),
        lambda w, n: question(n, told(w, n)),
        lambda: torch.zeros(worlds, agents, K).log_softmax(-1),
    )


def draws(worlds: int, seed: int = 7, start: int = 0) -> Draws:
    return Draws(seed, torch.arange(start, start + worlds))


def one_request(way: str = "sample", user: str = "news", draw: int = 0) -> Request:
    return Request(question(0, user), "sample" if way == "sample" else "distribution", draw)


def decide(population: LanguagePopulation, round_: Round, seed: int = 7, start: int = 0) -> Decisions:
    worlds = len(round_.choices)
    memory = population.start(round_.people)
    return population.decide(memory, round_, draws(worlds, seed, start))[1]


def journal(path: Path) -> Journal:
    return Journal(path / "journal.sqlite")
