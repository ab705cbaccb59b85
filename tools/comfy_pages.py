"""What ComfyUI's browser shows of our nodes, made of their declarations: help pages, locales, the list of inputs.

Japanese comes from tools/comfy_ja.json (English text → Japanese), by hand; text that is not in it stays English.
`make docs` writes all of it (tools/generate.py).
"""

from __future__ import annotations

import inspect
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / ".dev"), str(ROOT)]

from tests.support.fake_host import Host  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence, Set

    from underdrawing.core.weights.record import Weight

DOCS, LOCALES = ROOT / "comfy_nodes" / "web" / "docs", ROOT / "locales"
INTERFACES = ROOT / "tests" / "golden" / "comfy" / "nodes.json"
WORDS = Path(__file__).with_name("comfy_ja.json")
Nodes = dict[str, Any]


def nodes() -> Nodes:
    """Every node, those under the other pack's names last."""
    with tempfile.TemporaryDirectory() as folder:
        host = Host(Path(folder))
        host.enter()
        try:
            from underdrawing.comfy_nodes.mappings import collect_nodes

            found = collect_nodes(drop_ins=True)
            for node in found.values():
                node.SHOWN = node.INPUT_TYPES()
        finally:
            host.leave()
    own = {name: node for name, node in found.items() if name.startswith("Underdrawing")}
    return own | {name: node for name, node in found.items() if name not in own}


def inputs_of(node: Any) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Name, type and options of every input."""
    for part in ("required", "optional"):
        for name, (kind, *options) in node.SHOWN.get(part, {}).items():
            yield name, kind, options[0] if options else {}


def outputs_of(node: Any) -> Iterator[tuple[str, str, str]]:
    """Type, name and meaning of every output."""
    names = getattr(node, "RETURN_NAMES", node.RETURN_TYPES)
    texts = getattr(node, "OUTPUT_TOOLTIPS", [""] * len(names))
    kinds = ["COMBO" if isinstance(kind, list) else kind for kind in node.RETURN_TYPES]
    yield from zip(kinds, names, texts, strict=True)


def page(name: str, node: Any, word: Callable[[str], str] = str) -> str:
    """Help page as Markdown, in the words of a language; word: English to it."""
    summary, _, rest = inspect.cleandoc(node.__doc__ or node.DESCRIPTION).partition("\n")
    head = [word(label) for label in ("input", "type", "default", "range", "meaning")]
    lines = [f"# {word(node.TITLE)}", "", "\n".join([word(summary), rest]).rstrip(), "", f"| {' | '.join(head)} |"]
    lines.append("|---|---|---|---|---|")
    for label, kind, options in inputs_of(node):
        sort = word("choice") if isinstance(kind, list) else kind
        default = options.get("default", kind[0] if isinstance(kind, list) and kind else "")
        text = word(str(options.get("tooltip", ""))).replace("|", "\\|").replace("\n", " ")
        cell = str(default).replace("|", "\\|").replace("\n", " ")
        lines.append(f"| `{label}` | {sort} | {cell} | {span(kind, options)} | {text} |")
    rows = [f"* `{label}` ({kind}){': ' + word(text) if text else ''}" for kind, label, text in outputs_of(node)]
    more = facts(node, word)
    return "\n".join([*lines, "", *([word("Outputs:"), "", *rows, ""] if rows else []), *more]).rstrip() + "\n"


def span(kind: Any, options: dict[str, Any]) -> str:
    """Allowed values."""
    if isinstance(kind, list):
        return ", ".join(str(one) for one in kind) if len(kind) <= 12 else f"{len(kind)} names"
    return f"{options['min']} to {options['max']}" if "min" in options else ""


def facts(node: Any, word: Callable[[str], str] = str) -> list[str]:
    """Licence, names and readers of an annotator."""
    if not hasattr(node, "annotator"):
        return []
    from underdrawing.core.registry import describe_difference

    spec = node.annotator.spec
    note = describe_difference(node.annotator, node.alias) if hasattr(node, "alias") else ""
    packages = ", ".join(module for module in spec.requires if module not in ("cv2", "torch"))
    names = ", ".join(dict.fromkeys(alias.name for alias in spec.aliases)) or word("none")
    commercial = word("yes" if spec.commercial else "no")
    return [
        f"* {word('licence')}: {spec.licence}; {word('commercial use')}: {commercial}",
        f"* {word('read by')}: {', '.join(spec.consumers) or word('no ControlNet in particular')}",
        f"* {word('other names')}: {names}",
        f"* {word('source')}: {spec.source}",
        *([f"* {note}"] if note else []),
        *([f"* {word('needs the package')} {packages}"] if packages else []),
        *weights(node, word),
    ]


def weights(node: Any, word: Callable[[str], str] = str) -> list[str]:
    """Files of a network, those that the node's defaults need first, and how to get what does not come with us."""
    first = needed(node)
    rest = [weight for weight in node.annotator.spec.weights if weight not in first]
    rows = [record(weight, word, default=bool(rest)) for weight in first] + [record(weight, word) for weight in rest]
    return ["", word("Weights:"), "", *rows, *fetching(first, rest, word)] if rows else []


def needed(node: Any) -> tuple[Weight, ...]:
    """Files of a node with its defaults; those for torch, which this host has, where there is a choice."""
    params = defaults(node)
    if hasattr(params, "inference_backend"):
        params = msgspec.structs.replace(params, inference_backend="torch")
    return node.annotator.weights_for(params)


