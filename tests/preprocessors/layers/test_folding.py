"""Batch norms folded into convolutions compute the same."""

from __future__ import annotations

import pytest
import torch
from tests.support.random_weights import tensors
from torch import nn

from underdrawing.core.errors import BadWeights
from underdrawing.preprocessors.layers.folding import Folded, fold, published, strictly


def ours() -> nn.Sequential:
    return nn.Sequential(Folded(3, 8, 3, padding=1, stride=2), nn.Identity(), nn.Sequential(Folded(8, 4, biased=True)))


def theirs() -> nn.Sequential:
    first = nn.Conv2d(3, 8, 3, padding=1, stride=2, bias=False)
    return nn.Sequential(first, nn.BatchNorm2d(8), nn.Sequential(nn.Conv2d(8, 4, 1), nn.BatchNorm2d(4)))


def test_the_published_table_is_that_of_the_unfolded_network() -> None:
    assert published(ours()) == {name: tuple(value.shape) for name, value in theirs().state_dict().items()}


def test_a_folded_network_computes_the_same() -> None:
    table = tensors(published(ours()))
    reference, folded = theirs().eval(), ours().eval()
    reference.load_state_dict(table)
    folded.load_state_dict(fold(table, folded))
    x = torch.randn(2, 3, 15, 16, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected = reference(x)
        assert (folded(x) - expected).abs().max() <= 1e-5 * expected.abs().max()
        assert expected.std() > 0.1


def test_files_older_than_the_counter_fold_too() -> None:
    table = tensors(published(ours()))
    old = {name: value for name, value in table.items() if not name.endswith("num_batches_tracked")}
    strictly(old, published(ours()), "here")
    new = fold(table, ours())
    assert all(torch.equal(value, new[name]) for name, value in fold(old, ours()).items())


def test_a_norm_that_lacks_a_part_is_named() -> None:
    table = tensors(published(ours()))
    del table["1.running_var"]
    with pytest.raises(BadWeights, match=r"1 missing: 1\.running_var"):
        strictly(table, published(ours()), "here")
