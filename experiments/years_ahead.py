"""Several years under the same rules, by the world model alone: no answer corrects them, so nothing is guaranteed."""

from collections.abc import Mapping

import torch
from torch import Tensor

from experiments.counterfactual import Standing
from learning.draws import Draws
from world_model.expect import believed, drawn
from world_model.imagine import World
from world_model.model import WorldModel

COURSES = 8  # imagined ones of each town, by each member of the ensemble


def years_ahead(model: WorldModel, at: Standing, mechanism: Tensor, years: int) -> Mapping[str, float]:
    """Every account's mean over towns, years and imagined courses, with `mechanism` [B, M] in force all the time."""
    belief, members = believed(model, at.society, at.seen, at.features), model.members
    rules, start = (x.repeat_interleave(members, 0) for x in (mechanism, at.features))  # [B S, ...]
    total = dict[str, float]()
    for course in range(COURSES):
        draws = Draws(at.draws.seed + course, at.draws.episodes.repeat_interleave(members))
        z = drawn(model, belief, at.draws, course).repeat_interleave(members, 0)
        world, features = World(model, at.society, z, draws, soft=True), start
        for t in range(at.step, at.step + years):
            with torch.no_grad():
                step, features = world.step(t, features, rules)
            for name, value in step.accounts.items():
                total[name] = total.get(name, 0.0) + float(value.mean()) / (COURSES * years)
    return total
