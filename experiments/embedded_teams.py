"""What the embedded model is taught of team formation: which way to walk, from what everyone is told.

Situations come from teams of scripted people under random partitions; each is told as it was, and once more with
everyone anywhere on the field, so that walks from every cell are seen. Who somebody is does not matter to the answer:
what one gathers is told in the news.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from agents.base import Question
from experiments.embedded_lessons import Lessons, sampler
from experiments.embedded_towns import BATCHES, someone
from learning.draws import Draws, child_seed, draws
from mechanism.explore import one_of
from personas.people import People, Persona
from societies.base import State
from societies.library.team_formation import TeamFormation
from societies.team_features import features_of, seats_of, state_of
from societies.team_words import news
from societies.teams import AGENTS, SIDE

WORLDS = 6  # in a chunk, for each of the two ways to deal out roles
WANTED, MATES = 6, slice(15, 19)  # places in the view: the good that is wanted, the teammates
USEFUL = 3.0  # how many times as often somebody who is wanted is told of


@dataclass(frozen=True)
class Rounds:
    """Single decisions, M of them."""

    views: Tensor  # [M, O]
    answers: Tensor  # [M, K]

    def kinds(self) -> Tensor:
        """[M] int64: is anything wanted, and how many teammates are told; news of one kind are equally long."""
        return 4 * (self.views[:, WANTED] > 0) + (self.views[:, MATES] > 0).sum(-1)


def team_chunk(seed: int, number: int, people: int, situations: int) -> list[Lessons]:
    """BATCHES batches of that many people, each in that many situations; all news of a batch are equally long."""
    key = child_seed(seed, f"teams {number}")
    pool, personas = _pool(key)
    told_of = draws(child_seed(key, "told of"), 0, BATCHES * people)
    return [_batch(pool, personas, told_of, i, people, situations) for i in range(BATCHES)]


def _pool(key: int) -> tuple[Rounds, list[Persona]]:
    parts, personas = list[Rounds](), list[Persona]()
    for society in (TeamFormation(), TeamFormation("team_formation_iid", roles="independent")):
        d = draws(child_seed(key, society.name), 0, WORLDS)
        people = sampler("gatherers", "train").people(d)
        personas += [people.persona(w, n) for w in range(WORLDS) for n in range(AGENTS)]
        parts += lived(society, people, d)
    return Rounds(torch.cat([p.views for p in parts]), torch.cat([p.answers for p in parts])), personas


def lived(society: TeamFormation, people: People, d: Draws) -> list[Rounds]:
    """Every round of scripted people under random partitions, as it was and with everyone elsewhere."""
    state, found = society.reset(people), list[Rounds]()
    for step in range(society.steps):
        rules = one_of(d.uniform("partition", step, 15), society.decides(step, state.features))
        for told in (state, _elsewhere(state, d)):
            views, answers = society.look(told, rules), society.teacher(told, rules).exp()
            found.append(Rounds(views.flatten(0, 1), answers.flatten(0, 1)))
        state = society.step(state, rules, d.choice("decision", step, society.teacher(state, rules))).state
    return found


def _elsewhere(state: State, d: Draws) -> State:
    """The same with everyone on any cell, and here and there a corner empty or full."""
    now, seats = state_of(state.features), seats_of(state.features)
    places = (d.uniform("elsewhere", state.step, AGENTS, 2) * SIDE).floor()  # [B, N, 2]
    left = (d.uniform("left", state.step, 4) * 11).floor()
    corners = torch.where(d.uniform("is left changed", state.step, 4) < 0.3, left, now.corners)
    return State(state.step, features_of(replace(now, positions=places, corners=corners), seats), state.people)


def _batch(pool: Rounds, personas: list[Persona], told_of: Draws, number: int, people: int, situations: int) -> Lessons:
    """People in situations of one kind, drawn by how many there are of it."""
    own = Draws(told_of.seed, told_of.episodes[number * people : (number + 1) * people])
    kinds = pool.kinds()
    weight = torch.bincount(kinds, minlength=8) * torch.tensor([1.0] * 4 + [USEFUL] * 4)
    u = float(own.uniform("kind", 0, 1)[0, 0])
    kind = min(int((weight.cumsum(0) / weight.sum() <= u).sum()), 7)
    rows = (kinds == kind).nonzero()[:, 0]
    picked = rows[(own.uniform("situations", 0, situations) * len(rows)).long()]  # [P, S]
    who = own.uniform("who", 0, 2).tolist()  # [P, 2]
    questions = [
        _told(pool.views[own_rows], _who(personas, told_of, number * people + j, who[j]))
        for j, own_rows in enumerate(picked)
    ]
    return Lessons(questions, pool.answers[picked], 0)


def _who(personas: list[Persona], told_of: Draws, index: int, u: list[float]) -> Persona:
    return someone(personas, told_of, index, int(u[0] * len(personas)), {"strength": u[1]})


def _told(views: Tensor, persona: Persona) -> list[Question]:
    """One person's views [S, O] in words."""
    first = TeamFormation().tell(views[0], persona)
    return [replace(first, user=news(view)) for view in views]
