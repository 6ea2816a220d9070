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
from societies.base import Principal, PublicStep
from societies.library.income_tax import IncomeTax
from societies.play import in_force


@dataclass(frozen=True)
class Lived:
    """Fresh rosters by episode number. `soft`: people reply with whole distributions, or with single actions."""

    society: IncomeTax
    rosters: Rosters
    seed: int
    soft: bool = True

    def rewards(self, principal: Principal, start: int, worlds: int) -> Tensor:
        """[B, T] welfare of each counted step, for `mechanism.improve`."""
        d = draws(self.seed, start, worlds)
        return live(self.society, self.rosters.people(d), principal, d, self.soft)


def live(society: IncomeTax, people: People, principal: Principal, draws: Draws, soft: bool = True) -> Tensor:
    """[B, T] welfare of one whole episode in each world, 0 in warm-up; forward the same as `societies.play`.

    Differentiable in the principal's parameters.
    """
    levels = society.respond(torch.arange(len(society.choice_names))[None])[0]  # [K, R]
    state, mind = society.reset(people), principal.start(people.worlds)
    seen, welfare = PublicStep(0, state.features, None, None, None, None), list[Tensor]()
    for t in range(society.steps):
        mind, proposed = principal.propose(mind, seen)
        mechanism = in_force(society, t, proposed)
        log_p = society.teacher(state, mechanism)  # [B, N, K]
        action = draws.choice("decision", t, log_p.detach())
        expected = log_p.exp() @ levels
        step = society.step_with(state, mechanism, levels[action] + (expected - expected.detach()))
        choice = log_p.exp() if soft else torch.nn.functional.one_hot(action, len(levels)).to(log_p.dtype)
        seen = PublicStep(t + 1, step.state.features, state.features, mechanism, step.response, choice)
        welfare.append(step.welfare * society.counts(t))
        state = step.state
    return torch.stack(welfare, 1)
