"""The script that shows reports under nodes, against stubs of the frontend; run by Node.js where it is installed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "comfy_nodes" / "web" / "reports.js"
NODE = shutil.which("node")
STUBS = """
export const listeners = {}, extensions = [];
export const api = { addEventListener: (name, action) => { listeners[name] = action; } };
export const app = { registerExtension: (one) => extensions.push(one), graph: { nodes: [], getNodeById: (id) =>
    app.graph.nodes.find((node) => node.id === Number(id)) } };
class Element { constructor() { this.style = {}; this.dataset = {}; this.children = []; }
    append(child) { this.children.push(child); } replaceChildren() { this.children = []; } remove() {} }
globalThis.document = { createElement: () => new Element() };
globalThis.LGraphBadge = class { constructor(options) { Object.assign(this, options); } };
"""
RUN = """
import { app, listeners, extensions } from "./stubs.mjs";
const out = { ours: 0 };
const old = process.argv[2] === "old";
class Made { constructor(id) { Object.assign(this, { id, type: "UnderdrawingHed", size: [200, 100], widgets: ["a"] });
    if (!old) this.badges = []; }
    computeSize() { return [200, 100 + 20 * this.widgets.length]; } setSize(size) { this.size = size; } }
if (!old) Made.prototype.addDOMWidget = function (name, kind, element, options) {
    const widget = { name, element, options }; this.widgets.push(widget); return widget; };
Made.prototype.onExecuted = function () { out.ours += 1; };
await import("./pack/reports.mjs");
const [extension] = extensions;
const foreign = class { }; foreign.prototype.onExecuted = undefined;
extension.beforeRegisterNodeDef(foreign, { name: "Other", python_module: "custom_nodes.other" });
extension.beforeRegisterNodeDef(Made, { name: "UnderdrawingHed", python_module: "custom_nodes.pack" });
extension.setup();
out.foreign = foreign.prototype.onExecuted === undefined;
const node = new Made(7); app.graph.nodes.push(node);
const texts = () => node.widgets[1]?.element.children.map((line) => line.textContent);
const badge = () => node.badges?.map((one) => one().text);
node.onExecuted({ text: ["a receipt"], underdrawing: [{ level: "note", text: "<b>nobody</b>" }] });
out.first = [texts(), badge()]; out.serialized = [node.widgets[1]?.serialize, node.widgets[1]?.options.serialize];
listeners.execution_error({ detail: { node_id: "7", exception_message: "missing\\n" } });
out.error = [texts(), badge()];
listeners.execution_error({ detail: { node_id: "99", exception_message: "elsewhere" } });
listeners.execution_start({}); out.next = [texts(), badge()];
for (const odd of [null, undefined, {}, { text: "plain" }, { underdrawing: 5 }, { text: [null] }]) node.onExecuted(odd);
out.end = [node.widgets.length, badge(), out.ours];
console.log(JSON.stringify(out));
"""


def run(tmp_path: Path, mode: str) -> dict[str, object]:
    (tmp_path / "pack").mkdir()
    text = re.sub(r'from "\.\./\.\./scripts/(?:app|api)\.js"', 'from "../stubs.mjs"', SCRIPT.read_text("utf-8"))
    (tmp_path / "pack" / "reports.mjs").write_text(text, "utf-8")
    (tmp_path / "stubs.mjs").write_text(STUBS, "utf-8")
    (tmp_path / "run.mjs").write_text(RUN, "utf-8")
    done = subprocess.run([str(NODE), "run.mjs", mode], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


needs_node = pytest.mark.skipif(NODE is None, reason="Node.js is not installed")


@needs_node
def test_reports_notes_and_errors_are_shown_and_go_again(tmp_path: Path) -> None:
    found = run(tmp_path, "today")
    assert found["first"] == [["a receipt", "<b>nobody</b>"], ["1 note"]]
    assert found["error"] == [["missing", "a receipt", "<b>nobody</b>"], ["stopped"]]
    assert found["next"] == found["first"]
    assert found["serialized"] == [False, False], "workflows keep values by position"
    assert found["end"] == [1, [], 7], "nothing is left of it, and the frontend's own handler ran every time"
    assert found["foreign"], "nodes of other packs are left alone"


@needs_node
def test_a_frontend_without_the_functions_for_it_goes_on(tmp_path: Path) -> None:
    found = run(tmp_path, "old")
    assert found["end"] == [1, None, 7]


def test_text_of_others_never_becomes_markup() -> None:
    text = SCRIPT.read_text("utf-8")
    assert not re.search(r"innerHTML|insertAdjacentHTML|outerHTML|document\.write|\beval\b", text)
