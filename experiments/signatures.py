"""Signatures of behaviour: habit, loss aversion and overreaction, read from what people do and from nothing else.

Somebody means to choose with chances p_k; phi(k) is the amount of a choice, or a one-hot vector where choices are
names; e_t = sum_k p_k phi(k) is what is meant in step t.

    habit          the slope of e_{t+1} - e_t on v_t = phi(a_t) - e_t. Which choice a comes of the chances is drawn by
                   us, so v is pure chance, and what goes with it in the next step is caused by it: neither a taste
                   that lasts nor a rule that stays can look like a habit. 1 = all that chance added is meant again
    loss aversion  -b_2 / b_1 of the regression, within each person and k, of ln(p_{k+1} / p_k) on 1. how much more
                   choice k + 1 brings home than k, 2. how much more of a loss (of what a choice brings less than the
                   last step did) it makes, and on how things stand for oneself (the society's `own` features);
                   weighted by p_k + p_{k+1}, among choices with chances above RARE. What is a person's own in k and
                   k + 1, effort say, drops out. 0 = a loss counts as a gain does, 1 = twice (Tversky & Kahneman 1991)
    overreaction   the slope of e on that of scripted people in the same state (the logit best response to one's own
                   payoff), across the rules, in the first counted step, less 1: people meet other rules from the same
                   past, each compared with themselves. Above 0 = they answer a change more strongly than pays

Shapes: B worlds, T steps, N agents, K choices, Q numbers of phi, S of their steps.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from personas.people import People
from societies.base import Episode, Society, State
from societies.play import Played
from societies.scales import embedded, scale_of

SOMETHING = 1e-6  # mean square below which there is nothing to see
RARE = 1e-3  # chance: odds of what is rarer say little of what people want
FAINT = 1e-9  # of a ridge, for facts that never vary
Cell = float | str
"""A number, or in words why there is none"""


@dataclass(frozen=True)
class Lived:
    """What one kind of people did in the same rosters under each of the rules."""

    people: People
    played: Mapping[str, Played]  # by rules
    society: Society

    @property
    def each(self) -> Iterator[tuple[Society, Played]]:
        """Under each of the rules."""
        return ((self.society, own) for own in self.played.values())


def signatures(lived: Lived) -> dict[str, Cell]:
    """The three of them."""
    return {"habit": habit(lived), "loss aversion": loss_aversion(lived), "overreaction": overreaction(lived)}


def habit(lived: Lived) -> Cell:
    """See the module."""
    if not all(played.episode.soft for _, played in lived.each):
        return "these people tell single actions, so what chance did to them is not known"
    parts = [_chance(society, played.episode) for society, played in lived.each]
    v, change = (torch.cat(each) for each in zip(*parts, strict=True))  # [S, Q]
    if len(v) == 0:
        return "there is but one step"
    if float(v.square().sum(-1).mean()) < SOMETHING:
        return "these people leave nothing to chance"
    return _slope(v, change)


def _chance(society: Society, episode: Episode) -> tuple[Tensor, Tensor]:
    """[S, Q] each: what chance added in a step, and how what is meant changes to the next one."""
    phi = embedded(scale_of(society).amounts())  # [K, Q]
    meant = episode.choice @ phi  # [B, T, N, Q]
    added = phi[episode.action.clamp_min(0)] - meant
    usable = _usable(episode)
    both = usable[:, :-1] & usable[:, 1:]
    return added[:, :-1][both], (meant[:, 1:] - meant[:, :-1])[both]


def _usable(episode: Episode) -> Tensor:
    """[B, T, N] bool: whose decision is known."""
    return (episode.action >= 0) & (episode.choice.sum(-1) > 0.5)


def _slope(x: Tensor, y: Tensor) -> float:
    return float((x * y).sum() / (x * x).sum())


def loss_aversion(lived: Lived) -> Cell:
    """See the module."""
    society = lived.society
    scale = scale_of(society)
    if not scale.takes_home:
        return "nobody takes anything home here"
    if embedded(scale.amounts()).shape[1] > 1:
        return "choices are names, so none is next to another"
    if not all(played.episode.soft for _, played in lived.each):
        return "these people tell single actions, not how likely the next choice was"
    y, x, weight = _within([_odds(own, played.episode) for own, played in lived.each])
    bend = torch.einsum("bsnk,bsnki,bsnkj->ij", weight, x, x) + FAINT * torch.eye(x.shape[-1])
    gain, loss, *_ = torch.linalg.solve(bend, torch.einsum("bsnk,bsnki,bsnk->i", weight, x, y)).tolist()
    return -loss / gain if gain > 0 else "these people are not drawn by what they take home"


def _odds(society: Society, episode: Episode) -> tuple[Tensor, Tensor, Tensor]:
    """ln(p_{k+1} / p_k) [B, T, N, K - 1], what it is regressed on [B, T, N, K - 1, 2 + own], and weights."""
    scale, chances = scale_of(society), episode.choice
    told = [scale.changes(episode.features[:, t], episode.mechanism[:, t]) for t in range(chances.shape[1])]
    change = torch.stack(told, 1)  # [B, T, N, K]
    known = (chances > RARE) & ~change.isnan()
    change = change.nan_to_num()
    both = known[..., 1:] & known[..., :-1]
    columns = [society.feature_names.index(name) for name in society.own]
    apart = scale.amounts().diff() / scale.amounts().abs().max()  # [K - 1]
    standing = episode.features[:, :-1][..., None, columns] * apart[:, None]  # [B, T, N, K - 1, own]
    facts = torch.stack([change.diff(dim=-1), (-change).relu().diff(dim=-1)], -1)
    y = chances.clamp_min(RARE).log().diff(dim=-1)
    weight = both * (chances[..., 1:] + chances[..., :-1])
    return y.double(), torch.cat([facts, standing], -1).double(), weight.double()


def _within(parts: list[tuple[Tensor, Tensor, Tensor]]) -> tuple[Tensor, Tensor, Tensor]:
    """The steps of all parts [B, S, N, K - 1, ...], each less its mean over the steps of the same person and choice."""
    y, x, weight = (torch.cat(each, 1) for each in zip(*parts, strict=True))
    whole = weight.sum(1, keepdim=True).clamp_min(1e-12)
    y = y - (weight * y).sum(1, keepdim=True) / whole
    return y, x - (weight[..., None] * x).sum(1, keepdim=True) / whole[..., None], weight


def overreaction(lived: Lived) -> Cell:
    """See the module."""
    firsts = [_at_first(lived.people, *own) for own in lived.each]
    done, due, known = (torch.stack(each) for each in zip(*firsts, strict=True))
    everywhere = known.all(0)  # [B, N] whose answers to all rules are known
    done, due = ((values - values.mean(0))[:, everywhere] for values in (done, due))  # [M, S, Q] across the rules
    if not bool(everywhere.any()):
        return "nobody answered all the rules"
    if float(due.square().sum(-1).mean()) < SOMETHING:
        return "these rules ask for no other answer in the first step that counts"
    return _slope(due, done) - 1


def _at_first(people: People, society: Society, played: Played) -> tuple[Tensor, Tensor, Tensor]:
    """[B, N, Q] each: what is meant in the first counted step, and what scripted people would mean there; and whose
    answer is known, [B, N] bool.
    """
    episode, phi = played.episode, embedded(scale_of(society).amounts())
    t = int(episode.counted.int().argmax())
    state = State(t, episode.features[:, t], people)
    due = society.teacher(state, episode.mechanism[:, t]).exp() @ phi
    return episode.choice[:, t] @ phi, due, _usable(episode)[:, t]
