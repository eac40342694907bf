"""Fine-tunes the distilled encoder to tell injected instructions and jailbreaks from ordinary text."""

import argparse
import random
import time

import torch
from batching import batches, tensors
from model import Encoder
from rows import drawn, group, read, segments, window
from tokenizers import Tokenizer

TOKENS = 128


def by_length(rows, choose):
    return lambda i: len(rows[i]) + 6 * choose.random()


def score(model, tokenizer, texts, tokens=8192):
    """The logit of each text."""
    encoded = [e.ids for e in tokenizer.encode_batch(texts)]
    out = [0.0] * len(texts)
    model.eval()
    model.dropout = 0.0
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        for batch in batches(encoded, tokens, random.Random(0), lambda i: len(encoded[i])):
            logits = model(*tensors([encoded[i] for i in batch])).float().tolist()
            for i, logit in zip(batch, logits):
                out[i] = logit
    return out


def recall_at(positive, negative, rate):
    negative = sorted(negative, reverse=True)
    threshold = negative[min(len(negative) - 1, int(len(negative) * rate))]
    return sum(p > threshold for p in positive) / max(1, len(positive)), threshold


def measure(model, tokenizer, rows, label):
    """Scores whole rows by their highest window and prints recall by collection."""
    pieces, owner = [], []
    for i, row in enumerate(rows):
        for piece in segments(row["text"])[:12]:
            pieces.append(piece)
            owner.append(i)
    best = [-99.0] * len(rows)
    for i, logit in zip(owner, score(model, tokenizer, pieces)):
        best[i] = max(best[i], logit)
    negative = [b for b, row in zip(best, rows) if row["label"] == "benign"]
    positive = [b for b, row in zip(best, rows) if row["label"] != "benign"]
    line = []
    for rate in (0.001, 0.01, 0.05):
        recall, threshold = recall_at(positive, negative, rate)
        line.append(f"{rate:.1%}: {recall:.3f} (t {threshold:.2f})")
    print(label, len(positive), len(negative), "recall at", ", ".join(line), flush=True)
    _, one = recall_at(positive, negative, 0.01)
    by = {}
    for b, row in zip(best, rows):
        by.setdefault(group(row) + (":" + row["kind"] if row["label"] != "benign" else ""), []).append(b > one)
    print("   at 1 %:", ", ".join(f"{k} {sum(v) / len(v):.2f}/{len(v)}" for k, v in sorted(by.items())), flush=True)
    return best


def main():
    parse = argparse.ArgumentParser()
    for name in ("--start", "--tokenizer", "--data", "--dev", "--out"):
        parse.add_argument(name, required=True)
    parse.add_argument("--extra", nargs="*", default=[])
    parse.add_argument("--leave-out", nargs="*", default=[])
    parse.add_argument("--epochs", type=int, default=2)
    parse.add_argument("--layers", type=int, default=4)
    parse.add_argument("--rate", type=float, default=3e-4)
    parse.add_argument("--limit", type=int, default=0)
    given = parse.parse_args()
    torch.manual_seed(11)
    tokenizer = Tokenizer.from_file(given.tokenizer)
    tokenizer.enable_truncation(TOKENS)
    rows = read(given.data) + [row for path in given.extra for row in read(path)]
    dev = read(given.dev)
    out_of = [row for row in rows if group(row) in given.leave_out]
    rows = [row for row in rows if group(row) not in given.leave_out]
    choose = random.Random(5)
    model = Encoder(tokenizer.get_vocab_size(), layers=given.layers)
    model.load_state_dict(torch.load(given.start))
    model.words.weight.requires_grad = False
    head = [p for n, p in model.named_parameters() if n.startswith(("head", "last"))]
    body = [p for n, p in model.named_parameters() if p.requires_grad and not n.startswith(("head", "last"))]
    optimiser = torch.optim.AdamW([{"params": body, "lr": given.rate}, {"params": head, "lr": given.rate * 3}], weight_decay=0.02)
    epochs = [drawn(rows, 100 + e) for e in range(given.epochs)]
    if given.limit:
        epochs = [e[: given.limit] for e in epochs]
    plans = []
    for e in epochs:
        pairs = [window(row, choose) for row in e]
        encoded = [x.ids for x in tokenizer.encode_batch([text for text, _ in pairs])]
        plans.append((encoded, [t for _, t in pairs], batches(encoded, 3072, choose, by_length(encoded, choose))))
    total = sum(len(b) for _, _, b in plans)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda s: min(1, (s + 1) / 100) * max(0.02, 1 - s / total))
    print(f"{len(rows)} rows, {sum(len(e) for e in epochs)} windows, {total} steps", flush=True)
    began, done, mean = time.time(), 0, None
    for number, (encoded, targets, plan) in enumerate(plans):
        for batch in plan:
            model.train()
            model.dropout = 0.1
            ids, mask = tensors([encoded[i] for i in batch])
            wanted = torch.tensor([targets[i] * 0.96 + 0.02 for i in batch])
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = model(ids, mask)
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logits.float(), wanted)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(body + head, 1.0)
            optimiser.step()
            schedule.step()
            done += 1
            mean = loss.item() if mean is None else 0.98 * mean + 0.02 * loss.item()
            if done % 50 == 0:
                print(f"epoch {number} step {done}/{total} loss {mean:.4f} {time.time() - began:.0f} s", flush=True)
        torch.save(model.state_dict(), given.out)
    measure(model, tokenizer, dev, "dev")
    if out_of:
        choose.shuffle(out_of)
        out_of = [row for row in out_of if row["label"] == "benign" or choose.random() < 0.6][:4000]
        attacks = [row for row in out_of if row["label"] != "benign"]
        benign = [row for row in dev if row["label"] == "benign"]
        measure(model, tokenizer, attacks + benign, "left out, against dev:")
        benign = [row for row in out_of if row["label"] == "benign"]
        measure(model, tokenizer, attacks + benign, "left out, against left out: " + " ".join(given.leave_out))


main()
