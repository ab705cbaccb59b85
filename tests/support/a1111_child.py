"""Run by A1111's Python in its folder: draws the cases of a job by its own process_images, one PNG each.

Argument: the job, a JSON file of `a1111_pictures.draw_in_host`.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any


def start(root: str, world: Path) -> None:
    """Boot A1111 without its web interface: CPU, float32, its folders in the world."""
    sys.path.insert(0, root)
    folders = {"ckpt": "models", "lora": "loras", "embeddings": "embeddings", "data": "data"}
    (world / "data").mkdir(exist_ok=True)
    sys.argv = ["webui.py", "--skip-torch-cuda-test", "--no-half", "--use-cpu", "all", "--skip-version-check"]
    sys.argv += ["--skip-prepare-environment", "--no-download-sd-model", "--skip-load-model-at-start"]
    sys.argv += ["--disable-console-progressbars", "--no-prompt-history"]
    for option, name in folders.items():
        sys.argv += [f"--{option}-dir", str(world / name)]
    initialize = import_module("modules.initialize")
    initialize.imports()
    initialize.initialize()
    import_module("modules.script_callbacks").before_ui_callback()  # here its LoRA extension registers itself
    import_module("torch").set_num_threads(1)


def load_model(settings: set[str]) -> Any:
    """The world's checkpoint. settings: that cases change."""
    shared, models = import_module("modules.shared"), import_module("modules.sd_models")
    for name in settings:
        shared.opts.data.setdefault(name, shared.opts.get_default(name))
    shared.opts.data |= {"sd_model_checkpoint": "tiny", "live_previews_enable": False, "multiple_tqdm": False}
    models.load_model(models.get_closet_checkpoint_match("tiny"))
    return shared


def draw(shared: Any, case: dict[str, Any], world: Path, output: Path) -> None:
    """One case."""
    from PIL import Image

    processing, fields = import_module("modules.processing"), case["fields"]
    painted = "init_images" in fields
    if painted:
        fields["init_images"] = [Image.open(world / name) for name in fields["init_images"]]
    if "mask" in fields:
        fields["mask"] = Image.open(world / fields["mask"])
    kind = processing.StableDiffusionProcessingImg2Img if painted else processing.StableDiffusionProcessingTxt2Img
    run = kind(
        sd_model=shared.sd_model,
        do_not_save_samples=True,
        do_not_save_grid=True,
        override_settings=case["settings"],
        **fields,
    )
    run.scripts, run.script_args = import_module("modules.scripts").ScriptRunner(), []
    shared.state.begin(job="test")
    done = processing.process_images(run)
    shared.state.end()
    first, images = done.index_of_first_image, import_module("modules.images")
    images.save_image_with_geninfo(done.images[first], done.infotexts[first], str(output / f"{case['name']}.png"))


def main() -> None:
    """Draw all cases; what fails is printed."""
    job = json.loads(Path(sys.argv[1]).read_text())
    world, output = Path(job["world"]), Path(job["output"])
    start(job["root"], world)
    shared = load_model({name for case in job["cases"] for name in case["settings"]})
    for case in job["cases"]:
        try:
            draw(shared, case, world, output)
        except Exception:  # noqa: BLE001 - one case that fails keeps no others from being drawn
            traceback.print_exc()
    sys.stdout.flush()
    os._exit(0)  # its threads would keep the process alive


if __name__ == "__main__":
    main()
