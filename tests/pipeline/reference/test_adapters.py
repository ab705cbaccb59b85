from __future__ import annotations

from underdrawing.adapters.embeddings.load import load_embedding
from underdrawing.adapters.reading.load import load_adapter
from underdrawing.pipeline.models.reference_files import ADAPTERS, FOLDER, list_adapter_folders

MOST = 45_000_000
"""Bytes of all weights that come with the reference model."""


def test_every_adapter_is_read_in_full_and_described() -> None:
    readme = (ADAPTERS / "README.md").read_text()
    loras, words = (sorted((ADAPTERS / kind).glob("*.safetensors")) for kind in ("loras", "embeddings"))
    assert {path.stem for path in loras} >= {"storybook", "snowman"}
    for path in loras:
        adapter = load_adapter(path)
        assert adapter.modules
        assert adapter.finite
        assert not adapter.unused
        assert adapter.base_model == "sd15"
    for path in words:
        assert {rows.shape[1] for rows in load_embedding(path)[path.stem].values()} == {128}
    assert all(f"`{path.parent.name}/{path.name}`" in readme for path in (*loras, *words))


def test_the_word_of_the_lora_is_that_of_the_embedding() -> None:
    inside = load_adapter(ADAPTERS / "loras" / "snowman.safetensors").embeddings["snowman"]["text_encoder"]
    alone = load_embedding(ADAPTERS / "embeddings" / "snowman.safetensors")["snowman"]["text_encoder"]
    assert inside.equal(alone)


def test_everything_together_keeps_within_its_room() -> None:
    assert sum(path.stat().st_size for root in (ADAPTERS, FOLDER) for path in root.rglob("*.safetensors")) <= MOST


def test_only_the_reference_model_finds_them() -> None:
    assert list_adapter_folders("reference", "loras") == [ADAPTERS / "loras"]
    assert not list_adapter_folders("other.safetensors", "loras")
    assert not list_adapter_folders("reference", "nothing")
