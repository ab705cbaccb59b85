from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch
from torch import nn

from underdrawing.pipeline.reference.training.workers import Workers

ROOT = Path(__file__).resolve().parents[4]
PROGRAM = """
import sys
sys.path.insert(0, {dev!r})
from pathlib import Path
import torch
from torch import nn
from underdrawing.pipeline.reference.training.optimisers import Muon
from underdrawing.pipeline.reference.training.workers import Workers
rank = int(sys.argv[1])
workers = Workers(rank, 2, Path(sys.argv[2]))
layer = nn.Linear(2, 1)
layer.weight.grad = torch.full((1, 2), float(rank))
layer.bias.grad = torch.full((1,), 10.0 * rank)
workers.average_gradients(layer)
print(layer.weight.grad.tolist(), layer.bias.grad.tolist(), workers.share_first(rank + 0.25))
torch.manual_seed(0)
layers = nn.Sequential(*(nn.Linear(8, 8) for _ in range(3)))
for alone in (workers, None):
    for parameter in layers.parameters():
        parameter.grad = torch.arange(parameter.numel()).view_as(parameter).float().cos()
    Muon(layers.parameters(), 0.01, workers=alone).step()
    print([round(float(parameter.square().sum()), 4) for parameter in layers.parameters()])
    torch.manual_seed(0)
    layers = nn.Sequential(*(nn.Linear(8, 8) for _ in range(3)))
"""


def test_one_worker_changes_nothing() -> None:
    workers, layer = Workers(), nn.Linear(2, 1)
    layer.weight.grad = torch.ones(1, 2)
    workers.average_gradients(layer)
    assert layer.weight.grad.tolist() == [[1, 1]]
    assert workers.share_first(0.5) == 0.5


def test_two_workers_agree(tmp_path: Path) -> None:
    program = PROGRAM.format(dev=str(ROOT / ".dev"))
    command = [sys.executable, "-c", program]
    children = [
        subprocess.Popen([*command, str(rank), str(tmp_path / "meeting")], stdout=subprocess.PIPE, text=True)
        for rank in (0, 1)
    ]
    answers = [child.communicate()[0].splitlines() for child in children]
    assert answers[0] == answers[1]
    gradients, together, alone = answers[0]
    assert gradients == "[[0.5, 0.5]] [5.0] 0.25"
    assert together == alone
