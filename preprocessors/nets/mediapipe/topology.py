"""Which point is which: MediaPipe's 33 body and 468 face points against OpenPose's slots. Plain data.

Source: the published point maps of BlazePose and of MediaPipe's face mesh (Apache-2.0); the 68 face slots were set by
walking the mesh's own contours (see FACE_SLOTS).
"""

from __future__ import annotations

BODY_SLOTS: tuple[int | None, ...] = (0, None, 12, 14, 16, 11, 13, 15, 24, 26, 28, 23, 25, 27, 5, 2, 8, 7)
"""BlazePose point of each OpenPose body slot; None is the neck, the middle of both shoulders (12 and 11)."""

LEFT, RIGHT = "left", "right"
ARM = {LEFT: (13, 15, 17, 19), RIGHT: (14, 16, 18, 20)}
"""Elbow, wrist, little finger's and index finger's knuckle in BlazePose."""

HEAD = tuple(range(11))
"""BlazePose's points of the head."""

OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152),
    *(148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109, 10),
)
RIGHT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246, 33)
LEFT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466, 263)
RIGHT_BROW = ((46, 53, 52, 65, 55), (70, 63, 105, 66, 107))
LEFT_BROW = ((276, 283, 282, 295, 285), (300, 293, 334, 296, 336))
OUTER_LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185, 61)
INNER_LIPS = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191, 78)
"""Contours of the face mesh as paths of point numbers. Left and right are the person's own."""

RIGHT_EYE_CORNERS, LEFT_EYE_CORNERS = (33, 133), (362, 263)
"""Corners of an eye, from left to right as seen in the picture."""

FACE_SLOTS = (
    *(127, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 356),  # jaw along the oval
    *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300),  # upper edges of the brows
    *(168, 197, 195, 4),  # bridge of the nose, down to its tip
    *(98, 97, 2, 326, 327),  # under the nose
    *(33, 160, 158, 133, 153, 144),  # right eye from its outer corner over the upper lid
    *(362, 385, 387, 263, 373, 380),  # left eye from its inner corner over the upper lid
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),  # outer lips from the right corner over the upper lip
    *(78, 81, 13, 311, 308, 402, 14, 178),  # inner lips likewise
)
"""Mesh point of each of the 68 OpenPose face slots: that vertex of its contour which lies nearest to where the 68-point
scheme puts it (jaw: equal steps of arc from temple over chin to temple)."""

PALM = (0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18)
"""Hand points that hold still when fingers bend; the region of a hand is fitted to them."""
