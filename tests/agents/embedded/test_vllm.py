"""The shipped model behind a real vLLM server gives the embedded engine's probabilities.

vllm serve agents/embedded/model --served-model-name solon --dtype float32 --enforce-eager --max-model-len 1024
SOLON_VLLM=http://localhost:8000/v1 python -m pytest tests/agents/embedded/test_vllm.py -m vllm
"""

import os

import pytest
import torch

from agents.embedded.engine import EmbeddedEngine
from agents.llm.engine import Reply, Request
from agents.llm.models import engine_for
from experiments.embedded_exam import held_out
from societies.library.income_tax import IncomeTax


def probabilities(replies: list[Reply]) -> torch.Tensor:
    """[M, K]"""
    assert all(reply.log_probs is not None for reply in replies), {reply.error for reply in replies}
    return torch.tensor([reply.log_probs for reply in replies]).exp()


@pytest.mark.vllm
def test_vllm_serves_the_shipped_model_with_the_same_probabilities():
    society = IncomeTax()
    asked = [Request(question, "distribution") for question in held_out(society, 4, 2).questions(society)]
    server = os.environ.get("SOLON_VLLM") or pytest.fail("name the server: SOLON_VLLM=http://localhost:8000/v1")
    served = engine_for("openai:solon", server, timeout=600.0).complete(asked)
    apart = probabilities(served) - probabilities(EmbeddedEngine().complete(asked))
    assert float(apart.abs().sum(-1).max()) / 2 < 0.001
