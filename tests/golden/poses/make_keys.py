"""Make keys.npz: names and shapes of the published RT-DETR and ViTPose files, as transformers 4.48 writes them.

    pip install torch transformers==4.48.3
    python tests/golden/poses/make_keys.py

Both files were published by that generation of the library; later ones name some modules otherwise and convert on load.
The heads of RT-DETR's decoder stand in its file once, under model.decoder; older copies have them twice.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

HERE = Path(__file__).parent


def main() -> None:
    """Write one array for each file: UTF-8 of JSON, name → shape."""
    known: Any = transformers
    backbone = known.VitPoseBackboneConfig(out_indices=[12])
    vitpose = known.VitPoseConfig(backbone_config=backbone, num_labels=17, scale_factor=4, use_simple_decoder=True)
    with torch.device("meta"):
        models = {
            "rtdetr": known.RTDetrForObjectDetection(known.RTDetrConfig(num_labels=80)),
            "vitpose": known.VitPoseForPoseEstimation(vitpose),
        }
    tables = {name: {key: list(t.shape) for key, t in model.state_dict().items()} for name, model in models.items()}
    arrays = {name: np.frombuffer(json.dumps(table).encode(), np.uint8) for name, table in tables.items()}
    np.savez_compressed(HERE / "keys.npz", allow_pickle=False, **arrays)


if __name__ == "__main__":
    main()
