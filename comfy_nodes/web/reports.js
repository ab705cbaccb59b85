// Shows under each of this pack's nodes what its last run had to say: receipts, notes, and why it stopped.
// Everything here is also in the log and in the nodes' outputs, so nothing is lost where a frontend lacks a function.
// Text goes into the page by textContent only: it holds names of files that others chose.
import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";

const NAME = "underdrawing";
const LONGEST = 8000; // characters under one node; the log has the rest
const HIGHEST = 220; // pixels, then it scrolls
const COLOURS = { error: "#a3302b", note: "#8a6414", receipt: "#33475b" };
const FOLDER = decodeURIComponent(new URL(import.meta.url).pathname.split("/").at(-2) ?? "");
const ours = new Set();
const shown = new WeakMap(); // node → { entries, widget, element, badge }

/** Run something that a frontend of another version may not be able to do. */
function attempt(what, action) {
    try {
        return action();
    } catch (error) {
        console.warn(`${NAME}: ${what} failed in this frontend`, error);
        return undefined;
    }
}

/** What a node's output has to say: texts of reports and receipts, then notes. */
function entriesOf(output) {
    const texts = Array.isArray(output?.text) ? output.text : [];
    const notes = Array.isArray(output?.[NAME]) ? output[NAME] : [];
    return [
        ...texts.filter(Boolean).map((text) => ({ level: "receipt", text: String(text) })),
        ...notes.filter((note) => note?.text).map((note) => ({ level: "note", text: String(note.text) })),
    ];
}

function badgeText(entries) {
    if (entries.some((entry) => entry.level === "error")) return "stopped";
    const notes = entries.filter((entry) => entry.level === "note").length;
    if (notes) return notes === 1 ? "1 note" : `${notes} notes`;
    return "";
}

function badgeColour(entries) {
    return entries.some((entry) => entry.level === "error") ? COLOURS.error : COLOURS.note;
}

function stateOf(node) {
    if (!shown.has(node)) shown.set(node, { entries: [] });
    return shown.get(node);
}

/** Replace the badge: frontends that watch the list of badges see a new one, not a changed one. */
function setBadge(node, state) {
    if (!Array.isArray(node.badges) || !globalThis.LGraphBadge) return;
    const place = node.badges.indexOf(state.badge);
    if (place >= 0) node.badges.splice(place, 1);
    const text = badgeText(state.entries);
    state.badge = undefined;
    if (!text) return;
    const badge = new globalThis.LGraphBadge({ text, fgColor: "#ffffff", bgColor: badgeColour(state.entries) });
    node.badges.push((state.badge = () => badge));
}

function addWidget(node, state) {
    if (state.widget || typeof node.addDOMWidget !== "function") return;
    state.element = document.createElement("div");
    Object.assign(state.element.style, {
        overflow: "auto", whiteSpace: "pre-wrap", overflowWrap: "anywhere", userSelect: "text",
        font: "11px/1.4 sans-serif", color: "#ffffff", boxSizing: "border-box", maxHeight: `${HIGHEST}px`,
    });
    state.element.dataset[NAME] = "report";
    const height = () => Math.min(HIGHEST, Math.max(24, state.height ?? 24));
    state.widget = node.addDOMWidget(`${NAME}_report`, `${NAME}_report`, state.element, {
        serialize: false, // workflows keep values by position: this one is never among them
        hideOnZoom: true, getMinHeight: height, getMaxHeight: height, getValue: () => undefined, setValue: () => {},
    });
    state.widget.serialize = false;
    state.widget.computeLayoutSize ??= () => ({ minHeight: height(), maxHeight: height(), minWidth: 0 });
}

function removeWidget(node, state) {
    const { widget } = state;
    state.widget = state.element = undefined;
    if (!widget) return;
    if (typeof node.removeWidget === "function") return void node.removeWidget(widget);
    const place = node.widgets?.indexOf(widget) ?? -1;
    if (place >= 0) node.widgets.splice(place, 1);
    widget.onRemove?.();
    state.element?.remove();
}

