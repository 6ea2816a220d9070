"""Other ways to spend as many calls on the same people: each asks its own. See `experiments.rival_estimates`."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from experiments.answered import EXACT, NONE
from experiments.counterfactual import Answers, Standing, Worth
from experiments.errors import UserError
from experiments.prediction_powered import Estimate, Floats, Ints, drawn, even
from experiments.rival_estimates import adjusted, by_prototypes, of_wage, plain_average, prototypes, standard, typical
from learning.draws import child_seed, draws
from societies.labour import FULL_TIME

AS_CALLS_GROW = "asymptotic"


@dataclass(frozen=True)
class Compared:
    """Another method's estimate of one quantity."""

    method: str
    quantity: str
    estimate: Estimate
    guarantee: str


def rivals(asks: Callable[[Ints], Answers], at: Standing, of: Worth, calls: int, seed: int) -> list[Compared]:
    """Hours and income by every rival. UserError where somebody gives no usable answer: they cannot make up for it."""
    public = standard(of.full[:, None] if at.step == 0 else _public(at))
    worth = {"hours": np.ones(at.size), "income": of.full / FULL_TIME}

    def hours(who: Ints) -> Floats:
        said = asks(who)
        if not said.usable.all():
            raise UserError(
                "some of those asked gave no usable answer, which the rivals cannot make up for",
                fix="leave --rivals out",
            )
        return said.chances @ of.hours

    plan, lots = even(at.size, calls), draws(child_seed(seed, f"rivals {calls}"), 0, 1)
    who = drawn(plan, lots.uniform("sample", 0, at.size)[0].numpy())
    at_random, types = hours(who), typical(public, calls, child_seed(seed, "types") % 2**32)
    some = prototypes(public, calls, child_seed(seed, "prototypes") % 2**32)
    of_types, of_some = hours(types[0]), hours(some.asked)
    found = list[Compared]()
    for name, each in worth.items():
        y = at_random * each[who]
        guess = float((of_types[types[1]] * each).mean())
        found += [
            Compared("plain average", name, plain_average(y, who, plan), EXACT),
            Compared("wage as covariate", name, adjusted(y, of_wage(of.full), who, plan), AS_CALLS_GROW),
            Compared("one call per archetype", name, Estimate(guess, 0.0, np.inf, 1.0), NONE),
            Compared("prototypes, audited", name, by_prototypes(of_some, each, some), EXACT),
        ]
    return found


def _public(at: Standing) -> Floats:
    """[N, 3] what everybody knows of a person: pay, and the last year's hours and net income."""
    places = [at.society.feature_names.index(name) for name in ("log_income", "hours", "net")]
    return at.features[..., places].flatten(0, 1).double().numpy()
