from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from underdrawing.pipeline.training.loop.order import Order

SETS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 3)), min_size=1, max_size=12)


@settings(max_examples=80, deadline=None)
@given(SETS, st.integers(1, 5), st.integers(0, 2**62))
def test_an_epoch_has_every_sample_as_often_as_it_repeats(rows: list[tuple[str, int]], batch: int, seed: int) -> None:
    buckets, repeats = zip(*rows, strict=True)
    order = Order(buckets, repeats, batch, seed)
    for epoch in range(2):
        batches = [order.find(epoch * order.passes + place) for place in range(order.passes)]
        assert Counter(index for one in batches for index in one) == Counter(dict(enumerate(repeats)))
        assert all(len({buckets[index] for index in one}) == 1 for one in batches), "one size a batch"
        assert max(map(len, batches)) <= batch
    assert order.samples == sum(repeats)


def test_any_pass_can_be_asked_for_alone() -> None:
    order = Order("aabb", [2, 1, 1, 1], 2, 7)
    passes = [order.find(number) for number in range(12)]
    for number in (11, 0, 5):
        assert Order("aabb", [2, 1, 1, 1], 2, 7).find(number) == passes[number]
    assert passes[:3] != passes[3:6] or passes[:3] != passes[6:9], "epochs differ"
