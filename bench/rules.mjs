// Runs rules.wasm (bench/rules.rs) under the V8 of Node.js: node bench/rules.mjs path/to/rules.wasm

import { readFile } from "node:fs/promises";
import { WASI } from "node:wasi";

const wasi = new WASI({ version: "preview1", args: ["rules"], env: {} });
const module = await WebAssembly.compile(await readFile(process.argv[2]));
wasi.start(await WebAssembly.instantiate(module, wasi.getImportObject()));
