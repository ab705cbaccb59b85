// In a clone of the repository the host looks here for scripts: they stand in the extension's own folder.
"use strict";
(() => {
    const folder = document.currentScript.src.replace(/javascript\/[^/]*$/, "a1111_extension/javascript/");
    const version = document.currentScript.src.match(/\?.*$/)?.[0] ?? "";
    for (const name of ["_annotate", "_operations", "_poses", ""]) {
        const script = document.createElement("script");
        script.src = `${folder}underdrawing${name}.js${version}`;
        script.async = false;
        document.head.append(script);
    }
})();
