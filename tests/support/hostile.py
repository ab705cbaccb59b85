"""Pickled files that are up to no good. Every one of them must be refused; none may do anything."""

from __future__ import annotations

import io
import pickle
import struct
import tarfile
import zipfile
from typing import Any

import torch

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001
CANARY = "canary"


class Runs:
    """Pickles as a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def zipped(
    instructions: bytes, storages: dict[str, bytes] | None = None, prefix: str = "archive/", **extra: bytes
) -> bytes:
    """Zip form around pickle instructions; extra: members by name (__ stands for a slash, _pkl for .pkl)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(f"{prefix}data.pkl", instructions)
        for key, data in (storages or {}).items():
            archive.writestr(f"{prefix}data/{key}", data)
        for name, data in extra.items():
            archive.writestr(prefix + name.replace("__", "/").replace("_pkl", ".pkl"), data)
    return buffer.getvalue()


def chained(instructions: bytes, keys: bytes = b"\x80\x02].") -> bytes:
    """Older form around pickle instructions."""
    system = {"protocol_version": VERSION, "little_endian": True, "type_sizes": {}}
    return b"".join(pickle.dumps(part, 2) for part in (MAGIC, VERSION, system)) + instructions + keys


def text(value: str) -> bytes:
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


def number(value: int) -> bytes:
    raw = value.to_bytes(9, "little", signed=True)
    return b"\x8a\x09" + raw


STORAGE = b"(" + text("storage") + name("torch", "FloatStorage") + text("0") + text("cpu") + number(4) + b"tQ"


def view(offset: int, size: list[int], stride: list[int], storage: bytes = STORAGE) -> bytes:
    """Instructions that rebuild a tensor on a storage of four floats."""
    sizes, strides = (b"(" + b"".join(map(number, values)) + b"t" for values in (size, stride))
    rest = b"\x89" + name("collections", "OrderedDict") + b")R"
    return name("torch._utils", "_rebuild_tensor_v2") + b"(" + storage + number(offset) + sizes + strides + rest + b"tR"


LAUGHS = b"]" + b"".join(b"q\x000](" + b"h\x00" * 10 + b"e" for _ in range(12))
"""A list of lists that unfolds to 10^12."""
DEEP = b")" + b"\x85" * 200_000


def saved(value: Any, *, new: bool = True) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=new)
    return buffer.getvalue()


def calls() -> dict[str, bytes]:
    """Files that ask for a function."""
    import os
    import subprocess

    system: Any = vars(os)["system"]
    touch = f"touch {CANARY}"
    attacks = {
        "system": Runs(system, touch),
        "eval": Runs(eval, f"open({CANARY!r}, 'w')"),
        "exec": Runs(exec, f"open({CANARY!r}, 'w')"),
        "popen": Runs(subprocess.Popen, ["touch", CANARY]),
        "open": Runs(open, CANARY, "w"),
        "getattr": Runs(getattr, "x", "upper"),
        "import": Runs(__import__, "antigravity"),
        "load": Runs(torch.load, CANARY),
        "nested": {"state_dict": {"a": [1, (2, {"b": Runs(system, touch)})]}},
        "beside": [torch.ones(3), Runs(system, touch)],
    }
    files: dict[str, bytes] = {}
    for word, value in attacks.items():
        for protocol in (0, 2, 4):
            if word != "beside":
                files[f"{word}-plain-{protocol}"] = pickle.dumps(value, protocol)
                files[f"{word}-zip-{protocol}"] = zipped(pickle.dumps(value, protocol))
                files[f"{word}-chain-{protocol}"] = chained(pickle.dumps(value, protocol))
        files[f"{word}-saved"], files[f"{word}-saved-old"] = saved(value), saved(value, new=False)
    return files


