// Panel Annotate: pictures or a folder in, maps side by side out.
"use strict";
(() => {
    const ud = window.underdrawing = window.underdrawing || {panels: {}};
    const EVERY = "all";

    const makeChooser = (annotators) => {
        const groups = Map.groupBy ? Map.groupBy(annotators, (one) => one.kind) : annotators.reduce(
            (found, one) => found.set(one.kind, [...(found.get(one.kind) ?? []), one]), new Map());
        const option = (one) => ud.make("option", {value: one.id, title: one.reason},
            ud.text(one.title) + (one.available ? "" : ` (${ud.text("not available")})`));
        return ud.make("select", {}, [...groups].map(([kind, members]) =>
            ud.make("optgroup", {label: ud.text(kind || "broken")}, members.map(option))));
    };

    const isPicture = (file) => file.type.startsWith("image/") || /\.(avif|heic|jxl|tiff?)$/i.test(file.name);

    // What the user chose: files by click, drop or folder. files() gives the pictures.
    const makeSource = () => {
        let chosen = [];
        const shown = ud.make("div", {class: "ud-thumbs"});
        const take = (files) => {
            chosen = [...files].filter(isPicture);
            shown.replaceChildren(...chosen.slice(0, 24).map((file) =>
                ud.make("img", {src: URL.createObjectURL(file), alt: file.name, title: file.name})),
            ud.make("small", {}, `${chosen.length} ${ud.text("pictures")}`));
        };
        const pick = (attributes) => ud.make("input", {type: "file", multiple: true, onchange: (event) => take(event.target.files), ...attributes});
        const files = pick({accept: "image/*,.avif,.heic,.jxl,.tif,.tiff", class: "ud-files"}), folder = pick({class: "ud-folder"});
        folder.setAttribute("webkitdirectory", "");
        const node = ud.make("div", {
            class: "ud-drop",
            ondragover: (event) => event.preventDefault(),
            ondrop: (event) => { event.preventDefault(); event.stopPropagation(); take(event.dataTransfer.files); },
        }, ud.label("Pictures", files), ud.label("or a folder", folder), shown);
        return {node, files: () => chosen};
    };

    const makeResult = (result, view) => {
        if (!result.image) {
            const fetch = result.weights?.length ? ud.button("Fetch…", () => ud.fetchWeights(result.weights, view)) : null;
            return ud.make("details", {class: "ud-left-out"}, ud.make("summary", {}, result.annotator), result.error, fetch);
        }
        const edit = result.poses && ud.editPoses
            ? [ud.button("Edit the pose", () => ud.editPoses(result.poses))] : [];
        const notes = [...result.notes, ...(result.saved ? [`${ud.text("saved as")} ${result.saved}`] : [])];
        return ud.makeCard(result.image, result.annotator, notes, edit);
    };

    ud.panels.annotate = async (page) => {
        const {annotators, tiles} = await ud.ask("/annotators");
        const source = makeSource(), chooser = makeChooser(annotators), view = ud.makeJobView();
        const about = ud.make("div", {class: "ud-about"}), fields = ud.make("div"), results = ud.make("div", {class: "ud-results"});
        const resolution = ud.makeField({
            name: "resolution", label: "resolution", kind: "int", default: 512, low: 0, high: 2048, step: 8,
            help: "Shorter side of the map in pixels; 0: the picture's own size",
        });
        const tiling = ud.makeForm(tiles);
        const mask = ud.make("input", {type: "file", accept: "image/*"});
        const maskField = ud.label("mask", mask, "White where the picture is to be repainted; without one its transparency counts");
        const save = ud.make("input", {type: "checkbox"});
        let form = null;

        const choose = () => {
            const one = annotators.find((other) => other.id === chooser.value);
            form = ud.makeForm(one.params ?? []);
            fields.replaceChildren(form.node);
            maskField.hidden = !one.takes_mask;
            const [first, ...rest] = (one.help ?? "").split("\n");
            const fetch = one.missing?.length
                ? ud.button("Fetch weights…", async () => { await ud.fetchWeights(one.missing, view); }) : null;
            about.replaceChildren(ud.make("p", {}, ud.text(first), ud.make("small", {}, ` ${rest.join(" ").trim()}`)),
                ...(one.available ? [] : [ud.make("p", {class: "ud-error"}, one.reason, fetch ?? "")]),
                ud.make("small", {}, `${one.licence ?? ""}${one.commercial === false ? `, ${ud.text("not for commercial use")}` : ""}`));
        };
        chooser.addEventListener("change", choose);

        const run = async (annotator) => {
            const files = source.files();
            if (!files.length) return view.fail(ud.text("Choose a picture first"));
            results.replaceChildren();
            for (const file of files) {
                const image = await ud.readPicture(file);
                const row = ud.make("div", {class: "ud-maps"}, ud.make("figure", {class: "ud-card"},
                    ud.make("img", {src: image, alt: file.name}), ud.make("figcaption", {}, file.name)));
                results.append(row);
                const body = {
                    image, annotator, resolution: resolution.get(), ...tiling.values(), params: annotator === EVERY ? {} : form.values(),
                    mask: mask.files[0] && !maskField.hidden ? await ud.readPicture(mask.files[0]) : null,
                    save: save.checked ? file.name.replace(/\.[^.]*$/, "").replace(/[^\p{L}\p{N}._ -]/gu, "_").trim() : "",
                };
                const left = ud.make("div", {class: "ud-skipped"});
                results.append(left);
                const done = await view.run("/annotate", body, (result) =>
                    (result.image ? row : left).append(makeResult(result, view)));
                if (!done) break;
            }
        };
        page.append(ud.make("div", {class: "ud-columns"},
            ud.make("div", {class: "ud-controls"}, source.node, ud.label("annotator", chooser), about, maskField, resolution.node, tiling.node, fields,
                ud.label("save", save, "Also save the maps in the host's output folder, beside what is there"),
                ud.make("div", {class: "ud-row"}, ud.button("Make the map", () => run(chooser.value), "ud-primary"),
                    ud.button("All maps of this picture", () => run(EVERY)))),
            ud.make("div", {}, view.node, results)));
        choose();
        document.addEventListener("underdrawing:weights", async () => {
            const fresh = (await ud.ask("/annotators")).annotators;
            fresh.forEach((one) => Object.assign(annotators.find((other) => other.id === one.id), one));
            choose();
        });
    };
})();
