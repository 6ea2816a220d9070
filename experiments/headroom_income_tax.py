"""Claim: the income-tax society leaves as much to be won, and to those who know as much, as it was built to.

`solon headroom income_tax` prints the ladder, from no tax to an oracle that knows every trait. The oracles know the
true society; each knows all that the one before it does: the wages, the community's hidden draws too, every trait.
"""

import hashlib
import json
from dataclasses import asdict

from torch import Tensor

from experiments.claims import Json, Outcome, workplace
from experiments.ladder import FULL, HELD_OUT_SEED, SMOKE, TRAINING_SEED, Found, Scale, climb
from experiments.stages import Stages
from experiments.statistics import Interval, mean_interval, paired_interval

NEAR = 0.02  # welfare: how close a rung must come to its reference
# Measured on a prototype of this society, on other communities.
REFERENCE = {
    "no_tax": 0.528,
    "us_federal": 0.607,
    "flat_30": 0.627,
    "flat_50": 0.675,
    "saez": 0.667,
    "best_fixed": 0.7056,
    "best_path": 0.7075,
    "twin": 0.7501,
    "everything": 0.740,
}
ORDER = ("best_fixed", "wages", "community", "everything")
LABELS = {
    "no_tax": "no tax",
    "us_federal": "US federal",
    "flat_30": "flat 30%",
    "flat_50": "flat 50%",
    "saez": "Saez, true mean elasticity",
    "best_fixed": "best fixed schedule",
    "best_path": "best open-loop path",
    "wages": "oracle: wages",
    "misled": "the twin, misled",
    "twin": "unlimited twin",
    "community": "oracle: wages, community",
    "everything": "oracle: every trait",
    "yearly": "oracle: the same, by year",
}


def claim(smoke: bool) -> Outcome:
    """The whole ladder, and whether it stands as it should."""
    scale = SMOKE if smoke else FULL
    made_for = hashlib.sha256(repr(scale).encode()).hexdigest()[:8]  # another scale finds everything anew
    found = climb(scale, Stages(workplace("headroom_income_tax", smoke) / f"stages-{made_for}"))
    means = {name: float(found.welfare[name].double().mean()) for name in LABELS}
    off = {name: means[name] - level for name, level in REFERENCE.items()}
    near = [name for name, distance in off.items() if abs(distance) <= NEAR]
    steps = [means[name] for name in ORDER]
    ordered = steps == sorted(steps)
    worst = max(off.values(), key=abs)
    return Outcome(
        claim="the ladder of the income-tax society stands: known levels, and who knows more can do more",
        passed=len(near) == len(REFERENCE) and ordered,
        figure=f"{len(near)} of {len(REFERENCE)} levels near (farthest {worst:+.3f}), "
        f"oracles {'in order' if ordered else 'OUT OF ORDER'}",
        bar=f"all within {NEAR} of the reference, oracles in order",
        figures=_figures(found, scale, off),
        seeds=(HELD_OUT_SEED, TRAINING_SEED),
        smoke=smoke,
    )


def _figures(found: Found, scale: Scale, off: dict[str, float]) -> dict[str, Json]:
    fixed = found.welfare["best_fixed"]
    gains = {name: _difference(found.welfare[name], fixed) for name in LABELS}
    return {
        "best_fixed_rates": _rounded(found.best_fixed),
        "best_path": [_rounded(year) for year in found.best_path],
        "saez_rates": _rounded(found.saez),
        "true_mean_elasticity": round(found.elasticity, 4),
        "us_hours": round(found.hours, 2),
        "us_choices_at_a_corner": found.corner,
        "held_out_communities": scale.communities,
        "ladder": [_row(name, found.welfare[name], gains[name]) for name in LABELS],
        "off_reference": {name: round(distance, 4) for name, distance in off.items()},
        "twin_gain": gains["twin"].value,
        "twin_gain_interval": [gains["twin"].low, gains["twin"].high],
        "twin_episodes": scale.twin.iterations * scale.twin.worlds,
        "value_of_traits": _plain(_difference(found.welfare["everything"], found.welfare["wages"])),
        "returns_sha256": {name: _hash(returns) for name, returns in found.welfare.items()},
    }


def _row(name: str, returns: Tensor, gain: Interval) -> dict[str, Json]:
    level = mean_interval(returns.double().numpy())
    return {"name": name, "label": LABELS[name], "welfare": _plain(level), "gain": _plain(gain)}


def _difference(ours: Tensor, theirs: Tensor) -> Interval:
    return paired_interval(ours.double().numpy(), theirs.double().numpy())


def _plain(interval: Interval) -> list[Json]:
    """[value, low, high]"""
    return [round(value, 5) for value in asdict(interval).values()]


def _rounded(rates: Tensor) -> list[Json]:
    return [round(rate, 4) for rate in rates.tolist()]


def _hash(returns: Tensor) -> str:
    """Of every community's welfare to five digits: two runs that agree to that agree here."""
    digits = json.dumps([round(value, 5) for value in returns.tolist()])
    return hashlib.sha256(digits.encode()).hexdigest()[:16]
