// Panels of operations, one for each group: inputs, parameters and results made of what the routes declare. Also Doctor.
"use strict";
(() => {
    const ud = window.underdrawing = window.underdrawing || {panels: {}};
    const FILES = ["lora", "checkpoint", "vae", "embedding"];
    const lists = {};

    const listFiles = async (kind, again = false) => {
        if (again || !lists[kind]) lists[kind] = (await ud.ask(`/files/${kind}`)).files;
        return lists[kind];
    };

    // ---- block weights: sliders for every block, presets, and the text that the core reads

    const makeBlocks = (field, input) => {
        const {layouts, presets} = field.hint, grid = ud.make("div", {class: "ud-blocks"});
        const option = (value, label = value) => ud.make("option", {value}, label);
        const size = ud.make("select", {title: ud.text("Blocks")}, option("", ud.text("no sliders")),
            Object.entries(layouts).map(([count, names]) => option(count, `${count}: ${names[0]} … ${names[names.length - 1]}`)));
        const preset = ud.make("select", {title: ud.text("Preset")}, option("", ud.text("preset…")), Object.keys(presets).map((one) => option(one)));
        const write = (text) => { input.value = text; input.dispatchEvent(new Event("input", {bubbles: true})); };
        const read = (count) => {
            const values = (presets[input.value.trim()] ?? input.value).split(",").map(Number);
            return values.length === Number(count) && values.every(Number.isFinite) ? values : Array(Number(count)).fill(0.5);
        };
        const draw = () => {
            if (!size.value) return grid.replaceChildren();
            const values = read(size.value);
            const sliders = values.map((value, index) => {
                const shown = ud.make("output", {}, value.toFixed(2));
                const slider = ud.make("input", {type: "range", min: 0, max: 1, step: 0.01, value, oninput: () => {
                    values[index] = Number(slider.value);
                    shown.textContent = values[index].toFixed(2);
                    write(values.join(","));
                }});
                return ud.make("label", {}, ud.make("span", {}, layouts[size.value][index]), slider, shown);
            });
            grid.replaceChildren(...sliders);
        };
        size.addEventListener("change", () => { draw(); });
        preset.addEventListener("change", () => {
            if (!preset.value) return;
            write(preset.value);
            if (presets[preset.value].split(",").length in layouts) size.value = String(presets[preset.value].split(",").length);
            draw();
        });
        return ud.make("span", {class: "ud-block-field"}, input, ud.make("span", {class: "ud-row"}, size, preset), grid);
    };
    (ud.editors ??= []).push({fits: (field) => Boolean(field.hint?.layouts), make: makeBlocks});

    // ---- inputs

    const makeFileSelect = async (kind, properties = {}) => {
        const select = ud.make("select", properties);
        const fill = async (again) => {
            const names = await listFiles(kind, again), before = select.value;
            select.replaceChildren(...names.map((name) => ud.make("option", {value: name}, name)));
            if (names.includes(before)) select.value = before;
        };
        await fill(false);
        document.addEventListener(`underdrawing:files:${kind}`, () => fill(false));
        return select;
    };

    const makeRows = async (makeRow, count) => {
        const list = ud.make("ol", {class: "ud-list"}), rows = [];
        const add = async () => {
            const row = await makeRow();
            rows.push(row);
            const item = ud.make("li", {}, row.node, ud.button("×", () => { rows.splice(rows.indexOf(row), 1); item.remove(); }));
            list.append(item);
        };
        for (let number = 0; number < count; number += 1) await add();
        return {node: ud.make("div", {}, list, ud.button("+", add)), get: () => rows.map((row) => row.get())};
    };

    const makeLoraRow = async () => {
        const select = await makeFileSelect("lora");
        const number = (title) => ud.make("input", {type: "number", step: 0.05, value: 1, title: ud.text(title)});
        const unet = number("Strength"), encoder = number("Strength on the text encoder");
        const blocks = ud.make("input", {type: "text", placeholder: "lbw=", title: ud.text("Block weights or a preset")});
        return {
            node: ud.make("span", {class: "ud-row"}, select, unet, encoder, blocks),
            get: () => ({name: select.value, unet: Number(unet.value), text_encoder: Number(encoder.value), blocks: blocks.value}),
        };
    };

    const makeSlot = async (slot) => {
        if (FILES.includes(slot.kind)) {
            const select = await makeFileSelect(slot.kind, slot.repeat === "each" ? {multiple: true, size: 6} : {});
            const get = () => slot.repeat === "each" ? [...select.selectedOptions].map((one) => one.value) : select.value;
            return {node: select, get};
        }
        if (slot.kind === "checkpoints") return makeRows(async () => {
            const select = await makeFileSelect("checkpoint");
            return {node: select, get: () => select.value};
        }, 2);
        if (slot.kind === "loras") return makeRows(makeLoraRow, 1);
        if (slot.kind === "poses") return {node: ud.make("small", {}, ud.text("The poses of the editor above")), get: () => ud.poses()};
        if (slot.kind === "weights") {
            const {weights} = await ud.ask("/weights");
            const select = ud.make("select", {multiple: true, size: 6}, weights.map((one) => ud.make("option", {value: one.id}, one.id)));
            return {node: select, get: () => [...select.selectedOptions].map((one) => one.value)};
        }
        const area = ud.make("textarea", {rows: 4});
        return {node: area, get: () => area.value};
    };

    // ---- one operation

    const makeResult = (result) => {
        const errors = [...(result.errors ?? []).map((one) => one.error), ...(result.error ? [result.error] : [])];
        const copy = ud.button("Copy", () => navigator.clipboard?.writeText(JSON.stringify(result.data, null, 1)));
        return ud.make("div", {class: "ud-result"},
            result.input ? ud.make("strong", {}, result.input) : null,
            (result.files ?? []).map((name) => ud.make("div", {}, `${ud.text("written:")} ${name}`)),
            errors.map((text) => ud.make("div", {class: "ud-error"}, text)),
            (result.notes ?? []).map((text) => ud.make("small", {}, text)),
            result.text ? ud.make("pre", {}, result.text) : null,
            ud.make("div", {class: "ud-maps"}, (result.images ?? []).map((image, index) => ud.makeCard(image, `pose ${index + 1}`))),
            result.data ? ud.make("details", {}, ud.make("summary", {}, "JSON"), copy, ud.make("pre", {}, JSON.stringify(result.data, null, 1))) : null);
    };

    const makeOutput = (output, inMemory) => {
        if (!output || inMemory) return {node: null, get: () => ({})};
        const name = ud.make("input", {type: "text", spellcheck: false}), replace = ud.make("input", {type: "checkbox"});
        const node = ud.make("div", {class: "ud-form"}, ud.label("New file", name, output.help),
            ud.label("overwrite", replace, "Replace a file of that name"));
        return {node, get: () => ({output: name.value.trim(), overwrite: replace.checked})};
    };

    const makeOperation = async (operation) => {
        const slots = await Promise.all(operation.inputs.map(async (slot) => ({slot, ...await makeSlot(slot)})));
        const inMemory = ["poses", "pictures"].includes(operation.output?.kind);
        const form = ud.makeForm(operation.params), output = makeOutput(operation.output, inMemory), view = ud.makeJobView();
        const consent = operation.consent ? ud.make("input", {type: "checkbox"}) : null, results = ud.make("div");
        const run = async () => {
            results.replaceChildren();
            const inputs = Object.fromEntries(slots.map(({slot, get}) => [slot.name, get()]));
            const body = {inputs, params: form.values(), ...output.get(), consent: consent?.checked ?? false};
            await view.run(`/operations/${operation.id}`, body, (result) => {
                results.append(makeResult(result));
                if (result.poses) ud.editPoses?.(result.poses);
            });
            const kind = operation.output?.kind;
            if (kind && !inMemory) {
                ud.refreshHost(kind);
                if (FILES.includes(kind)) await listFiles(kind, true);
                document.dispatchEvent(new CustomEvent(`underdrawing:files:${kind}`));
            }
        };
        const [first, ...rest] = operation.help.split("\n");
        const details = Object.entries(operation.details).map(([title, rows]) => ud.make("details", {}, ud.make("summary", {}, ud.text(title)),
            ud.make("dl", {}, rows.flatMap(([name, text]) => [ud.make("dt", {}, name), ud.make("dd", {}, ud.text(text))]))));
        return ud.make("div", {class: "ud-columns", id: `underdrawing_${operation.id.replace(".", "_")}`},
            ud.make("div", {class: "ud-controls"}, ud.make("p", {}, ud.text(first), ud.make("small", {}, ` ${rest.join(" ").trim()}`)),
                slots.map(({slot, node}) => ud.label(slot.label, node, slot.help)), form.node, output.node,
                consent ? ud.label(operation.consent.name, consent, operation.consent.help) : null, details,
                ud.button(operation.title, run, "ud-primary")),
            ud.make("div", {}, view.node, results));
    };

    const makeWeights = async () => {
        const view = ud.makeJobView(), boxes = new Map(), rows = ud.make("tbody"), where = ud.make("small");
        const row = (one) => {
            const box = ud.make("input", {type: "checkbox", disabled: one.available, "aria-label": one.id});
            boxes.set(one.id, box);
            return ud.make("tr", {}, ud.make("td", {}, box), ud.make("td", {}, one.id), ud.make("td", {}, ud.size(one.size)),
                ud.make("td", {}, one.licence, one.commercial ? "" : ud.make("em", {}, ` ${ud.text("not for commercial use")}`)),
                ud.make("td", {}, one.annotators.join(", ")), ud.make("td", {}, one.available ? "✓" : ""));
        };
        const head = ["", "file", "size", "licence", "annotators", "here"].map((one) => ud.make("th", {}, ud.text(one)));
        const fill = async () => {
            const {weights, folder} = await ud.ask("/weights");
            boxes.clear();
            rows.replaceChildren(...weights.map(row));
            where.textContent = `${ud.text("Fetched files go to")} ${folder}`;
        };
        await fill();
        document.addEventListener("underdrawing:weights", fill);
        const fetch = () => ud.fetchWeights([...boxes].filter(([, box]) => box.checked).map(([id]) => id), view);
        return ud.make("div", {class: "ud-weights"}, where,
            ud.make("div", {class: "ud-scroll"}, ud.make("table", {}, ud.make("thead", {}, ud.make("tr", {}, head)), rows)),
            ud.button("Fetch the chosen files…", fetch, "ud-primary"), view.node);
    };

    // What became of the LoRAs of the last picture that the host made.
    const makeReceipts = () => {
        const place = ud.make("div"), list = ud.make("details", {class: "ud-receipts"}, ud.make("summary", {}, ud.text("LoRAs of the last picture")), place);
        list.addEventListener("toggle", async () => {
            if (!list.open) return;
            const {loras, problems} = await ud.ask("/receipts");
            const entry = (one) => ud.make("details", {}, ud.make("summary", {}, one.line || one.name), ud.make("pre", {}, JSON.stringify(one, null, 1)));
            place.replaceChildren(...problems.map((text) => ud.make("div", {class: "ud-error"}, String(text))), ...loras.map(entry),
                ...(loras.length || problems.length ? [] : [ud.text("There were none.")]));
        });
        return list;
    };

    ud.panels.operations = async (page, panel) => {
        if (panel.inputs.includes("poses") && ud.makePoseEditor) page.append(await ud.makePoseEditor());
        if (panel.inputs.includes("weights")) page.append(await makeWeights());
        if (panel.inputs.includes("loras")) page.append(makeReceipts());
        const place = ud.make("div"), made = {}, every = panel.operations.map((id) => ud.operations[id]);
        const open = async (operation) => {
            buttons.forEach((button, index) => button.setAttribute("aria-selected", every[index] === operation));
            made[operation.id] ??= await makeOperation(operation);
            place.replaceChildren(made[operation.id]);
        };
        const buttons = every.map((operation) => ud.make("button", {type: "button", role: "tab", onclick: () => open(operation)}, ud.text(operation.title)));
        page.append(ud.make("div", {class: "ud-tabs ud-inner", role: "tablist"}, buttons), place);
        await open(every[0]);
    };

    ud.panels.doctor = (page) => {
        const place = ud.make("div", {class: "ud-doctor"});
        const look = async () => {
            place.replaceChildren(ud.text("Looking…"));
            try {
                const {healthy, facts, findings} = await ud.ask("/doctor");
                const fact = ([name, value]) => [ud.make("dt", {}, name), ud.make("dd", {}, typeof value === "object" ? JSON.stringify(value) : String(value))];
                place.replaceChildren(ud.make("p", {}, ud.text(healthy ? "No errors." : "There are errors.")),
                    ...findings.map((one) => ud.make("div", {class: one.level === "error" ? "ud-error" : "ud-warning"},
                        ud.make("strong", {}, `${one.level === "error" ? ud.text("error") : ud.text("warning")}: ${one.topic}. `), one.what, one.fix ? ud.make("code", {}, one.fix) : null)),
                    ud.make("dl", {}, Object.entries(facts).flatMap(fact)));
            } catch (error) {
                place.replaceChildren(ud.make("div", {class: "ud-error"}, error.message));
            }
        };
        page.append(ud.make("p", {}, ud.text("Look for what would make things fail on this machine. Nothing is changed.")),
            ud.button("Examine", look, "ud-primary"), place);
    };
})();
