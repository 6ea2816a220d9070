"""The table of `imagination_saves_calls`: every method at equal real decisions, and which people it was played with."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeGuard

import numpy as np

from experiments.claims import Json
from experiments.saving_curves import Curves, finals
from experiments.saving_methods import ABLATIONS, People, Tensors
from experiments.saving_scale import Scale
from experiments.saving_units import CMA, REFERENCES, known_schedules, schedule_part, twin_gain
from experiments.saving_work import done
from experiments.statistics import Floats, Interval, crossed_interval, mean_interval

LABELS = {
    "swm_ap": "SWM-AP",
    "ppo": "model-free PPO",
    "equal_updates": "model-free PPO, equal gradient updates (no imagination)",
    "saez": "Saez, estimated elasticity",
    "cma_es_fixed": "CMA-ES, fixed schedule",
    "cma_es_linear": "CMA-ES, adaptive linear",
    "us_federal": "US federal",
    "best_fixed": "best fixed schedule",
    "best_path": "best open-loop path",
    "no_traits": "SWM-AP, a world model without traits",
    "no_beliefs": "SWM-AP without beliefs in the policy's inputs",
    "no_penalty": "SWM-AP without disagreement penalty",
    "backprop": "SWM-AP, back-propagation instead of PPO",
    "mlp_head": "SWM-AP, MLP response head",
    "hard_actions": "SWM-AP told single actions only",
}
PEOPLE = {"scripted": "scripted people", "hard": "scripted people", "embedded": "embedded language model"}
AT_BUDGETS = ("ppo", "saez")  # rivals that learn anew at every budget
ON_THE_WAY = (200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 40_000)  # episodes at which long curves are shown
COLOURS = {"equal_updates": "ppo", "cma_es_fixed": "cma_es", "cma_es_linear": "cma_es"}  # shown as their family


@dataclass(frozen=True)
class Row:
    """One method with one amount of real experience."""

    method: str
    label: str
    people: str
    budget: int | None  # real episodes it was allowed; None = as many as it liked
    decisions: int | None  # real ones it spent, mean over seeds; None = it was given the true society
    welfare: Interval
    gain: Interval  # over US federal, paired
    over_fixed: Interval | None  # over the best fixed schedule, paired
    share_of_twin: float | None  # of the unlimited twin's gain over the best fixed schedule
    seeds: int
    communities: int

    def plain(self) -> dict[str, Json]:
        """For JSON: intervals as [value, low, high]."""
        intervals = {"welfare": self.welfare, "gain": self.gain, "over_fixed": self.over_fixed}
        lists = {name: None if i is None else _plain(i) for name, i in intervals.items()}
        return {**asdict(self), **lists}

    def quoted(self) -> dict[str, Json]:
        """As the report of a run quotes it."""
        amount = f", {self.budget} episodes" if self.budget else ""
        return {
            "name": COLOURS.get(self.method, self.method),
            "label": f"{self.label}{amount} ({self.people})",
            "welfare": _plain(self.welfare),
            "gain": _plain(self.gain),
            "decisions": self.decisions,
            "communities": self.communities,
        }


def _plain(interval: Interval) -> list[Json]:
    return [round(v, 6) for v in (interval.value, interval.low, interval.high)]


@dataclass(frozen=True)
class Table:
    """Reads finished parts of one kind of people and sets them beside the same yardsticks."""

    folder: Path  # the claim's workplace
    people: People
    seeds: int
    per_episode: int  # real decisions of one episode

    def reference(self, name: str) -> Floats | None:
        """[C] welfare of a schedule that was found with the true society, None where it is not known."""
        rates = known_schedules().get(name)
        return None if rates is None else self._reference(schedule_part(name, rates))

    def us(self) -> Floats:
        """[C] welfare under US federal rates, where every method starts."""
        return self._reference("us_federal")

    def _reference(self, part: str) -> Floats:
        return done(self.folder, f"{self.people}-{REFERENCES}", part)["welfare"][-1].double().numpy()

    def parts(self, unit: str, part: str, seeds: int | None = None) -> Curves:
        """One part of every seed, or of the first ones."""
        return [done(self.folder, f"{self.people}-{unit}-{seed}", part) for seed in range(seeds or self.seeds)]

    def less_whole(self, scale: Scale) -> dict[str, Json]:
        """Each ablation less the whole method, same seeds and communities: [value, low, high]."""
        few = scale.ablation_seeds
        whole = finals(self.parts("swm_ap", str(scale.ablation), few))
        return {name: _plain(_interval(finals(self.parts("swm_ap", name, few)) - whole)) for name in ABLATIONS}

    def row(self, method: str, values: Floats, decisions: float | None, budget: int | None = None) -> Row:
        """values: [S, C] welfare of every seed in every community."""
        fixed, twin = self.reference("best_fixed"), twin_gain() if self.people == "scripted" else None
        over = None if fixed is None else _interval(values - fixed)
        return Row(
            method,
            LABELS[method],
            PEOPLE[self.people],
            budget,
            None if decisions is None else round(decisions),
            _interval(values),
            _interval(values - self.us()),
            over,
            None if over is None or twin is None else over.value / twin,
            len(values),
            values.shape[1],
        )

    def learned(self, method: str, parts: Curves, budget: int | None = None) -> Row:
        """The last checkpoint of every seed's part."""
        values = np.stack([part["welfare"][-1].double().numpy() for part in parts])
        return self.row(method, values, self._spent(parts), budget)

    def ended(self, method: str, curves: Curves) -> Row:
        """Long curves at their end."""
        return self.row(method, finals(curves), self._spent(curves))

    def _spent(self, parts: Curves) -> float:
        return self.per_episode * float(np.mean([float(part["episodes"][-1]) for part in parts]))

    def references(self) -> list[Row]:
        """What learns nothing here: US federal, and what the true society gave away."""
        known = {name: self.reference(name) for name in ("best_fixed", "best_path")}
        given = [self.row(name, values[None], None) for name, values in known.items() if values is not None]
        return [self.row("us_federal", self.us()[None], 0), *given]


