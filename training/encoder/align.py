"""Teaches a trained encoder to read a translation as it reads the English sentence, and other texts as before."""

import argparse
import random
import time

import torch
from batching import tensors
from model import Encoder
from rows import crop, read
from tokenizers import Tokenizer
from torch.nn import functional

from translated import pairs

TOKENS = 64
PAIRS = 56
TEXTS = 14


def parts(model, ids, mask):
    """The mean of the last states, what the head makes of it all, and the logits."""
    pooled = model.pooled(ids, mask)
    head = functional.gelu(model.head(pooled))
    return pooled[:, : pooled.shape[1] // 2].float(), head.float(), model.last(head).float()


def far(got, wanted):
    """How far the student's parts are from the teacher's."""
    weights = (10.0, 1.0, 0.02)
    return sum(w * functional.mse_loss(a, b) for w, a, b in zip(weights, got, wanted))


def told_apart(got, wanted):
    """Each translation must lie nearest to its own sentence of the batch."""
    centre = wanted.mean(0)
    likeness = functional.normalize(got - centre, dim=1) @ functional.normalize(wanted - centre, dim=1).T
    return functional.cross_entropy(likeness / 0.07, torch.arange(len(got)))


def main():
    parse = argparse.ArgumentParser()
    for name in ("--start", "--tokenizer", "--data", "--out"):
        parse.add_argument(name, required=True)
    parse.add_argument("--messages", nargs="+", required=True)
    parse.add_argument("--steps", type=int, default=1500)
    parse.add_argument("--rate", type=float, default=2e-4)
    given = parse.parse_args()
    torch.manual_seed(13)
    choose = random.Random(13)
    tokenizer = Tokenizer.from_file(given.tokenizer)
    tokenizer.enable_truncation(TOKENS)
    state = torch.load(given.start)
    teacher, student = Encoder.of(state), Encoder.of(state)
    teacher.eval()
    student.words.weight.requires_grad = False
    by = {}
    for language, source, target in pairs(given.messages):
        by.setdefault(language, []).append((source, target))
    languages = sorted(by)
    shares = [len(by[it]) ** 0.4 for it in languages]
    texts = [row["text"] for row in read(given.data)]
    print(f"{sum(map(len, by.values()))} sentences in {len(by)} languages", flush=True)
    learned = [p for n, p in student.named_parameters() if p.requires_grad and not n.startswith(("head", "last"))]
    optimiser = torch.optim.AdamW(learned, lr=given.rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda s: min(1, (s + 1) / 50) * max(0.03, 1 - s / given.steps))
    began, means = time.time(), [0.0, 0.0, 0.0]
    student.dropout = 0.05
    for step in range(given.steps):
        drawn = [choose.choice(by[it]) for it in choose.choices(languages, shares, k=PAIRS)]
        shown = [crop(choose.choice(texts), choose, 40, 240) for _ in range(TEXTS)]
        sets = [tensors([e.ids for e in tokenizer.encode_batch(it)]) for it in ([a for a, _ in drawn], [b for _, b in drawn], shown)]
        with torch.autocast("cpu", dtype=torch.bfloat16):
            with torch.no_grad():
                source, before = parts(teacher, *sets[0]), parts(teacher, *sets[2])
            target, after = parts(student, *sets[1]), parts(student, *sets[2])
        losses = [far(target, source), 0.3 * told_apart(target[0], source[0]), far(after, before)]
        optimiser.zero_grad()
        sum(losses).backward()
        torch.nn.utils.clip_grad_norm_(learned, 1.0)
        optimiser.step()
        schedule.step()
        keep = min(0.97, step / (step + 1))
        means = [keep * m + (1 - keep) * it.item() for m, it in zip(means, losses)]
        if (step + 1) % 25 == 0:
            print(f"step {step + 1}/{given.steps}", *(f"{m:.4f}" for m in means), f"{time.time() - began:.0f} s", flush=True)
        if (step + 1) % 300 == 0:
            torch.save(student.state_dict(), given.out)
    torch.save(student.state_dict(), given.out)


main()
