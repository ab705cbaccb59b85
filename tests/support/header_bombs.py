"""Headers of safetensors files that would cost far more than their size, and one that is merely large."""

from __future__ import annotations

import struct

TENSORS = 99_999


def entry(begin: int, end: int, shape: str = "[1]", dtype: str = "F32") -> str:
    return f'{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{begin},{end}]}}'


def name(number: int) -> str:
    return f'"lora_unet_blocks_{number}_attn.lora_down.weight"'


def whole(header: str | bytes, data: int = 0) -> bytes:
    raw = header if isinstance(header, bytes) else header.encode()
    return struct.pack("<Q", len(raw)) + raw + bytes(data)


def large(*more: str, first: int = 0) -> str:
    """Header of 99,999 tensors of four bytes, and more entries."""
    entries = [f"{name(n)}:{entry(4 * n, 4 * n + 4)}" for n in range(first, TENSORS)]
    return "{" + ",".join([*entries, *more]) + "}"


def field(value: str) -> str:
    """Header of one tensor whose shape holds a value."""
    return '{"a":{"dtype":"F32","shape":[' + value + '],"data_offsets":[0,4]}}'


def flawed() -> dict[str, bytes]:
    """Large headers that are in order but for their last entry; the work grows with their tensors."""
    end = 4 * TENSORS
    return {
        "cut": whole(large(), end - 1),
        "overlap": whole(large(f'"zz":{entry(end - 2, end + 2)}', first=1), end + 2),
        "dtype": whole(large(f'"zz":{entry(end, end + 4, dtype="F31")}', first=1), end + 4),
        "twice": whole(large(f"{name(5)}:{entry(end, end + 4)}", first=1), end + 4),
        "same_span": whole("{" + ",".join(f"{name(n)}:{entry(0, 4)}" for n in range(TENSORS)) + "}", 4),
        "nothing_at_last": whole(large('"zz":{}', first=1), end),
    }


def bombs() -> dict[str, bytes]:
    """Headers of at most 16 MiB that hold very much of something."""
    million = 1_000_000
    nine = "9" * 4000
    giant = ",".join(["9223372036854775807"] * 64)
    return {
        "deep_lists": whole('{"a":' + "[" * million + "]" * million + "}"),
        "deep_tables": whole('{"a":' * 300_000 + "1" + "}" * 300_000),
        "metadata": whole('{"__metadata__":{' + ",".join(f'"{n}":"x"' for n in range(million)) + "}}"),
        "metadata_of_escapes": whole(
            '{"__metadata__":{' + ",".join(f'"{n}\\\\":"\\\\"' for n in range(million)) + "}}"
        ),
        "metadata_of_numbers": whole('{"__metadata__":{' + ",".join(f'"{n}":1' for n in range(million)) + "}}"),
        "metadata_of_tables": whole('{"__metadata__":{"a":[' + ",".join(["{}"] * 390_000) + "]}}"),
        "shape": whole(field(",".join(["1"] * 8_000_000))),
        "shape_of_four_megabytes": whole(field(",".join(["1"] * 2_000_000))),
        "huge_numbers": whole(field(",".join([nine] * 4000))),
        "huge_number": whole(field("9" * 16_000_000)),
        "huge_number_of_four_megabytes": whole(field("9" * 4_000_000)),
        "floats": whole(field(",".join(["1.2345678e-300"] * million))),
        "float": whole(field("0." + "9" * 4_000_000)),
        "numbers": whole("{" + ",".join(f'"{n}":1' for n in range(1_400_000)) + "}"),
        "tables": whole("{" + ",".join(f'"{n}":{{}}' for n in range(390_000)) + "}"),
        "name": whole('{"' + "a" * 16_000_000 + '":1}'),
        "name_of_four_megabytes": whole('{"' + "a" * 4_000_000 + '":1}'),
        "escapes": whole('{"' + "\\u0041" * 690_000 + '":1}'),
        "surrogates": whole('{"' + "\\ud800" * 690_000 + '":1}'),
        "surrogate_names": whole("{" + ",".join(f'"\\ud800{n}":{entry(0, 0, "[0]")}' for n in range(90_000)) + "}"),
        "nulls": whole('{"a":[' + ",".join(["null"] * 3_000_000) + "]}"),
        "spaces": whole("{" + " " * 16_000_000 + "}"),
        "spaces_of_four_megabytes": whole("{" + " " * 4_000_000 + "}"),
        "broken_utf8": whole(b'{"' + "é".encode() * 2_000_000 + b'\xff":1}'),
        "nul": whole('{"' + "\0" * 4_000_000 + '":1}'),
        "giant_shapes": whole("{" + ",".join(f'"{n}":{entry(0, 0, f"[{giant}]")}' for n in range(11_000)) + "}"),
        "giant_shape": whole("{" + f'"a":{entry(0, 0, f"[{giant}]")}' + "}"),
        "dtypes": whole("{" + ",".join(f'"{n}":{entry(0, 4, dtype="F" * 1000)}' for n in range(15_000)) + "}", 4),
        "fields": whole('{"a":{' + ",".join(['"dtype":"F32"'] * 1_100_000) + "}}"),
        "one_name": whole("{" + ",".join([f'"a":{entry(0, 0, "[0]")}'] * TENSORS) + "}"),
        "hidden": whole('{"a":[' + ",".join(["1"] * 1_900_000) + f'],"a":{entry(0, 4)}}}', 4),
        "offsets_in_texts": whole('{"__metadata__":{"a":[' + ",".join(['"data_offsets"'] * 90_000)
            + "," + ",".join(["1"] * 4_000_000) + "]}}"),
    }  # fmt: skip
