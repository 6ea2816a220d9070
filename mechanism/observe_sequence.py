"""What a principal that remembers sees of options: every step of the episode so far, as it was, with nothing summed up.

Of each agent a step tells what is public then: its features, the standing offer, and the prospects of what it was
offered and of what it chose in the step before. What to keep of that is left to the policy's memory
(`mechanism.policy_recurrent`). An observation carries the whole sequence, so that a policy can be judged, and improved,
on any step alone: its memory is run anew over real facts and is never stale (the recurrent states that PPO stores would
be: Kapturowski et al. 2019, R2D2).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from mechanism.observe_options import done_in, offered, responses, taken
from societies.base import PublicStep, Society


@dataclass(frozen=True)
class SequenceObserver:
    """Turns public steps into observations [B, N, F + X + 2 M], laid out as those of `OptionObserver`: the public
    state, of each agent X = T (C + 1) channels, and which of the M options are open (nothing is promised).

    The channels are T steps of C facts and a mark: 1 where the step was seen; steps to come are all zero.
    """

    society: Society

    @property
    def a_step(self) -> int:
        """C, what one step tells of an agent."""
        return len(self.society.feature_names) + 3 * len(self.society.prospect_names) + responses(self.society)

    def start(self, worlds: int) -> Tensor:
        """Nothing seen yet: a history [B, 1, 0, C + 1]; one agent stands for all until the first step is seen."""
        return torch.zeros(worlds, 1, 0, self.a_step + 1)

    def observe(self, history: Tensor, seen: PublicStep) -> tuple[Tensor, Tensor]:
        """Add the step to the history [B, N, t, C + 1]; the observation for the next decision."""
        lead = seen.features.shape[:2]
        told = torch.cat([*self._facts(seen), torch.ones(*lead, 1)], -1)  # [B, N, C + 1]
        history = torch.cat([history.expand(-1, lead[1], -1, -1), told[:, :, None]], 2)
        to_come = self.society.steps - history.shape[2]
        padded = torch.nn.functional.pad(history, (0, 0, 0, to_come)).flatten(2)  # [B, N, X]
        open_ = self.society.decides(seen.step, seen.features).to(padded.dtype)[:, None].expand(*lead, -1)
        return history, torch.cat([seen.features, padded, open_, torch.zeros_like(open_)], -1)

    def _facts(self, seen: PublicStep) -> list[Tensor]:
        """Features [B, N, F]; the standing offer, and what was offered and chosen in the last step, each [B, N, D]; and
        what was done in it beyond that [B, N, R].
        """
        nothing = self.society.default_mechanism().expand(len(seen.features), -1)
        standing = offered(self.society, seen.step, seen.features, nothing)[0]
        if seen.last_features is None or seen.last_mechanism is None or seen.last_choice is None:
            nothing_done = standing.new_zeros(*standing.shape[:2], responses(self.society))
            return [seen.features, standing, torch.zeros_like(standing), torch.zeros_like(standing), nothing_done]
        last, prospects, _ = offered(self.society, seen.step - 1, seen.last_features, seen.last_mechanism)
        done = done_in(self.society, seen)
        return [seen.features, standing, last, taken(prospects, seen.last_choice), done]
