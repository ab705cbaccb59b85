"""Errors in block weights of a merge."""

from __future__ import annotations

import pytest

from underdrawing.checkpoints.blocks import make_weigher
from underdrawing.checkpoints.families import Family
from underdrawing.core.errors import BadParameter


@pytest.mark.parametrize(
    ("blocks", "elements", "where", "fix"),
    [
        ("GRADV", "", "blocks", "write --blocks GRAD_V.* 110 for SDXL.*COSINE"),
        ("GRADV", "", "beta_blocks", "write --beta-blocks GRAD_V"),
        ("0,1,0", "", "blocks", "write in --blocks 12, .*61 for Flux.*GRAD_A"),
        ("", "nothing", "elements", "--elements"),
        ("", "IN99:attn:1", "elements", "--elements"),
    ],
)
def test_errors_name_the_field_of_the_merge(blocks: str, elements: str, where: str, fix: str) -> None:
    with pytest.raises(BadParameter, match=fix) as caught:
        make_weigher(0.5, blocks, elements, Family("sd1"), where=where)
    assert caught.value.where == where
    assert "lbw" not in str(caught.value)


def test_a_family_without_presets_names_none() -> None:
    with pytest.raises(BadParameter) as caught:
        make_weigher(0.5, "GRAD_V", "", Family("Flux.1"))
    assert "presets" not in caught.value.fix
