from __future__ import annotations

from underdrawing.pipeline.infotext.hashes import compare_hashes

START = "a cat\nSteps: 20, Sampler: Euler a, Seed: 1"


def test_files_are_the_same_as_far_as_both_hashes_go() -> None:
    here = f'{START}, Lora hashes: "Ink: 0123456789ab, sky: ffffffffffff"'
    assert list(compare_hashes(f'{START}, Lora hashes: "ink: 0123456789AB, sky: ffffffff"', here)) == []
    assert list(compare_hashes(START, here)) == []


def test_other_files_and_unused_ones_are_named() -> None:
    here = f'{START}, Lora hashes: "ink: 0123456789ab", TI hashes: "bad: aaaaaaaaaaaa"'
    there = f'{START}, Lora hashes: "ink: 9123456789ab, sky: ffffffffffff", TI hashes: "bad: baaaaaaaaaaa"'
    notes = list(compare_hashes(there, here))
    assert notes == [
        "LoRA ink is another file than the picture's: its hash is 0123456789ab, there 9123456789ab",
        "LoRA sky has a hash in the picture's text and was not used here",
        "embedding bad is another file than the picture's: its hash is aaaaaaaaaaaa, there baaaaaaaaaaa",
    ]
