"""Gives a trained encoder more layers, which at first change nothing: each looks like the layer behind it, says nothing, and learns what to say."""

import argparse
import json
import random

import torch
from batching import tensors
from model import Encoder
from rows import read, window
from tokenizers import Tokenizer

TOKENS = 128
WINDOWS = 200


def states(model, tokenizer, texts):
    """The states of all pieces behind each layer."""
    found = [[] for _ in model.layers]
    rows = sorted((e.ids for e in tokenizer.encode_batch(texts)), key=len)
    with torch.no_grad():
        for start in range(0, len(rows), 40):
            ids, mask = tensors(rows[start : start + 40])
            x = model.embedded(ids)
            for layer, out in zip(model.layers, found):
                x = layer(x, (1.0 - mask[:, None, None, :]) * -10000.0, 0.0)
                out.append(x[mask.bool()])
    return [torch.cat(it) for it in found]


def fitted(x, wanted):
    """Scale and bias with which the norm of `x` comes nearest to `wanted`, and what they make of it."""
    normal = (x - x.mean(-1, keepdim=True)) / (x.var(-1, unbiased=False, keepdim=True) + 1e-12).sqrt()
    centre, middle = normal.mean(0), wanted.mean(0)
    scale = ((normal - centre) * (wanted - middle)).mean(0) / ((normal - centre) ** 2).mean(0)
    bias = middle - scale * centre
    return scale, bias, normal * scale + bias


def main():
    parse = argparse.ArgumentParser()
    for name in ("--start", "--tokenizer", "--data", "--out"):
        parse.add_argument(name, required=True)
    parse.add_argument("--behind", default="[1,2]", help="the layers, from 0, behind which a new one stands")
    given = parse.parse_args()
    choose = random.Random(3)
    tokenizer = Tokenizer.from_file(given.tokenizer)
    tokenizer.enable_truncation(TOKENS)
    before = torch.load(given.start)
    model = Encoder.of(before).eval()
    layers = len(model.layers)
    rows = read(given.data)
    choose.shuffle(rows)
    known = states(model, tokenizer, [window(row, choose)[0] for row in rows[:WINDOWS]])
    made = {name: it for name, it in before.items() if not name.startswith("layers.")}
    place = 0
    for number in range(layers):
        for source in [number] + [number + 1] * (number in json.loads(given.behind)):
            old, new = f"layers.{source}.", f"layers.{place}."
            made.update({name.replace(old, new): it.clone() for name, it in before.items() if name.startswith(old)})
            place += 1
            if source == number:
                continue
            for part in ("output", "down"):
                for kind in ("weight", "bias"):
                    made[f"{new}{part}.{kind}"].zero_()
            x = known[number]
            for part in ("attention_norm", "output_norm"):
                made[f"{new}{part}.weight"], made[f"{new}{part}.bias"], x = fitted(x, known[number])
    torch.save(made, given.out)
    print(f"{layers} layers became {place}")


main()
