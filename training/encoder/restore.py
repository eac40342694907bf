"""Gives back a checkpoint and a tokenizer from the packed weights of the program, to train on from them.

    python restore.py ../../crates/testudo-encoder/weights WORK

writes `WORK/restored.pt` and `WORK/tokenizer.json`. Matrices come back as multiples of their int8 steps, so that the checkpoint
gives the logits of the program but for what its int8 activations round.
"""

import pathlib
import sys

import onnx
import torch
import vocabulary
from model import Encoder
from onnx import numpy_helper

SCALE, ZERO, SMALL = "_scale", "_zero_point", "_quantized"
LINEAR = ("query", "key", "value", "output", "up", "down")
NORMS = {"attention_norm": "attended", "output_norm": "out"}


def tensors(folder):
    """The initialisers of the packed graph by name; int8 matrices as floats."""
    graph = onnx.load(folder / "graph.onnx", load_external_data=False)
    onnx.load_external_data_for_model(graph, str(folder))
    raw = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.graph.initializer}
    found = {name: value for name, value in raw.items() if not name.endswith((SCALE, ZERO, SMALL))}
    for name, value in raw.items():
        if name.endswith(SMALL):
            plain = name.removesuffix(SMALL)
            zero = raw[plain + ZERO].astype("float32")
            found[plain] = (value.astype("float32") - zero) * raw[plain + SCALE].astype("float32")
    found["words"] = raw["words"].astype("float32") * raw["words.scale"]
    return found


def state(found):
    """The checkpoint of `model.py` that was exported as these tensors."""
    made = {"words.weight": found["words"], "places": found["places"]}
    made["norm.weight"], made["norm.bias"] = found["embedded.scale"], found["embedded.bias"]
    for part in ("head", "logits"):
        name = {"logits": "last"}.get(part, part)
        made[f"{name}.weight"], made[f"{name}.bias"] = found[f"{part}.weight"].T, found[f"{part}.bias"]
    number = 0
    while f"layer{number}.query.weight" in found:
        for part in LINEAR:
            made[f"layers.{number}.{part}.weight"] = found[f"layer{number}.{part}.weight"].T
            made[f"layers.{number}.{part}.bias"] = found[f"layer{number}.{part}.bias"]
        for part, short in NORMS.items():
            made[f"layers.{number}.{part}.weight"] = found[f"layer{number}.{short}.scale"]
            made[f"layers.{number}.{part}.bias"] = found[f"layer{number}.{short}.bias"]
        number += 1
    return {name: torch.tensor(value) for name, value in made.items()}


def pieces(folder):
    """The pieces with their scores, as the program reads them."""
    with open(folder / "pieces.tsv", encoding="utf-8", newline="\n") as file:
        for line in file:
            piece, score = line.rstrip("\n").rsplit("\t", 1)
            yield piece, float(score)


def main(folder, work):
    folder, work = pathlib.Path(folder), pathlib.Path(work)
    work.mkdir(parents=True, exist_ok=True)
    made = Encoder.of(state(tensors(folder)))
    torch.save(made.state_dict(), work / "restored.pt")
    vocabulary.tokenizer(list(pieces(folder))).save(str(work / "tokenizer.json"))
    print(f"{len(made.layers)} layers, {len(made.words.weight)} pieces in {work / 'restored.pt'}")


if __name__ == "__main__":
    main(*sys.argv[1:])
