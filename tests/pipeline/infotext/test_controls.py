from __future__ import annotations

from underdrawing.pipeline.infotext.controls import read_control

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
