"""What each figure of a report says, in a sentence or two, worked out from its numbers."""

from collections.abc import Sequence

import numpy as np

from experiments.report_data import (
    Account,
    Course,
    Curve,
    Floats,
    Gate,
    Method,
    Path,
    Recovery,
    ReportData,
    Response,
    Schedule,
)
from experiments.statistics import Interval
from world_model.doubts import Doubt

FEW = 5  # communities; the interval of fewer spans little more than their own spread, and leaves out 0 too often


def number(value: float, places: int = 3) -> str:
    """A welfare level: .694."""
    text = f"{value:.{places}f}"
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def signed(value: float, places: int = 3) -> str:
    """A difference: +.031, −.004, with a true minus."""
    return ("+" if value >= 0 else "−") + number(abs(value), places)


def interval(found: Interval) -> str:
    """+.031 (+.027 to +.035)."""
    return f"{signed(found.value)} ({signed(found.low)} to {signed(found.high)})"


def headline(data: ReportData) -> str:
    """The first sentence of the report."""
    ours = data.ours
    if ours is None:
        return "Ways of making the rules, compared on the same held-out communities."
    verdict, spent = _verdict(ours), f"{ours.counted:,}"
    if ours.label == data.reference:
        return (
            f"After {spent} real decisions, {ours.label} reaches a welfare of {number(ours.welfare.value)} on "
            f"{ours.communities} held-out communities. Nothing else was played there to compare it with."
        )
    return (
        f"After {spent} real decisions, {ours.label} {verdict} {data.reference}: "
        f"{interval(ours.gain)} in welfare on {ours.communities} held-out communities."
    )


def _verdict(ours: Method) -> str:
    if ours.communities < FEW:
        return f"was played in too few communities (fewer than {FEW}) to be told apart from"
    if ours.gain.low > 0:
        return "does better than"
    return "does worse than" if ours.gain.high < 0 else "cannot be told apart from"


def on_gains(methods: Sequence[Method], reference: str) -> str:
    """Who is clear of the line."""
    judged = [m for m in methods if m.label != reference and m.communities >= FEW]
    clear = [m.label for m in judged if m.gain.low > 0]
    unclear = [m.label for m in judged if m.gain.low <= 0 <= m.gain.high]
    worse = [m.label for m in judged if m.gain.high < 0]
    few = len(judged) < len([m for m in methods if m.label != reference])
    parts = [f"Better than {reference} beyond chance: {_listed(clear) or 'none'}."]
    parts += [f"Not to be told apart from it: {_listed(unclear)}."] if unclear else []
    parts += [f"Worse: {_listed(worse)}."] if worse else []
    parts += [f"Fewer than {FEW} communities are too few to tell: nothing is said of the others."] if few else []
    parts += ["Hollow points are quoted from full runs, not measured here."] if any(m.quoted for m in methods) else []
    return " ".join(parts)


def on_learning(curves: Sequence[Curve]) -> str:
    """How many decisions the others need for what the first curve reaches."""
    if not curves:
        return ""
    ours, level = curves[0], float(curves[0].mean[-1])
    told = [f"{ours.label} ends at {number(level)} after {ours.decisions[-1]:,.0f} real decisions."]
    told += ["It was judged at its end only; the line leads there from where it began."] if len(ours.mean) == 2 else []
    alike = [rival for rival in curves[1:] if rival.people == ours.people]
    for rival in alike:
        reached = np.flatnonzero(rival.mean >= level)
        if len(reached):
            needed = float(rival.decisions[reached[0]])
            told.append(f"{rival.label} is there after {needed:,.0f}, {needed / ours.decisions[-1]:.1f} times as many.")
        else:
            told.append(f"{rival.label} is not there after {rival.decisions[-1]:,.0f}.")
    told += ["Curves of other people are at levels of their own."] if len(alike) + 1 < len(curves) else []
    return " ".join(told)


def on_schedules(brackets: Floats, drawn: Sequence[Schedule], reference: str) -> str:
    """Where the learned schedule takes more than the reference, and where less."""
    theirs = next((s for s in drawn if s.label == reference), None)
    if not drawn or theirs is None or theirs is drawn[0]:
        return ""
    difference = drawn[0].rates - theirs.rates
    more, less = _ranges(brackets, difference > 0.02), _ranges(brackets, difference < -0.02)
    parts = [f"more than {reference} on incomes {more}"] if more else []
    parts += [f"less on incomes {less}"] if less else []
    taken = " and ".join(parts) or f"about what {reference} does"
    spread = float((drawn[0].high - drawn[0].low).mean())
    return (
        f"{drawn[0].label} takes {taken}. Its rates differ between communities and years: the band, which holds 8 of "
        f"10 cases, is {_points(spread)} wide on average. Few people earn enough for the top brackets, so "
        "those rates matter little."
    )


def _ranges(brackets: Floats, chosen: np.ndarray) -> str:
    """Neighbouring brackets as ranges of income."""
    found: list[str] = []
    start: int | None = None
    for j in range(len(brackets) + 1):
        inside = j < len(brackets) and bool(chosen[j])
        if inside and start is None:
            start = j
        if not inside and start is not None:
            top = f" to ${brackets[j]:,.0f}" if j < len(brackets) else " upwards"
            found.append(f"from ${brackets[start]:,.0f}{top}")
            start = None
    return _listed(found)


