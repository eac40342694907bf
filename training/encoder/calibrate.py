"""Writes what the logits of the exported encoder mean in each channel: thresholds by shares of harmless rows.

    python calibrate.py --model encoder.onnx --tokenizer tokenizer.json --data dev.jsonl --out calibration.toml

The score of a row is the highest of its windows. Recall at the same shares is printed.
"""

import argparse
import re
import time

import numpy as np
import onnxruntime
from rows import read
from tokenizers import Tokenizer

CHANNELS = ("user", "tool_result", "document", "tool_description")
WINDOW, STRIDE, PIECE = 600, 400, 16
# Of harmless rows, what stays below each threshold.
SHARES = (0.5, 0.95, 0.99, 0.999)
# Training ends near 3.9, the logit of its smoothed labels.
CERTAIN = 4.8


def windows(text):
    """The stretches and sentences that `testudo_detect::model::windows` cuts, by characters instead of bytes."""
    out, start = [], 0
    while True:
        end = min(len(text), start + WINDOW)
        out.append(text[start:end])
        if end == len(text):
            break
        start += STRIDE
    ends = [m.end() for m in re.finditer(r'[\n。！？।؟۔|>]|[.!?;:](?=[\s"\\<]|$)|"(?=[,:}\]])|.(?=<)', text)] + [len(text)]
    pieces, last = [], 0
    for end in ends:
        if end - last >= PIECE or (end == len(text) and end > last):
            while end - last > WINDOW:
                pieces.append((last, last + WINDOW))
                last += WINDOW
            pieces.append((last, end))
            last = end
    for i, (a, b) in enumerate(pieces):
        if (a, b) == (0, len(text)):
            continue
        out.append(text[a:b])
        if i and b - pieces[i - 1][0] <= WINDOW and not (pieces[i - 1][0] == 0 and b == len(text)):
            out.append(text[pieces[i - 1][0] : b])
    return out


def channel(row):
    """How a text of this row would reach a model."""
    meta = row["meta"]
    family, host = meta.get("family", ""), meta.get("host", "") or ""
    if family == "planted":
        return "tool_result" if host in ("tool_json", "bipia_ctx") else "document"
    if family in ("bipia", "bipia_ctx", "tool_json"):
        return "tool_result"
    if family in ("docs", "kb_docs", "speeches", "code_snippet", "udhr", "atlas", "threat_intel", "generated/stray"):
        return "document"
    if family in ("generated/tool_poisoning", "generated/twin_tool"):
        return "tool_description"
    if host.startswith(("json", "line")):
        return "tool_result"
    return "document" if host.startswith(("text", "html")) else "user"


def scores(session, tokenizer, texts, size=24):
    encoded = [e.ids for e in tokenizer.encode_batch(texts)]
    order = sorted(range(len(texts)), key=lambda i: len(encoded[i]))
    out = np.zeros(len(texts), np.float32)
    for start in range(0, len(order), size):
        part = order[start : start + size]
        length = max(len(encoded[i]) for i in part)
        ids = np.array([encoded[i] + [1] * (length - len(encoded[i])) for i in part], np.int64)
        out[part] = session.run(None, {"input_ids": ids, "attention_mask": (ids != 1).astype(np.int64)})[0]
    return out


def main():
    parse = argparse.ArgumentParser()
    for name in ("--model", "--tokenizer", "--out"):
        parse.add_argument(name, required=True)
    parse.add_argument("--data", nargs="+", required=True)
    parse.add_argument("--most", type=int, default=40)
    given = parse.parse_args()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(given.model, options)
    tokenizer = Tokenizer.from_file(given.tokenizer)
    tokenizer.enable_truncation(128)
    rows = [row for path in given.data for row in read(path)]
    texts, owner = [], []
    for i, row in enumerate(rows):
        for piece in windows(row["text"])[: given.most]:
            texts.append(piece)
            owner.append(i)
    began = time.time()
    unique = sorted(set(texts))
    place = {text: i for i, text in enumerate(unique)}
    logits = scores(session, tokenizer, unique)
    best = np.full(len(rows), -99.0)
    for text, i in zip(texts, owner):
        best[i] = max(best[i], logits[place[text]])
    print(f"{len(unique)} windows of {len(rows)} rows in {time.time() - began:.0f} s", flush=True)
    with open(given.out, "w", encoding="utf-8") as out:
        out.write(calibration(rows, best))


def calibration(rows, best):
    """The thresholds as TOML; a channel without harmless rows gets those of users' turns."""
    channels = np.array([channel(row) for row in rows])
    attack = np.array([row["label"] != "benign" for row in rows])
    tables = {}
    for name in CHANNELS:
        harmless, attacks = best[(channels == name) & ~attack], best[(channels == name) & attack]
        if len(harmless):
            tables[name] = [round(float(np.quantile(harmless, share)), 2) for share in SHARES]
            recall = ", ".join(f"{(attacks > at).mean():.1%}" for at in tables[name]) if len(attacks) else "no attacks"
            print(f"{name}: {len(harmless)} harmless, {len(attacks)} attacks; recall at 50, 5, 1, 0.1 %: {recall}")
    text = []
    for name in CHANNELS:
        half, five, one, permille = tables.get(name, tables["user"])
        text.append(f"[{name}]\nhalf = {half}\nfive_percent = {five}\none_percent = {one}\none_permille = {permille}\n"
                    f"certain = {CERTAIN}\n\n[{name}.band]\nlow = {five}\nhigh = {one}\n")
    return "\n".join(text)


main()
