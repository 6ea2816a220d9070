"""What SWM-AP saves against PPO and against CMA-ES: real decisions to the same point, as a ratio of medians."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from experiments.claims import Json
from experiments.saving_curves import Curves, finals, highest, reach, rises_at_the_end, soonest
from experiments.saving_table import LABELS, Table
from experiments.saving_units import CMA
from experiments.statistics import Floats, Reach, Share, censored_median, share_interval

BAR, BAR_CMA = 1 / 20, 1 / 3
POINT = 0.95  # of the rival's whole gain over where it starts


@dataclass(frozen=True)
class Saving:
    """Against PPO, by paired seed."""

    start: float  # welfare where everybody starts: without having learned anything
    ppo_final: float  # at the end of the horizon at which PPO ends highest, mean over seeds
    ppo_highest: int  # episodes of that horizon
    point: float  # welfare at which PPO has made 95% of its whole gain
    ppo_rises_at_the_end: bool  # in the last 30% of its longest curves; a falling learning rate alone can flatten it
    ppo_horizon: int  # episodes of the schedule that reaches the point soonest
    ppo: list[Reach]  # real decisions
    swm: list[Reach]
    share: Share

    @property
    def needed_by_ppo(self) -> float:
        """Real decisions of its median seed; where that is not known, those at which its longest run ended."""
        median = censored_median(self.ppo)
        return max(r.spent for r in self.ppo) if median is None else median

    def headline(self) -> str:
        """As it should be read aloud."""
        return f"{fraction(self.share)} of PPO's decisions"

    def plain(self) -> dict[str, Json]:
        """For JSON."""
        medians = {"swm_ap": censored_median(self.swm), "ppo": censored_median(self.ppo)}
        return {
            "share": self.share.value,
            "share_interval": [self.share.low, self.share.high],
            "median_decisions": {**medians},
            "point": self.point,
            "start": self.start,
            "ppo_final": self.ppo_final,
            "ppo_highest": self.ppo_highest,
            "ppo_longest_rises_at_the_end": self.ppo_rises_at_the_end,
            "ppo_horizon": self.ppo_horizon,
            "reached": {"swm_ap": _plain(self.swm), "ppo": _plain(self.ppo)},
        }


def holds(found: Saving, levelled_off: bool, cma: "AgainstCMA") -> bool:
    """Both bars, against a PPO that a longer run no longer improves, and CMA-ES on fixed schedules."""
    return levelled_off and found.share.value is not None and found.share.value <= BAR and cma.met


def fraction(share: Share) -> str:
    """1/35 (1/50 to 1/20), where the bounds are known."""
    if share.value is None:
        return "an unknown share (not reached)"
    low, high = ("without bound" if x is None else _one_in(x) for x in (share.low, share.high))
    return f"{_one_in(share.value)} ({low} to {high})"


def _one_in(x: float) -> str:
    times = float(f"{1 / x:.3g}")
    return f"1/{times:,.0f}" if times >= 100 else f"1/{times:g}"


def _plain(reaches: Sequence[Reach]) -> list[Json]:
    return [asdict(r) for r in reaches]


def saving(ppo: Mapping[int, Curves], swm: Curves, untaught: Floats, per_episode: int) -> Saving:
    """ppo: curves by horizon, the longest last; swm: by seed; untaught: [C] welfare of who has learned nothing."""
    longest, best = list(ppo.values())[-1], highest(ppo)
    start, end = float(untaught.mean()), float(finals(ppo[best]).mean())
    point = start + POINT * (end - start)
    horizon, theirs = soonest(ppo, point, per_episode)
    ours = [reach(curve, point, per_episode) for curve in swm]
    share = share_interval(ours, theirs)
    return Saving(start, end, best, point, rises_at_the_end(longest), horizon, theirs, ours, share)


@dataclass(frozen=True)
class AgainstCMA:
    """Real decisions of SWM-AP to CMA-ES's final welfare, as a share of CMA-ES's own."""

    name: str
    final: float  # welfare at the end of CMA-ES, mean over seeds
    spent: float  # real decisions until its end
    ours: list[Reach]  # to its final welfare
    theirs: list[Reach]  # to 95% of its own gain: kinder to it than its end
    share: Share  # ours / theirs

    @property
    def met(self) -> bool:
        """The bar, against the kinder count."""
        return self.share.value is not None and self.share.value <= BAR_CMA

    def headline(self) -> str:
        """As it should be read aloud."""
        return f"{fraction(self.share)} of those of {LABELS[self.name]}"

    def plain(self) -> dict[str, Json]:
        """For JSON."""
        ours = censored_median(self.ours)
        return {
            "final": self.final,
            "decisions_to_its_end": self.spent,
            "median_decisions": {"swm_ap": ours, self.name: censored_median(self.theirs)},
            "share": self.share.value,
            "share_interval": [self.share.low, self.share.high],
            "share_of_its_end": None if ours is None else ours / self.spent,
            "reached": {"swm_ap": _plain(self.ours), self.name: _plain(self.theirs)},
        }


def cma_savings(table: Table, swm: Curves) -> dict[str, AgainstCMA]:
    """Both forms of CMA-ES. swm: SWM-AP's curves by seed."""
    return {name: _against(name, table.parts("rivals", name), swm, table) for name in CMA}


def _against(name: str, curves: Curves, swm: Curves, table: Table) -> AgainstCMA:
    start, end = float(table.us().mean()), float(finals(curves).mean())
    ours = [reach(curve, end, table.per_episode) for curve in swm]
    theirs = [reach(curve, start + POINT * (end - start), table.per_episode) for curve in curves]
    spent = float(curves[0]["episodes"][-1]) * table.per_episode
    return AgainstCMA(name, end, spent, ours, theirs, share_interval(ours, theirs))
