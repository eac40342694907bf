"""Fine-tunes the distilled encoder to tell injected instructions and jailbreaks from ordinary text."""

import argparse
import random
import time

import torch
from batching import batches, tensors
from model import Encoder
from planted import planted
from rows import ASKED, SAID, drawn, group, read, read_weight, segments, window
from tokenizers import Tokenizer

TOKENS = 128


def by_length(rows, choose):
    return lambda i: len(rows[i]) + 6 * choose.random()


def score(model, tokenizer, texts, tokens=8192):
    """The logits of each text."""
    encoded = [e.ids for e in tokenizer.encode_batch(texts)]
    out = [0.0] * len(texts)
    model.eval()
    model.dropout = 0.0
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        for batch in batches(encoded, tokens, random.Random(0), lambda i: len(encoded[i])):
            logits = model(*tensors([encoded[i] for i in batch])).float().tolist()
            for i, pair in zip(batch, logits):
                out[i] = pair
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
    best = [(-99.0,) * 3] * len(rows)
    for i, pair in zip(owner, score(model, tokenizer, pieces)):
        best[i] = tuple(map(max, best[i], pair))
    report([pair[0] for pair in best], rows, label + " asked", lambda row: row["kind"] == "direct" or family_of(row) in ASKED | SAID)
    report([pair[1] for pair in best], rows, label + " read", lambda row: row["kind"] == "indirect" or row["label"] == "benign" and read_weight(row) == 1.0)


def family_of(row):
    return row["meta"].get("family")


def report(best, rows, label, wanted):
    """Recall of one head over the rows that reach a model that way."""
    best, rows = zip(*[(b, row) for b, row in zip(best, rows) if wanted(row)])
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


def rates(model, rate):
    """Lower layers learn more slowly, so that languages stay where the distillation put them."""
    groups = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            part = 3.0 if name.startswith(("head", "last")) else 0.4
            if name.startswith("layers."):
                part = 0.4 + 0.6 * int(name.split(".")[1]) / max(1, len(model.layers) - 1)
            groups.append({"params": [parameter], "lr": rate * part})
    return groups


def main():
    parse = argparse.ArgumentParser()
    for name in ("--start", "--tokenizer", "--data", "--dev", "--out"):
        parse.add_argument(name, required=True)
    parse.add_argument("--extra", nargs="*", default=[])
    parse.add_argument("--leave-out", nargs="*", default=[])
    parse.add_argument("--epochs", type=int, default=2)
    parse.add_argument("--rate", type=float, default=3e-4)
    parse.add_argument("--limit", type=int, default=0)
    parse.add_argument("--twice", nargs="*", default=[], help="groups that are drawn twice as often")
    parse.add_argument("--fourfold", nargs="*", default=[], help="groups that are drawn four times as often")
    parse.add_argument("--half", nargs="*", default=[], help="beginnings of the names of groups that are drawn half as often")
    parse.add_argument("--put", type=int, default=12, help="of how many windows one has a sentence put into another text")
    parse.add_argument("--fixed", type=int, default=0, help="how many layers learn nothing more")
    parse.add_argument("--sharp", type=float, default=0.0, help="how much more a window counts that is wholly wrong")
    parse.add_argument("--unmeasured", action="store_true")
    given = parse.parse_args()
    torch.manual_seed(11)
    tokenizer = Tokenizer.from_file(given.tokenizer)
    tokenizer.enable_truncation(TOKENS)
    rows = read(given.data) + [row for path in given.extra for row in read(path)]
    dev = read(given.dev)
    out_of = [row for row in rows if group(row) in given.leave_out]
    rows = [row for row in rows if group(row) not in given.leave_out]
    choose = random.Random(5)
    start = torch.load(given.start)
    if start["last.weight"].shape[0] == 2:  # Weights of before: descriptions of tools were what a model reads.
        for part in ("last.weight", "last.bias"):
            start[part] = torch.cat([start[part], start[part][1:]])
    model = Encoder.of(start)
    fixed = [model.words, *([model.norm] if given.fixed else []), *model.layers[: given.fixed]]
    for part in fixed:
        part.requires_grad_(False)
    model.places.requires_grad = not given.fixed
    groups = rates(model, given.rate)
    learned = [p for group in groups for p in group["params"]]
    optimiser = torch.optim.AdamW(groups, weight_decay=0.02)
    epochs = [drawn(rows, 100 + e, given.twice, given.half, given.fourfold) for e in range(given.epochs)]
    if given.limit:
        epochs = [e[: given.limit] for e in epochs]
    plans = []
    for e in epochs:
        shown = [window(row, choose) for row in e] + planted(rows, len(e) // given.put, choose)
        encoded = [x.ids for x in tokenizer.encode_batch([text for text, _, _ in shown])]
        plans.append((encoded, [(target, weight) for _, target, weight in shown], batches(encoded, 3072, choose, by_length(encoded, choose))))
    total = sum(len(b) for _, _, b in plans)
    warming = min(100, total // 8 + 1)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda s: min(1, (s + 1) / warming) * max(0.02, 1 - s / total))
    print(f"{len(rows)} rows, {sum(len(e) for e in epochs)} windows, {total} steps", flush=True)
    began, done, mean = time.time(), 0, None
    for number, (encoded, targets, plan) in enumerate(plans):
        for batch in plan:
            model.train()
            model.dropout = 0.1
            ids, mask = tensors([encoded[i] for i in batch])
            wanted = torch.tensor([targets[i][0] for i in batch]) * 0.96 + 0.02
            weight = torch.tensor([targets[i][1] for i in batch])
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = model(ids, mask)
            wrong = (logits.detach().float().sigmoid() - wanted).abs()
            weight = weight * (1 + given.sharp * wrong)
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logits.float(), wanted, weight)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(learned, 1.0)
            optimiser.step()
            schedule.step()
            done += 1
            mean = loss.item() if mean is None else 0.98 * mean + 0.02 * loss.item()
            if done % 50 == 0:
                print(f"epoch {number} step {done}/{total} loss {mean:.4f} {time.time() - began:.0f} s", flush=True)
            if done % 200 == 0:
                torch.save(model.state_dict(), given.out)
        torch.save(model.state_dict(), given.out)
    if given.unmeasured:
        return
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
