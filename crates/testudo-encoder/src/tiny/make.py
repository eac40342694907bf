"""Makes the network of the tests: a window's logits are the sum of the values of its pieces, twice that, and four times.

    python make.py && python ../../weights/pack.py encoder.onnx tokenizer.json .
"""

import json

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LETTERS = "abcdefghijklmnopqrstuvwxyzäéß0123456789.,:;!?-'()"
WORDS = ["the", "and", "in", "er", "ing", "▁the", "▁a", "▁ignore", "▁ignor", "ignore", "▁rules", "▁rule", "s▁"]

pieces = ["<s>", "<pad>", "</s>", "<unk>", "▁", *LETTERS, *WORDS]
scores = [0.0] * 4 + [-3.0] + [-6.0 - i / 16 for i in range(len(LETTERS))] + [-4.0 - i / 8 for i in range(len(WORDS))]
# Powers of two add up exactly.
values = {"▁ignore": 4.0, "<unk>": 1.0, "<s>": 0.5, "</s>": 0.25, "x": 0.125}
table = np.array([[values.get(piece, 0.0)] for piece in pieces], np.float32)
ids = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"]) for name in ("input_ids", "attention_mask")]
nodes = [
    helper.make_node("Gather", ["table", "input_ids"], ["looked"]),
    helper.make_node("Squeeze", ["looked", "last"], ["values"]),
    helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
    helper.make_node("Mul", ["values", "mask"], ["kept"]),
    helper.make_node("ReduceSum", ["kept", "first"], ["sum"], keepdims=1),
    helper.make_node("Mul", ["sum", "factors"], ["logits"]),
]
constants = [
    numpy_helper.from_array(table, "table"),
    numpy_helper.from_array(np.array([2], np.int64), "last"),
    numpy_helper.from_array(np.array([1], np.int64), "first"),
    numpy_helper.from_array(np.array([1, 2, 4], np.float32), "factors"),
]
out = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 3])]
graph = helper.make_graph(nodes, "tiny", ids, out, constants)
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), "encoder.onnx")
with open("tokenizer.json", "w", encoding="utf-8") as file:
    json.dump({"model": {"vocab": list(zip(pieces, scores))}}, file)
