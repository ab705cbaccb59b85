from __future__ import annotations

import numpy as np
import torch

from underdrawing.pipeline.reference.scoring.judge import Judge
from underdrawing.pipeline.reference.scoring.readers import LinearReader, read_features


def test_what_can_be_told_apart_is_told_apart() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(80, 30, generator=generator)
    there = np.arange(80) % 4 == 0
    features[torch.from_numpy(there), 3] += 4
    reader = LinearReader(features[:60], there[:60])
    answers = reader.read(features[60:])
    assert np.array_equal(answers > 0, there[60:])
    assert abs(float(answers[there[60:]].mean()) - 1) < 0.5


def test_features_of_the_whole_and_of_each_place() -> None:
    pictures = np.zeros((3, 128, 128, 3), np.uint8)
    pictures[0, :, :40] = 255
    whole, places = read_features(Judge(), pictures, batch=2)
    assert len(whole) == len(places) == 3
    assert places.shape[1] == 3
    assert not torch.allclose(places[0, 0], places[1, 0])
