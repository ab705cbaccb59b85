// The tab Underdrawing: what its panels share. The panels stand in the other files of this folder.
// Everything is built from what the routes declare (docs/http_api.md); no annotator and no operation is named here.
"use strict";
(() => {
    const ud = window.underdrawing = window.underdrawing || {panels: {}};
    const ADDRESS = "underdrawing/v1";
    const LANGUAGE = "underdrawing_language";
    const POLL = 400;
    const STATES = ["waiting", "running", "done", "failed", "cancelled"];
    const MOST_STEPS = 4000;
    const REFRESH = {
        checkpoint: ["refresh_sd_model_checkpoint", "forge_refresh_checkpoint"],
        vae: ["refresh_sd_vae"],
        lora: ["txt2img_lora_extra_refresh", "img2img_lora_extra_refresh"],
        embedding: ["txt2img_textual_inversion_extra_refresh"],
    };
    const TARGETS = {
        "img2img": {open: "switch_to_img2img", boxes: ["#img2img_image"]},
        "inpaint": {open: "switch_to_inpaint", boxes: ["#img2maskimg"]},
        "ControlNet": {
            open: "switch_to_txt2img",
            boxes: ["#txt2img_controlnet_ControlNet-0_input_image", "[id^='txt2img_controlnet'][id$='_input_image']"],
        },
    };
    let texts = {};

    ud.text = (english) => texts[english] ?? window.localization?.[english] ?? english;

    ud.make = (tag, properties = {}, ...children) => {
        const node = document.createElement(tag);
        for (const [name, value] of Object.entries(properties)) {
            if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
            else if (name === "class") node.className = value;
            else if (name in node && name !== "list") node[name] = value;
            else node.setAttribute(name, value);
        }
        node.append(...children.flat().filter((child) => child !== null && child !== undefined));
        return node;
    };

    ud.button = (label, action, kind = "") =>
        ud.make("button", {type: "button", class: `ud-button ${kind}`, onclick: action}, ud.text(label));

    ud.label = (label, node, help = "") => ud.make("label", {class: `ud-field ${node.type === "checkbox" ? "ud-check" : ""}`},
        ud.make("span", {class: "ud-label"}, ud.text(label)), node,
        help ? ud.make("small", {}, ud.text(help)) : null);

    ud.ask = async (path, body) => {
        const options = body === undefined ? {} : {
            method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body),
        };
        const answer = await fetch(ADDRESS + path, options);
        const content = await answer.json().catch(() => ({detail: `${answer.status} ${answer.statusText}`}));
        if (!answer.ok) throw new Error(typeof content.detail === "string" ? content.detail : JSON.stringify(content.detail));
        return content;
    };

    ud.size = (bytes) => bytes ? `${(bytes / 1e6).toFixed(1)} MB` : ud.text("size not known");

    ud.wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

    // ---- parameters: one widget for each, made of its declaration; get() gives its value, node.dataset.name its name

    ud.editors ??= [];

    const makeInput = (field) => {
        if (field.kind === "bool") return ud.make("input", {type: "checkbox", checked: field.default});
        if (field.kind === "choice") {
            const options = field.choices.map((one) => ud.make("option", {value: one}, one));
            return ud.make("select", {value: field.default}, options);
        }
        if (field.kind === "text") return ud.make("textarea", {rows: field.many ? 2 : 1, value: field.default, spellcheck: false});
        return ud.make("input", {type: "number", min: field.low, max: field.high, step: "any", value: field.default});
    };

    const makeSlider = (field, input) => {
        const step = field.kind === "int" ? Math.max(1, Math.round(field.step ?? 1)) : field.step ?? 0.01;
        if (field.low === null || (field.high - field.low) / step > MOST_STEPS) return input;
        const slider = ud.make("input", {type: "range", min: field.low, max: field.high, step, value: field.default});
        slider.addEventListener("input", () => {
            input.value = slider.value;
            input.dispatchEvent(new Event("input", {bubbles: true}));
        });
        input.addEventListener("input", () => { slider.value = input.value; });
        return ud.make("span", {class: "ud-slider"}, slider, input);
    };

    ud.makeField = (field) => {
        const input = makeInput(field);
        if (field.kind === "choice") input.value = field.default;
        const isNumber = field.kind === "int" || field.kind === "float";
        const editor = ud.editors.find((one) => one.fits(field));
        const shown = isNumber ? makeSlider(field, input) : editor ? editor.make(field, input) : input;
        const made = {field, input, touched: false, node: ud.label(field.label, shown, field.help)};
        made.node.dataset.name = field.name;
        made.node.dataset.kind = field.kind;
        input.addEventListener("input", () => { made.touched = true; });
        made.get = () => {
            if (field.kind === "bool") return input.checked;
            if (!isNumber) return input.value;
            return field.kind === "int" ? Math.round(Number(input.value)) : Number(input.value);
        };
        return made;
    };

    // A form of parameters. values() leaves out what nobody touched, so that defaults stay the core's.
    ud.makeForm = (fields) => {
        const made = fields.map(ud.makeField);
        const node = ud.make("div", {class: "ud-form"}, made.map((one) => one.node));
        for (const chooser of made.filter((one) => one.field.hint?.uses)) {
            const uses = chooser.field.hint.uses, every = new Set(Object.values(uses).flat());
            const show = () => made.filter((one) => every.has(one.field.name)).forEach((one) => {
                one.node.hidden = !uses[chooser.get()].includes(one.field.name);
            });
            chooser.input.addEventListener("input", show);
            show();
        }
        const values = () => Object.fromEntries(
            made.filter((one) => one.touched && !one.node.hidden).map((one) => [one.field.name, one.get()]));
        return {node, values};
    };

    // ---- jobs: progress, notes, cancel, and what to do about weights that are missing

    ud.fetchWeights = async (ids, view) => {
        const {weights} = await ud.ask("/weights");
        const wanted = weights.filter((one) => ids.includes(one.id));
        const lines = wanted.map((one) => `${one.id}\n    ${ud.size(one.size)}, ${one.licence}` +
            (one.commercial ? "" : `, ${ud.text("not for commercial use")}`));
        const question = ud.text("Download these files, under their licences?");
        if (!wanted.length || !window.confirm(`${question}\n\n${lines.join("\n")}`)) return;
        const accept = wanted.some((one) => !one.commercial);
        const errors = [];
        await view.run("/weights/fetch", {weights: ids, consent: true, accept_noncommercial: accept},
            (result) => errors.push(...result.errors.map((one) => one.error)));
        if (errors.length) view.fail(errors.join("\n"));
        document.dispatchEvent(new CustomEvent("underdrawing:weights"));
    };

    ud.makeJobView = () => {
        const bar = ud.make("progress", {max: 1, value: 0}), state = ud.make("span", {class: "ud-state"});
        const notes = ud.make("ul", {class: "ud-notes"}), failure = ud.make("div", {class: "ud-error", role: "alert"});
        const view = {current: null};
        const cancel = ud.button("Cancel", () => view.current && ud.ask(`/jobs/${view.current}/cancel`, {}));
        const head = ud.make("div", {class: "ud-progress", hidden: true}, bar, state, cancel);
        view.node = ud.make("div", {class: "ud-job"}, head, failure, notes);

        const show = (job) => {
            const {title, done, total, unit, message} = job.progress;
            if (total) bar.value = done / total; else bar.removeAttribute("value");
            const count = total ? `${done.toLocaleString()} / ${total.toLocaleString()} ${unit}` : "";
            state.textContent = [ud.text(job.state), title, count, message].filter(Boolean).join(" · ");
            notes.replaceChildren(...job.notes.map((note) => ud.make("li", {}, note)));
        };
        view.fail = (text, weights = []) => {
            const fetch = weights.length ? ud.button("Fetch what is missing…", () => ud.fetchWeights(weights, view)) : null;
            failure.replaceChildren(text, ...(fetch ? [fetch] : []));
        };
        // Runs a job to its end; onResult is called for each result as it comes. Returns whether it is done.
        view.run = async (path, body, onResult = () => {}) => {
            view.fail("");
            head.hidden = cancel.disabled = false;
            try {
                let job = await ud.ask(path, body), since = 0;
                view.current = job.id;
                while (true) {
                    job = await ud.ask(`/jobs/${job.id}?since=${since}`);
                    show(job);
                    job.results.forEach(onResult);
                    since = job.count;
                    if (STATES.indexOf(job.state) > 1) break;
                    await ud.wait(POLL);
                }
                if (job.failure) view.fail(job.failure.error, job.failure.weights);
                bar.value = job.state === "done" ? 1 : 0;
                return job.state === "done";
            } catch (error) {
                view.fail(error.message);
                head.hidden = true;
                return false;
            } finally {
                view.current = null;
                cancel.disabled = true;
            }
        };
        return view;
    };

    // ---- pictures

    ud.readPicture = (file) => new Promise((resolve, reject) => {
        const reader = new FileReader();
        reader.onload = () => resolve(reader.result);
        reader.onerror = () => reject(reader.error);
        reader.readAsDataURL(file);
    });

    const find = (selectors) => {
        const root = typeof gradioApp === "function" ? gradioApp() : document;
        return selectors.map((one) => root.querySelector(one)).find(Boolean);
    };

    ud.sendTo = async (name, base64) => {
        const target = TARGETS[name], box = find(target.boxes);
        if (!box) throw new Error(`${ud.text("This page has no place for it:")} ${name}`);
        if (typeof window[target.open] === "function") window[target.open]();
        box.querySelector("button[aria-label='Clear'], button[aria-label='Remove Image'], .forge-image-toolbar [title='Remove']")?.click();
        await ud.wait(300);
        const input = box.querySelector("input[type=file]") ?? box.closest(".gradio-image, .block")?.querySelector("input[type=file]");
        if (!input) throw new Error(`${ud.text("This page has no place for it:")} ${name}`);
        const bytes = Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));
        const transfer = new DataTransfer();
        transfer.items.add(new File([bytes], "underdrawing.png", {type: "image/png"}));
        input.files = transfer.files;
        input.dispatchEvent(new Event("change", {bubbles: true}));
    };

    // A picture with its title, notes and what can be done with it. more: further buttons.
    ud.makeCard = (base64, title, notes = [], more = []) => {
        const source = `data:image/png;base64,${base64}`, message = ud.make("small", {class: "ud-error"});
        const send = (name) => ud.button(name, () => ud.sendTo(name, base64).catch((error) => { message.textContent = error.message; }));
        const save = ud.make("a", {class: "ud-button", href: source, download: `${title}.png`}, ud.text("Download"));
        return ud.make("figure", {class: "ud-card"},
            ud.make("img", {src: source, alt: title, onclick: () => window.open()?.document.write(`<img src="${source}">`)}),
            ud.make("figcaption", {}, title, ud.make("div", {class: "ud-row"}, save, Object.keys(TARGETS).map(send), more),
                notes.map((note) => ud.make("small", {}, note)), message));
    };

    ud.refreshHost = (kind) => (REFRESH[kind] ?? []).forEach((id) => find([`#${id}`])?.click());

    // ---- the page

    const chooseLanguage = async () => {
        const stored = localStorage.getItem(LANGUAGE) ?? "auto";
        const wanted = stored === "auto" ? String(window.opts?.localization ?? "") || navigator.language : stored;
        const language = wanted.slice(0, 2).toLowerCase();
        const {languages, version} = await ud.ask("");
        texts = languages.includes(language) ? (await ud.ask(`/texts/${language}`)).texts : {};
        const choices = ["auto", "en", ...languages].map((one) => ud.make("option", {value: one}, one));
        const select = ud.make("select", {class: "ud-language", "aria-label": ud.text("Language")}, choices);
        select.value = stored;
        select.addEventListener("change", () => {
            localStorage.setItem(LANGUAGE, select.value);
            build(document.getElementById("underdrawing_root"));
        });
        return ud.make("div", {class: "ud-head"}, ud.make("small", {}, `Underdrawing ${version}`), select);
    };

    const build = async (root) => {
        root.dataset.state = "building";
        try {
            const head = await chooseLanguage();
            const [{panels}, {operations}] = await Promise.all([ud.ask("/panels"), ud.ask("/operations")]);
            ud.operations = Object.fromEntries(operations.map((one) => [one.id, one]));
            const every = [{id: "annotate", title: "Annotate", make: ud.panels.annotate},
                ...panels.map((panel) => ({...panel, make: ud.panels.operations})),
                {id: "doctor", title: "Doctor", make: ud.panels.doctor}];
            const pages = every.map((panel) => ud.make("section", {class: "ud-panel", id: `underdrawing_${panel.id}`, hidden: true}));
            const open = (index) => {
                pages.forEach((page, number) => { page.hidden = number !== index; });
                buttons.forEach((button, number) => button.setAttribute("aria-selected", number === index));
                if (!pages[index].childElementCount) {
                    Promise.resolve(every[index].make(pages[index], every[index])).catch((error) => {
                        pages[index].append(ud.make("div", {class: "ud-error"}, error.message));
                    });
                }
            };
            ud.open = (id) => open(every.findIndex((panel) => panel.id === id));
            const buttons = every.map((panel, index) =>
                ud.make("button", {type: "button", role: "tab", onclick: () => open(index)}, ud.text(panel.title)));
            root.replaceChildren(head, ud.make("div", {class: "ud-tabs", role: "tablist"}, buttons), ...pages);
            open(0);
            root.dataset.state = "ready";
        } catch (error) {
            root.replaceChildren(ud.make("div", {class: "ud-error"}, error.message), ud.button("Try again", () => build(root)));
            root.dataset.state = "failed";
        }
    };

    const start = () => {
        const root = (typeof gradioApp === "function" ? gradioApp() : document).querySelector("#underdrawing_root");
        if (root && !root.dataset.state) build(root);
    };
    if (typeof onUiLoaded === "function") onUiLoaded(start);
    if (typeof onAfterUiUpdate === "function") onAfterUiUpdate(start);
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start); else start();
})();
