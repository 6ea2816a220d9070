"""The packed computation gives the probabilities of the ordinary forward pass."""

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from agents.embedded.network import Network, rope_theta


@pytest.fixture(scope="module")
def model() -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=50,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=2,
        tie_word_embeddings=True,
    )
    made = LlamaForCausalLM(config).eval()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for p in made.parameters():
            p.copy_(0.4 * torch.randn(p.shape, generator=generator) + (p.dim() == 1))
    return made


def test_packed_equals_plain(model: LlamaForCausalLM) -> None:
    generator = torch.Generator().manual_seed(4)
    lengths = torch.tensor([5, 9, 2])
    prefixes = torch.randint(50, (3, 9), generator=generator)
    news = torch.randint(50, (3, 4, 6), generator=generator)
    network = Network(model)
    with torch.no_grad():
        packed = network.follow(network.prefix(prefixes, lengths), news, asked=3).softmax(-1)  # [3, 4, 3, 50]
        for p in range(3):
            for s in range(4):
                whole = torch.cat([prefixes[p, : lengths[p]], news[p, s]])[None]
                plain = model(whole).logits[0, -3:].softmax(-1)
                assert torch.allclose(packed[p, s], plain, atol=1e-5)


def test_gradients_reach_the_prefix(model: LlamaForCausalLM) -> None:
    table = model.model.embed_tokens.weight.detach().clone().requires_grad_()
    network = Network(model, table)
    prefix = network.prefix(torch.tensor([[7, 8]]), torch.tensor([2]))
    network.follow(prefix, torch.tensor([[[1, 2]]])).log_softmax(-1)[..., 3].sum().backward()
    assert table.grad is not None
    assert table.grad[7].abs().sum() > 0


def test_a_scaled_rotary_variant_is_refused() -> None:
    config = LlamaConfig(rope_parameters={"rope_type": "linear", "factor": 2.0, "rope_theta": 10_000.0})
    with pytest.raises(ValueError, match="linear"):
        rope_theta(config)
