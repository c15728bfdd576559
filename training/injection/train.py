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
from scipy.sparse import csr_matrix, diags
from sklearn.linear_model import LogisticRegression

import phrases
import plain
import voices

PAIR, HASHED = 128, 1 << 18
SIZE = PAIR + 64 * 64 + HASHED
PLACES = {"request": 81, "result": 82, "description": 84}
# Of request, result, description: set by hand after the halves were measured, see docs/scanners/injection.md.
THRESHOLDS = (0.75, 0.5, 0.25)
# Weights of at most so many steps are left out.
SMALLEST = 2
# In how many texts a feature has to be to count.
COMMON = 3
# Sources that are left out in turn, to see what the rest teaches about them.
SOURCES = ("garak", "agentdojo", "purplellama", "pipelock", "oasb")
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
                   weight=0.8 if attack else 1.0, public=False)


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


class Passages:
    """All passages as one matrix, and what is known of the texts (groups) that they are of."""

    def __init__(self, groups):
        rows = [row for group in groups for row in group["rows"]]
        self.owner = np.repeat(np.arange(len(groups)), [len(group["rows"]) for group in groups])
        sizes = np.array([len(row) for row in rows])
        starts = np.concatenate([[0], np.cumsum(sizes)])
        # All features count by the root of their number, but the last, which tells the surface.
        data = np.repeat((1 / np.sqrt(np.maximum(sizes - 1, 1))).astype(np.float32), sizes)
        data[starts[1:] - 1] = 1.0
        self.x = csr_matrix((data, np.concatenate(rows), starts), shape=(len(rows), SIZE))
        self.x.sum_duplicates()

        def known(name):
            return np.array([group[name] for group in groups])
        self.label, self.weight, self.half, self.public, self.mine, self.source, self.surface = (known(name) for name in ("label", "weight", "half", "public", "mine", "source", "surface"))
        self.count = np.bincount(self.owner, minlength=len(groups))
        # An attack within a document of others teaches the document: only our own are embedded at random.
        embedded = self.public & (self.label == 1) & (self.surface != "request") & (self.count > 2)
        self.usable = known("allowed") & (self.count > 0) & ~embedded
        # The same passage in several attacks is the document they were put into, not the attack.
        seen = {}
        for number, row in zip(self.owner, rows):
            if self.label[number] and self.count[number] > 1:
                seen.setdefault(row.tobytes(), set()).add(number)
        self.carrier = np.array([len(seen.get(row.tobytes(), ())) > 1 for row in rows])

    def best(self, values):
        """The greatest value of the passages of each text."""
        best = np.full(len(self.label), -99.0)
        np.maximum.at(best, self.owner, values)
        return best


def fit(data, chosen, strength, rounds=2):
    """The weights and the bias, learned of the chosen texts. Multiple-instance learning: of a long attack only the passages that look like
    one are taught."""
    rows = np.flatnonzero(chosen[data.owner])
    owner = data.owner[rows]
    # What no three texts have in common says something about one of them, and nothing about the next.
    held = csr_matrix((np.ones(len(rows), np.float32), (owner, np.arange(len(rows)))), shape=(len(data.label), len(rows))) @ (data.x[rows] > 0).astype(np.float32)
    common = np.bincount(held.indices, minlength=SIZE) >= COMMON
    x = (data.x[rows] @ diags(common.astype(np.float32))).tocsr()
    x.eliminate_zeros()
    y = np.where(data.carrier[rows], 0, data.label[owner])
    use = np.ones(len(rows), bool)
    for turn in range(rounds):
        # One benign passage weighs as much as another; an attack as much as its passages together.
        share = 1 / np.sqrt(np.bincount(owner[use], minlength=len(data.label)).clip(1))
        weight = data.weight[owner] * np.where(y == 1, share[owner], 1.0)
        model = LogisticRegression(C=strength, max_iter=200, tol=1e-2, solver="liblinear").fit(x[use], y[use], sample_weight=weight[use])
        score = model.decision_function(x)
        best = np.full(len(data.label), -np.inf)
        np.maximum.at(best, owner, score)
        use = (y == 0) | (score >= np.minimum(best[owner] - 1e-6, 0.0)) | (data.count[owner] == 1)
        use &= (y == 0) | (score > best[owner] - 3.0)
    return model.coef_[0].astype(np.float32), float(model.intercept_[0])


