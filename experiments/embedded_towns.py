"""What the embedded model is taught of the facility towns: who goes where among the places that stand.

A situation is what one inhabitant of a town meets in one week; scripted people under places at random cells bring it
about. What somebody else met may be told of anyone in that town: the teacher reads the view and the liking for walks.
"""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from agents.base import Question
from experiments.embedded_lessons import Lessons, sampler, worn
from learning.draws import Draws, child_seed, draws
from mechanism.explore import one_of
from personas.people import People, Persona
from personas.traits import GRADES, TRAITS, grades, midpoint
from societies.base import State
from societies.catalog import load
from societies.facilities import Facilities
from societies.facility_words import news

TOWNS = ("facility8", "facility8_sharp", "facility32", "facility32_sharp")
BATCHES = 64  # in a chunk
INHABITANTS = 128  # of each town, per chunk
WEEKS = (0.1, 0.25, 0.45, 0.7, 1.0)  # cumulated shares: later weeks, with more to choose from, are told more often
PLAIN = ("elasticity", "fairness", "risk_aversion", "loss_aversion", "habit", "preferred_hours", "strength")


def told(roaming: Tensor) -> Tensor:
    """What the words mean, same shape: the middle of a grade, but the end itself at both ends of the scale.

    The visitors who come to these towns are at the ends, so that the first and the last sentence are said of them.
    """
    grade = grades(roaming)
    middle = midpoint("roaming", roaming)
    return torch.where(grade == 0, 0.0, torch.where(grade == GRADES - 1, 1.0, middle))


@dataclass(frozen=True)
class Week:
    """What the inhabitants of a town meet in one week."""

    features: Tensor  # [M, 1, F]
    mechanism: Tensor  # [M, C]
    views: Tensor  # [M, O]

    def teacher(self, society: Facilities, rows: Tensor, roaming: Tensor) -> Tensor:
        """Probabilities [S, K] of someone with that roaming [S] in the situations `rows` [S]."""
        who = People((), torch.zeros(len(rows), 1, 0), ("roaming",), roaming[:, None, None], _nobody)
        return society.teacher(State(0, self.features[rows], who), self.mechanism[rows])[:, 0].exp()


def _nobody(world: int, agent: int) -> Persona:
    raise LookupError("single situations have no people")


@cache
def towns() -> tuple[Facilities, ...]:
    """The societies, in the order of TOWNS."""
    found = tuple(load(name) for name in TOWNS)
    assert all(isinstance(society, Facilities) for society in found)
    return tuple(society for society in found if isinstance(society, Facilities))


def inhabitants(society: Facilities, d: Draws) -> People:
    """Visitors; in every second world their liking for walks is anywhere on its scale."""
    people = sampler("visitors", "train", society.agents).people(d)
    anywhere = d.uniform("anywhere", 0, people.agents)[..., None]
    even = (torch.arange(people.worlds) % 2 == 0)[:, None, None]
    return people.with_traits(torch.where(even, people.traits, anywhere))


def lived(society: Facilities, people: People, d: Draws) -> list[Week]:
    """The weeks of scripted people among places at random cells."""
    state, weeks = society.reset(people), list[Week]()
    for step in range(society.steps):
        cells = d.uniform("cell", step, len(society.cells))
        built = one_of(cells, society.decides(step, state.features))
        everyone = built[:, None].expand(-1, people.agents, -1).flatten(0, 1)
        views = society.look(state, built).flatten(0, 1)
        weeks.append(Week(state.features.flatten(0, 1)[:, None], everyone, views))
        state = society.step(state, built, d.choice("decision", step, society.teacher(state, built))).state
    return weeks


def town_chunk(seed: int, number: int, people: int, situations: int) -> list[Lessons]:
    """BATCHES batches of that many people, each in that many situations; all news of a batch are equally long."""
    key = child_seed(seed, f"towns {number}")
    found = [_town(society, key) for society in towns()]
    week = draws(child_seed(key, "weeks"), 0, BATCHES).uniform("week", 0, 1)[:, 0]  # [BATCHES]
    told_of = draws(child_seed(key, "told of"), 0, BATCHES * people)
    batches = list[Lessons]()
    for i, u in enumerate(week.tolist()):
        step = next(t for t, share in enumerate(WEEKS) if u < share)
        rows = [_lesson(found, told_of, i * people + j, step, situations) for j in range(people)]
        batches.append(Lessons([questions for questions, _ in rows], torch.stack([answers for _, answers in rows]), 0))
    return batches


@dataclass(frozen=True)
class _Town:
    society: Facilities
    personas: list[Persona]
    weeks: list[Week]


def _town(society: Facilities, key: int) -> _Town:
    d = draws(child_seed(key, society.name), 0, INHABITANTS // society.agents)
    people = inhabitants(society, d)
    personas = [people.persona(w, n) for w in range(people.worlds) for n in range(people.agents)]
    return _Town(society, personas, lived(society, people, d))


def _lesson(
    found: list[_Town], told_of: Draws, index: int, step: int, situations: int
) -> tuple[list[Question], Tensor]:
    """One person in S situations of one week, [S] questions and answers [S, K]."""
    own = Draws(told_of.seed, told_of.episodes[index : index + 1])
    u = own.uniform("lesson", 0, 4)[0].tolist()
    town = found[int(u[0] * len(found))]
    place = int(u[1] * len(town.personas))
    persona = someone(town.personas, told_of, index, place, {"roaming": round(u[3]) if u[2] < 0.5 else u[3]})
    week = town.weeks[step]
    rows = (own.uniform("situations", 0, 3 * situations)[0] * len(week.views)).long()
    roaming = told(torch.tensor(persona.traits["roaming"])).expand(len(rows))
    answers = week.teacher(town.society, rows, roaming)  # [3 S, K]
    picked = _open_ones(own, answers, situations)
    first = town.society.tell(week.views[rows[picked[0]]], persona)
    news_ = [news(week.views[row]) for row in rows[picked]]
    return [Question(first.system, text, first.key, first.choices) for text in news_], answers[picked]


def someone(others: list[Persona], people: Draws, index: int, place: int, traits: dict[str, float]) -> Persona:
    """The persona of that place with these traits, told as users may tell it; some have traits of other societies."""
    persona = worn(others[place], others, people, index)
    u = Draws(people.seed, people.episodes[index : index + 1]).uniform("other traits", 0, 1 + len(PLAIN))[0].tolist()
    more = dict(zip(PLAIN, u[1:], strict=True)) if u[0] < 0.15 else {}
    kept = {name: value for name, value in persona.traits.items() if name in TRAITS}
    return Persona(
        persona.id, persona.name, persona.biography, persona.attributes, persona.public, {**more, **kept, **traits}
    )


def _open_ones(own: Draws, answers: Tensor, several: int) -> Tensor:
    """[S] of the situations, those more often in which the answer is open (Gumbel top-S)."""
    entropy = -torch.special.xlogy(answers, answers).sum(-1)
    gumbel = -(-own.uniform("pick", 0, len(answers))[0].log()).log()
    return ((0.3 + entropy).log() + gumbel).topk(several).indices
