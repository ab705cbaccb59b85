// The editor of poses: drag points, drop them, mirror, undo; JSON of any form in, OpenPose JSON out.
"use strict";
(() => {
    const ud = window.underdrawing = window.underdrawing || {panels: {}};
    const REACH = 9;
    const MOST_UNDO = 50;
    const START = [[0.5, 0.2], [0.5, 0.32], [0.42, 0.32], [0.38, 0.45], [0.36, 0.57], [0.58, 0.32], [0.62, 0.45], [0.64, 0.57],
        [0.45, 0.58], [0.44, 0.75], [0.44, 0.92], [0.55, 0.58], [0.56, 0.75], [0.56, 0.92], [0.48, 0.18], [0.52, 0.18], [0.45, 0.19], [0.55, 0.19]];
    let editor = null;
    let waiting = null;

    const colour = (rgb, share = 1) => `rgb(${rgb.map((one) => Math.round(one * share)).join(" ")})`;

    const makeEditor = (skeleton) => {
        const parts = Object.entries(skeleton.parts), [body] = parts[0];
        const canvas = ud.make("canvas", {class: "ud-canvas", width: 512, height: 512, tabIndex: 0});
        const status = ud.make("span", {class: "ud-state"}), message = ud.make("div", {class: "ud-error"});
        const json = ud.make("textarea", {rows: 6, spellcheck: false, class: "ud-json"});
        let pose = {people: [], canvas_width: 512, canvas_height: 512}, undo = [], picture = null, chosen = null, drag = null;

        // A part's keypoints are x, y, confidence, one after the other; confidence 0 is a point that is not there.
        const points = (person, name) => person[name] ?? [];
        const isThere = (list, index) => list[3 * index + 2] > 0;
        const every = function* () {
            for (const person of pose.people) for (const [name, part] of parts) {
                const list = points(person, name);
                for (let index = 0; 3 * index + 2 < list.length; index += 1) {
                    if (isThere(list, index)) yield {person, name, part, list, index};
                }
            }
        };
        const nameOf = (one) => one ? `${pose.people.indexOf(one.person) + 1}: ${one.part.names?.[one.index] ?? `${one.name.split("_keypoints")[0]} ${one.index}`}` : "";

        const drawPerson = (pen, person) => {
            for (const [name, part] of parts) {
                const list = points(person, name), isBody = name === body;
                const at = (index) => [list[3 * index], list[3 * index + 1]];
                pen.lineWidth = isBody ? 6 : 2;
                part.limbs.forEach(([from, to], index) => {
                    if (!isThere(list, from) || !isThere(list, to)) return;
                    pen.strokeStyle = part.colours.length ? colour(part.colours[index], 0.6) : `hsl(${360 * index / part.limbs.length} 100% 50%)`;
                    pen.beginPath();
                    pen.moveTo(...at(from));
                    pen.lineTo(...at(to));
                    pen.stroke();
                });
                for (let index = 0; 3 * index + 2 < list.length; index += 1) {
                    if (!isThere(list, index)) continue;
                    pen.fillStyle = part.colours.length ? colour(part.colours[index]) : "white";
                    pen.beginPath();
                    pen.arc(...at(index), isBody ? 5 : 2.5, 0, 7);
                    pen.fill();
                }
            }
        };
        const draw = () => {
            const pen = canvas.getContext("2d");
            if (canvas.width !== pose.canvas_width) canvas.width = pose.canvas_width;
            if (canvas.height !== pose.canvas_height) canvas.height = pose.canvas_height;
            pen.fillStyle = "black";
            pen.fillRect(0, 0, canvas.width, canvas.height);
            if (picture) {
                pen.globalAlpha = 0.5;
                pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
                pen.globalAlpha = 1;
            }
            pose.people.forEach((person) => drawPerson(pen, person));
            if (chosen) {
                pen.strokeStyle = "white";
                pen.lineWidth = 2;
                pen.beginPath();
                pen.arc(chosen.list[3 * chosen.index], chosen.list[3 * chosen.index + 1], REACH, 0, 7);
                pen.stroke();
            }
            status.textContent = [`${canvas.width} × ${canvas.height}`, `${pose.people.length} ${ud.text("people")}`, nameOf(chosen)].filter(Boolean).join(" · ");
        };
        const write = () => { json.value = JSON.stringify(pose); draw(); };
        const change = (action) => {
            undo = [...undo.slice(1 - MOST_UNDO), JSON.stringify(pose)];
            action();
            write();
        };

        const place = (event) => {
            const box = canvas.getBoundingClientRect();
            return [(event.clientX - box.left) * canvas.width / box.width, (event.clientY - box.top) * canvas.height / box.height];
        };
        const nearest = (event) => {
            const [x, y] = place(event), scale = canvas.width / canvas.getBoundingClientRect().width;
            let best = null, least = (REACH * Math.max(1, scale)) ** 2;
            for (const one of every()) {
                const away = (one.list[3 * one.index] - x) ** 2 + (one.list[3 * one.index + 1] - y) ** 2;
                if (away <= least) [best, least] = [one, away];
            }
            return best;
        };
        const drop = (one) => change(() => {
            one.list.splice(3 * one.index, 3, 0, 0, 0);
            chosen = null;
        });
        canvas.addEventListener("pointerdown", (event) => {
            chosen = drag = event.button === 0 ? nearest(event) : null;
            if (drag) {
                undo = [...undo.slice(1 - MOST_UNDO), JSON.stringify(pose)];
                canvas.setPointerCapture(event.pointerId);
            }
            draw();
        });
        canvas.addEventListener("pointermove", (event) => {
            if (!drag) return;
            drag.list.splice(3 * drag.index, 2, ...place(event).map((one) => Math.round(one * 10) / 10));
            draw();
        });
        canvas.addEventListener("pointerup", () => { if (drag) write(); drag = null; });
        canvas.addEventListener("contextmenu", (event) => {
            event.preventDefault();
            const one = nearest(event);
            if (one) drop(one);
        });
        canvas.addEventListener("keydown", (event) => {
            if (chosen && (event.key === "Delete" || event.key === "Backspace")) { event.preventDefault(); drop(chosen); }
            if ((event.ctrlKey || event.metaKey) && event.key === "z") { event.preventDefault(); goBack(); }
        });
        const goBack = () => {
            if (!undo.length) return;
            pose = JSON.parse(undo.pop());
            chosen = null;
            write();
        };

        const mirror = () => change(() => {
            chosen = null;
            for (const person of pose.people) {
                for (const [name, part] of parts) {
                    const list = points(person, name), count = list.length / 3;
                    const from = part.mirror?.length === count ? part.mirror : [...Array(count).keys()];
                    if (count) person[name] = from.flatMap((index) => isThere(list, index)
                        ? [pose.canvas_width - list[3 * index], list[3 * index + 1], list[3 * index + 2]] : [0, 0, 0]);
                }
                const [left, right] = parts.slice(-2).map(([name]) => name);
                [person[left], person[right]] = [person[right], person[left]];
            }
        });
        const addPerson = () => change(() => {
            pose.people.push({[body]: START.flatMap(([x, y]) => [Math.round(x * pose.canvas_width), Math.round(y * pose.canvas_height), 1])});
        });
        const removePerson = () => chosen && change(() => {
            pose.people.splice(pose.people.indexOf(chosen.person), 1);
            chosen = null;
        });
        const load = async (data) => {
            message.textContent = "";
            try {
                const {poses, notes} = await ud.ask("/poses", {poses: data});
                const [first] = poses;
                if (!first) throw new Error(ud.text("There are no poses in it"));
                change(() => { pose = first; chosen = null; });
                message.textContent = notes.join("; ");
            } catch (error) {
                message.textContent = error.message;
            }
        };
        const readText = () => {
            try { load(JSON.parse(json.value)); } catch (error) { message.textContent = error.message; }
        };
        const open = ud.make("input", {type: "file", accept: ".json", class: "ud-open", onchange: async () => {
            json.value = await open.files[0].text();
            readText();
        }});
        const behind = ud.make("input", {type: "file", accept: "image/*", class: "ud-behind", onchange: async () => {
            picture = await createImageBitmap(behind.files[0]);
            if (!pose.people.length) Object.assign(pose, {canvas_width: picture.width, canvas_height: picture.height});
            write();
        }});
        const save = () => {
            const link = ud.make("a", {href: URL.createObjectURL(new Blob([json.value], {type: "application/json"})), download: "pose.json"});
            link.click();
            URL.revokeObjectURL(link.href);
        };
        const size = (name, key) => ud.label(name, ud.make("input", {type: "number", min: 64, max: 4096, step: 8, value: 512, onchange: (event) =>
            change(() => { pose[key] = Number(event.target.value); })}));
        const node = ud.make("div", {class: "ud-columns ud-editor"},
            ud.make("div", {}, canvas, status),
            ud.make("div", {class: "ud-controls"},
                ud.make("small", {}, ud.text("Drag points; a right click or Delete drops one.")),
                ud.make("div", {class: "ud-row"}, ud.button("Add a person", addPerson), ud.button("Remove the person", removePerson),
                    ud.button("Mirror", mirror), ud.button("Undo", goBack)),
                ud.make("div", {class: "ud-row"}, size("width", "canvas_width"), size("height", "canvas_height")),
                ud.label("Picture behind it", behind), ud.label("Open JSON", open), json,
                ud.make("div", {class: "ud-row"}, ud.button("Read this JSON", readText), ud.button("Save JSON", save)), message));
        write();
        return {node, load, get: () => pose};
    };

    ud.makePoseEditor = async () => {
        editor = makeEditor(await ud.ask("/skeleton"));
        if (waiting) await editor.load(waiting);
        waiting = null;
        return editor.node;
    };
    ud.poses = () => editor?.get();
    // Opens the editor with poses, for other panels.
    ud.editPoses = (poses) => {
        if (editor) editor.load(poses); else waiting = poses;
        ud.open("poses");
    };
})();
