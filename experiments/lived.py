"""Real episodes of scripted people that a gradient can pass through: for oracles, which may know the true society.

Hours are hard choices forward and expected hours backward (straight-through, Bengio et al. 2013), as in imagined
episodes; nothing is learned about the people, who are the real ones.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from learning.draws import Draws, draws
from personas.people import People
from personas.rosters import Rosters
from societies.base import Principal, PublicStep, Society, State
from societies.mechanisms import in_force


@dataclass(frozen=True)
class Lived:
    """Fresh rosters by episode number. `soft`: people reply with whole distributions, or with single actions."""

    society: Society
    rosters: Rosters
    seed: int
    soft: bool = True

    def rewards(self, principal: Principal, start: int, worlds: int, copies: int = 1) -> Tensor:
        """[B, T] welfare of each counted step, for `mechanism.improve`."""
        d = Draws(self.seed, draws(self.seed, start, worlds // copies).episodes.repeat(copies))
        return live(self.society, self.rosters.people(d), principal, d, self.soft)


def live(society: Society, people: People, principal: Principal, draws: Draws, soft: bool = True) -> Tensor:
    """[B, T] welfare of one whole episode in each world, 0 in warm-up; forward the same as `societies.play`.

    Differentiable in the principal's parameters. ValueError where the objective needs hidden things.
    """
    levels = society.respond(torch.arange(len(society.choice_names))[None])[0]  # [K, R]
    state, mind = society.reset(people), principal.start(people.worlds)
    seen, welfare = PublicStep(0, state.features, None, None, None, None), list[Tensor]()
    for t in range(society.steps):
        mind, proposed = principal.propose(mind, seen)
        mechanism = in_force(society, t, state.features, proposed)
        log_p = society.teacher(state, mechanism)  # [B, N, K]
        action = draws.choice("decision", t, log_p.detach())
        expected = log_p.exp() @ levels
        response = levels[action] + (expected - expected.detach())
        settled = society.settle(state.features, mechanism, response)
        choice = log_p.exp() if soft else torch.nn.functional.one_hot(action, len(levels)).to(log_p.dtype)
        seen = PublicStep(t + 1, settled.features, state.features, mechanism, response, choice)
        welfare.append(society.public_welfare(settled.accounts) * society.counts(t))
        state = State(t + 1, settled.features, people)
    return torch.stack(welfare, 1)
