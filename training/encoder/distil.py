"""Teaches a few layers to give the states that all twelve of the base model give."""

import argparse
import json
import random
import time

import numpy as np
import torch
from corpus import messages, windows
from model import Encoder
from tokenizers import Tokenizer

from base import Base


def batches(rows, tokens, choose):
    """Rows of similar length together, in random order."""
    order = sorted(range(len(rows)), key=lambda i: (len(rows[i]), choose.random()))
    made, batch = [], []
    for i in order:
        if batch and (len(batch) + 1) * len(rows[i]) > tokens:
            made.append(batch)
            batch = []
        batch.append(i)
    made.append(batch)
    choose.shuffle(made)
    return made


def tensors(rows):
    length = max(map(len, rows))
    ids = torch.tensor([row + [1] * (length - len(row)) for row in rows])
    return ids, (ids != 1).float()


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("--base"); parse.add_argument("--keep"); parse.add_argument("--tokenizer")
    parse.add_argument("--data"); parse.add_argument("--messages"); parse.add_argument("--out")
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
    for frozen in (student.words.weight,):
        frozen.requires_grad = False
    learned = [p for n, p in student.named_parameters() if p.requires_grad and not n.startswith(("head", "last"))]
    optimiser = torch.optim.AdamW(learned, lr=8e-4, weight_decay=0.01)
    total = given.epochs * len(batches(rows, 4096, random.Random(0)))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda s: min(1, (s + 1) / 200) * max(0.02, 1 - s / total))
    began, done, mean = time.time(), 0, None
    for epoch in range(given.epochs):
        for batch in batches(rows, 4096, choose):
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