def instructions() -> dict[str, bytes]:
    """Pickles made by hand; each is tried in both forms."""
    return {
        "inst": b"(" + text("touch canary") + b"ios\nsystem\n.",
        "obj": b"(" + name("os", "system") + text("touch canary") + b"o.",
        "newobj_ex": name("os", "system") + b")}\x92.",
        "stack_global": text("os") + text("system") + b"\x93)R.",
        "stack_global_odd": b"]]\x93.",
        "extension": b"\x82\x01.",
        "persid": b"Pos.system\n.",
        "buffer": b"\x97.",
        "dotted": text("torch") + text("os.system") + b"\x93" + text("touch canary") + b"\x85R.",
        "through_torch": name("torch._utils", "_import_dotted_name") + text("os.system") + b"\x85R.",
        "not_called": b"}" + text("a") + name("os", "system") + b"s.",
        "inert_called": name("builtins", "list") + b")R.",
        "storage_called": name("torch", "FloatStorage") + number(2**40) + b"\x85R.",
        "left_name": b"]" + name("torch", "FloatStorage") + b"a.",
        "left_storage": b"]" + STORAGE + b"a.",
        "call_a_number": b"K\x01)R.",
        "call_a_list": LAUGHS + b")R.",
        "call_with_list": name("collections", "OrderedDict") + b"]R.",
        "build_a_list": b"]}" + text("__class__") + name("os", "system") + b"sb.",
        "build_a_tensor": view(0, [2], [1]) + b"}b.",
        "laughs": LAUGHS + b".",
        "laughs_tuple": b")" + b"q\x00\x85" * 3 + b"2\x86" * 60 + b".",
        "laughs_as_key": name("torch._utils", "_rebuild_tensor_v2")
        + b"("
        + STORAGE.replace(text("0"), LAUGHS)
        + b"tR.",
        "laughs_as_device": name("torch", "device") + LAUGHS + b"\x85R.",
        "laughs_as_dtype": name("numpy", "dtype") + LAUGHS + b"\x85R.",
        "deep": b"]" * 1000 + b"a" * 999 + b".",
        "deep_list": b"]" * 200_000 + b"a" * 199_999 + b".",
        "deep_tuple": DEEP + b".",
        "deep_key": b"}" + DEEP + b"K\x01s.",
        "deep_set": name("builtins", "set") + b"]" + DEEP + b"a\x85R.",
        "deep_dtype": name("numpy", "dtype") + DEEP + b"\x85R.",
        "deep_metadata": view(0, [2], [1])[:-2] + b"]" + DEEP + b"atR.",
        "in_itself": b"]q\x00h\x00a.",
        "in_its_dict": b"}q\x00" + text("a") + b"h\x00s.",
        "memo_missing": b"j\xff\xff\xff\xff.",
        "memo_far": b"]r\xff\xff\xff\xff0j\xfe\xff\xff\xff.",
        "huge_long": b"\x8b\xff\xff\xff\x7f.",
        "negative_long": b"\x8b\xff\xff\xff\xff.",
        "long_long": b"\x8b" + struct.pack("<i", 10**6) + b"\x7f" * 10**6 + b".",
        "huge_text": b"\x8d" + struct.pack("<Q", 2**60) + b".",
        "huge_bytes": b"\x8e" + struct.pack("<Q", 2**63) + b".",
        "bad_text": b"X\x02\x00\x00\x00\xff\xff.",
        "endless_name": b"c" + b"a" * 10_000 + b".",
        "bytearray": name("builtins", "bytearray") + number(2**40) + b"\x85R.",
        "colliding": b"}(" + b"".join(number(k * (2**61 - 1)) + b"N" for k in range(1, 9)) + b"u.",
        "nothing": b".",
        "empty": b"",
        "underflow": b"\x87.",
        "no_stop": b"}",
        "left_over": b"}}.",
        "left_mark": b"(}.",
        "odd_items": b"}(" + text("a") + b"u.",
        "items_on_list": b"](" + text("a") + b"Nu.",
        "append_on_dict": b"}Na.",
        "protocol": b"\x80\x09}.",
        "persistent_module": b"(" + text("module") + name("torch", "FloatStorage") + text("x") + text("y") + b"tQ.",
        "persistent_list": b"]Q.",
        "persistent_dtype": STORAGE.replace(b"FloatStorage", b"QInt8Storage") + b".",
        "out_of_bounds": view(0, [5], [1]) + b".",
        "out_of_bounds_offset": view(3, [2], [1]) + b".",
        "out_of_bounds_stride": view(0, [2], [4]) + b".",
        "negative_stride": view(3, [2], [-1]) + b".",
        "negative_size": view(0, [-1], [1]) + b".",
        "negative_offset": view(-1, [1], [1]) + b".",
        "overflow": view(0, [2**62, 2**62], [2**62, 1]) + b".",
        "repeated": view(0, [2**40], [0]) + b".",
        "storage_of_all": view(0, [4], [1], STORAGE.replace(number(4), number(2**50))) + b".",
        "storage_negative": view(0, [0], [1], STORAGE.replace(number(4), number(-4))) + b".",
        "two_ways": b"]("
        + view(0, [4], [1])
        + view(0, [2], [1], STORAGE.replace(b"FloatStorage", b"DoubleStorage"))
        + b"e.",
        "not_a_storage": view(0, [4], [1], b"]") + b".",
        "object_array": name("numpy", "dtype")
        + text("O8")
        + b"\x85R"
        + text("x")
        + b"\x86"
        + name("numpy.core.multiarray", "scalar")
        + b"2\x86.",
    }


