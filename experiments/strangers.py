"""The shuffle test: a policy whose history comes from another roster has nothing to go by but the calendar."""

from dataclasses import dataclass, fields, replace

from torch import Tensor

from mechanism.observe import History
from mechanism.policy import Learned
from societies.base import PublicStep


@dataclass(frozen=True)
class Misled:
    """`learned`, shown the whole public record of the next world instead of its own: who lives there, under which
    rules, and what they did.
    """

    learned: Learned

    def start(self, worlds: int) -> History:
        """As the policy itself."""
        return self.learned.start(worlds)

    def propose(self, memory: History, seen: PublicStep) -> tuple[History, Tensor]:
        """[B, M]"""
        tensors = {f.name: getattr(seen, f.name) for f in fields(seen) if isinstance(getattr(seen, f.name), Tensor)}
        return self.learned.propose(memory, replace(seen, **{name: x.roll(1, 0) for name, x in tensors.items()}))
