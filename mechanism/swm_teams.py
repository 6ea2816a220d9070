"""SWM-AP in team formation: a few real episodes, a world model of hidden kinds, and a principal that plans in it.

The principal plans anew at every decision, in the learned model and from learned beliefs; no network imitates it.
"""

from dataclasses import dataclass, field

from learning.draws import child_seed, draws
from mechanism.explore import RandomRules
from mechanism.team_planning import LearnedTeams, probed
from societies.stage import Stage
from societies.team_features import PERSONAL
from world_model.team_facts import of_episode
from world_model.team_kinds import TeamFit, fit_teams, refit


@dataclass(frozen=True)
class TeamSettings:
    """All that can be set."""

    fit: TeamFit = field(default_factory=TeamFit)
    samples: int = 4  # of who everyone is, per decision
    probe_samples: int = 1  # the same, while the first partition is searched for
    probe_refits: int = 4  # of the model, which believe and plan meanwhile
    probe_episodes: int = 150  # imagined ones in every round of the search for the first partition


@dataclass(frozen=True)
class TeamOutcome:
    """What was learned, and what it cost."""

    learned: LearnedTeams
    real_episodes: int
    imagined_episodes: int


def swm_teams(stage: Stage, episodes: int, settings: TeamSettings, seed: int) -> TeamOutcome:
    """Learn a principal from that many real episodes under random partitions.

    ValueError for no episodes or refits, and for a society other than team formation.
    """
    if episodes < 1:
        raise ValueError(f"{episodes} real episodes teach nothing; give at least 1")
    if settings.probe_refits < 1:
        raise ValueError(
            f"probe_refits is {settings.probe_refits}; somebody has to plan what is imagined: give at least 1"
        )
    if stage.society.personal != PERSONAL:
        raise ValueError(f"{stage.society.name} has no teams to form; this learner is for team formation only")
    explorer = RandomRules(stage.society, draws(stage.seed, 0, episodes))
    seen = stage.play(explorer, 0, episodes)
    facts = of_episode(seen)
    model = fit_teams(facts, child_seed(seed, "fit"), settings.fit)
    others = [refit(model, facts, child_seed(seed, f"refit {i}"), settings.fit) for i in range(settings.probe_refits)]
    first, imagined = probed(model, others, child_seed(seed, "probe"), settings.probe_episodes, settings.probe_samples)
    principal = LearnedTeams(model, child_seed(seed, "plans"), first, settings.samples)
    return TeamOutcome(principal, episodes, imagined)
