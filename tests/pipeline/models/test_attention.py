from __future__ import annotations

from typing import Any

import pytest
import torch

from underdrawing.core.networks import products
from underdrawing.pipeline.models import attention
from underdrawing.pipeline.models.attention import QuickAttention, attend, quicken_attention

diffusers = pytest.importorskip("diffusers", reason="needs the extra pipeline: pip install underdrawing[pipeline]")


@pytest.fixture(autouse=True)
def _everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a CPU that it is for; where oneDNN is missing, products are torch's."""
    monkeypatch.setattr(attention, "prefers_onednn", lambda: True)
    if torch.backends.mkldnn.is_available() and products.find_onednn_product() is not None:
        monkeypatch.setattr(products, "prefers_onednn", lambda: True)


def make_layer(**more: Any) -> Any:
    layers = pytest.importorskip("diffusers.models.attention_processor")
    torch.manual_seed(0)
    return layers.Attention(query_dim=32, heads=4, dim_head=8, **more).eval().requires_grad_(requires_grad=False)


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize("tokens", [256, 300, 700])
def test_tokens_find_what_torchs_attention_finds(tokens: int) -> None:
    """Whole parts of the queries, and a rest."""
    query, key, value = draw(2, tokens, 32), draw(2, tokens + 1, 32), draw(2, tokens + 1, 32) * 3
    q, k, v = (part.unflatten(2, (4, 8)).transpose(1, 2) for part in (query, key, value))
    expected = torch.nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
    torch.testing.assert_close(attend(query, key, value, 4), expected, rtol=1e-5, atol=1e-5)


def test_bfloat16_is_as_exact_as_torchs() -> None:
    """Also where a few tokens take nearly all of the attention."""
    query, key, value = (draw(1, 512, 32 + part).bfloat16()[..., :32] for part in range(3))
    parts = [part.unflatten(2, (4, 8)).transpose(1, 2) for part in (query * 4, key * 4, value)]
    attention_of = torch.nn.functional.scaled_dot_product_attention
    exact, theirs = (
        attention_of(*(part.to(dtype) for part in parts)).transpose(1, 2).flatten(2).double()  # pyright: ignore[reportArgumentType]
        for dtype in (torch.float64, torch.bfloat16)
    )
    own = attend(query * 4, key * 4, value, 4).double()
    assert float((own - exact).abs().mean()) <= 2 * float((theirs - exact).abs().mean())


@pytest.mark.parametrize(("dtype", "error"), [(torch.float32, 1e-5), (torch.bfloat16, 0.02)])
def test_a_layer_answers_the_same(dtype: torch.dtype, error: float) -> None:
    plain, quick = make_layer(bias=True).to(dtype), make_layer(bias=True).to(dtype)
    quicken_attention(torch.nn.ModuleList([quick]))
    assert isinstance(quick.processor, QuickAttention)
    x = draw(2, 320, 32).to(dtype)
    torch.testing.assert_close(quick(x), plain(x), rtol=error, atol=error)


@pytest.mark.parametrize("case", ["few tokens", "text", "mask", "gradient", "layer that learns"])
def test_what_it_is_not_for_is_left_to_diffusers(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = make_layer()
    quicken_attention(torch.nn.ModuleList([layer]))
    monkeypatch.setattr(attention, "attend", None)
    x = draw(1, 16 if case == "few tokens" else 256, 32)
    more: dict[str, Any] = {}
    if case == "text":
        more["encoder_hidden_states"] = draw(1, 7, 32)
    if case == "mask":
        more["attention_mask"] = torch.zeros(1, 1, 256)
    if case == "gradient":
        x.requires_grad_()
    if case == "layer that learns":
        layer.to_q.requires_grad_()
    answer = layer(x, **more)
    assert answer.shape == x.shape
    if answer.requires_grad:
        answer.sum().backward()
        assert (x.grad if case == "gradient" else layer.to_q.weight.grad) is not None


@pytest.mark.parametrize("extra", [{"norm_num_groups": 4}, {"residual_connection": True}, {"qk_norm": "layer_norm"}])
def test_layers_that_do_more_are_left_alone(extra: dict[str, Any]) -> None:
    layer = make_layer(**extra)
    quicken_attention(torch.nn.ModuleList([layer]))
    assert not isinstance(layer.processor, QuickAttention)
