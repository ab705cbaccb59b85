"""Infotexts in files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from underdrawing.core.errors import BadImage, BadParameter
from underdrawing.core.images.marks import has_mark
from underdrawing.pipeline.infotext.pictures import decode_comment, encode_picture, read_picture_request
from underdrawing.pipeline.request import Control, Hires, Request

PIXELS = np.zeros((8, 8, 3), np.uint8)
TEXT = "a cat\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 64x64, RNG: CPU"


def test_a_request_comes_back_exactly(tmp_path: Path) -> None:
    request = Request(
        prompt="Negative prompt: über\nSteps: 1, a: b, c: d",
        cfg=7.1,
        subseed_strength=0.1 + 0.2,
        controls=(Control(image=Path("a, b.png"), annotator="canny", params={"low_threshold": 30, "x": [1, 2]}),),
        hires=Hires(scale=1.5),
        image=Path("folder/c.png"),
    )
    path = tmp_path / "a.png"
    path.write_bytes(encode_picture(PIXELS, TEXT, request))
    reading = read_picture_request(path)
    assert reading.exact
    assert reading.request == request
    assert Image.open(path).info["parameters"] == TEXT
    assert encode_picture(PIXELS, TEXT, request) == path.read_bytes()
    assert not has_mark(path), "a picture is no map: folders of pictures are annotated"


def test_pictures_in_memory_are_missed(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encode_picture(PIXELS, TEXT, Request(prompt="a", controls=(Control(image=PIXELS),))))
    reading = read_picture_request(path)
    assert reading.request.controls[0].image is None
    assert not reading.exact
    assert "no files" in reading.notes[0]


def test_a1111s_pngs_are_read(tmp_path: Path) -> None:
    info = PngInfo()
    info.add_text("parameters", TEXT)
    Image.fromarray(PIXELS).save(tmp_path / "a.png", pnginfo=info)
    reading = read_picture_request(tmp_path / "a.png")
    assert (reading.request.sampler, reading.request.seed, reading.exact) == ("Euler a", 1, False)


@pytest.mark.parametrize("suffix", ["jpg", "webp"])
def test_a1111s_other_pictures_are_read(tmp_path: Path, suffix: str) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + "ä ".encode("utf-16-be") + TEXT.encode("utf-16-be")
    Image.fromarray(PIXELS).save(tmp_path / f"a.{suffix}", exif=exif)
    assert read_picture_request(tmp_path / f"a.{suffix}").request.prompt == "ä a cat"


@pytest.mark.parametrize("comment", [b"", b"JIS\0\0\0\0\0abc", b"UNICODE\0a", b"ASCII\0\0\0\xff"])
def test_comments_that_cannot_be_read_are_empty(comment: bytes) -> None:
    assert decode_comment(comment) == ""


def test_pictures_without_texts_are_refused(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    with pytest.raises(BadParameter, match="no generation parameters"):
        read_picture_request(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("no picture")
    with pytest.raises(BadImage):
        read_picture_request(tmp_path / "b.png")
    with pytest.raises(BadImage, match="no such file"):
        read_picture_request(tmp_path / "c.png")


@pytest.mark.parametrize("record", ["{", "[]", '{"prompt": 5}', '{"prompt": "a", "steps": "many"}'])
def test_broken_records_are_refused(tmp_path: Path, record: str) -> None:
    info = PngInfo()
    info.add_text("underdrawing-request", record)
    Image.fromarray(PIXELS).save(tmp_path / "a.png", pnginfo=info)
    with pytest.raises(BadParameter, match="record makes no sense"):
        read_picture_request(tmp_path / "a.png")


@pytest.mark.parametrize("field", ["checkpoint", "vae", "image"])
@pytest.mark.parametrize("name", ["//server/share/a", "\\\\server\\share\\a"])
def test_files_on_other_computers_are_not_looked_for(tmp_path: Path, field: str, name: str) -> None:
    info = PngInfo()
    info.add_text("underdrawing-request", json.dumps({"prompt": "a", field: name}))
    Image.fromarray(PIXELS).save(tmp_path / "a.png", pnginfo=info)
    with pytest.raises(BadParameter, match="another computer"):
        read_picture_request(tmp_path / "a.png")


def test_pictures_of_comfyui_are_read_by_sd_parsers(tmp_path: Path) -> None:
    pytest.importorskip("sd_parsers", reason="pip install sd-parsers")
    prompt = {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "a.safetensors"}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a cat", "clip": ["1", 1]}},
        "3": {"class_type": "CLIPTextEncode", "inputs": {"text": "dogs", "clip": ["1", 1]}},
        "4": {
            "class_type": "KSampler",
            "inputs": {
                **{"seed": 5, "steps": 12, "cfg": 6.5, "sampler_name": "euler", "scheduler": "karras", "denoise": 1.0},
                **{"model": ["1", 0], "positive": ["2", 0], "negative": ["3", 0]},
            },
        },
    }
    links = [[1, 1, 0, 4, 0, "MODEL"], [2, 2, 0, 4, 1, "CONDITIONING"], [3, 3, 0, 4, 2, "CONDITIONING"]]
    info = PngInfo()
    info.add_text("prompt", json.dumps(prompt))
    info.add_text("workflow", json.dumps({"links": links}))
    Image.fromarray(PIXELS).save(tmp_path / "a.png", pnginfo=info)
    reading = read_picture_request(tmp_path / "a.png")
    found = reading.request
    assert (found.prompt, found.negative, found.seed, found.steps, found.cfg) == ("a cat", "dogs", 5, 12, 6.5)
    assert (found.sampler, found.scheduler, found.noise) == ("euler", "karras", "cpu")
    assert "ComfyUI" in reading.notes[0]


def write_record(path: Path, text: str, *, wide: bool = False) -> Path:
    info = PngInfo()
    info.add_itxt("underdrawing-request", text) if wide else info.add_text("underdrawing-request", text)
    Image.fromarray(PIXELS).save(path, pnginfo=info)
    return path


def test_records_in_other_chunks_are_read(tmp_path: Path) -> None:
    path = write_record(tmp_path / "a.png", '{"prompt": "a cat"}', wide=True)
    assert read_picture_request(path).request == Request(prompt="a cat")


@pytest.mark.parametrize(
    "text",
    ["{", "[" * 100_000, '{"prompt": "", "image": ' + "[" * 5000, '{"prompt": "", "image": [1]}', '{"prompt": 5}'],
)
def test_records_that_make_no_sense_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadParameter, match="its record"):
        read_picture_request(write_record(tmp_path / "a.png", text))


def test_names_of_files_that_are_no_utf8_come_back(tmp_path: Path) -> None:
    request = Request(prompt="a cat", image=Path("folder/\udcff.png"), controls=(Control(image=Path("\udce9.png")),))
    (tmp_path / "a.png").write_bytes(encode_picture(PIXELS, TEXT, request))
    assert read_picture_request(tmp_path / "a.png").request == request


@pytest.mark.parametrize("text", ['{"prompt": "", "seed": ' + "9" * 5000 + "}", '{"prompt": "", "seed": NaN}'], ids=len)
def test_numbers_that_are_none_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadParameter, match="its record"):
        read_picture_request(write_record(tmp_path / "a.png", text))


@pytest.mark.parametrize("encoding", ["utf-16-be", "utf-16-le", "utf-16"])
def test_comments_of_photographs_are_read_in_either_byte_order(encoding: str, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + TEXT.replace("a cat", "a cat \u732b").encode(encoding)
    Image.fromarray(PIXELS).save(tmp_path / "a.jpg", exif=exif)
    assert read_picture_request(tmp_path / "a.jpg").request.prompt == "a cat \u732b"


def test_the_comment_of_a_gif_is_read(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.gif", comment=TEXT.encode())
    assert read_picture_request(tmp_path / "a.gif").request.prompt == "a cat"


@given(st.sampled_from([b"UNICODE\0", b"ASCII\0\0\0", b"\0" * 8, b"JIS\0\0\0\0\0", b""]), st.binary(max_size=64))
def test_whatever_a_comment_holds_it_is_text(code: bytes, rest: bytes) -> None:
    assert isinstance(decode_comment(code + rest), str)