def on_years(schedule: Schedule) -> str:
    """Does the schedule move over time?"""
    swing = float((schedule.by_year.max(0) - schedule.by_year.min(0)).max())
    if swing < 0.03:
        return (
            "Averaged over communities the rates hardly move over the years: what adapts is who pays where, not when."
        )
    return f"Averaged over communities the rates move by up to {_points(swing)} over the years."


def _points(share: float) -> str:
    """Percentage points in words."""
    return "less than 1.5 points" if share < 0.015 else f"{100 * share:.0f} points"


def on_responses(drawn: Sequence[Response]) -> str:
    """How strongly people answer, and whether the model saw it."""
    real = next((r for r in drawn if r.real), None)
    if real is None or len(real.kept) < 2:
        return ""
    text = (
        f"Those who keep {real.kept[-1]:.0%} of the next dollar work {real.hours[-1]:.1f} hours a week, those who keep "
        f"{real.kept[0]:.0%} work {real.hours[0]:.1f}."
    )
    model = next((r for r in drawn if not r.real and r.kept.shape == real.kept.shape), None)
    if model is not None:
        off = np.nanmean(np.abs(model.hours - real.hours))
        text += f" The world model, fitted to these episodes, is off by {off:.1f} hours on average."
    return text


def on_dreams(paths: Sequence[Path], gates: Sequence[Gate], period: str) -> str:
    """Do dream and life agree?"""
    real = next((p for p in paths if p.real), None)
    dreamt = next((p for p in paths if not p.real), None)
    parts: list[str] = []
    if real is not None and dreamt is not None and np.abs(real.mean).mean() > 0:
        off = float(np.abs(dreamt.mean - real.mean).mean() / np.abs(real.mean).mean())
        parts.append(
            f"{period.capitalize()} by {period}, imagined welfare is off by {off:.1%} of the real level on average."
        )
    if gates:
        last = gates[-1]
        parts.append(
            f"In the last real check the policy gained {signed(last.real)} over its own average rules in life and "
            f"{signed(last.dreamt)} in imagination. On the grey line the two agree; few communities make a check, so "
            "points scatter."
        )
    return " ".join(parts)


def on_courses(courses: Sequence[Course]) -> str:
    """From where to where, and whether it had come to rest."""
    told = [_course(c) for c in courses if len(c.values)]
    kinds = {c.value for c in courses}
    if "imagined welfare" in kinds:
        told += [
            "Imagined welfare is that of exploring play, less the penalty where the models of the ensemble disagree."
        ]
    if "welfare" in kinds:
        told += ["Welfare that is not called so is that of exploring play in real episodes."]
    return " ".join(told)


def _course(course: Course) -> str:
    values = course.values
    fifth = max(1, len(values) // 5)
    end = float(values[-fifth:].mean())
    moved = (
        f", {signed(end - float(values[-2 * fifth : -fifth].mean()))} in the last fifth"
        if len(values) > 2 * fifth
        else ""
    )
    label = course.label[:1].upper() + course.label[1:]
    return f"{label}: {course.value} from {number(float(values[0]))} to {number(end)}{moved}."


def on_recovery(found: Recovery, period: str) -> str:
    """What the belief knows after three periods of what matters."""
    seen = min(3, found.r2.shape[1])
    known = [(t, found.r2[i, seen - 1]) for i, t in enumerate(found.traits) if found.matters[i]]
    told = _listed([f"{max(0.0, r2):.0%} of the variance of {t.replace('_', ' ')}" for t, r2 in known])
    below = " Below zero, a guess is worse than the mean would be." if (found.r2 < 0).any() else ""
    return (
        f"After {seen} counted {period}s the belief knows {told}, on which the best policy depends (solid lines). The "
        f"declared values were never an input: they are read from the personas for this figure only.{below}"
    )


def on_ledger(ledger: Sequence[Account]) -> str:
    """What was asked, what was not, and what went wrong."""
    real, cached = sum(a.real for a in ledger), sum(a.cached for a in ledger)
    failed, imagined = sum(a.failed for a in ledger), sum(a.imagined for a in ledger)
    asked = real + cached
    parts = [f"{asked:,} decisions were lived: {real:,} by a call to the model, {cached:,} from an earlier answer."]
    parts += [f"{imagined:,} were imagined, {imagined / asked:,.0f} for each lived one."] if imagined and asked else []
    share = f"{failed / max(asked, 1):.1%}" if failed * 1000 >= asked else "less than 0.1%"
    parts.append(f"{failed:,} ended in a fallback ({share})." if failed else "None ended in a fallback.")
    return " ".join(part for part in parts if part)


def on_doubts(doubts: Sequence[Doubt]) -> str:
    """What the assumed form of people misses, if anything."""
    fired = [doubt.richer for doubt in doubts if doubt.fires]
    if not fired:
        return "No richer model of people foretold episodes better, beyond chance, that neither had seen."
    return (
        f"Episodes that neither model had seen are foretold better, beyond chance, by allowing for {_listed(fired)}: "
        "people are not quite of the assumed form, and what was learned in imagination leaves that out."
    )


def _listed(items: Sequence[str]) -> str:
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"
