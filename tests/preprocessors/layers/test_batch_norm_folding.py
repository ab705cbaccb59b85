"""Batch norms folded into convolutions compute the same."""

from __future__ import annotations

import pytest
import torch
from tests.support.random_weights import tensors
from torch import nn

from underdrawing.core.errors import BadWeights
from underdrawing.preprocessors.layers.batch_norm_folding import (
    FoldedConv2d,
    check_tensors,
    fold_by_index,
    published_shapes,
)


def ours() -> nn.Sequential:
    return nn.Sequential(
        FoldedConv2d(3, 8, 3, padding=1, stride=2), nn.Identity(), nn.Sequential(FoldedConv2d(8, 4, conv_bias=True))
    )


def theirs() -> nn.Sequential:
    first = nn.Conv2d(3, 8, 3, padding=1, stride=2, bias=False)
    return nn.Sequential(first, nn.BatchNorm2d(8), nn.Sequential(nn.Conv2d(8, 4, 1), nn.BatchNorm2d(4)))


def test_the_published_table_is_that_of_the_unfolded_network() -> None:
    assert published_shapes(ours()) == {name: tuple(value.shape) for name, value in theirs().state_dict().items()}


def test_a_folded_network_computes_the_same() -> None:
    table = tensors(published_shapes(ours()))
    reference, folded = theirs().eval(), ours().eval()
    reference.load_state_dict(table)
    folded.load_state_dict(fold_by_index(table, folded))
    x = torch.randn(2, 3, 15, 16, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected = reference(x)
        assert (folded(x) - expected).abs().max() <= 1e-5 * expected.abs().max()
        assert expected.std() > 0.1


def test_files_older_than_the_counter_fold_too() -> None:
    table = tensors(published_shapes(ours()))
    old = {name: value for name, value in table.items() if not name.endswith("num_batches_tracked")}
    check_tensors(old, published_shapes(ours()), "here")
    new = fold_by_index(table, ours())
    assert all(torch.equal(value, new[name]) for name, value in fold_by_index(old, ours()).items())


def test_a_norm_that_lacks_a_part_is_named() -> None:
    table = tensors(published_shapes(ours()))
    del table["1.running_var"]
    with pytest.raises(BadWeights, match=r"1 missing: 1\.running_var"):
        check_tensors(table, published_shapes(ours()), "here")
