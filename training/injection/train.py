"""Trains the learned tier of the injection scanner and writes engine/content/src/scan/injection/model/weights.bin.

    cargo build --release -p portcullis-engine --example injection_features
    python train.py --cases public.jsonl --features path/to/injection_features --out weights.bin --metrics metrics.json

Which texts are used, under which licences: MANIFEST.md. The texts themselves are not kept here.
"""

import argparse
import glob
import gzip
import hashlib
import json
import os
import random
import re
import struct
import subprocess
import sys

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

import phrases
import plain

PAIR, HASHED = 128, 1 << 18
SIZE = PAIR + 64 * 64 + HASHED
PLACES = {"request": 81, "result": 82, "description": 84}
# Of request, result, description: set by hand after the halves were measured, see docs/scanners/injection.md.
THRESHOLDS = (0.5, 0.0, 0.5)
# Weights of at most so many steps are left out.
SMALLEST = 2
LICENCES = ("MIT", "Apache-2.0", "BSD-3", "CC-BY-4.0", "Apache-2.0/CC-BY-4.0")
# Sources or parts whose own texts stand under other terms.
LEFT_OUT = {("notinject", "wildguard"), ("bipia", "table"), ("bipia", "code")}


def half(identifier):
    return hashlib.sha256(identifier.encode()).digest()[0] % 2


def strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings(item)


def load_cases(path):
    """Groups: (key, label, surface, texts, source, half, scanner)."""
    for line in open(path, encoding="utf-8"):
        record = json.loads(line)
        mine = record["scanner"] == "injection"
        if not mine and record["label"] == "attack":
            continue
        surface = {"request": "request", "tool_description": "description"}.get(record["direction"], "result")
        texts = [record["text"]] if record.get("text") else list(strings(record.get("args")))
        allowed = record.get("licence") in LICENCES and (record["source"], record.get("subtype")) not in LEFT_OUT
        yield dict(label=int(record["label"] == "attack"), surface=surface, texts=texts, source=record["source"], half=half(record["id"]),
                   mine=mine, allowed=allowed, weight=1.0, public=True)


def load_extra(path):
    """Texts that collect.py gathered."""
    for line in open(path, encoding="utf-8"):
        record = json.loads(line)
        surface = {"request": "request", "tool_description": "description"}.get(record["direction"], "result")
        attack = record["label"] == "attack"
        yield dict(label=int(attack), surface=surface, texts=[record["text"]], source=record["source"], half=half(record["id"]), mine=False, allowed=True,
                   weight=0.8 if attack else 0.5, public=False)


def roff(text):
    text = re.sub(r"(?m)^[.'].{0,3}\s?", "", text)
    return re.sub(r"\\f.|\\[-&|^]|\\\(..", "", text)


