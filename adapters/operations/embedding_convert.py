"""Convert an embedding."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from ...core.errors import BadParameter
from ...core.operation import Inputs, Job, Operation, Report, Spec, slot, target
from ...core.params import Params, about
from ...core.report_text import comma_list, printable

if TYPE_CHECKING:
    from ..embeddings.load import Tokens


class ConvertInputs(Inputs, frozen=True):
    """One embedding of any layout."""

    embedding: Annotated[Path, slot("embedding", "Embedding file, or a picture that holds one")]
    output: Annotated[
        Path,
        target(
            "embedding", "New file: .safetensors, or .png or .webp as A1111's pictures", last=True, name_optional=True
        ),
    ]


class ConvertParams(Params, frozen=True):
    """Layout of the new file, and which tokens go into it."""

    layout: Annotated[
        Literal["auto", "kohya", "diffusers", "sdxl"],
        about("Keys of a .safetensors file: kohya emb_params, diffusers {token: ...}, sdxl clip_l and clip_g"),
    ] = "auto"
    token: Annotated[str, about("Only this token of a file with several; empty: all")] = ""
    tokens: Annotated[
        Literal["auto", "together", "separate"],
        about("Several tokens in one file, or in a file each; auto: a file each in hosts that call them by file name"),
    ] = "auto"


class EmbeddingConvert(Operation[ConvertInputs, ConvertParams]):
    """Write an embedding of any kind as a new file that every host reads: .safetensors, or a picture for A1111.

    Vectors are written as float32. Pickles (.pt, .bin) are not written: they can run code.
    """

    spec = Spec(
        id="embedding.convert",
        title="Convert embedding",
        names={"comfyui": "UnderdrawingSaveEmbedding"},
        added=("layout", "token", "tokens"),
    )

    def run(self, inputs: ConvertInputs, params: ConvertParams, job: Job) -> Report:
        """Convert and write; nothing is written when a name is taken. Raises BadWeights, BadParameter, WriteFailed."""
        from ..embeddings.load import inspect_embedding, load_embedding, read_embedding, save_embedding
        from ..embeddings.report_text import embedding_lines

        source, output = inputs.embedding, inputs.output
        if output.exists() and source.exists() and output.samefile(source):
            what = "is the file to read, which stays as it is"
            raise BadParameter(what, where=str(output), fix="choose another name")
        files = _files(_choose(load_embedding(source), params.token, source), output, params.tokens, job)
        for path in files:
            job.check_free(path)
        step = read_embedding(source).report()["step"]
        with job.progress("convert", len(files), "files") as progress:
            progress.check()
            for number, (path, tokens) in enumerate(files.items(), start=1):
                save_embedding(path, tokens, params.layout, step=step if isinstance(step, int) else None)
                progress.show(number, len(files), "")
        reports = [inspect_embedding(path) for path in files]
        notes = tuple(note for path, tokens in files.items() if (note := _name_note(source, path, tokens)))
        text = "\n".join(line for report in reports for line in embedding_lines(report))
        data = reports[0] if len(reports) == 1 else reports
        return Report(text=text, data=data, files=tuple(files), notes=notes)


def _choose(tokens: Tokens, name: str, source: Path) -> Tokens:
    if not name:
        return tokens
    if name not in tokens:
        raise BadParameter(f"no token {name!r}", where=str(source), fix=f"it holds {comma_list(tokens)}")
    return {name: tokens[name]}


def _files(tokens: Tokens, output: Path, how: str, job: Job) -> dict[Path, Tokens]:
    """New file → its tokens."""
    separate = how == "separate" or (how == "auto" and job.host.one_token_per_file)
    if not separate or len(tokens) == 1:
        return {output: tokens}
    names = (f"{output.stem}-{number}{output.suffix}" for number in range(1, len(tokens) + 1))
    return {output.with_name(name): {token: tokens[token]} for name, token in zip(names, tokens, strict=True)}


def _name_note(source: Path, path: Path, tokens: Tokens) -> str:
    """That hosts call a token by its file's name, where that is another one."""
    if path.suffix.lower() != ".safetensors" or list(tokens) == [path.stem]:
        return ""
    where = f"A1111 and ComfyUI call it {printable(path.stem)}, after the file's name"
    return f"{where}; in {printable(source.name)} it is {comma_list(tokens)}"
