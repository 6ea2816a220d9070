"""Do a town's bars hold? Real decisions against PPO's, the end against learned baselines, the way to exact Bayes."""

from collections.abc import Mapping
from dataclasses import dataclass

from experiments.claims import Json
from experiments.saving_curves import Curves, finals, rises_at_the_end
from experiments.saving_verdict import Saving, fraction, saving
from experiments.statistics import Interval
from experiments.town_table import TownTable, paired, plain

BAR = 1 / 25  # of PPO's real decisions
NEAR = 0.01  # as close to planning in the same model, in levels
RECOVERED = 0.8  # of the way from the trait-blind planner to exact Bayes


@dataclass(frozen=True)
class Verdict:
    """On one town."""

    town: str
    saving: Saving
    over: Mapping[str, Interval]  # SWM-AP at its largest budget less each learned baseline at its end, paired
    less_planned: Interval  # SWM-AP less planning in its own model
    recovered: Interval
    levelled_off: bool  # PPO: a longer schedule adds little
    rising: tuple[str, ...]  # learned baselines that still rise where their runs end

    @property
    def bars(self) -> dict[str, bool]:
        """Each with whether it is met."""
        share = self.saving.share.value
        return {
            "saving": share is not None and share <= BAR,
            "above_every_baseline": all(gain.low > 0 for gain in self.over.values()),
            "near_planning": self.less_planned.value >= -NEAR,
            "recovered": self.recovered.value >= RECOVERED,
            "ppo_levelled_off": self.levelled_off,
            "no_baseline_rises_at_its_end": not self.rising,
        }

    def headline(self) -> str:
        """As it should be read aloud."""
        missed = [name.replace("_", " ") for name, met in self.bars.items() if not met]
        return (
            f"{self.town}: {fraction(self.saving.share)} of PPO's decisions, {self.recovered.value:.0%} of the way to "
            f"exact Bayes, {self.less_planned.value:+.3f} to planning{f', MISSED {missed}' if missed else ''}"
        )

    def plain(self) -> dict[str, Json]:
        """For JSON."""
        return {
            **self.saving.plain(),
            "over_baselines": {name: plain(gain) for name, gain in self.over.items()},
            "less_planning": plain(self.less_planned),
            "recovered": plain(self.recovered),
            "rising_at_their_end": list(self.rising),
            "bars": {**self.bars},
        }


def verdict(table: TownTable, ppo: Mapping[int, Curves], learned: Mapping[str, Curves], levelled_off: bool) -> Verdict:
    """ppo: curves by horizon, the longest last. learned: every learned baseline's curves."""
    per_episode = table.decisions_per_episode
    most = table.scale.budgets[-1:]
    ours, planned = finals(table.swm(most)), finals(table.swm(most, planned=True))
    return Verdict(
        table.town,
        saving(ppo, table.swm(table.scale.budgets), table.known("random"), per_episode),
        {name: paired(ours, finals(curves)) for name, curves in learned.items()},
        paired(ours, planned),
        table.gap(ours, "bayes"),
        levelled_off,
        tuple(name for name, curves in learned.items() if rises_at_the_end(curves)),
    )