def load_benign(rng, limit):
    """Documentation that is installed on a Debian machine, and of Python and Rust packages."""
    pages = glob.glob("/usr/share/man/man[1-8]/*.gz") + glob.glob("/usr/share/man/*/man[1-8]/*.gz") * 3
    pages = sorted(set(os.path.realpath(page) for page in rng.sample(pages, min(len(pages), limit))))
    for page in pages:
        try:
            text = roff(gzip.open(page).read().decode("utf-8", "ignore"))
        except OSError:
            continue
        yield "man", text[:20000]
    for pattern in ("/usr/share/doc/*/README*", os.path.expanduser("~/.cargo/registry/src/*/*/README.md"), os.path.expanduser("~/.cargo/registry/src/*/*/CHANGELOG.md"),
                    sys.prefix + "/lib/python3*/site-packages/*/METADATA", sys.prefix + "/lib/python3*/site-packages/**/*.py"):
        files = sorted(glob.glob(pattern, recursive=True))
        for name in rng.sample(files, min(len(files), limit // 3)):
            try:
                raw = gzip.open(name).read() if name.endswith(".gz") else open(name, "rb").read()
                yield "docs", raw.decode("utf-8", "ignore")[:20000]
            except OSError:
                continue


def features(program, texts):
    lines = "".join(json.dumps({"text": text, "surface": surface}) + "\n" for text, surface in texts)
    done = subprocess.run([program], input=lines.encode(), stdout=subprocess.PIPE, check=True)
    return [[np.array(row, dtype=np.int32) for row in json.loads(line)] for line in done.stdout.splitlines()]


def matrix(rows):
    data, indices, starts = [], [], [0]
    for row in rows:
        own = row[:-1]
        unit = 1 / np.sqrt(max(len(own), 1))
        data.append(np.append(np.full(len(own), unit, dtype=np.float32), np.float32(1.0)))
        indices.append(row)
        starts.append(starts[-1] + len(own) + 1)
    built = csr_matrix((np.concatenate(data), np.concatenate(indices), np.array(starts)), shape=(len(rows), SIZE))
    built.sum_duplicates()
    return built


def fit(groups, strength, rounds=2):
    """Multiple-instance learning: of a long attack only the passages that look like one are taught."""
    rows, owner = [], []
    for number, group in enumerate(groups):
        for row in group["rows"]:
            rows.append(row)
            owner.append(number)
    x = matrix(rows)
    owner = np.array(owner)
    # The same passage in several attacks is the document they were put into, not the attack.
    seen = {}
    for number, row in zip(owner, rows):
        if groups[number]["label"] and len(groups[number]["rows"]) > 1:
            seen.setdefault(row.tobytes(), set()).add(number)
    carrier = np.array([len(seen.get(row.tobytes(), ())) > 1 for row in rows])
    labels = np.array([group["label"] for group in groups])
    weights = np.array([group["weight"] for group in groups])
    y = np.where(carrier, 0, labels[owner])
    counts = np.bincount(owner, minlength=len(groups))
    use = np.ones(len(rows), bool)
    model = None
    for turn in range(rounds):
        # One benign passage weighs as much as another; an attack as much as its passages together.
        w = weights[owner] * np.where(y == 1, 1 / np.sqrt(np.bincount(owner[use], minlength=len(groups)).clip(1))[owner], 1.0)
        model = LogisticRegression(C=strength, max_iter=200, tol=1e-3, solver="liblinear")
        model.fit(x[use], y[use], sample_weight=w[use])
        score = model.decision_function(x)
        best = np.full(len(groups), -np.inf)
        np.maximum.at(best, owner, score)
        use = (y == 0) | (score >= np.minimum(best[owner] - 1e-6, 0.0)) | (counts[owner] == 1)
        use &= (y == 0) | (score > best[owner] - 3.0)
    return model


def scores(model, groups):
    out = []
    for group in groups:
        out.append(float(model.decision_function(matrix(group["rows"])).max()) if group["rows"] else -99.0)
    return np.array(out)


def save(path, model):
    """Eight bits a weight; the few largest are cut, the smallest, of what was seen once, are nothing: they pack better, and nothing is lost."""
    weights = model.coef_[0]
    scale = float(np.percentile(np.abs(weights[weights != 0]), 99.9)) / 127
    quantised = np.clip(np.rint(weights / scale), -127, 127).astype(np.int8)
    quantised[np.abs(quantised) <= SMALLEST] = 0
    with open(path, "wb") as out:
        out.write(b"PCIM0002" + struct.pack("<5f", scale, float(model.intercept_[0]), *THRESHOLDS) + quantised.tobytes())
    return quantised, THRESHOLDS


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", required=True)
    parser.add_argument("--extra", help="texts gathered by collect.py")
    parser.add_argument("--features", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--metrics", required=True)
    parser.add_argument("--strength", type=float, default=20.0)
    parser.add_argument("--limit", type=int, default=3000)
    parser.add_argument("--quick", action="store_true", help="only the two halves")
    parser.add_argument("--final", action="store_true", help="only the weights, without the halves and sources")
    parser.add_argument("--half", type=int, help="train on this half of the cases only and stop: what the other half is measured with")
    options = parser.parse_args()
    rng = random.Random(7)

    groups = list(load_cases(options.cases)) + (list(load_extra(options.extra)) if options.extra else [])
    benign = list(load_benign(rng, options.limit))
    for kind, text in benign:
        surface = rng.choice(["result", "result", "result", "description", "request"])
        groups.append(dict(label=0, surface=surface, texts=[text], source=kind, half=rng.randint(0, 1), mine=False, allowed=True, weight=0.5, public=False))
    carriers = [text for _, text in benign]
    for surface, text, embed in phrases.attacks(rng):
        if embed and rng.random() < 0.6:
            carrier = rng.choice(carriers)
            at = rng.randrange(max(1, len(carrier) - 900))
            before, after = carrier[at:at + rng.randint(20, 400)], carrier[at + 400:at + 400 + rng.randint(0, 400)]
            text = before + rng.choice(["\n", " ", "\n\n", " <!-- ", "\n- "]) + text + rng.choice(["\n", " ", "\n\n", " -->"]) + after
        groups.append(dict(label=1, surface=surface, texts=[text], source="own", half=rng.randint(0, 1), mine=False, allowed=True, weight=0.7, public=False))
    for label, texts in ((1, plain.attacks(rng)), (0, plain.honest(rng))):
        for surface, text in texts:
            groups.append(dict(label=label, surface=surface, texts=[text], source="own-plain", half=rng.randint(0, 1), mine=False, allowed=True, weight=0.7, public=False))

    flat = [(text, group["surface"]) for group in groups for text in group["texts"]]
    rows = iter(features(options.features, flat))
    for group in groups:
        group["rows"] = [row for _ in group["texts"] for row in next(rows)]
    # An attack within a document of others teaches the document: only our own are embedded at random.
    usable = [group for group in groups if group["allowed"] and group["rows"]
              and not (group["public"] and group["label"] and group["surface"] != "request" and len(group["rows"]) > 2)]
    print("attacks without a passage", sum(1 for g in groups if g["label"] and not g["rows"]), "of", sum(g["label"] for g in groups))
    print("groups", len(groups), "usable", len(usable), "passages", sum(len(g["rows"]) for g in usable), flush=True)

    report = {"strength": options.strength, "halves": {}, "held_out_sources": {}}
    public = [group for group in groups if group["public"]]
    injection = [group for group in public if group["mine"]]

    def recall_at(points, labels, rate):
        negative = np.sort(points[labels == 0])[::-1]
        cut = negative[int(len(negative) * rate)] if len(negative) else 0
        return float((points[labels == 1] > cut).mean()), float(cut)

    if options.half is not None:
        save(options.out, fit([g for g in usable if not g["public"] or g["half"] == options.half], options.strength))
        return
    final = fit(usable, options.strength)
    quantised, thresholds = save(options.out, final)
    report["non_zero_weights"] = int((quantised != 0).sum())
    report["thresholds"] = thresholds
    by_source = {}
    for group in usable:
        key = f"{group['source']}/{'attack' if group['label'] else 'benign'}"
        texts, passages = by_source.get(key, (0, 0))
        by_source[key] = (texts + 1, passages + len(group["rows"]))
    report["texts_and_passages"] = dict(sorted(by_source.items()))
    if options.final:
        json.dump(report, open(options.metrics, "w"), indent=1)
        return
    for side in (0, 1):
        model = fit([g for g in usable if not g["public"] or g["half"] == side], options.strength)
        test = [g for g in injection if g["half"] != side]
        points, labels = scores(model, test), np.array([g["label"] for g in test])
        other = [g for g in public if not g["mine"] and g["half"] != side]
        others = scores(model, other)
        entry = {}
        for rate in (0.005, 0.01, 0.02):
            recall, cut = recall_at(points, labels, rate)
            entry[str(rate)] = {"recall": round(recall, 4), "threshold": round(cut, 3), "others_hit": round(float((others > cut).mean()), 5)}
        entry["per_surface"] = {}
        for surface in PLACES:
            chosen = np.array([g["surface"] == surface for g in test])
            recall, cut = recall_at(points[chosen], labels[chosen], 0.01)
            entry["per_surface"][surface] = {"recall_at_1pct": round(recall, 4), "threshold": round(cut, 3)}
        entry["per_source"] = {}
        cut = entry["0.01"]["threshold"]
        for source in sorted({g["source"] for g in test}):
            for label in (1, 0):
                chosen = np.array([g["source"] == source and g["label"] == label for g in test])
                if chosen.any():
                    entry["per_source"][f"{source}/{'attack' if label else 'benign'}"] = [int((points[chosen] > cut).sum()), int(chosen.sum())]
        report["halves"][f"trained on half {side}"] = entry
        print(json.dumps({k: v for k, v in entry.items() if k != "per_source"}), flush=True)

    if not options.quick:
        for source in ("garak", "agentdojo", "purplellama", "pipelock", "oasb"):
            model = fit([g for g in usable if g["source"] != source], options.strength)
            test = [g for g in injection if g["source"] == source]
            points, labels = scores(model, test), np.array([g["label"] for g in test])
            report["held_out_sources"][source] = {
                "recall_at_0": round(float((points[labels == 1] > 0).mean()), 4), "benign_hit_at_0": round(float((points[labels == 0] > 0).mean()), 4) if (labels == 0).any() else None,
                "recall_at_1.5": round(float((points[labels == 1] > 1.5).mean()), 4)}
            print(source, report["held_out_sources"][source], flush=True)

    json.dump(report, open(options.metrics, "w"), indent=1)


if __name__ == "__main__":
    main()
