"""Writes the encoder as an ONNX graph with int8 weights."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic


class Graph:
    """Nodes and initialisers while they are put together."""

    def __init__(self):
        self.nodes, self.constants = [], []

    def constant(self, name, value):
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def add(self, kind, inputs, output, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def linear(self, x, name, module):
        weight = self.constant(f"{name}.weight", module.weight.detach().numpy().T.astype(np.float32))
        bias = self.constant(f"{name}.bias", module.bias.detach().numpy().astype(np.float32))
        return self.add("Add", [self.add("MatMul", [x, weight], f"{name}.product"), bias], name)

    def norm(self, x, name, module):
        scale = self.constant(f"{name}.scale", module.weight.detach().numpy())
        bias = self.constant(f"{name}.bias", module.bias.detach().numpy())
        return self.add("LayerNormalization", [x, scale, bias], name, axis=-1, epsilon=float(module.eps))

    def gelu(self, x, name):
        scaled = self.add("Mul", [x, self.constant(f"{name}.root", np.float32(0.5**0.5))], f"{name}.scaled")
        erf = self.add("Add", [self.add("Erf", [scaled], f"{name}.erf"), self.constant(f"{name}.one", np.float32(1))], f"{name}.shifted")
        half = self.add("Mul", [x, self.constant(f"{name}.half", np.float32(0.5))], f"{name}.halved")
        return self.add("Mul", [half, erf], name)


def embeddings(graph, model):
    """Word rows are int8 with a scale for each row, looked up before they are scaled."""
    rows = model.words.weight.detach().numpy()
    scale = (np.abs(rows).max(axis=1, keepdims=True) / 127).astype(np.float32)
    scale[scale == 0] = 1
    small = np.round(rows / scale).clip(-127, 127).astype(np.int8)
    graph.constant("words", small)
    graph.constant("words.scale", scale)
    looked = graph.add("Cast", [graph.add("Gather", ["words", "input_ids"], "looked")], "looked.float", to=TensorProto.FLOAT)
    words = graph.add("Mul", [looked, graph.add("Gather", ["words.scale", "input_ids"], "looked.scale")], "looked.words")
    graph.constant("places", model.places.detach().numpy())
    shape = graph.add("Shape", ["input_ids"], "shape", start=1, end=2)
    places = graph.add("Slice", ["places", graph.constant("zero", np.array([0], np.int64)), shape, graph.constant("axis", np.array([0], np.int64))], "cut")
    return graph.norm(graph.add("Add", [words, places], "placed"), "embedded", model.norm)


def attention(graph, x, name, layer, hidden):
    size = hidden // layer.heads
    graph.constant(f"{name}.shape", np.array([0, 0, layer.heads, size], np.int64))

    def split(part, perm):
        linear = graph.linear(x, f"{name}.{part}", getattr(layer, part))
        shaped = graph.add("Reshape", [linear, f"{name}.shape"], f"{name}.{part}.shaped")
        return graph.add("Transpose", [shaped], f"{name}.{part}.heads", perm=perm)

    query, key, value = split("query", [0, 2, 1, 3]), split("key", [0, 2, 3, 1]), split("value", [0, 2, 1, 3])
    scores = graph.add("MatMul", [query, key], f"{name}.scores")
    scaled = graph.add("Mul", [scores, graph.constant(f"{name}.size", np.float32(size**-0.5))], f"{name}.scaled")
    weights = graph.add("Softmax", [graph.add("Add", [scaled, "bias"], f"{name}.masked")], f"{name}.weights", axis=-1)
    mixed = graph.add("Transpose", [graph.add("MatMul", [weights, value], f"{name}.mixed")], f"{name}.back", perm=[0, 2, 1, 3])
    flat = graph.add("Reshape", [mixed, graph.constant(f"{name}.flat", np.array([0, 0, hidden], np.int64))], f"{name}.joined")
    return graph.linear(flat, f"{name}.output", layer.output)


def build(model):
    """The float graph; only its weight matrices become int8 later."""
    graph, hidden = Graph(), model.words.weight.shape[1]
    mask = graph.add("Cast", ["attention_mask"], "mask", to=TensorProto.FLOAT)
    wide = graph.add("Unsqueeze", [mask, graph.constant("wide.axes", np.array([1, 2], np.int64))], "wide")
    off = graph.add("Sub", [graph.constant("one", np.float32(1)), wide], "off")
    graph.add("Mul", [off, graph.constant("far", np.float32(-10000))], "bias")
    x = embeddings(graph, model)
    for number, layer in enumerate(model.layers):
        name = f"layer{number}"
        mixed = graph.add("Add", [x, attention(graph, x, name, layer, hidden)], f"{name}.residual")
        x = graph.norm(mixed, f"{name}.attended", layer.attention_norm)
        inner = graph.gelu(graph.linear(x, f"{name}.up", layer.up), f"{name}.active")
        x = graph.norm(graph.add("Add", [x, graph.linear(inner, f"{name}.down", layer.down)], f"{name}.sum"), f"{name}.out", layer.output_norm)
    column = graph.add("Unsqueeze", [mask, graph.constant("column.axes", np.array([2], np.int64))], "column")
    axes = graph.constant("pool.axes", np.array([1], np.int64))
    total = graph.add("ReduceSum", [graph.add("Mul", [x, column], "kept"), axes], "total", keepdims=0)
    mean = graph.add("Div", [total, graph.add("ReduceSum", [column, axes], "count", keepdims=0)], "mean")
    sunk = graph.add("Mul", [graph.add("Sub", ["one", column], "absent"), graph.constant("deep", np.float32(10000))], "sunk")
    peak = graph.add("ReduceMax", [graph.add("Sub", [x, sunk], "present"), axes], "peak", keepdims=0)
    pooled = graph.add("Concat", [mean, peak], "pooled", axis=1)
    graph.linear(graph.gelu(graph.linear(pooled, "head", model.head), "head.active"), "logits", model.last)
    ids = [helper.make_tensor_value_info(n, TensorProto.INT64, ["batch", "length"]) for n in ("input_ids", "attention_mask")]
    out = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 3])]
    made = helper.make_graph(graph.nodes, "encoder", ids, out, graph.constants)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def write(model, path):
    """Writes the int8 graph and gives its size in bytes."""
    floating = f"{path}.float"
    onnx.save(build(model), floating)
    quantize_dynamic(floating, path, weight_type=QuantType.QInt8, per_channel=True, op_types_to_quantize=["MatMul"],
                     extra_options={"MatMulConstBOnly": True})
    small = onnx.load(path)
    del small.graph.value_info[:]
    onnx.save(small, path)
    with open(path, "rb") as file:
        return len(file.read())
