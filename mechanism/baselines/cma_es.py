"""CMA-ES straight on real episodes: a fixed mechanism, and a small adaptive one."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from mechanism.policy import to_logits, to_mechanism
from mechanism.search import SearchSettings, search
from societies.base import Principal, PublicStep, Society
from societies.play import Fixed
from societies.stage import Stage
from world_model.records import personal

EPISODES_A_CANDIDATE = 4


@dataclass(frozen=True)
class Linear:
    """Logits linear in two public aggregates: how much people respond, and how well the well-paid do.

    logits = base + slopes @ (mean response last step - its mean so far, covariance of response with the personal
    covariate), so 3 M numbers; M is the size of the mechanism.
    """

    society: Society
    parameters: Tensor  # [3 M]

    def start(self, worlds: int) -> tuple[int, Tensor]:
        """(steps seen, running mean response [B])"""
        return 0, torch.zeros(worlds)

    def propose(self, memory: tuple[int, Tensor], seen: PublicStep) -> tuple[tuple[int, Tensor], Tensor]:
        """[B, M]"""
        count, mean = memory
        base, level, slope = self.parameters.chunk(3)
        if seen.last_response is None:
            return memory, to_mechanism(self.society, base).expand(len(seen.features), -1)
        response = seen.last_response[..., 0]  # [B, N]
        mean = (mean * count + response.mean(1)) / (count + 1)
        person = personal(self.society, seen.features)[..., :1].sum(-1)  # [B, N] zero where nothing is public of people
        tilt = ((response - response.mean(1, keepdim=True)) * person).mean(1)
        logits = base + 10 * (mean - 1)[:, None] * level + 10 * tilt[:, None] * slope
        return (count + 1, mean), to_mechanism(self.society, logits)


def cma_es(
    stage: Stage, adaptive: bool, settings: SearchSettings, seed: int, after: Callable[[int, Principal], None]
) -> Principal:
    """Search on real episodes from the default mechanism; `after(real episodes so far, principal so far)`.

    Costs settings.candidates x EPISODES_A_CANDIDATE real episodes a generation; a generation shares its rosters.
    """
    society = stage.society
    start = to_logits(society, society.default_mechanism())
    start = torch.cat([start, torch.zeros(2 * len(start))]) if adaptive else start

    def principal(parameters: Tensor) -> Principal:
        return Linear(society, parameters) if adaptive else Fixed(to_mechanism(society, parameters))

    def score(parameters: Tensor, generation: int) -> float:
        first = generation * EPISODES_A_CANDIDATE
        return float(stage.play(principal(parameters), first, EPISODES_A_CANDIDATE).returns().mean())

    cost = settings.candidates * EPISODES_A_CANDIDATE
    return principal(search(score, start, settings, seed, lambda done, x: after(done * cost, principal(x))))
