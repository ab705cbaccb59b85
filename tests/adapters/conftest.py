from __future__ import annotations

import torch

torch.set_num_threads(1)  # thousands of tiny products: threads only get in each other's way