def save(path, weights, bias):
    """Eight bits a weight, up to the largest: those that are cut are the ones that decide. The smallest are nothing: they pack better, and
    nothing is lost."""
    scale = float(np.abs(weights).max()) / 127
    quantised = np.rint(weights / scale).astype(np.int8)
    quantised[np.abs(quantised) <= SMALLEST] = 0
    with open(path, "wb") as out:
        out.write(b"PCIM0002" + struct.pack("<5f", scale, bias, *THRESHOLDS) + quantised.tobytes())
    return quantised


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", required=True)
    parser.add_argument("--extra", help="texts gathered by collect.py")
    parser.add_argument("--features", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--metrics", required=True)
    parser.add_argument("--strength", type=float, default=20.0)
    parser.add_argument("--limit", type=int, default=3000)
    parser.add_argument("--final", action="store_true", help="only the weights, without the halves and sources")
    parser.add_argument("--halves", help="where to write the weights of each half of the cases, 0.bin and 1.bin behind it: what the other half is measured with")
    options = parser.parse_args()
    rng = random.Random(7)

    groups = list(load_cases(options.cases)) + (list(load_extra(options.extra)) if options.extra else [])
    benign = list(load_benign(rng, options.limit))
    for kind, text in benign:
        surface = rng.choice(["result", "result", "result", "description", "request"])
        groups.append(dict(label=0, surface=surface, texts=[text], source=kind, half=rng.randint(0, 1), mine=False, allowed=True, weight=1.0, public=False))
    carriers = [text for _, text in benign]
    for surface, text, embed in phrases.attacks(rng):
        if embed and rng.random() < 0.6:
            carrier = rng.choice(carriers)
            at = rng.randrange(max(1, len(carrier) - 900))
            before, after = carrier[at:at + rng.randint(20, 400)], carrier[at + 400:at + 400 + rng.randint(0, 400)]
            text = before + rng.choice(["\n", " ", "\n\n", " <!-- ", "\n- "]) + text + rng.choice(["\n", " ", "\n\n", " -->"]) + after
        groups.append(dict(label=1, surface=surface, texts=[text], source="own", half=rng.randint(0, 1), mine=False, allowed=True, weight=0.7, public=False))
    for source, module in (("own-plain", plain), ("own-voices", voices)):
        for label, texts in ((1, module.attacks(rng)), (0, module.honest(rng))):
            for surface, text in texts:
                groups.append(dict(label=label, surface=surface, texts=[text], source=source, half=rng.randint(0, 1), mine=False, allowed=True, weight=0.7 if label else 1.0, public=False))

    flat = [(text, group["surface"]) for group in groups for text in group["texts"]]
    rows = iter(features(options.features, flat))
    for group in groups:
        group["rows"] = [row for _ in group["texts"] for row in next(rows)]
        # Passages overlap by half: every other one of a document is all of it.
        if not group["label"] and not group["public"] and not group["source"].startswith("own"):
            group["rows"] = group["rows"][rng.randint(0, 1)::2]
    data = Passages(groups)
    attack = data.label == 1
    print("attacks without a passage", int((attack & (data.count == 0)).sum()), "of", int(attack.sum()))
    print("groups", len(groups), "usable", int(data.usable.sum()), "passages", int(data.usable[data.owner].sum()), flush=True)

    def of_half(side):
        return data.usable & (~data.public | (data.half == side))

    report = {"strength": options.strength, "thresholds": THRESHOLDS, "halves": {}, "held_out_sources": {}}
    quantised = save(options.out, *fit(data, data.usable, options.strength))
    report["non_zero_weights"] = int((quantised != 0).sum())
    by_source = {}
    for number in np.flatnonzero(data.usable):
        key = f"{data.source[number]}/{'attack' if attack[number] else 'benign'}"
        texts, passages = by_source.get(key, (0, 0))
        by_source[key] = (texts + 1, passages + int(data.count[number]))
    report["texts_and_passages"] = dict(sorted(by_source.items()))

    cuts = np.array([THRESHOLDS[list(PLACES).index(surface)] for surface in data.surface])
    injection = data.public & data.mine

    def found(points, chosen):
        return [int((points > cuts)[chosen].sum()), int(chosen.sum())]

    if not options.final:
        for side in (0, 1):
            weights, bias = fit(data, of_half(side), options.strength)
            if options.halves:
                save(f"{options.halves}{side}.bin", weights, bias)
            points = data.best(data.x @ weights + bias)
            test = data.public & (data.half != side)
            entry = {"attacks_found": found(points, test & attack & data.mine), "benign_hit": found(points, test & ~attack & data.mine), "benign_of_others_hit": found(points, test & ~data.mine)}
            entry["per_surface"] = {}
            for surface in PLACES:
                here = test & data.mine & (data.surface == surface)
                negative = np.sort(points[here & ~attack])[::-1]
                entry["per_surface"][surface] = {"attacks_found": found(points, here & attack), "benign_hit": found(points, here & ~attack), "recall_at": {
                    str(rate): [round(float((points[here & attack] > (cut := negative[int(len(negative) * rate)])).mean()), 4), round(float(cut), 2)] for rate in (0.01, 0.02, 0.04)}}
            entry["per_source"] = {f"{source}/{'attack' if label else 'benign'}": found(points, chosen) for source in sorted(set(data.source[test & data.mine])) for label in (1, 0)
                                   if (chosen := test & data.mine & (data.source == source) & (data.label == label)).any()}
            report["halves"][f"trained on half {side}"] = entry
            print(json.dumps({name: value for name, value in entry.items() if name != "per_source"}), flush=True)
        for source in SOURCES:
            weights, bias = fit(data, data.usable & (data.source != source), options.strength)
            points = data.best(data.x @ weights + bias)
            here = injection & (data.source == source)
            report["held_out_sources"][source] = {"attacks_found": found(points, here & attack), "benign_hit": found(points, here & ~attack)}
            print(source, report["held_out_sources"][source], flush=True)

    with open(options.metrics, "w") as out:
        json.dump(report, out, indent=1)
        out.write("\n")


if __name__ == "__main__":
    main()