def archives() -> dict[str, bytes]:
    """Files whose outer form lies."""
    good = saved({"w": torch.arange(100.0)})
    old = saved({"w": torch.arange(100.0)}, new=False)
    plain, four = view(0, [4], [1]) + b".", bytes(16)
    ratio = io.BytesIO()
    with zipfile.ZipFile(ratio, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", plain)
        archive.writestr("archive/data/0", bytes(50_000_000))
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("storages"))
    flipped = bytearray(good)
    flipped[good.index(torch.arange(100.0).numpy().tobytes()) + 17] ^= 1
    inner = bytearray(good)
    inner[good.index(b"data.pkl") + 40] ^= 4
    files = {f"cut-{at}": good[: len(good) * at // 12] for at in range(12)}
    files |= {f"old-cut-{at}": old[: len(old) * at // 12] for at in range(12)}
    return files | {
        "checksum": bytes(flipped),
        "checksum-pickle": bytes(inner),
        "compressed": ratio.getvalue(),
        "tar": tar.getvalue(),
        "twice": good + good[:30],
        "old-and-more": old + b"x",
        "page": b"<!doctype html><html>not found</html>" * 20,
        "outside": zipped(plain, {"../../0": four}),
        "absolute": zipped(plain, {"0": four}, prefix="/"),
        "backslash": zipped(plain, {"0": four, "..\\x": b""}),
        "script": zipped(plain, {"0": four}, code____torch__py=b"import os"),
        "constants": zipped(plain, {"0": four}, prefix="archive/", constants_pkl=b"."),
        "big-endian": zipped(plain, {"0": four}, byteorder=b"big"),
        "missing": zipped(plain),
        "short-storage": zipped(plain, {"0": four[:8]}),
        "long-storage": zipped(plain, {"0": four * 2}),
        "no-folder": zipped(plain, {"0": four}, prefix=""),
        "two-folders": zipped(plain, {"0": four}, prefix="a/b/"),
        "behind-stop": zipped(plain + b"cos\nsystem\n.", {"0": four}),
        "many-marks": zipped(b"(" * 3_000_001 + b"."),
        "members": _many_members(300_000),
        "overlapping": _overlapping(),
        "chain-keys": chained(plain, pickle.dumps(["0", "1"], 2)),
        "chain-no-bytes": chained(plain, pickle.dumps(["0"], 2)),
        "chain-other-length": chained(plain, pickle.dumps(["0"], 2)) + struct.pack("<Q", 5) + four,
        "chain-deep-keys": chained(plain, b"]" + DEEP + b"a."),
    }


def _many_members(count: int) -> bytes:
    """A zip directory that announces more members than is sane (and holds none)."""
    return (
        b"PK\x03\x04"
        + bytes(26)
        + b"PK\x05\x06"
        + struct.pack("<HHHHIIH", 0, 0, count % 2**16, count % 2**16, 2**31, 4, 0)
    )


def _overlapping() -> bytes:
    """Two directory entries for the same stored bytes."""
    data = zipped(view(0, [4], [1]) + b".", {"0": bytes(4096)})
    at = data.index(b"PK\x01\x02")
    end = data.index(b"PK\x05\x06")
    entries = data[at:end]
    second = entries[entries.rindex(b"PK\x01\x02") :]
    copies = b"".join(second.replace(b"data/0", f"data/{digit}".encode()) for digit in range(1, 10))
    tail = bytearray(data[end:])
    struct.pack_into("<HHI", tail, 8, 11, 11, len(entries) + len(copies))
    return data[:at] + entries + copies + bytes(tail)


def corpus() -> dict[str, bytes]:
    """Every hostile file by name."""
    made = calls() | archives()
    for word, code in instructions().items():
        made[f"{word}-zip"] = zipped(code, {"0": bytes(16)})
        if word.startswith("deep_"):
            continue  # slow
        made[f"{word}-chain"] = chained(code, pickle.dumps(["0"], 2)) + struct.pack("<Q", 4) + bytes(16)
        made[f"{word}-plain"] = code
    return made
