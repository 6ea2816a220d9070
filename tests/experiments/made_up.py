"""A report's numbers, made up: for tests of the report and for looking at it, never for a claim."""

import numpy as np

from experiments.report_data import (
    Account,
    Asked,
    Course,
    Curve,
    Gate,
    Method,
    Path,
    Recovery,
    ReportData,
    Response,
    Schedule,
    Strange,
    Uncounted,
)
from experiments.statistics import Interval
from societies.taxes import US_BRACKETS, US_RATES

HOSTILE = '</div><script>alert("x")</script>{{ 7 * 7 }}<img src=http://evil.example/x>'
SAEZ = (0.55, 0.52, 0.47, 0.44, 0.43, 0.42, 0.42)
FIXED = (0.0, 0.65, 0.73, 0.68, 0.66, 0.59, 0.51)


def around(value: float, half: float) -> Interval:
    return Interval(value, value - half, value + half)


def schedule(name: str, label: str, rates: tuple[float, ...], wobble: float = 0.0) -> Schedule:
    mean = np.array(rates)
    drift = wobble * np.linspace(-1, 1, 10)[:, None]
    return Schedule(name, label, mean, np.clip(mean - 3 * wobble, 0, 1), np.clip(mean + 3 * wobble, 0, 1), mean + drift)


def curve(name: str, label: str, steps: list[int], values: list[float], quoted: str | None = None) -> Curve:
    mean = np.array(values)
    return Curve(name, label, np.array(steps, dtype=float), mean, mean - 0.006, mean + 0.006, quoted)


def methods() -> tuple[Method, ...]:
    quoted = "results/imagination_saves_calls.json"
    return (
        Method("swm_ap", "SWM-AP", around(0.7331, 0.012), around(0.1262, 0.009), 9216, 24),
        Method(
            "best_fixed",
            "Best fixed schedule",
            around(0.7056, 0.011),
            around(0.0986, 0.008),
            Uncounted.TRUE_SOCIETY,
            24,
        ),
        Method("saez", "Saez", around(0.667, 0.014), around(0.06, 0.007), 0, 24),
        Method("us_federal", "US federal", around(0.607, 0.012), Interval(0, 0, 0), 0, 24),
        Method("ppo", "Model-free PPO", around(0.612, 0.01), around(0.004, 0.006), 9216, 200, quoted),
    )


def data() -> ReportData:
    kept = np.linspace(0.1, 0.9, 7)
    hours = 31 + 12 * kept
    years = np.linspace(0.715, 0.74, 10)
    return ReportData(
        title="A tax policy for towns of 32",
        society="income_tax",
        objective="equality_productivity",
        population="the language model “embedded”, asked for the probability of every choice",
        stand_in="all",
        reference="US federal",
        methods=methods(),
        curves=(
            curve("swm_ap", "SWM-AP", [1536, 4608, 9216], [0.655, 0.713, 0.733]),
            curve(
                "ppo",
                "Model-free PPO",
                [9216, 38400, 153600, 614400, 1228800],
                [0.61, 0.64, 0.70, 0.735, 0.739],
                "results/imagination_saves_calls.json",
            ),
        ),
        brackets=np.array(US_BRACKETS),
        schedules=(
            schedule("swm_ap", "SWM-AP", (0.02, 0.66, 0.72, 0.69, 0.65, 0.6, 0.55), 0.03),
            schedule("us_federal", "US federal", US_RATES),
            schedule("saez", "Saez", SAEZ),
            schedule("best_fixed", "Best fixed schedule", FIXED),
        ),
        responses=(
            Response("real", True, kept, hours, hours / 40, hours - 0.5, hours + 0.5),
            Response("imagined", False, kept, hours + 0.4, (hours + 0.4) / 40, hours, hours + 0.8),
        ),
        period="year",
        places=(),
        outings=(),
        doubts=(),
        paths=(
            Path("real", True, years, years - 0.01, years + 0.01),
            Path("imagined", False, years + 0.006, years - 0.002, years + 0.014),
        ),
        courses=(
            Course("fitting the world model", "loss", np.arange(1.0, 11), np.linspace(2.5, 1.5, 10)),
            Course(
                "improving the policy by back-propagation",
                "imagined welfare",
                np.arange(1.0, 11),
                np.linspace(0.6, 0.7, 10),
            ),
        ),
        gates=(Gate(6144, 0.021, 0.014), Gate(9216, 0.028, 0.026)),
        recovery=Recovery(
            ("elasticity", "fairness", "preferred_hours", "habit"),
            np.array(
                [
                    [0.5, 0.62, 0.7, 0.72, 0.74],
                    [0.1, 0.4, 0.55, 0.6, 0.62],
                    [0.6, 0.75, 0.8, 0.82, 0.83],
                    [-0.01, 0.05, 0.1, 0.14, 0.18],
                ]
            ),
            (True, True, False, False),
        ),
        asked=(
            Asked(
                "training, community 3, year 5, person 12",
                HOSTILE,
                "Now: net 74 at 40 hours.",
                HOSTILE,
                "40 hours",
                "fallback repeat_last: no JSON in the reply",
                True,
                False,
            ),
            Asked(
                "training, community 0, year 1, person 1",
                "You are Maria Keller, 44, a nurse.",
                "Last year: 35 hours, net 88.\nNow: net 74 at 40 hours.",
                '{"hours": 35}',
                "35 hours",
                "read",
                False,
                True,
            ),
        ),
        ledger=(
            Account("learning", 7311, 369, 12, 1, 0, 7323, 0, 1_912_345, 7680, 41.0),
            Account("imagination", 0, 0, 0, 0, 7_372_800, 0, 0, 0, 0, 151.0),
            Account("evaluation: US federal", 8991, 225, 0, 0, 0, 8991, 32, 2_301_400, 9216, 38.5),
        ),
        strangers=(Strange("maria-keller", ("children's", "ward", "fiercely"), 3),),
        edited=("maria-keller",),
        own_words=("maria-keller.habit",),
        notes=("the commit was 0123abc when this run was last worked on, and is 4567def now",),
        config="name: demo\nseed: 0\n",
        made={"commit": "0ad8df2a1b2c", "seed": "0", "hardware": "2 x Example CPU, 24 GiB, no GPU", "people": "a1b2c3"},
    )