function fill(element, entries) {
    let left = LONGEST;
    element.replaceChildren();
    for (const { level, text } of entries) {
        const line = document.createElement("div");
        line.textContent = text.length > left ? `${text.slice(0, left)} … (the log has the rest)` : text;
        Object.assign(line.style, { background: COLOURS[level], padding: "3px 6px", borderRadius: "4px", marginBottom: "2px" });
        element.append(line);
        left -= text.length;
        if (left <= 0) break;
    }
}

function measure(node, state) {
    const width = Math.max(120, (node.size?.[0] ?? 210) - 30);
    const characters = Math.max(12, Math.floor(width / 6));
    const rows = state.entries.flatMap(({ text }) => text.split("\n")).map((row) => Math.ceil((row.length + 1) / characters));
    state.height = 14 + 16 * rows.reduce((sum, count) => sum + count, 0) + 8 * state.entries.length;
}

function grow(node) {
    const wanted = node.computeSize?.();
    if (!wanted || !node.size) return;
    if (wanted[1] > node.size[1]) node.setSize?.([node.size[0], wanted[1]]);
}

/** Replace what is shown under a node. */
function show(node, entries) {
    const state = stateOf(node);
    const before = state.height ?? 0;
    state.entries = entries;
    attempt("the badge", () => setBadge(node, state));
    attempt("the text under a node", () => {
        measure(node, state);
        if (!entries.length) {
            removeWidget(node, state);
            if (before && node.size) node.setSize?.([node.size[0], Math.max(0, node.size[1] - Math.min(HIGHEST, before) - 4)]);
            state.height = 0;
            return;
        }
        addWidget(node, state);
        if (state.element) fill(state.element, entries);
        grow(node);
    });
    node.setDirtyCanvas?.(true, true);
}

/** Node of an id as the server names it: inside subgraphs "5:12". */
function findNode(id) {
    let graph = app.rootGraph ?? app.graph;
    let node;
    for (const part of String(id).split(":")) {
        node = graph?.getNodeById?.(part) ?? graph?.getNodeById?.(Number(part));
        graph = node?.subgraph;
    }
    return node;
}

function isOurs(node) {
    return Boolean(node) && ours.has(node.comfyClass ?? node.type);
}

function eachNode(graph, action) {
    for (const node of graph?.nodes ?? graph?._nodes ?? []) {
        action(node);
        if (node.subgraph) eachNode(node.subgraph, action);
    }
}

/** What stopped an earlier run is no longer true when a new one starts; notes stay until their node runs again. */
function clearErrors() {
    eachNode(app.rootGraph ?? app.graph, (node) => {
        const entries = shown.get(node)?.entries ?? [];
        if (entries.some((entry) => entry.level === "error")) {
            show(node, entries.filter((entry) => entry.level !== "error"));
        }
    });
}

app.registerExtension({
    name: `${NAME}.reports`,
    beforeRegisterNodeDef(nodeType, nodeData) {
        if (nodeData?.python_module !== `custom_nodes.${FOLDER}`) return;
        ours.add(nodeData.name);
        const before = nodeType.prototype.onExecuted;
        nodeType.prototype.onExecuted = function (output, ...rest) {
            const result = before?.apply(this, [output, ...rest]);
            attempt("a report", () => show(this, entriesOf(output)));
            return result;
        };
    },
    setup() {
        api.addEventListener("execution_start", () => attempt("a new run", clearErrors));
        api.addEventListener("execution_error", ({ detail }) => attempt("an error", () => {
            const node = findNode(detail?.node_id);
            if (!isOurs(node)) return;
            const entries = (shown.get(node)?.entries ?? []).filter((entry) => entry.level !== "error");
            show(node, [{ level: "error", text: String(detail.exception_message ?? "").trim() }, ...entries]);
        }));
    },
});
