"""One self-contained HTML file that shows a run: no script, no link out, all text of models and users escaped."""

from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from experiments import conclusions, figures, town_report
from experiments.files import write_text
from experiments.report_data import ReportData, footnotes

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Picture:
    """A figure with its heading and what to conclude from it."""

    id: str
    title: str
    image: str  # data URI
    caption: str


def write_report(data: ReportData, path: Path) -> Path:
    """The report at `path`, written atomically."""
    write_text(path, render(data))
    return path


def render(data: ReportData) -> str:
    """The report as HTML."""
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)
    environment.filters |= {"number": conclusions.number, "signed": conclusions.signed}
    page = environment.get_template("report.html.j2")
    return page.render(
        data=data,
        headline=conclusions.headline(data),
        footnotes=footnotes(data.methods),
        gains_caption=conclusions.on_gains(data.methods, data.reference),
        gains_image=figures.data_uri(figures.gains(data.methods, data.reference)),
        pictures=pictures(data),
        doubts_caption=conclusions.on_doubts(data.doubts),
        ledger_caption=conclusions.on_ledger(data.ledger),
        colour=figures.colour,
    )


def pictures(data: ReportData) -> list[Picture]:
    """Every figure that the run has numbers for."""
    found: list[Picture] = []
    if data.curves:
        reference = next((m.welfare.value for m in data.methods if m.label == data.reference), None)
        image = figures.learning(data.curves, reference, data.reference)
        found.append(picture("Welfare against real decisions", image, conclusions.on_learning(data.curves)))
    if data.schedules:
        found += _schedule_pictures(data)
    if data.responses:
        text = conclusions.on_responses(data.responses)
        found.append(picture("How people respond", figures.responses(data.responses), text))
    if data.places:
        found.append(picture("Where it is built", town_report.map_of(data.places), town_report.on_map(data.places)))
    if data.outings:
        text = town_report.on_outings(data.outings)
        found.append(picture("How far people go", town_report.outings(data.outings), text))
    if data.paths or data.gates:
        image = figures.dream_and_life(data.paths, data.gates, data.period)
        text = conclusions.on_dreams(data.paths, data.gates, data.period)
        found.append(picture("Imagined against real", image, text))
    if data.courses:
        found.append(
            picture("How the learning went", figures.courses(data.courses), conclusions.on_courses(data.courses))
        )
    if data.recovery:
        image = figures.recovery(data.recovery, data.period)
        text = conclusions.on_recovery(data.recovery, data.period)
        found.append(picture("Inferred traits against declared ones", image, text))
    return found


def _schedule_pictures(data: ReportData) -> list[Picture]:
    learned = data.schedules[0]
    side_by_side = figures.schedules(data.brackets, data.schedules)
    text = conclusions.on_schedules(data.brackets, data.schedules, data.reference)
    by_year = figures.rates_by_year(data.brackets, learned)
    return [
        picture("The schedules", side_by_side, text),
        picture(f"{learned.label}, year by year", by_year, conclusions.on_years(learned)),
    ]


def picture(title: str, figure: figures.Figure, caption: str) -> Picture:
    """A figure as an image that needs no file."""
    name = "".join(c if c.isalnum() else "-" for c in title.lower())
    return Picture(name, title, figures.data_uri(figure), caption)
