"""Free text of a model that runs in this process, token by token."""

from typing import Any

import torch

from agents.base import Question
from learning.draws import child_seed


def written(network: Any, prompt: list[int], question: Question, number: int, temperature: float, most: int) -> Any:
    """The tokens that the network writes after the prompt, `most` of them at most; the draw is that of the question
    and the number. temperature: 0 = always the likeliest.
    """
    ids = torch.tensor([prompt], device=network.device)
    drawn: dict[str, Any] = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0}
    how = drawn if temperature > 0 else {"do_sample": False}
    with torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(child_seed(number, f"{question.system}\0{question.user}"))
        out = network.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=most, **how)
    return out[0, len(prompt) :].tolist()
