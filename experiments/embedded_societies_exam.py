"""The embedded model's examination in the societies with few choices: distance, edits of a trait, closed loop.

Log-odds are taken of probabilities held between .01 and .99: one beyond is answered alike, and would weigh most.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from agents.embedded.engine import EmbeddedEngine
from agents.scripted import ScriptedPopulation
from experiments.embedded_exam import total_variation
from experiments.embedded_held_out import HELD_OUT, Moment, moments, principals, redrawn, somebody
from experiments.embedded_people import Asked, answers
from learning.draws import child_seed, draws
from societies.base import Society
from societies.play import play

EDGE = 0.01  # probabilities are held this far from 0 and 1 before log-odds are taken
MOVED = 0.1  # an edit counts for a choice whose probability it moves by that much


def agreement(engine: EmbeddedEngine, society: Society, worlds: int, every: int, anywhere: bool) -> dict[str, float]:
    """Distance to the teacher on every `every`-th step of held-out worlds, with the standard error over worlds."""
    given, taught, exact = (
        torch.cat(part) for part in zip(*_read(engine, society, worlds, every, anywhere), strict=True)
    )
    tv = total_variation(given, taught)  # [moments * B, N]
    by_world = tv.mean(1).unflatten(0, (-1, worlds)).mean(0)  # [B] over steps and principals
    top = taught.gather(-1, given.argmax(-1, keepdim=True))[..., 0] >= taught.amax(-1) - 1e-6
    return {
        "decisions": tv.numel(),
        "tv": float(tv.mean()),
        "tv_standard_error": float(by_world.std() / worlds**0.5),
        "tv_90th_percentile": float(tv.flatten().quantile(0.9)),
        "tv_to_the_traits_themselves": float(total_variation(given, exact).mean()),
        "tv_of_the_words_alone": float(total_variation(taught, exact).mean()),
        "tv_of_the_average_answer": float(total_variation(taught.mean((0, 1)), taught).mean()),
        "top_choice_same": float(top.float().mean()),
    }


def _read(
    engine: EmbeddedEngine, society: Society, worlds: int, every: int, anywhere: bool
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Of every moment the model's probabilities, the taught ones and the exact ones, each [B, N, K]."""
    for moment in moments(society, worlds, anywhere)[::every]:
        offered = moment.offered()
        asked = [q for row in moment.questions() for q in row]
        given = answers(engine, asked, offered.flatten(0, 1)).unflatten(0, offered.shape[:2])
        yield given, moment.taught(), moment.exact()


def edits(engine: EmbeddedEngine, society: Society, worlds: int, every: int) -> dict[str, float]:
    """One person's trait from the lower three grades to the upper three, all else equal.

    Counted is every choice whose probability that moves by MOVED or more in the teacher. Slope: of the model's shift
    in log-odds on the teacher's, through the origin.
    """
    both = [_edit(engine, moment, i) for i, moment in enumerate(moments(society, worlds)[::every])]
    teacher, model = (torch.cat([pair[side] for pair in both], 1) for side in (0, 1))  # [2, M, K] low, high
    counted = (teacher[1] - teacher[0]).abs() >= MOVED
    true, moved = (log_odds(p)[1][counted] - log_odds(p)[0][counted] for p in (teacher, model))
    return {
        "edits": int(counted.any(-1).sum()),
        "moved_choices": len(true),
        "sign_agreement": float((true.sign() == moved.sign()).float().mean()),
        "slope": float((moved * true).sum() / (true * true).sum()),
        "mean_shift_of_teacher": float(true.abs().mean()),
    }


def _edit(engine: EmbeddedEngine, moment: Moment, number: int) -> tuple[Tensor, Tensor]:
    """One agent of every world with a low and with a high trait: the teacher and the model, each [2, B, K]."""
    people = moment.state.people
    lots = draws(child_seed(HELD_OUT, f"edit {moment.society.name} {number}"), 0, people.worlds).uniform("edit", 0, 3)
    agent = (lots[:, 0] * people.agents).long()
    rows = torch.arange(people.worlds)
    teacher, model = list[Tensor](), list[Tensor]()
    for value in (3 / 7 * lots[:, 1], 1 - 3 / 7 * lots[:, 2]):
        one = moment.with_people(redrawn(people, agent, value))
        offered, asked = one.offered()[rows, agent], one.questions()
        teacher.append(one.taught()[rows, agent])
        model.append(answers(engine, [asked[w][n] for w, n in enumerate(agent.tolist())], offered))
    return torch.stack(teacher), torch.stack(model)


def log_odds(p: Tensor) -> Tensor:
    """Same shape; of probabilities held EDGE away from 0 and 1."""
    return p.clamp(EDGE, 1 - EDGE).logit()


def closed_loop(engine: EmbeddedEngine, society: Society, worlds: int) -> dict[str, dict[str, float]]:
    """Whole episodes with the model's people and with scripted ones, same draws, under each principal."""
    return {name: _loop(engine, society, name, worlds) for name in principals(society)}


def _loop(engine: EmbeddedEngine, society: Society, name: str, worlds: int) -> dict[str, float]:
    """Differences are in shares of what scripted people do: what they earn, before upkeep, or how many visit.

    Upkeep is the same for both, and where roles are independent it is as large as what is earned.
    """
    d = draws(child_seed(HELD_OUT, f"loop {society.name} {name}"), 0, worlds)
    people, principal = somebody(society, d), principals(society)[name](d)
    ours, theirs = (play(society, who, people, principal, d).episode for who in (Asked(engine), ScriptedPopulation()))
    model, teacher = ours.returns(), theirs.returns()
    gross = theirs.accounts[_GROSS[society.objective]].mean()
    gap = (model - teacher) / gross
    return {
        "welfare": float(model.mean()),
        "welfare_teacher": float(teacher.mean()),
        "gross_teacher": float(gross),
        "welfare_off": float(gap.mean()),
        "standard_error": float(gap.std() / worlds**0.5),
        "correlation": float(torch.corrcoef(torch.stack([model, teacher]))[0, 1]),
    }


_GROSS = {"visits": "visits", "earnings": "earned"}  # objective -> account
