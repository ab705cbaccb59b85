from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from underdrawing.core.errors import BadParameter
from underdrawing.pipeline.infotext.controls import IDLE, read_control
from underdrawing.pipeline.infotext.text import format_fields

LABELS = (
    *("Module", "Model", "Weight", "Resize Mode", "Processor Res", "Threshold A", "Guidance Start", "Guidance End"),
    *("Pixel Perfect", "Control Mode", "Hr Option", "Low Vram", "preprocessor", "starting/ending"),
)

TEXT = (
    "Module: canny, Model: control_v11p_sd15_canny [d14c016b], Weight: 0.8, Resize Mode: Resize and Fill, "
    "Low Vram: False, Processor Res: 768, Threshold A: 100.0, Guidance Start: 0.1, Guidance End: 0.9, "
    "Pixel Perfect: False, Control Mode: My prompt is more important, Hr Option: Both"
)


def test_every_label_is_used_or_named() -> None:
    control, notes = read_control(TEXT, "a.png")
    assert (control.annotator, control.model) == ("canny", "control_v11p_sd15_canny [d14c016b]")
    assert (control.weight, control.start, control.end) == (0.8, 0.1, 0.9)
    assert (control.mode, control.fit, control.params) == ("prompt", "fill", {"resolution": 768})
    assert notes == ["threshold a (100.0) is not repeated"]


def test_pixel_perfect_leaves_the_resolution_open() -> None:
    assert read_control(TEXT.replace("Pixel Perfect: False", "Pixel Perfect: True"), "")[0].params == {}


def test_the_older_form_is_read() -> None:
    text = (
        "preprocessor: canny, model: control_v11p_sd15_canny [d14c016b], weight: 1, starting/ending: (0, 0.7), "
        "resize mode: Just Resize, pixel perfect: False, control mode: ControlNet is more important, "
        "preprocessor params: (512, 100, 200)"
    )
    control, notes = read_control(text, "")
    assert (control.annotator, control.start, control.end) == ("canny", 0, 0.7)
    assert (control.mode, control.fit) == ("control", "just")
    assert notes == ["preprocessor params ((512, 100, 200)) is not repeated"]


def test_words_that_are_not_known_are_named() -> None:
    control, notes = read_control("Module: None, Model: None, Control Mode: Magic, Resize Mode: Stretch", "")
    assert (control.annotator, control.model, control.mode, control.fit) == ("", "", "balanced", "crop")
    assert [note.partition(" is not known")[0] for note in notes] == ["control mode (Magic)", "resize mode (Stretch)"]


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(LABELS), st.text("ab01.,():- ", max_size=12)))
def test_whatever_a_label_says_it_is_used_named_or_refused(fields: dict[str, str]) -> None:
    try:
        control, notes = read_control(format_fields(fields), "a.png")
    except BadParameter as error:
        assert "a.png" in str(error)  # noqa: PT017 - refusing is one of the three
        return
    assert 0 <= len(notes) <= len(fields)
    named = " ".join(notes)
    for label in ("Threshold A", "Hr Option"):
        value = fields.get(label, "").strip()
        assert label.lower() in named or value.lower() in IDLE
    assert control.image is None
