"""Fitting the link from declared to inferred traits, and choosing its form by people who were left out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from experiments.persona_link import FORMS, Fitted, Form, Link, Played, Reach, Score, reach
from experiments.stages import TENSORS, Stages
from learning.draws import child_seed
from world_model.fit import Progress, quiet, rate, weighted
from world_model.model import WorldModel
from world_model.response import Utilities
from world_model.traits import Tracker

BATCH, SLOTS = 8, 3  # episodes and steps that an optimiser step reads
LEARNING_RATE = 1e-2
PULL = 0.001  # how much a belief about somebody counts, against one of their choices
PARTS = 4  # of the people, each left out once


@dataclass(frozen=True)
class Watching:
    """People already played as the world model reads them; the world model itself is not moved."""

    model: WorldModel
    of: Played
    inputs: Tensor  # [E, N, X]
    prospects: Tensor  # [E, T, N, K, 2 D] standardised
    state: Tensor  # [E, T, N, O] likewise
    inferred: Tensor  # [E, N, Z] from their whole histories
    spread: Tensor  # [E, N, Z] standard deviation of what is believed then
    at_first: Tensor  # [E, N, Z] from the census alone

    def log_probs(self, z: Tensor, episodes: Tensor, steps: Tensor) -> Tensor:
        """z [L, E', N, Z] by each of L links -> log p [S, L, E', t, N, K] of the choices in those steps [t]."""
        at, wide = (episodes[:, None], steps), (self.model.members, len(z), len(episodes), len(steps))
        facts = [x[at][None, None] for x in (self.prospects, self.state, self.of.data.open)]  # [1, 1, E', t, N, ...]
        prospects, state, open_ = (x.expand(*wide, *x.shape[4:]) for x in facts)
        if isinstance(self.model.head, Utilities):  # what choices bring is the same whatever the link: once is enough
            prospects = prospects[:, :1]
        return self.model.head(prospects, state, z[None, :, :, None].expand(*wide, *z.shape[2:]), open_)


def watching(model: WorldModel, of: Played) -> Watching:
    """ValueError where the world model knows people as kinds or rosters as classes, not by numbers."""
    if not isinstance(model.tracker, Tracker):
        raise ValueError("this world model knows people as kinds; a link needs model.latent: gaussian")
    data = of.data
    with torch.no_grad():
        evidence = model.evidence(data.prospects, data.features, data.choice, data.open)
        belief = model.tracker.beliefs(evidence, data.covariates)
        first = model.tracker.at_first(data.covariates)
        scaled = model.scaler.prospects(data.prospects)
    known = (belief.mean[:, -1], belief.log_sd[:, -1].exp(), first.mean)
    return Watching(model, of, of.inputs, scaled, model.state(data.features), *known)


def fit_links(
    of: Watching, form: Form, who: Tensor, soft_weight: float, seed: int, progress: Progress = quiet
) -> list[Link]:
    """A link of that form to each of L masks of people `who` [L, E, N]. ValueError where one is of nobody."""
    if not who.flatten(1).any(1).all():
        raise ValueError("a link needs people already played")
    links = [Link(form, of.inputs.shape[-1], of.inferred.shape[-1], child_seed(seed, form.name)) for _ in who]
    for link, mask in zip(links, who, strict=True):
        link.start(of.inputs[mask], of.inferred[mask])
    generator = torch.Generator().manual_seed(child_seed(seed, "order"))
    optimizer = torch.optim.Adam([own for link in links for own in link.parameters()], lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda i: rate(i / max(form.steps, 1)))
    for i in range(form.steps):
        loss = _loss(of, links, who, soft_weight, generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        progress(f"fitting the link: {form.name}", i + 1, form.steps, loss.item())
    return [link.requires_grad_(False) for link in links]


def _loss(of: Watching, links: Sequence[Link], who: Tensor, soft_weight: float, generator: torch.Generator) -> Tensor:
    """Minus the mean log-likelihood of some replies of each link's people, summed over the links; and how far z is from
    what was inferred, so that z stays near it where decisions do not tell.
    """
    episodes, steps = of.of.data.choice.shape[:2]
    some = torch.randperm(episodes, generator=generator)[:BATCH]
    times = torch.randperm(steps, generator=generator)[:SLOTS]
    z, mask = torch.stack([link(of.inputs[some]) for link in links]), who[:, some]  # [L, E', N, Z], [L, E', N]
    replies = weighted(of.of.data.choice[some[:, None], times], soft_weight) * mask[:, :, None, :, None]
    fitness = (replies * of.log_probs(z, some, times).mean(0)).flatten(1).sum(1)  # [L]
    apart = (((z - of.inferred[some]) / of.spread[some]).square().sum(-1) / 2 * mask).flatten(1).sum(1)  # [L]
    return (PULL * apart / mask.flatten(1).sum(1).clamp_min(1) - fitness / replies.flatten(1).sum(1).clamp_min(1)).sum()


def fitted(
    model: WorldModel,
    of: Played,
    soft_weight: float,
    seed: int,
    forms: Sequence[Form] = FORMS,
    progress: Progress = quiet,
) -> Fitted:
    """The form that predicts the decisions of people left out best, fitted on everybody.

    ValueError: see `watching`; or fewer people than parts.
    """
    seen = watching(model, of)
    parts = of.folds(PARTS, torch.Generator().manual_seed(child_seed(seed, "parts")))
    if len(parts.unique()) < PARTS:
        raise ValueError(f"{len(parts.unique())} different people were played; a link needs at least {PARTS}")
    who = torch.stack([parts != part for part in range(PARTS + 1)])  # nobody is in the last part: all are fitted on
    tried = {form: fit_links(seen, form, who, soft_weight, seed, progress) for form in forms}
    scores = {form: score(seen, form.name, _each(seen, links, parts)) for form, links in tried.items()}
    best = min(forms, key=lambda form: scores[form].loss)
    beside = (score(seen, "the census alone", seen.at_first), score(seen, "their own decisions", seen.inferred))
    *without, link = tried[best]
    return Fitted(of.names, of.worded, link, tuple(without), best, tuple(scores.values()), beside, reach(of))


def _each(of: Watching, links: Sequence[Link], parts: Tensor) -> Tensor:
    """[E, N, Z] of everybody by the link that was not fitted on them."""
    found = torch.stack([link(of.inputs) for link in links])  # [L, E, N, Z]
    return found.gather(0, parts[None, ..., None].expand(1, *found.shape[1:]))[0]


@torch.no_grad()
def score(of: Watching, name: str, z: Tensor) -> Score:
    """Of z [E, N, Z], over all decisions of which there is a usable reply."""
    data, levels = of.of.data, of.of.levels
    steps, parts = torch.arange(data.choice.shape[1]), list[Tensor]()
    for episode in torch.arange(len(z)):
        chances = of.log_probs(z[None, episode[None]], episode[None], steps).exp()[:, 0, 0]  # [S, T, N, K]
        mean, replies = chances.mean(0), data.choice[episode]
        apart = (replies * (replies.clamp_min(1e-12).log() - mean.clamp_min(1e-12).log())).sum(-1)
        found = (apart, ((replies - mean) @ levels).square(), (chances @ levels).var(0, unbiased=False))
        parts.append(torch.stack(found)[:, replies.sum(-1) > 0])  # [3, decisions]
    loss, error, doubt = torch.cat(parts, 1).mean(1).tolist()
    return Score(name, loss, error**0.5, doubt**0.5, _r2(z, of.inferred))


def _r2(z: Tensor, inferred: Tensor) -> tuple[float, ...]:
    """[Z] share of the variance of what was inferred."""
    missed = (inferred - z).square().mean((0, 1))
    spread = (inferred - inferred.mean((0, 1))).square().mean((0, 1)).clamp_min(1e-12)
    return tuple((1 - missed / spread).tolist())


def kept(stages: Stages, name: str, make: Callable[[], Fitted]) -> Fitted:
    """As a stage: fitted once, and read back from then on."""
    return _read(stages.get(name, TENSORS, lambda: _tensors(make())))


def _tensors(of: Fitted) -> dict[str, Tensor]:
    """Named, for a file."""
    links = {
        f"link {i} {name}": part
        for i, link in enumerate((of.link, *of.without))
        for name, part in link.state_dict().items()
    }
    ends = {"low": of.reach.low, "high": of.reach.high}
    scores = {
        f"score {score.name}": (score.loss, score.error, score.doubt, *score.r2) for score in (*of.scores, *of.beside)
    }
    words = {"form": of.form.name, "traits": "\n".join(of.names), "names": "\n".join(of.reach.names)}
    texts = {name: torch.tensor(list(text.encode()), dtype=torch.uint8) for name, text in words.items()}
    return (
        links
        | texts
        | {"worded": torch.tensor(of.worded)}
        | {name: torch.tensor(x, dtype=torch.float64) for name, x in (ends | scores).items()}
    )


def _read(found: Mapping[str, Tensor]) -> Fitted:
    """Back from `_tensors`."""
    traits, names, chosen = (bytes(found[name].tolist()).decode() for name in ("traits", "names", "form"))
    form = next(form for form in FORMS if form.name == chosen)
    links = list[Link]()
    while any(name.startswith(f"link {len(links)} ") for name in found):
        start = f"link {len(links)} "
        links.append(_link(form, {n.removeprefix(start): x for n, x in found.items() if n.startswith(start)}))
    scores = {n.removeprefix("score "): x.tolist() for n, x in found.items() if n.startswith("score ")}
    made = {name: Score(name, x[0], x[1], x[2], tuple(x[3:])) for name, x in scores.items()}
    of_forms = tuple(made.pop(form.name) for form in FORMS if form.name in made)
    low, high = (tuple(found[name].tolist()) for name in ("low", "high"))
    range_ = Reach(tuple(names.split("\n")), low, high)
    own = (tuple(traits.split("\n")), bool(found["worded"]))
    return Fitted(*own, links[0], tuple(links[1:]), form, of_forms, tuple(made.values()), range_)


def _link(form: Form, state: Mapping[str, Tensor]) -> Link:
    terms, traits = state["weights"].shape
    inputs = terms - 1 if not form.products else round((-3 + (9 + 8 * (terms - 1)) ** 0.5) / 2)
    link = Link(form, inputs, traits, 0)
    link.load_state_dict(dict(state))
    return link.requires_grad_(False)
