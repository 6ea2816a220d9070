"""Other ways to spend as many calls on a mean over a population: what prediction-powered estimates are compared with.

Plain average and regression on the wage: Cochran 1977, chapters 2 and 7. One call per archetype: Chopra et al. 2024
(arXiv 2409.10568). Prototypes with audited residuals: after APS (arXiv 2605.27419), for one step: typical people and
those in the tails are asked, everybody else is taken to answer as the typical ones nearby do, and the audit of a random
few corrects the mean.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from scipy.cluster.vq import kmeans2
from scipy.spatial import KDTree

from experiments.prediction_powered import Design, Estimate, Floats, Ints, mean_estimate

TAILS, AUDITED = 0.1, 0.3  # of the calls of the prototypes: on singular people, and on the audit
NEAR = 3  # prototypes from which somebody's answer is taken
ROUNDS = 10  # of k-means


def plain_average(said: Floats, asked: Ints, plan: Design) -> Estimate:
    """Of answers [n], everybody being as likely to be asked."""
    return mean_estimate(said, np.zeros(plan.people), asked, plan, 0.0)


def adjusted(said: Floats, facts: Floats, asked: Ints, plan: Design) -> Estimate:
    """The average at the mean facts [N, X] of all, by least squares; everybody being as likely to be asked."""
    whole = np.concatenate([np.ones((len(facts), 1)), facts], 1)
    slope = np.linalg.lstsq(whole[asked], said, rcond=None)[0]
    off = said - whole[asked] @ slope
    n, freedom = plan.calls, plan.calls - whole.shape[1]
    error = np.sqrt((1 - n / plan.people) * float(off @ off) / freedom / n)
    return Estimate(float(whole.mean(0) @ slope), float(error), float(freedom), 1.0)


def of_wage(wage: Floats) -> Floats:
    """[N, 2] what is adjusted for: the wage [N] and its logarithm."""
    return np.stack([wage / wage.mean(), np.log(wage)], 1)


def standard(public: Floats) -> Floats:
    """[N, X] in standard deviations, as distances are measured in. A fact that is the same for all is left out."""
    vary = public[:, public.std(0) > 1e-9]
    return (vary - vary.mean(0)) / vary.std(0)


def typical(facts: Floats, count: int, seed: int) -> tuple[Ints, Ints]:
    """Archetypes by k-means on facts [N, X]: the person next to the centre of each [k], and whose each one is [N]."""
    lots = np.random.default_rng(seed)
    start = facts[lots.choice(len(facts), count, replace=False)]
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # of clusters that nobody is left in
        centres, label = kmeans2(facts, start, iter=ROUNDS, minit="matrix")
    there = np.unique(label)  # some may be empty
    label = np.searchsorted(there, label)
    away = ((facts - centres[there][label]) ** 2).sum(1)
    order = np.lexsort((away, label))
    first = np.searchsorted(label[order], np.arange(len(there)))
    return order[first], label


@dataclass(frozen=True)
class Prototypes:
    """Whom APS asks: prototypes, singular people, and those who are audited."""

    asked: Ints  # [n] prototypes first, then singular people, then the audit
    typical: int  # how many are prototypes
    singular: int
    near: Ints  # [N, NEAR] places among the prototypes
    weight: Floats  # [N, NEAR] of their answers


def prototypes(facts: Floats, calls: int, seed: int) -> Prototypes:
    """Of people with public facts [N, X]. Singular are those farthest from everybody else; the audit is random."""
    tails, audited = round(TAILS * calls), round(AUDITED * calls)
    who, _ = typical(facts, calls - tails - audited, seed)
    distance, near = KDTree(facts[who]).query(facts, NEAR)
    far = distance[:, 0].copy()
    far[who] = -1
    singular = np.argsort(-far, kind="stable")[: calls - audited - len(who)]  # and the calls of empty clusters
    rest = np.setdiff1d(np.arange(len(facts)), np.concatenate([who, singular]))
    audit = np.random.default_rng(seed).choice(rest, audited, replace=False)
    weight = 1 / (distance + 1e-6)
    asked, near = np.concatenate([who, singular, audit]), np.asarray(near, dtype=np.int64)
    return Prototypes(asked, len(who), len(singular), near, weight / weight.sum(1, keepdims=True))


def by_prototypes(said: Floats, each: Floats, plan: Prototypes) -> Estimate:
    """Answers [n] of `plan.asked`, each worth so much [N] to whoever gives it (a wage; 1). The error is that
    of the audit's mean residual.
    """
    population, first = len(plan.near), plan.typical + plan.singular
    worth = said * each[plan.asked]
    forecast = (said[: plan.typical][plan.near] * plan.weight).sum(1) * each  # [N]
    known, audit = plan.asked[:first], plan.asked[first:]
    rest = population - first
    off = worth[first:] - forecast[audit]
    total = worth[:first].sum() + forecast.sum() - forecast[known].sum() + rest * off.mean()
    error = rest * np.sqrt((1 - len(audit) / rest) * off.var(ddof=1) / len(audit))
    return Estimate(float(total) / population, float(error) / population, float(len(audit) - 1), 1.0)
