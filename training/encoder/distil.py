"""Teaches a few layers to give the states that all twelve of the base model give."""

import argparse
import json
import random
import time

import torch
from batching import batches, tensors
from corpus import messages, windows
from model import Encoder
from tokenizers import Tokenizer

from base import Base


def by_length(rows, choose):
    return lambda i: (len(rows[i]), choose.random())


def main():
    parse = argparse.ArgumentParser()
    for name in ("--base", "--keep", "--tokenizer", "--data", "--messages", "--out"):
        parse.add_argument(name, required=True)
    parse.add_argument("--layers", default="[0,4,8,11]"); parse.add_argument("--epochs", type=int, default=2)
    parse.add_argument("--limit", type=int, default=0)
    given = parse.parse_args()
    torch.manual_seed(7)
    choose = random.Random(7)
    base, keep = Base(given.base), json.load(open(given.keep))
    tokenizer = Tokenizer.from_file(given.tokenizer)
    tokenizer.enable_truncation(96)
    texts = messages(given.messages) + list(windows(given.data, 7))
    choose.shuffle(texts)
    if given.limit:
        texts = texts[: given.limit]
    rows = [e.ids for e in tokenizer.encode_batch(texts)]
    print(f"{len(rows)} texts, {sum(map(len, rows))} tokens", flush=True)
    teacher = Encoder.from_base(base, keep, list(range(base.layers))).eval()
    student = Encoder.from_base(base, keep, json.loads(given.layers))
    student.words.weight.requires_grad = False
    learned = [p for n, p in student.named_parameters() if p.requires_grad and not n.startswith(("head", "last"))]
    optimiser = torch.optim.AdamW(learned, lr=8e-4, weight_decay=0.01)
    total = given.epochs * len(batches(rows, 4096, random.Random(0), by_length(rows, random.Random(0))))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda s: min(1, (s + 1) / 200) * max(0.02, 1 - s / total))
    began, done, mean = time.time(), 0, None
    for epoch in range(given.epochs):
        for batch in batches(rows, 4096, choose, by_length(rows, choose)):
            ids, mask = tensors([rows[i] for i in batch])
            with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
                wanted = teacher.states(ids, mask)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                got = student.states(ids, mask)
            wanted, got, weight = wanted.float(), got.float(), mask[:, :, None]
            loss = ((wanted - got) ** 2 * weight).sum() / weight.sum() / wanted.shape[-1] * 10
            pooled = lambda x: torch.nn.functional.normalize((x * weight).sum(1) / weight.sum(1) , dim=1)
            a, b = pooled(wanted), pooled(got)
            loss = loss + 20 * (1 - (a * b).sum(1)).mean()
            optimiser.zero_grad(); loss.backward()
            torch.nn.utils.clip_grad_norm_(learned, 1.0)
            optimiser.step(); schedule.step()
            done += 1
            mean = loss.item() if mean is None else 0.98 * mean + 0.02 * loss.item()
            if done % 20 == 0:
                print(f"epoch {epoch} step {done}/{total} loss {mean:.4f} {time.time() - began:.0f} s", flush=True)
        torch.save(student.state_dict(), given.out)


main()
