from __future__ import annotations

from tests.support.checkpoint_models import CLIP, UNET, tiny

from underdrawing.checkpoints.keys import find_ema_names, find_part, is_weight, normalise_name


def test_parts() -> None:
    assert find_part(f"{UNET}out.2.weight") == "unet"
    assert find_part("conditioner.embedders.0.x") == "text_encoder"
    assert find_part("vae.decoder.x") == "vae"
    assert find_part("model_ema.x") == "ema"
    assert find_part("betas") is None


def test_what_is_computed_with() -> None:
    keys = ["betas", "alphas_cumprod", "sqrt_one_minus_alphas_cumprod", "log_one_minus_alphas_cumprod"]
    keys += [
        "posterior_mean_coef1",
        f"{CLIP}embeddings.position_ids",
        "model_ema.decay",
        "cond_stage_model.logit_scale",
    ]
    for key in keys:
        assert not is_weight(key, (3,), is_float=True), key
    assert is_weight(f"{UNET}out.2.weight", (3,), is_float=True)
    assert not is_weight(f"{UNET}v_pred", (), is_float=True)
    assert not is_weight(f"{UNET}out.2.weight", (3,), is_float=False)


def test_averaged_weights_are_found_by_the_weights_names() -> None:
    tensors = tiny(ema=True)
    found = find_ema_names(tensors)
    assert set(found) == {key for key in tensors if key.startswith(UNET)}
    assert all(found[key].replace(".", "").endswith(key.removeprefix("model.").replace(".", "")) for key in found)


def test_old_names_become_present_ones() -> None:
    old = "cond_stage_model.transformer.encoder.layers.0.mlp.fc1.weight"
    assert normalise_name(old) == f"{CLIP}encoder.layers.0.mlp.fc1.weight"
    assert normalise_name(normalise_name(old)) == normalise_name(old)
