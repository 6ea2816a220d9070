"""The embedded model after a kill: a fresh process must give the bits that the old one would have given."""

from pathlib import Path

import torch

from agents.embedded.engine import EmbeddedEngine
from agents.llm.engine import Request
from learning.draws import draws
from personas.rosters import open_rosters
from societies.library.income_tax import IncomeTax

PEOPLE = Path("personas/populations/communities.yaml")


def requests(step: int, worlds: int) -> list[Request]:
    """A round of the income-tax society, in its first or second year."""
    society = IncomeTax()
    people = open_rosters(PEOPLE, society.agents, "all", ("wage",), society.traits_used).people(draws(3, 0, worlds))
    state, rates = society.reset(people), society.default_mechanism().expand(worlds, -1)
    for _ in range(step):
        action = torch.arange(worlds * society.agents).reshape(worlds, -1) % 21
        state = society.step(state, rates, action).state
    view = society.look(state, rates)
    places = [(w, n) for w in range(worlds) for n in range(society.agents)]
    return [Request(society.tell(view[w, n], people.persona(w, n)), "distribution") for w, n in places]


def test_what_was_computed_before_does_not_change_a_bit() -> None:
    first, second = requests(0, 2), requests(1, 2)
    old, fresh = EmbeddedEngine(), EmbeddedEngine()
    for some in (first[5:6], first[7:10], first[20:22], first):  # alone, in small groups, then everyone
        old.complete(some)
    told = [reply.log_probs for reply in old.complete(second)]
    assert told == [reply.log_probs for reply in fresh.complete(second)]
