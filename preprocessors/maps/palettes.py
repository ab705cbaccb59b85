"""Names and colours of the classes that the segmentation ControlNets were trained with.

ADE20K: the 150 classes of MIT SceneParsing (their numbers less one; there is no background), Zhou et al. 2017, colours
of open-mmlab/mmsegmentation. Classes 6 and 48 share a colour, so a picture cannot be read back, `values` can.
COCO: the 133 classes of the panoptic task, 80 things and 53 kinds of stuff, Kirillov et al. 2019, colours of
cocodataset/panopticapi.
"""

from __future__ import annotations

from ...core.segments import Classes

_ADE20K = bytes.fromhex(
    "787878 B47878 06E6E6 503232 04C803 787850 8C8C8C CC05FF E6E6E6 04FA07 E005FF EBFF07 96053D 787846 08FF33 "
    "FF0652 8FFF8C CCFF04 FF3307 CC4603 0066C8 3DE6FA FF0633 0B66FF FF0747 FF09E0 0907E6 DCDCDC FF095C 7009FF "
    "08FFD6 07FFE0 FFB806 0AFF47 FF290A 07FFFF E0FF08 6608FF FF3D06 FFC207 FF7A08 00FF14 FF0829 FF0599 0633FF "
    "EB0CFF A09614 00A3FF 8C8C8C FA0A0F 14FF00 1FFF00 FF1F00 FFE000 99FF00 0000FF FF4700 00EBFF 00ADFF 1F00FF "
    "0BC8C8 FF5200 00FFF5 003DFF 00FF70 00FF85 FF0000 FFA300 FF6600 C2FF00 008FFF 33FF00 0052FF 00FF29 00FFAD "
    "0A00FF ADFF00 00FF99 FF5C00 FF00FF FF00F5 FF0066 FFAD00 FF0014 FFB8B8 001FFF 00FF3D 0047FF FF00CC 00FFC2 "
    "00FF52 000AFF 0070FF 3300FF 00C2FF 007AFF 00FFA3 FF9900 00FF0A FF7000 8FFF00 5200FF A3FF00 FFEB00 08B8AA "
    "8500FF 00FF5C B800FF FF001F 00B8FF 00D6FF FF0070 5CFF00 00E0FF 70E0FF 46B8A0 A300FF 9900FF 47FF00 FF00A3 "
    "FFCC00 FF008F 00FFEB 85FF00 FF00EB F500FF FF007A FFF500 0ABED4 D6FF00 00CCFF 1400FF FFFF00 0099FF 0029FF "
    "00FFCC 2900FF 29FF00 AD00FF 00F5FF 4700FF 7A00FF 00FFB8 005CFF B8FF00 0085FF FFD600 19C2C2 66FF00 5C00FF"
)  # fmt: skip
_ADE20K_NAMES = (
    "wall, building, sky, floor, tree, ceiling, road, bed, windowpane, grass, cabinet, sidewalk, person, earth, door, "
    "table, mountain, plant, curtain, chair, car, water, painting, sofa, shelf, house, sea, mirror, rug, field, "
    "armchair, seat, fence, desk, rock, wardrobe, lamp, bathtub, railing, cushion, base, box, column, signboard, "
    "chest of drawers, counter, sand, sink, skyscraper, fireplace, refrigerator, grandstand, path, stairs, runway, "
    "case, pool table, pillow, screen door, stairway, river, bridge, bookcase, blind, coffee table, toilet, flower, "
    "book, hill, bench, countertop, stove, palm, kitchen island, computer, swivel chair, boat, bar, arcade machine, "
    "hovel, bus, towel, light, truck, tower, chandelier, awning, streetlight, booth, television receiver, airplane, "
    "dirt track, apparel, pole, land, bannister, escalator, ottoman, bottle, buffet, poster, stage, van, ship, "
    "fountain, conveyer belt, canopy, washer, plaything, swimming pool, stool, barrel, basket, waterfall, tent, bag, "
    "minibike, cradle, oven, ball, food, step, tank, trade name, microwave, pot, animal, bicycle, lake, dishwasher, "
    "screen, blanket, sculpture, hood, sconce, vase, traffic light, tray, ashcan, fan, pier, crt screen, plate, "
    "monitor, bulletin board, shower, radiator, glass, clock, flag"
)
_COCO = bytes.fromhex(
    "DC143C 770B20 00008E 0000E6 6A00E4 003C64 005064 000046 0000C0 FAAA1E 64AA1E DCDC00 AF74AF FA001E A52A2A "
    "FF4DFF 00E2FC B6B6FF 005200 78A69D 6E4C00 AE39FF C76400 480076 FFB3F0 007D5C D10097 BCD0B6 00DCB0 FF63A4 "
    "5C0049 8581FF 4EB4FF 00E400 AEFFF3 2D59FF 868667 9194AE FFD0BA C5E2FF AB8601 6D3F36 CF8AFF 97005F 09503D "
    "546933 4A4169 A6C466 D0C3D2 FF6D41 008F95 B300C2 D1636A 057900 E3FFCD 93BAD0 994501 035FA1 A3FF00 7700AA "
    "00B6C7 00A578 B78258 5F2000 827287 6E8185 A64A76 DB8EB9 4FD272 B25A3E 41460F 7FA773 3B696A 8E6C2D C4AC00 "
    "5F3650 804CFF C93901 F6007A BFA2D0 FFFF80 93D3CB 966464 A8ABAC 9270C6 D2AA64 5C8859 DA58B8 F18100 D911FF "
    "7C4AB5 464646 FFE4FF 9AD000 C1005C 4C5B71 FFB4C3 6A9AB0 E6968C 3C8FFF 804080 5C5237 FED47C 494DAE FFA062 "
    "FFFFFF 68546D A9A483 E1C7FF 89364A 879EDF 07F6E7 6BFFC8 3A2995 B7798E FF4961 6B8E23 BE9999 928B8D 4682B4 "
    "86C79C D1E28C 60246C 606060 40AA40 98FB98 D0E5E4 CEBAAB 98A140 747000 00728F 66669C FA8DFF"
)  # fmt: skip
_COCO_NAMES = (
    "person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, stop sign, "
    "parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, backpack, umbrella, "
    "handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard, "
    "surfboard, tennis racket, bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange, "
    "broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, potted plant, bed, dining table, toilet, tv, "
    "laptop, mouse, remote, keyboard, cell phone, microwave, oven, toaster, sink, refrigerator, book, clock, vase, "
    "scissors, teddy bear, hair drier, toothbrush, banner, blanket, bridge, cardboard, counter, curtain, door-stuff, "
    "floor-wood, flower, fruit, gravel, house, light, mirror-stuff, net, pillow, platform, playingfield, railroad, "
    "river, road, roof, sand, sea, shelf, snow, stairs, tent, towel, wall-brick, wall-stone, wall-tile, wall-wood, "
    "water-other, window-blind, window-other, tree-merged, fence-merged, ceiling-merged, sky-other-merged, "
    "cabinet-merged, table-merged, floor-other-merged, pavement-merged, mountain-merged, grass-merged, dirt-merged, "
    "paper-merged, food-other-merged, building-other-merged, rock-merged, wall-other-merged, rug-merged"
)

ADE20K = Classes("ADE20K-150", tuple(_ADE20K_NAMES.split(", ")), _ADE20K)
COCO = Classes("COCO-panoptic-133", tuple(_COCO_NAMES.split(", ")), _COCO)
