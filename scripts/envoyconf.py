"""The bootstrap configs in envoy/ with other ports and another filter file, for running several at once."""

import json
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent

# Where the shipped configs expect the filter, from the root of the project.
FILTER = "target/wasm32-wasip1/release/portcullis_filter.wasm"


def load(path):
    """The config in `path` as Python data."""
    return yaml.safe_load(Path(path).read_text())


def adapt(config, ports=None, wasm=None, files=None, plugin=None):
    """`config` with things replaced, for Envoy to run elsewhere than the file says.

    ports:  {port in the file: port to use}
    wasm:   path of the filter, instead of `FILTER`
    files:  {file name in the config: file name to use} for certificates and keys
    plugin: a function of the plugin configuration (a dict) which returns the one to use
    """
    ports, files = ports or {}, dict(files or {})
    if wasm:
        files[FILTER] = str(wasm)

    def walk(node):
        if isinstance(node, list):
            return [walk(item) for item in node]
        if not isinstance(node, dict):
            return node
        node = {key: walk(value) for key, value in node.items()}
        if "port_value" in node:
            node["port_value"] = ports.get(node["port_value"], node["port_value"])
        if "filename" in node:
            node["filename"] = files.get(node["filename"], node["filename"])
        if plugin and is_portcullis(node):
            value = node["configuration"]
            value["value"] = json.dumps(plugin(json.loads(value["value"])))
        return node

    return walk(config)


def is_portcullis(node):
    """Whether `node` is the wasm plugin's configuration of our filter."""
    return node.get("root_id") == "portcullis" and "configuration" in node


def write(config, path):
    """Writes `config` where Envoy can read it. JSON is YAML, and Envoy goes by the ending."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(config, indent=1))
    return path
