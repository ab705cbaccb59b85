"""Headers of safetensors files that would cost far more than their size, and one that is merely large."""

from __future__ import annotations

import struct
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Files = dict[str, Callable[[], bytes]]

TENSORS = 99_999
FLAWED = 5_000
"""Number of the tensor that is flawed."""


def entry(begin: int, end: int, shape: str = "[1]", dtype: str = "F32") -> str:
    return f'{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{begin},{end}]}}'


def key(number: int) -> str:
    return f"lora_unet_blocks_{number}_attn.lora_down.weight"


def name(number: int) -> str:
    return f'"{key(number)}"'


def whole(header: str | bytes, data: int = 0) -> bytes:
    raw = header if isinstance(header, bytes) else header.encode()
    return struct.pack("<Q", len(raw)) + raw + bytes(data)


def large(*more: str, first: int = 0, tensors: int = TENSORS) -> str:
    """Header of tensors of four bytes, and more entries."""
    entries = [f"{name(n)}:{entry(4 * n, 4 * n + 4)}" for n in range(first, tensors)]
    return "{" + ",".join([*entries, *more]) + "}"


def field(value: str) -> str:
    """Header of one tensor whose shape holds a value."""
    return '{"a":{"dtype":"F32","shape":[' + value + '],"data_offsets":[0,4]}}'


def spaced(header: str) -> str:
    """The same in lines."""
    return header.replace(":", " : ").replace(",", ",\n")


def numbered(count: int, value: str, mark: str = "") -> str:
    """Entries whose names are numbers and a mark."""
    return '"' + f'{mark}"{value},"'.join(map(str, range(count))) + f'{mark}"{value}'


def flawed(tensors: int = TENSORS) -> Files:
    """Large headers that are in order but for one entry; the work grows with their tensors."""
    end, at, key = 4 * tensors, 4 * FLAWED, name(FLAWED) + ":"
    part, last, header = key + entry(at, at + 4), entry(end, end + 4), partial(large, tensors=tensors)

    def other(begin: int, end: int, *kind: str) -> str:
        return header().replace(part, key + entry(begin, end, *kind))

    return {
        "cut": lambda: whole(header(), end - 1),
        "overlap": lambda: whole(header(f'"zz":{entry(end - 2, end + 2)}', first=1), end + 2),
        "hole": lambda: whole(other(at + 1, at + 5), end),
        "backwards": lambda: whole(other(at + 4, at), end),
        "size": lambda: whole(other(at, at + 4, "[2]"), end),
        "dtype": lambda: whole(header(f'"zz":{entry(end, end + 4, dtype="F31")}', first=1), end + 4),
        "empty_of_unknown_dtype": lambda: whole(other(at, at, "[0]", "F31"), end),
        "dtypes": lambda: whole(
            "{" + ",".join(f"{name(n)}:{entry(0, 0, '[0]', f'F{n}')}" for n in range(tensors)) + "}"
        ),
        "twice": lambda: whole(header(key + last, first=1), end + 4),
        "twice_in_lines": lambda: whole(spaced(header(key + last)), end + 4),
        "first_is_empty": lambda: whole(header().replace(part, key + "{}," + part), end),
        "same_span": lambda: whole("{" + ",".join(f"{name(n)}:{entry(0, 4)}" for n in range(tensors)) + "}", 4),
        "nothing_at_last": lambda: whole(header('"zz":{}', first=1), end),
        "fields_twice": lambda: whole(header().replace(part, part[:-1] + ',"dtype":"F32"}'), end),
        "number_as_text": lambda: whole(header().replace(f"[{at},", f'["{at}",'), end),
        "broken_at_last": lambda: whole(header()[:-1], end),
    }


def bombs() -> Files:
    """Headers of at most 16 MiB that hold very much of something."""
    million = 1_000_000
    nine = "9" * 4000
    giant = ",".join(["9223372036854775807"] * 64)
    return {
        "deep_lists": lambda: whole('{"a":' + "[" * million + "]" * million + "}"),
        "deep_tables": lambda: whole('{"a":' * 300_000 + "1" + "}" * 300_000),
        "metadata": lambda: whole('{"__metadata__":{' + numbered(million, ':"x"') + "}}"),
        "metadata_of_escapes": lambda: whole(
            '{"__metadata__":{' + numbered(million, ':"\\\\"', "\\\\") + "}}"
        ),
        "metadata_of_numbers": lambda: whole('{"__metadata__":{' + numbered(million, ":1") + "}}"),
        "metadata_of_tables": lambda: whole('{"__metadata__":{"a":[' + ",".join(["{}"] * 390_000) + "]}}"),
        "shape": lambda: whole(field(",".join(["1"] * 8_000_000))),
        "shape_of_four_megabytes": lambda: whole(field(",".join(["1"] * 2_000_000))),
        "huge_numbers": lambda: whole(field(",".join([nine] * 4000))),
        "huge_number": lambda: whole(field("9" * 16_000_000)),
        "huge_number_of_four_megabytes": lambda: whole(field("9" * 4_000_000)),
        "floats": lambda: whole(field(",".join(["1.2345678e-300"] * million))),
        "float": lambda: whole(field("0." + "9" * 4_000_000)),
        "numbers": lambda: whole("{" + numbered(1_400_000, ":1") + "}"),
        "tables": lambda: whole("{" + numbered(390_000, ":{}") + "}"),
        "name": lambda: whole('{"' + "a" * 16_000_000 + '":1}'),
        "name_of_four_megabytes": lambda: whole('{"' + "a" * 4_000_000 + '":1}'),
        "escapes": lambda: whole('{"' + "\\u0041" * 690_000 + '":1}'),
        "surrogates": lambda: whole('{"' + "\\ud800" * 690_000 + '":1}'),
        "surrogate_names": lambda: whole(
            "{" + ",".join(f'"\\ud800{n}":{entry(0, 0, "[0]")}' for n in range(90_000)) + "}"
        ),
        "nulls": lambda: whole('{"a":[' + ",".join(["null"] * 3_000_000) + "]}"),
        "spaces": lambda: whole("{" + " " * 16_000_000 + "}"),
        "spaces_of_four_megabytes": lambda: whole("{" + " " * 4_000_000 + "}"),
        "broken_utf8": lambda: whole(b'{"' + "é".encode() * 2_000_000 + b'\xff":1}'),
        "nul": lambda: whole('{"' + "\0" * 4_000_000 + '":1}'),
        "giant_shapes": lambda: whole(
            "{" + ",".join(f'"{n}":{entry(0, 0, f"[{giant}]")}' for n in range(11_000)) + "}"
        ),
        "giant_shape": lambda: whole("{" + f'"a":{entry(0, 0, f"[{giant}]")}' + "}"),
        "long_dtypes": lambda: whole(
            "{" + ",".join(f'"{n}":{entry(0, 4, dtype="F" * 1000)}' for n in range(15_000)) + "}", 4
        ),
        "fields": lambda: whole('{"a":{' + ",".join(['"dtype":"F32"'] * 1_100_000) + "}}"),
        "one_name": lambda: whole("{" + ",".join([f'"a":{entry(0, 0, "[0]")}'] * TENSORS) + "}"),
        "hidden": lambda: whole('{"a":[' + ",".join(["1"] * 1_900_000) + f'],"a":{entry(0, 4)}}}', 4),
        "offsets_in_texts": lambda: whole('{"__metadata__":{"a":[' + ",".join(['"data_offsets"'] * 90_000)
            + "," + ",".join(["1"] * 4_000_000) + "]}}"),
    }  # fmt: skip