FETCH = (
    "Fetch files with the nodes `Fetch what this workflow needs` and `Fetch weights`; or on a terminal, where PYTHON "
    "is ComfyUI's Python and FOLDER this pack's folder in `custom_nodes`:"
)
NOT_PINNED = "Not pinned: the hash that the hub states is trusted on first use, see docs/weights.md."


def fetching(first: Sequence[Weight], rest: Sequence[Weight], word: Callable[[str], str] = str) -> list[str]:
    """How to get files that do not come with us: those of the defaults, or else the first of the others."""
    kept = [weight.id for weight in first if weight.repo] or [weight.id for weight in rest if weight.repo][:1]
    lines = ["", word(FETCH), "", "```sh", f"PYTHON FOLDER weights fetch {' '.join(kept)}", "```"]
    if any(weight.unpinned for weight in (*first, *rest)):
        lines += ["", word(NOT_PINNED)]
    return lines if kept else []


def defaults(node: Any) -> Any:
    """Parameters of a node that nobody touched; under another pack's name they are that pack's."""
    alias = getattr(node, "alias", None)
    if alias is None:
        return node.annotator.params()
    set_by = [widget for widget in alias.widgets if widget.name != "resolution"]
    given = [alias.presets, *(widget.values(widget.default) for widget in set_by)]
    return node.annotator.params(**{name: value for values in given for name, value in values.items()})


def record(weight: Weight, word: Callable[[str], str] = str, *, default: bool = False) -> str:
    """A weights file: name, size, licence, where it comes from."""
    parts = [
        f"* `{weight.id}`{' (' + word('default') + ')' if default else ''}",
        weight.megabytes if weight.size else word("size not known here"),
        weight.licence,
        "" if weight.commercial else word("not for commercial use"),
        "" if weight.repo else word("comes with this pack"),
        word("not pinned") if weight.unpinned else "",
    ]
    return ", ".join(filter(None, parts))


def locale(found: Nodes, word: Callable[[str], str]) -> dict[str, Any]:
    """Labels and tooltips as ComfyUI's i18n reads them."""
    return {name: entry(name, node, word) for name, node in found.items()}


def entry(name: str, node: Any, word: Callable[[str], str]) -> dict[str, Any]:
    """Texts of one node; inputs under the other pack's names keep them."""
    own = name.startswith("Underdrawing")
    summary = inspect.cleandoc(node.__doc__ or "").partition("\n")[0]

    def filled(name: str, tooltip: str) -> dict[str, str]:
        given = {"name": word(name), "tooltip": word(tooltip)}
        return {key: text for key, text in given.items() if text}

    inputs = {
        label: filled(label.replace("_", " ") if own else "", options.get("tooltip", ""))
        for label, _, options in inputs_of(node)
    }
    outputs = {str(i): filled(label if own else "", text) for i, (_, label, text) in enumerate(outputs_of(node))}
    texts = {"display_name": word(node.TITLE), "description": word(summary)}
    return {
        **{key: text for key, text in texts.items() if text},
        "inputs": {key: value for key, value in inputs.items() if value},
        "outputs": {key: value for key, value in outputs.items() if value},
    }


class Japanese:
    """Looks words up, English where there is none. missing, used: what was asked for so far."""

    def __init__(self) -> None:
        self.words: dict[str, str] = json.loads(WORDS.read_text("utf-8"))
        self.missing, self.used = set[str](), set[str]()

    def __call__(self, text: str) -> str:
        """Translate; a title ends in our name, which stays."""
        plain, mark, _ = text.partition(" (Underdrawing)")
        if plain in self.words:
            self.used.add(plain)
            return self.words[plain] + mark
        if plain:
            self.missing.add(plain)
        return text

    @property
    def unused(self) -> Set[str]:
        """Words that no node has any more."""
        return self.words.keys() - self.used


def interface(node: Any) -> dict[str, Any]:
    """Names in order and types of a node's inputs and outputs: what saved workflows rely on."""

    def rows(part: str) -> list[list[str]]:
        given = node.SHOWN.get(part, {}).items()
        return [[name, "COMBO" if isinstance(value[0], list) else value[0]] for name, value in given]

    return {"required": rows("required"), "optional": rows("optional"), "outputs": list(node.RETURN_TYPES)}


def interfaces(found: Nodes) -> str:
    """JSON of the interfaces of our own nodes, one line each."""
    rows = {name: interface(node) for name, node in found.items() if name.startswith("Underdrawing")}
    lines = (f"{json.dumps(name)}: {json.dumps(row)}" for name, row in sorted(rows.items()))
    return "{\n" + ",\n".join(lines) + "\n}\n"


def files(found: Nodes, japanese: Japanese) -> dict[Path, str]:
    """Every file of this kind and its content."""
    pages = {DOCS / f"{name}.md": page(name, node) for name, node in found.items()}
    pages |= {DOCS / name / "ja.md": page(name, node, japanese) for name, node in found.items()}
    locales = {"en": locale(found, lambda text: text), "ja": locale(found, japanese)}
    definitions = {LOCALES / language / "nodeDefs.json": to_json(data) for language, data in locales.items()}
    return pages | definitions | {INTERFACES: interfaces(found)}


def to_json(data: Any) -> str:
    """JSON as it is committed."""
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"
