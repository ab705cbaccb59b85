"""Small checkpoints that would cost far more than their size: in copies, hashes, comparisons, objects or steps."""

from __future__ import annotations

import pickle
import struct
from functools import partial
from typing import TYPE_CHECKING

from tests.support.hostile import MAGIC, VERSION, name, number, text, view, zipped

if TYPE_CHECKING:
    from collections.abc import Callable

MEGABYTE = text("a" * 1_000_000)
ODICT = name("collections", "OrderedDict")


def put(slot: int) -> bytes:
    return b"q" + bytes([slot]) + b"0"


def get(slot: int) -> bytes:
    return b"h" + bytes([slot])


def word(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def colliding_pairs(count: int) -> list[tuple[int, int]]:
    """Pairs of numbers with one hash (CPython's tuples are hashed by an unsalted xxHash)."""
    whole, one, two, five = 2**64, 11400714785074694791, 14029467366897019727, 2870177450012600261
    inverse = pow(two, -1, whole)
    pairs: list[tuple[int, int]] = []
    first = 0
    while len(pairs) < count:
        first += 1
        turned = (five + first * two) % whole
        mixed = (((turned << 31) | (turned >> 33)) % whole) * one % whole
        second = (123456789 - mixed) * inverse % whole
        if second < 2**60:
            pairs.append((first, second))
    assert len(set(map(hash, pairs))) == 1
    return pairs


def walking_numbers(count: int, bits: int = 17) -> list[int]:
    """Numbers that fill an arc of a dict's probe order, and then numbers whose probes all begin on that arc."""
    mask = (1 << bits) - 1
    arc, slot = [], 0
    for _ in range(count // 2):
        arc.append(slot)
        slot = (5 * slot + 1) & mask
    taken, late, high = set(arc), list[int](), 1
    while len(late) < count // 2:
        key = high << bits | arc[high % len(arc)]
        perturb, at = key, key & mask
        for _ in range(13):
            perturb >>= 5
            at = (5 * at + perturb + 1) & mask
            if at not in taken:
                break
        else:
            late.append(key)
        high += 1
        if high > 400_000:
            break
    return arc + late


def copies() -> dict[str, bytes]:
    """Memoised values that are copied or compared again and again."""
    return {
        "encoded": b"}("
        + MEGABYTE
        + put(0)
        + name("_codecs", "encode")
        + put(1)
        + b"".join(text(str(n)) + get(1) + get(0) + b"\x85R" for n in range(5000))
        + b"u.",
        "bytearrays": b"B"
        + struct.pack("<I", 10**6)
        + bytes(10**6)
        + b"\x85"
        + put(0)
        + name("builtins", "bytearray")
        + put(1)
        + b"]("
        + (get(1) + get(0) + b"R") * 5000
        + b"e.",
        "equal_keys": MEGABYTE + put(0) + MEGABYTE + put(1) + b"}" + get(0) + b"Ns" + (get(1) + b"Ns") * 200_000 + b".",
        "equal_in_set": MEGABYTE
        + put(0)
        + MEGABYTE
        + put(1)
        + b"\x8f("
        + get(0)
        + b"\x90"
        + (b"(" + get(1) + b"\x90") * 200_000
        + b".",
        "long_names": MEGABYTE + put(0) + (get(0) * 2 + b"\x930") * 200_000 + b"N.",
        "devices": name("torch", "device")
        + put(0)
        + MEGABYTE
        + b"K\x01\x86"
        + put(1)
        + (get(0) + get(1) + b"R0") * 200_000
        + b"N.",
        "arrays": name("numpy.core.multiarray", "_reconstruct")
        + put(0)
        + name("numpy", "dtype")
        + text("u1")
        + b"\x85R"
        + put(1)
        + b"(K\x01"
        + word(10**6)
        + b"\x85"
        + get(1)
        + b"\x89"
        + MEGABYTE
        + b"t"
        + put(2)
        + b"]("
        + (get(0) + b")R" + get(2) + b"b") * 20_000
        + b"e.",
        "negated": _negated(),
    }


def _negated() -> bytes:
    """A tensor of 40 MB, the copy of whose negative is asked for many times."""
    function, _, arguments = view(0, [10_000_000], [0]).partition(b"(")
    marks = b"}" + text("neg") + b"\x88s"
    call = b"(" + arguments.removesuffix(b"tR") + marks + b"t"
    return function + put(0) + call + put(1) + b"](" + (get(0) + get(1) + b"R") * 100 + b"e."


def rebuilt() -> dict[str, bytes]:
    """Containers made from memoised ones."""
    pairs = b"(" + b"K\x01K\x02\x86" + b"q\x05" + get(5) * 300_000 + b"l" + put(0)
    return {
        "dicts": pairs + ODICT + put(2) + (get(2) + get(0) + b"\x85R0") * 20_000 + b"N.",
        "sets": b"(" + b"K\x01" * 300_000 + b"l" + put(0) + name("builtins", "set") + put(2)
        + (get(2) + get(0) + b"\x85R0") * 20_000 + b"N.",
        "frozensets": b"(" + b"K\x01" * 300_000 + b"l" + put(0) + name("builtins", "frozenset") + put(2)
        + (get(2) + get(0) + b"\x85R0") * 20_000 + b"N.",
        "parameters": b"}" + text("_parameters") + b"}(" + b"".join(word(n) + b"N" for n in range(50_000)) + b"us"
        + put(0) + name("torch.nn.modules.container", "ParameterDict") + put(1)
        + (get(1) + b")R" + get(0) + b"b0") * 20_000 + b"N.",
        "arguments": b"(" + b"N" * 300_000 + b"t" + put(0) + name("numpy.core.multiarray", "_reconstruct") + put(1)
        + (get(1) + get(0) + b"R0") * 100_000 + b"N.",
        "metadata": b"}(" + b"".join(word(n) + b"N" for n in range(50_000)) + b"u" + put(0)
        + view(0, [4], [1])[:-2] + get(0) + b"tR0N.",
        "shapes": b"(" + b"K\x01" * 300_000 + b"t" + put(0) + name("torch", "Size") + put(1)
        + (get(1) + get(0) + b"\x85R0") * 100_000 + b"N.",
        "laughs_of_texts": MEGABYTE + put(0) + b"](" + get(0) * 300_000 + b"e.",
    }  # fmt: skip


def keys() -> dict[str, bytes]:
    """Dictionaries whose keys collide, or are dear."""
    made = [word(a) + number(b) + b"\x86" for a, b in colliding_pairs(5000)]
    pairs = b"".join(made)
    return {
        "colliding": b"}(" + b"".join(pair + b"N" for pair in made) + b"u.",
        "colliding_set": b"\x8f(" + pairs + b"\x90.",
        "colliding_frozenset": b"(" + pairs + b"\x91.",
        "colliding_ordered": ODICT + b"(" + b"".join(pair + b"N\x86" for pair in made) + b"l\x85R.",
        "walking": b"}(" + b"".join(number(n) + b"N" for n in walking_numbers(80_000)) + b"u.",
        "walking_memo": b"N" + b"".join(b"r" + struct.pack("<I", n % 2**32) for n in walking_numbers(80_000)) + b".",
        "long_tuple": b"(" + b"K\x01" * 300_000 + b"t" + put(0) + b"}" + (get(0) + b"Ns") * 100_000 + b".",
        "many_dicts": b"](" + (b"}(" + b"".join(word(n << 20) + b"N" for n in range(1, 2000)) + b"u") * 100 + b"e.",
    }


def steps() -> dict[str, Callable[[], bytes]]:
    """Pickles of very many cheap instructions."""
    return {
        "nothing": lambda: b"N0" * 8_000_000 + b"N.",
        "marks": lambda: b"(" * 8_000_000 + b".",
        "empty_sets": lambda: b"](" + b"\x8f" * 4_000_000 + b"e.",
        "empty_dicts": lambda: b"](" + b"}" * 4_000_000 + b"e.",
        "empty_odicts": lambda: ODICT + put(0) + b"](" + (get(0) + b")R") * 1_000_000 + b"e.",
        "pairs": lambda: b"](" + b"K\x01K\x02\x86" * 1_000_000 + b"e.",
        "numbers": lambda: b"](" + (b"\x8a\xff" + b"\x7f" * 255) * 60_000 + b"e.",
        "floats": lambda: b"](" + (b"G" + struct.pack(">d", 1.5)) * 2_000_000 + b"e.",
        "surrogates": lambda: b"X" + struct.pack("<I", 3 * 5_000_000) + b"\xed\xa0\x80" * 5_000_000 + b".",
        "wide_texts": lambda: b"](" + (b"X" + struct.pack("<I", 10**6) + b"a" * (10**6 - 4) + b"\xf0\x9f\x98\x80") * 8
        + b"e.",
        "short_texts": lambda: b"](" + b"\x8c\x02ab" * 4_000_000 + b"e.",
        "deep": lambda: b")" + b"\x85" * 4_000_000 + b".",
        "deep_lists": lambda: b"]" * 4_000_000 + b"a" * 3_999_999 + b".",
        "tensors": _many_tensors,
        "repeated_tensors": partial(_many_tensors, size=2**20),
        "digits": lambda: b"X" + struct.pack("<I", 10**6) + b"1" * 10**6 + b"K\x01\x86" + put(0)
        + name("builtins", "complex") + put(1) + (get(1) + get(0) + b"R0") * 100_000 + b"N.",
    }  # fmt: skip


def _many_tensors(size: int = 4) -> bytes:
    function, _, arguments = view(0, [size], [1 if size == 4 else 0]).partition(b"(")
    call = b"(" + arguments.removesuffix(b"R")
    return function + put(0) + call + put(1) + b"](" + (get(0) + get(1) + b"R") * 400_000 + b"e."


def archives() -> dict[str, Callable[[], bytes]]:
    """Files whose outer form is dear."""
    return {
        "extra_fields": _extra_fields,
        "members": partial(_members, 65_000),
        "chain_of_storages": _chain_of_storages,
        "chain_of_equal_keys": _chain_of_equal_keys,
    }


def _extra_fields() -> bytes:
    """A directory whose fields are lists of thousands of empty fields."""
    data = zipped(b"N.")
    at, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    entry = bytearray(data[at:end])
    struct.pack_into("<H", entry, 30, 65_532)
    size = struct.unpack_from("<H", entry, 28)[0]
    fat = bytes(entry[: 46 + size]) + b"\xfe\xca\0\0" * 16_383
    directory = b"".join(fat.replace(b"data.pkl", b"data.%03d" % n) for n in range(150)) + bytes(data[at:end])
    tail = bytearray(data[end:])
    struct.pack_into("<HHI", tail, 8, 151, 151, len(directory))
    return data[:at] + directory + bytes(tail)


def _members(count: int) -> bytes:
    """A directory of very many empty members."""
    data = zipped(b"N.", {"000000": b""})
    at, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    entries = data[at:end]
    last = entries[entries.rindex(b"PK\x01\x02") :]
    more = b"".join(last.replace(b"000000", b"%06d" % n) for n in range(1, count))
    tail = bytearray(data[end:])
    struct.pack_into("<HHI", tail, 8, count + 1, count + 1, len(entries) + len(more))
    return data[:at] + entries + more + bytes(tail)


def _head() -> bytes:
    system = {"protocol_version": VERSION, "little_endian": True, "type_sizes": {}}
    return b"".join(pickle.dumps(part, 2) for part in (MAGIC, VERSION, system))


def _storage(key: bytes) -> bytes:
    return b"(" + text("storage") + name("torch", "FloatStorage") + key + text("cpu") + b"K\x00tQ0"


def _chain_of_storages() -> bytes:
    """Very many storages of nothing, each of which is compared with all others if sizes are summed each time."""
    code = b"".join(_storage(text(str(n))) for n in range(100_000))
    return _head() + b"\x80\x02" + code + b"N."


def _chain_of_equal_keys() -> bytes:
    """Two texts that are long and almost equal, sorted and looked up again and again."""
    texts = text("a" * 1_000_000 + "b") + put(0) + text("a" * 1_000_000 + "c") + put(1)
    return _head() + b"\x80\x02N.\x80\x02" + texts + b"](" + (get(0) + get(1)) * 100_000 + b"e."


def corpus() -> dict[str, bytes]:
    """Every bomb by name."""
    codes = copies() | rebuilt() | keys() | {word: make() for word, make in steps().items()}
    return {word: zipped(code, {"0": bytes(16)}) for word, code in codes.items()} | {
        word: make() for word, make in archives().items()
    }
