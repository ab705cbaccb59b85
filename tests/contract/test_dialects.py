"""What every dialect promises, asked of every file in its folder: a new one is tested without a line here.

Files are made by the dialect's own `spell`, of every part of a model and every kind of adapter it can hold.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from tests.support.adapter_kinds import KINDS, dora, loha, lora, oft
from tests.support.adapter_models import BIGG, CLIP, SD15

from underdrawing.adapters import load_adapter
from underdrawing.adapters.deltas.suffixes import ALIASES
from underdrawing.adapters.modules.parts import PARTS, TEXT_ENCODER, TEXT_ENCODER_2, TRANSFORMER, UNET, find_part
from underdrawing.adapters.modules.transformers import flux1
from underdrawing.adapters.reading.dialects import base
from underdrawing.adapters.reading.dialects.base import Dialect, ModuleKey, Rejection, find_dialects
from underdrawing.adapters.reading.files import RawFile
from underdrawing.core.errors import BadWeights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.adapter_kinds import Tensors
    from torch import Tensor

    from underdrawing.adapters.modules.layers import Module, Network

    Kind = Callable[[Module], Tensors]

DIALECTS = find_dialects()
FLUX = flux1.DEV.resize(transformer_blocks=10, single_transformer_blocks=10, d=8, m=32, h=4, c=8, o=8, t=8, v=8)
NETWORKS: dict[str, Network] = {UNET: SD15, TEXT_ENCODER: CLIP, TEXT_ENCODER_2: BIGG, TRANSFORMER: FLUX}
NAMES = {suffix: name for name, suffixes in ALIASES.items() for suffix in suffixes}

every = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.id)


class Sample(NamedTuple):
    """A file in a dialect: its keys with what each stands for, and the tensors."""

    keys: dict[str, ModuleKey]
    tensors: dict[str, Tensor]
    config: dict[str, object]
    file: RawFile

    @classmethod
    def of(cls, keys: dict[str, ModuleKey], tensors: dict[str, Tensor], config: dict[str, object]) -> Sample:
        return cls(keys, tensors, config, RawFile(Path("a.safetensors"), tensors, config=config))

    def save(self, folder: Path, **changed: Tensor) -> Path:
        save_file({**self.tensors, **changed}, folder / "a.safetensors")
        if self.config:
            (folder / "adapter_config.json").write_text(json.dumps(self.config))
        return folder / "a.safetensors"


@cache
def layers(part: str) -> dict[str, Module]:
    """Layers that any kind of adapter fits."""
    own = NETWORKS[part].modules().items()
    return {name: m for name, m in own if m.kind in ("Linear", "Conv2d") and min(m.shape[:2]) > 4}


@cache
def sample(dialect: Dialect, part: str, kind: Kind = lora) -> Sample:
    """A file of all modules of a part that the dialect can hold this kind on; empty where it can hold none."""
    torch.manual_seed(0)
    keys: dict[str, ModuleKey] = {}
    tensors: dict[str, Tensor] = {}
    for name, layer in layers(part).items():
        module = f"{part}.{name}"
        own = {suffix: (dialect.spell(module, suffix), tensor) for suffix, tensor in kind(layer).items()}
        for suffix, (key, tensor) in own.items():
            if key is not None and all(other is not None for other, _ in own.values()):
                assert key not in keys, "two tensors have one key"
                keys[key], tensors[key] = ModuleKey(module, suffix), tensor
    return Sample.of(keys, tensors, dialect.config(part))


def samples(dialect: Dialect) -> Iterator[Sample]:
    """Every file of the dialect that holds something."""
    found = (sample(dialect, part, kind) for part in NETWORKS for kind in KINDS)
    yield from (one for one in found if one.keys)


def same(one: ModuleKey | Rejection, other: ModuleKey) -> bool:
    """Whether both stand for the same tensor of the same module, whatever its suffix is called."""
    if isinstance(one, Rejection):
        return False
    return one.module == other.module and NAMES.get(one.suffix, one.suffix) == NAMES.get(other.suffix, other.suffix)


def plain(dialect: Dialect) -> Sample:
    """LoRA on the part that the dialect holds most of."""
    return max((sample(dialect, part) for part in NETWORKS), key=lambda one: len(one.keys))


# The declaration.


def test_every_file_of_the_folder_is_a_dialect() -> None:
    files = {path.stem for path in Path(base.__file__).parent.glob("*.py")} - {"__init__", "base"}
    assert files == {dialect.id for dialect in DIALECTS}
    assert len({dialect.order for dialect in DIALECTS}) == len(DIALECTS), "two are asked at the same time"


@every
def test_the_declaration_is_complete(dialect: Dialect) -> None:
    module = sys.modules[dialect.locate.__module__]
    assert module.__name__.rpartition(".")[2] == dialect.id
    assert dialect.title
    assert (module.__doc__ or "").strip()
    assert all(json.loads(json.dumps(dialect.config(part))) == dialect.config(part) for part in PARTS)


@every
def test_it_holds_plain_lora(dialect: Dialect) -> None:
    assert len(plain(dialect).keys) >= 2 * 24, "spell() gives no keys"


# Names.


@every
def test_its_own_keys_come_back(dialect: Dialect) -> None:
    for one in samples(dialect):
        file = one.file
        wrong = {key: found for key, due in one.keys.items() if not same(found := dialect.locate(key, file), due)}
        assert wrong == {}


@every
def test_no_other_dialect_knows_its_keys(dialect: Dialect) -> None:
    for other in (other for other in DIALECTS if other is not dialect):
        for one in samples(dialect):
            file = one.file
            known = [key for key in one.keys if not _is_foreign(other.locate(key, file))]
            assert known == [], f"{other.id} knows them"


def _is_foreign(found: ModuleKey | Rejection) -> bool:
    return isinstance(found, Rejection) and found.foreign


@every
@given(data=st.data())
@settings(max_examples=60, deadline=None, database=None)
def test_any_module_of_any_part(dialect: Dialect, data: st.DataObject) -> None:
    part = data.draw(st.sampled_from(sorted(NETWORKS)))
    kind = data.draw(st.sampled_from(KINDS))
    one = sample(dialect, part, kind)
    if one.keys:
        key = data.draw(st.sampled_from(sorted(one.keys)))
        assert same(dialect.locate(key, one.file), one.keys[key])


@every
@given(data=st.data())
@settings(max_examples=60, deadline=None, database=None)
def test_any_text_is_placed_or_rejected_with_a_reason(dialect: Dialect, data: st.DataObject) -> None:
    one = plain(dialect)
    key = data.draw(st.sampled_from(sorted(one.keys)))
    cut = data.draw(st.integers(0, len(key)))
    text = key[:cut] + data.draw(st.text(max_size=20)) + key[cut + data.draw(st.integers(0, 9)) :]
    for candidate in (text, data.draw(st.text())):
        found = dialect.locate(candidate, one.file)
        assert found.module if isinstance(found, ModuleKey) else found.reason.strip()


# Whole files.


def _held() -> Iterator[object]:
    """Every dialect with every part that it can hold a LoRA of."""
    for dialect in DIALECTS:
        for part in NETWORKS:
            if any(dialect.spell(f"{part}.{name}", "lora_up.weight") for name in layers(part)):
                yield pytest.param(dialect, part, id=f"{dialect.id}-{part}")


@pytest.mark.parametrize(("dialect", "part"), list(_held()))
def test_every_key_is_accounted_for(dialect: Dialect, part: str, tmp_path: Path) -> None:
    one = sample(dialect, part)
    adapter = load_adapter(one.save(tmp_path))
    assert adapter.dialect == dialect.id
    assert adapter.used == {key: due.module for key, due in one.keys.items()}
    assert adapter.unused == {}
    assert adapter.modules.keys() == {due.module for due in one.keys.values()}


@every
def test_every_kind_it_can_hold_is_read(dialect: Dialect, tmp_path: Path) -> None:
    for kind in KINDS:
        one = sample(dialect, UNET, kind)
        if one.keys:
            adapter = load_adapter(one.save(tmp_path))
            assert (adapter.used.keys(), adapter.unused) == (one.keys.keys(), {}), kind.__name__


@every
def test_unknown_keys_are_reported_and_the_rest_is_used(dialect: Dialect, tmp_path: Path) -> None:
    one = plain(dialect)
    part = find_part(next(iter(one.keys.values())).module)
    strange = [dialect.spell(f"{part}.nowhere.to_q", "lora_up.weight"), "of no dialect"]
    unknown = {key: torch.ones(2, 2) for key in strange if key is not None}
    adapter = load_adapter(one.save(tmp_path, **unknown))
    assert adapter.unused.keys() == unknown.keys()
    assert all(reason.strip() for reason in adapter.unused.values())
    assert adapter.used.keys() == one.keys.keys()


def few(one: Sample) -> Sample:
    """The part of a file that is of three modules."""
    chosen = sorted({due.module for due in one.keys.values()})[:3]
    keys = {key: due for key, due in one.keys.items() if due.module in chosen}
    return Sample.of(keys, {key: one.tensors[key] for key in keys}, one.config)


@every
@given(data=st.data())
@settings(max_examples=25, deadline=None, database=None)
def test_a_sibling_of_unknown_meaning_refuses_its_module(
    dialect: Dialect, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Found by a suffix that nobody knows: never left out silently while the factors are applied."""
    one = few(sample(dialect, UNET, data.draw(st.sampled_from((lora, oft, loha, dora)))))
    key = data.draw(st.sampled_from(sorted(one.keys) or [""]))
    unknown = data.draw(st.from_regex(r"[a-z]{3,9}(_[a-z]{2,7})?(\.[a-z]{4,9})?", fullmatch=True))
    if not key or dialect.spell(one.keys[key].module, "alpha") is None:  # by position: there are no suffixes
        return
    stem = str(dialect.spell(one.keys[key].module, "alpha")).removesuffix(".alpha")
    if unknown in ("alpha", "bias", "scale", "weight", "diff", "rescale", "magnitude"):
        return
    strange = f"{stem}.{unknown}"
    adapter = load_adapter(one.save(tmp_path_factory.mktemp("sibling"), **{strange: torch.full((2, 2), 0.5)}))
    refused = {other for other, due in one.keys.items() if due.module == one.keys[key].module}
    assert adapter.unused.keys() == {strange, *refused}
    assert one.keys[key].module not in adapter.modules
    assert adapter.used.keys() == one.keys.keys() - refused


@every
def test_broken_shapes_are_refused(dialect: Dialect, tmp_path: Path) -> None:
    one = plain(dialect)
    wider = {key: torch.cat([tensor, tensor]) for key, tensor in one.tensors.items()}
    with pytest.raises(BadWeights, match="its factors disagree"):
        load_adapter(one.save(tmp_path, **wider))


@every
@pytest.mark.parametrize("value", [torch.tensor(1.0), torch.tensor(float("nan"))], ids=["no shape", "NaN"])
def test_a_file_of_broken_tensors_is_refused(dialect: Dialect, value: Tensor, tmp_path: Path) -> None:
    one = plain(dialect)
    broken = {key: value.expand(t.shape).clone() if value.isnan() else value.clone() for key, t in one.tensors.items()}
    with pytest.raises(BadWeights, match="nothing in it is understood"):
        load_adapter(one.save(tmp_path, **broken))
