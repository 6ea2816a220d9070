"""One action out of known chances, for engines that compute them here."""

import torch
from torch import Tensor

from agents.base import Question
from learning.draws import Draws, name_key


def draw(log_probs: Tensor, question: Question, number: int) -> int:
    """A choice from log_probs [K]; it depends on the prompt and the draw's number only."""
    key = name_key(f"{question.system}\0{question.user}")
    return int(Draws(key, torch.tensor([number])).choice("embedded sample", 0, log_probs[None, None])[0, 0])