def _interval(values: Floats) -> Interval:
    return mean_interval(values[0]) if len(values) == 1 else crossed_interval(values)


def up_to(curve: Tensors, episodes: int) -> Tensors | None:
    """The checkpoints of a curve within that many episodes, None where there are none."""
    inside = curve["episodes"] <= episodes
    if not bool(inside.any()):
        return None
    return {name: curve[name][inside] for name in ("episodes", "welfare")}


def scripted_rows(table: Table, scale: Scale, ppo: Curves) -> list[Row]:
    """Everything on scripted people. ppo: the curves of the horizon at which it ends highest."""
    rows = table.references()
    for budget in scale.budgets:
        rows.append(table.learned("swm_ap", table.parts("swm_ap", str(budget)), budget))
        rows += [table.learned(m, table.parts("rivals", f"{m}-{budget}"), budget) for m in AT_BUDGETS]
        rows += [row for name in CMA for row in _within(table, name, table.parts("rivals", name), budget)]
    few = scale.ablation_seeds
    rows += [table.learned(name, table.parts("swm_ap", name, few), scale.ablation) for name in ABLATIONS]
    rows.append(table.learned("equal_updates", table.parts("rivals", "equal_updates", few), scale.ablation))
    for name, curves in [("ppo", ppo), *[(name, table.parts("rivals", name)) for name in CMA]]:
        rows += [row for episodes in ON_THE_WAY for row in _within(table, name, curves, episodes)]
        rows.append(table.ended(name, curves))
    return rows


def _within(table: Table, method: str, curves: Curves, episodes: int) -> list[Row]:
    """Long curves at their last checkpoint within that many episodes; nothing before the first, nor at the end."""
    fitting = [up_to(curve, episodes) for curve in curves]
    inside = [part for part, curve in zip(fitting, curves, strict=True) if _goes_on(part, curve)]
    return [table.learned(method, inside, episodes)] if len(inside) == len(curves) else []


def _goes_on(part: Tensors | None, curve: Tensors) -> TypeGuard[Tensors]:
    return part is not None and len(part["episodes"]) < len(curve["episodes"])


def embedded_rows(table: Table, scale: Scale) -> list[Row]:
    """SWM-AP and PPO on the embedded model's people."""
    rows = table.references()
    for budget in scale.budgets:
        rows.append(table.learned("swm_ap", table.parts("swm_ap", str(budget)), budget))
        rows.append(table.learned("ppo", table.parts("rivals", f"ppo-{budget}"), budget))
    return rows


def quoted_rows(rows: Sequence[Row]) -> list[Json]:
    """Rows for the report of a run: rivals at the budgets of its size on embedded people, and at their very best."""
    embedded = [row for row in rows if row.decisions and row.people == PEOPLE["embedded"]]
    most = max((row.budget or 0 for row in embedded), default=0)
    chosen = [row for row in embedded if _near_a_run(row, most)]
    chosen += [row for row in rows if row.decisions and row.people == PEOPLE["scripted"] and row.budget is None]
    return [row.quoted() for row in chosen]


def _near_a_run(row: Row, most: int) -> bool:
    return (row.method == "ppo" and row.budget in (20, most)) or (row.method == "swm_ap" and row.budget == most)
