"""Names of a UNet's blocks, layouts of lists of block weights, and hako-mikan's and the Inspire pack's presets."""

from __future__ import annotations

BLOCKS = ("BASE", *(f"IN{i:02}" for i in range(12)), "MID", *(f"OUT{i:02}" for i in range(12)))
_SDXL = tuple(b for b in BLOCKS if b[-2:] not in {"09", "10", "11"})
LAYOUTS: dict[int, tuple[str, ...]] = {
    26: BLOCKS,
    20: _SDXL,
    17: ("BASE", "IN01", "IN02", "IN04", "IN05", "IN07", "IN08", "MID", *BLOCKS[17:]),
    12: ("BASE", "IN04", "IN05", "IN07", "IN08", "MID", *BLOCKS[14:20]),
}
"""Number of values in a list -> the blocks they stand for."""

PRESETS = {
    "NONE": "0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0",
    "ALL": "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1",
    "ALL0.5": ",".join(["0.5"] * 26),
    "INS": "1,1,1,1,0,0,0,0,0,0,0,0,0,0,0,0,0",
    "IND": "1,0,0,0,1,1,1,0,0,0,0,0,0,0,0,0,0",
    "INALL": "1,1,1,1,1,1,1,0,0,0,0,0,0,0,0,0,0",
    "MIDD": "1,0,0,0,1,1,1,1,1,1,1,1,0,0,0,0,0",
    "OUTD": "1,0,0,0,0,0,0,0,1,1,1,1,0,0,0,0,0",
    "OUTS": "1,0,0,0,0,0,0,0,0,0,0,0,1,1,1,1,1",
    "OUTALL": "1,0,0,0,0,0,0,0,1,1,1,1,1,1,1,1,1",
}
"""hako-mikan's presets. NONE, ALL and ALL0.5 hold for every block here; as 17 values they would mute the blocks of a
LoCon.
"""

SDXL_PRESETS = {
    "INALL": "1,1,1,1,1,0,0,0,0,0,0,0",
    "MIDALL": "1,0,0,0,0,1,0,0,0,0,0,0",
    "OUTALL": "1,0,0,0,0,0,1,1,1,1,1,1",
}
"""The 12-value variants of the Inspire pack, taken in place of the 17-value ones on SDXL; `SDXL-OUTALL` asks for one
by name.
"""

ELEMENT_PRESETS = {
    "ATTNDEEPON": "IN05-OUT05:attn:1",
    "ATTNDEEPOFF": "IN05-OUT05:attn:0",
    "PROJDEEPOFF": "IN05-OUT05:proj:0",
}
"""hako-mikan's `lbwe=` presets: blocks, words in the module name, weight."""
