"""Weights files of the networks that draw lines."""

from __future__ import annotations

from typing import Literal

from ...core.weights.record import Weight
from .annotators_repo import annotators_file

Detail = Literal["fine", "coarse"]
"""fine: every line a pencil would draw. coarse: fewer and bolder ones."""

Fit = Literal["stretch", "pad"]
"""How a picture is brought to the sizes of the anime network."""

Lines = Literal["lineart_standard", "lineart", "lineart_anime", "lineart_manga"]
"""What can draw AnyLine's thin lines."""

LINEART: dict[Detail, Weight] = {
    "fine": annotators_file(
        "sk_model.pth",
        "c686ced2a666b4850b4bb6ccf0748031c3eda9f822de73a34b8979970d90f0c6",
        17173511,
        licence="MIT",
        commercial=True,
    ),
    "coarse": annotators_file(
        "sk_model2.pth",
        "30a534781061f34e83bb9406b4335da4ff2616c95d22a585c1245aa8363e74e0",
        17173511,
        licence="MIT",
        commercial=True,
    ),
}

ANIME = annotators_file(
    "netG.pth",
    "ccabdcc3f5cf3c07cf65d58776acb21df7dfda825cdc70c9766a93fd62bfc488",
    217631959,
    licence="MIT",
    commercial=True,
)

MANGA = annotators_file(
    "erika.pth",
    "badbd6baf013cefbd98993307b02cc14a26c770d067416e4fdecc8720b88feeb",
    172789563,
    licence="MIT (copy by Miaomiao Li); its authors name research only",
    commercial=False,
)
