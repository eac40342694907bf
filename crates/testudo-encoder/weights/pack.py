"""Packs an exported encoder for the program: graph.onnx and weights.data from ONNX, pieces.tsv from a tokenizer.

    python pack.py encoder.onnx tokenizer.json FOLDER

The calibration of the logits, calibration.toml, is written by whoever measured them. The tensors go into a file of their own, because the runtime reads those where they lie and copies
what stands inside a graph. What a mask adds to the attention is taken out, because the program pads no window: of ones it adds zeros, and takes a twenty-fifth of the time.
"""

import json
import pathlib
import sys

import onnx
from onnx import TensorProto, numpy_helper

TENSORS = "weights.data"
# Shorter tensors stay in the graph.
BYTES_MIN = 256
# Vectors are read from such addresses.
ALIGNMENT = 64


def unmasked(graph):
    """Leads the scores of each attention past the sum with the mask, and drops what nothing reads then."""
    sums = {node.output[0]: node for node in graph.node if node.op_type == "Add" and "bias" in node.input}
    for node in graph.node:
        if node.op_type == "Softmax" and node.input[0] in sums:
            node.input[0] = next(it for it in sums[node.input[0]].input if it != "bias")
    count = None
    while count != len(graph.node):
        count = len(graph.node)
        read = {name for node in graph.node for name in node.input} | {out.name for out in graph.output}
        kept = [node for node in graph.node if read.intersection(node.output)]
        del graph.node[:]
        graph.node.extend(kept)
    constants = [it for it in graph.initializer if it.name in read]
    del graph.initializer[:]
    graph.initializer.extend(constants)


def main(model, tokenizer, folder):
    folder = pathlib.Path(folder)
    loaded = onnx.load(model)
    unmasked(loaded.graph)
    del loaded.graph.value_info[:]
    with open(folder / TENSORS, "wb") as out:
        for tensor in loaded.graph.initializer:
            raw = numpy_helper.to_array(tensor).tobytes()
            if len(raw) < BYTES_MIN:
                continue
            out.write(bytes(-out.tell() % ALIGNMENT))
            place = {"location": TENSORS, "offset": out.tell(), "length": len(raw)}
            out.write(raw)
            bare = TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
            bare.data_location = TensorProto.EXTERNAL
            for key, value in place.items():
                bare.external_data.add(key=key, value=str(value))
            tensor.CopyFrom(bare)
    with open(folder / "graph.onnx", "wb") as out:
        out.write(loaded.SerializeToString())
    with open(tokenizer, encoding="utf-8") as file:
        pieces = json.load(file)["model"]["vocab"]
    with open(folder / "pieces.tsv", "w", encoding="utf-8", newline="\n") as out:
        for piece, score in pieces:
            out.write(f"{piece}\t{score:.6g}\n")


main(*sys.argv[1:])
