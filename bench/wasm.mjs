// Runs a benchmark built for wasm (bench/rules.rs, bench/stages.rs) under the V8 of Node.js:
//   node bench/wasm.mjs path/to/stages.wasm [arguments]

import { readFile } from "node:fs/promises";
import { WASI } from "node:wasi";

const wasi = new WASI({ version: "preview1", args: ["bench", ...process.argv.slice(3)], env: {} });
const module = await WebAssembly.compile(await readFile(process.argv[2]));
wasi.start(await WebAssembly.instantiate(module, wasi.getImportObject()));
