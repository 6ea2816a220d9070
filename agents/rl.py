"""People whose decisions a trained network makes: one network for all of them, told who each one is.

The network of an agent sees what `look` shows it, its own public attributes and its own private traits, and how far the
episode has come; it has no memory. An agent may know itself: nothing here is for a world model or a principal to read.
`societies.best_response` trains such networks. Shapes: B worlds, N agents, K choices, X inputs.
"""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from agents.base import Decisions, Round
from learning.draws import Draws
from learning.nets import Normaliser, Parallel, mlp
from personas.people import People

RARE = 0.02  # what is less likely than this share of the likeliest choice was tried in training only
SHUT = -1e9  # log-probability of what may not be chosen
MOST = 4.0  # that the free score of a choice can be, either way: where the bell is sharp, it says what is far off
SHARPEST = 1e-3  # of the bell over the choices, in shares of all of them


@dataclass(frozen=True)
class Sizes:
    """What a policy was made for."""

    society: str
    steps: int  # T of an episode
    view: int  # O numbers
    choices: int  # K
    attributes: tuple[str, ...]  # public ones that it is told of its own agent
    traits: tuple[str, ...]  # private ones, likewise
    hidden: int = 64  # units in each of two layers
    seats: int = 0  # N, where each seat has a network of its own; 0 = one for all
    payoffs: str = ""  # of the game, where there are any

    @property
    def inputs(self) -> int:
        """X: a view as it is and by its logarithms, the logarithms of the attributes, the traits, and the step; at last
        the seat, where each has its own network.
        """
        return 2 * self.view + len(self.attributes) + len(self.traits) + 1 + (self.seats > 0)


class Policy(nn.Module):
    """Inputs [..., X] -> log-probabilities of K choices [..., K]: free scores for each, and a bell over their order.

    Where choices are amounts, the bell finds the right one of a hundred long before each has been tried often; where
    they are only names, it stays as flat as it begins.
    """

    def __init__(self, sizes: Sizes, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.sizes = sizes
        self.normaliser = Normaliser(sizes.inputs, clip=3.0)
        layers = [sizes.inputs, sizes.hidden, sizes.hidden, sizes.choices + 2]
        if sizes.seats:
            self.network = Parallel(sizes.seats, layers, nn.SiLU, 0.01, generator=generator)
        else:
            self.network = mlp(layers, nn.SiLU, out_gain=0.01, generator=generator)

    def read(self, view: Tensor, people: People, step: int) -> Tensor:
        """[B, N, X] from views [B, N, O]. ValueError where views are not those that the policy was trained on."""
        s = self.sizes
        if view.shape[-1] != s.view:
            raise ValueError(
                f"these RL people were trained in {s.society} on views of {s.view} numbers and see {view.shape[-1]} "
                "here: train them for this society and this many people"
            )
        known = [*(people.attribute(a) for a in s.attributes), *map(people.trait, s.traits)]
        own = torch.stack(known, -1) if known else view[..., :0]
        seats = self._seats(people)[..., None] if s.seats else None
        return self.inputs(view, own, view.new_full((*view.shape[:-1], 1), step / s.steps), seats)

    def inputs(self, view: Tensor, own: Tensor, date: Tensor, seats: Tensor | None = None) -> Tensor:
        """[..., X] from views [..., O], own attributes and traits [..., A + Z], how far it has come [..., 1], and where
        each seat has a network of its own the places in the roster [..., 1].
        """
        attributes, traits = own.split([len(self.sizes.attributes), len(self.sizes.traits)], -1)
        known = [view, logarithm(view), logarithm(attributes), traits, date]
        return torch.cat(known if seats is None else [*known, seats], -1)

    def _seats(self, people: People) -> Tensor:
        """[B, N] places in the roster. ValueError for a roster of another size."""
        if people.agents != self.sizes.seats:
            raise ValueError(
                f"these RL people have a network for each of {self.sizes.seats} seats; here there are {people.agents}"
            )
        return torch.arange(float(people.agents), device=people.traits.device).expand(people.worlds, -1)

    def log_probs(self, inputs: Tensor, open_: Tensor) -> Tensor:
        """[..., K] of the choices that are open, [..., K] bool; SHUT for the others."""
        told = self._told(inputs)
        free, place, width = told.split([self.sizes.choices, 1, 1], -1)
        at = torch.linspace(-0.5, 0.5, self.sizes.choices, device=told.device)  # [K]
        bell = -0.5 * ((at - place) / width.exp().clamp_min(SHARPEST)).square()
        scores = (MOST * (free / MOST).tanh() + bell).masked_fill(~open_, SHUT)
        return scores.log_softmax(-1).masked_fill(~open_, SHUT)

    def _told(self, inputs: Tensor) -> Tensor:
        """[..., K + 2] by the network of the seat."""
        seen = self.normaliser(inputs)
        if isinstance(self.network, Parallel):
            return self.network(seen, inputs[..., -1].long())
        return self.network(seen)


def logarithm(x: Tensor) -> Tensor:
    """Of amounts, so that the few largest are not far from all others; with its sign where negative."""
    return x.sign() * x.abs().log1p()


class RLPopulation:
    """People who choose by a trained policy. `tells_distribution`: as for scripted people."""

    def __init__(self, policy: Policy, tells_distribution: bool = True) -> None:
        self.policy, self.tells_distribution = policy, tells_distribution

    def start(self, people: People) -> None:
        return None

    def log_probs(self, inputs: Tensor, open_: Tensor) -> Tensor:
        """[B, N, K] without the slips that learning needed: one in a thousand can cost more than all else brings."""
        told = self.policy.log_probs(inputs, open_)
        return self.policy.log_probs(inputs, open_ & (told > told.amax(-1, keepdim=True) + math.log(RARE)))

    @torch.no_grad()
    def decide(self, memory: None, round: Round, draws: Draws) -> tuple[None, Decisions]:
        log_probs = self.log_probs(self.policy.read(round.views(), round.people, round.step), round.choices)
        action = draws.choice("decision", round.step, log_probs)
        action = torch.where(round.choices.any(-1), action, -1)
        return None, Decisions(action, log_probs if self.tells_distribution else None)


def save_policy(policy: Policy, path: Path) -> None:
    """One safetensors file: the weights, and the sizes as JSON in its header."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in policy.state_dict().items()}
    path.write_bytes(save(state, {"sizes": json.dumps(asdict(policy.sizes))}))


def load_policy(path: Path) -> Policy:
    """What `save_policy` wrote. ValueError naming the file where it is not there or no such policy."""
    try:
        with safe_open(path, "pt") as file:
            header = (file.metadata() or {})["sizes"]
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a mapping)
        policy = Policy(_sizes(json.loads(header)), 0)
        policy.load_state_dict(state)
        if not all(bool(value.isfinite().all()) for value in state.values()):
            raise ValueError("its weights are not all finite")
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError, RecursionError) as error:
        raise ValueError(f"{path} holds no RL people ({error}): train them anew") from error
    return policy


def _sizes(told: dict[str, Any]) -> Sizes:
    """JSON knows no tuples."""
    names: dict[str, Any] = {kind: tuple(told[kind]) for kind in ("attributes", "traits")}
    return Sizes(**{**told, **names})
