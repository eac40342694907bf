"""Makes files by which loaders may be led to run something, and which are no known class of bypasses: `attempts.py FOLDER`.

As in `bypass.py`, the payload is a call that prints a marker, and nothing here is run. Of each it is known which loader
takes it. None may be `allowed`.
"""

import base64
import bz2
import gzip
import io
import json
import lzma
import pathlib
import pickle
import struct
import sys
import tarfile
import zipfile
import zlib

OUT = pathlib.Path(sys.argv[1])
OUT.mkdir(parents=True, exist_ok=True)
OLD = b"cos\nsystem\n(S'echo marker'\ntR."
PAYLOAD = b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x0becho marker\x85R."


def write(name, data):
    path = OUT / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())


def zipped(*members):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as file:
        for name, content in members:
            file.writestr(zipfile.ZipInfo(name), content)
    return data.getvalue()


def tarred(*members, **options):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", **options) as file:
        for info, content in members:
            info = tarfile.TarInfo(info) if isinstance(info, str) else info
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return data.getvalue()


# Pickles that nothing calls one: `pickle.load`, `numpy.load` and `pandas.read_pickle` take any name.
write("01-bytes-first.weights", b"C\x01a0" + OLD)
write("02-hexadecimal.weights", b"I0x1f\n0" + OLD)
write("03-underscores.weights", b"I1_000\n0" + OLD)
write("04-long-number.weights", b"F" + b"0" * (2 << 20) + b"1\n0" + OLD)
write("05-second.weights", b"N." + OLD)
write("06-more-than-a-limit.weights", b"N" * (13 << 20) + b"0" * 9 + OLD)
write("07-marks.weights", b"(" * (26 << 20) + OLD)
write("08-import.weights", b"cmy_module\nthing\n.")
write("09-old-torch.weights", b"L119547037146038801333356L\n." + pickle.dumps(1001, 2) + pickle.dumps({}, 2) + PAYLOAD)
write("10-memo-key.weights", b"Nq\x07p1_0\n0g10\n0" + OLD)

# Archives
write("11-old-torch-tensors.pt", tarred(("sys_info", pickle.dumps({}, 2)), ("storages", pickle.dumps(0, 2)), ("tensors", PAYLOAD), ("pickle", pickle.dumps({}, 2))))
info = tarfile.TarInfo("a.txt")
info.pax_headers = {"path": "pickle"}
write("12-pax-path.tar", tarred((info, b"N0" + OLD), format=tarfile.PAX_FORMAT))
# Two pieces around a hole: what is stored is no pickle, what tarfile gives is one.
stored = b"1\n2\n0\n5\n9\n%d\n" % (len(OLD) + 1)
info = tarfile.TarInfo("GNUSparseFile.0/pickle")
whole = 9 + len(OLD) + 1
info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "pickle", "GNU.sparse.realsize": str(whole)}
stored = (b"2\n0\n5\n9\n%d\n" % (len(OLD) + 1)).ljust(512, b"\0")
write("13-sparse.tar", tarred((info, stored + b"X\x04\0\0\0" + b"0" + OLD), format=tarfile.PAX_FORMAT))
# The end of one archive in the comment of another.
hidden = zipped(("m/data.pkl", PAYLOAD))
shown = zipped(("a.txt", b"harmless"))
end = shown.rfind(b"PK\x05\x06")
write("14-end-in-comment.pt", shown[: end + 20] + struct.pack("<H", len(hidden)) + hidden)
header = b"{'descr': [('a', '|O'), ('b', '<i4')], 'fortran_order': False, 'shape': (1,), }"
for version in (1, 2, 3):
    size = struct.pack("<H" if version == 1 else "<I", len(header))
    write(f"15-fields-{version}.npz", zipped(("a.npy", b"\x93NUMPY" + bytes([version, 0]) + size + header + b"N0" + OLD)))

# Streams
write("16-joblib-0.9.z", b"ZF" + hex(len(PAYLOAD)).encode().ljust(19) + zlib.compress(PAYLOAD))
try:
    import zstandard

    packed = zstandard.ZstdCompressor().compress(PAYLOAD)
    write("17-skipped-frame.zst", b"\x50\x2a\x4d\x18\x04\0\0\0abcd" + packed)
    write("18-second-frame.zst", zstandard.ZstdCompressor().compress(b"N.") + packed)
except ImportError:
    print("left out: zstandard is not installed", file=sys.stderr)
for name, pack in {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}.items():
    write(f"19-second-stream.{name}", pack(b"N0") + pack(OLD))

# Keras
code = base64.b64encode(b"\xe3\0\0\0\0marker").decode()
layer = {"class_name": "Lambda", "config": {"function": {"class_name": "__lambda__", "config": {"code": code}}}}
write("20-second-config.keras", zipped(("config.json", b"{}"), ("config.json", json.dumps(layer)), ("metadata.json", b"{}")))
module = {"module": "keras.layers", "class_name": "TorchModuleWrapper", "config": {"module": base64.b64encode(hidden).decode()}}
write("21-torch-module.keras", zipped(("config.json", json.dumps(module)), ("metadata.json", b"{}"), ("model.weights.h5", b"")))
module = {"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": "/srv/marker"}}
write("22-saved-model-layer.keras", zipped(("config.json", json.dumps(module)), ("metadata.json", b"{}"), ("model.weights.h5", b"")))
write("23-saved_model.pbtxt", 'saved_model_schema_version: 1\nmeta_graphs { graph_def { node { name: "x" op: "PyFunc" } } }\n')
write("24/saved_model.pbtxt", "saved_model_schema_version: 1\nmeta_graphs { graph_def { node { name: 'x' op: 'WriteFile' } } }\n")
metadata = json.dumps(layer).encode()
write("25/keras_metadata.pb", b"\x0a" + bytes([len(metadata) & 127 | 128, len(metadata) >> 7]) + metadata)

# Templates
for number, template in enumerate([
    "{{ cycler.__init__.__globals__.os.popen('echo marker').read() }}",
    "{% set a = '__cl' ~ 'ass__' %}{{ ''|attr(a) }}",
    "{{ ''|attr('\\x5f\\x5fclass\\x5f\\x5f') }}",
    "{{ messages|map(attribute='__class__')|list }}",
    "{% include '/etc/passwd' %}",
    "{{ self._TemplateReference__context }}",
]):
    key = b"tokenizer.chat_template.tool_use"
    text = template.encode()
    write(f"26-template-{number}.gguf", b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", len(key)) + key + struct.pack("<IQ", 8, len(text)) + text)

# What configurations ask for
write("27/model_config.yaml", "model:\n  _target_: os.system\n  command: echo marker\n")
write("28-nemo.nemo", tarred(("model_config.yaml", b"_target_: subprocess.run\nargs: [echo, marker]\n"), ("model_weights.ckpt", zipped(("m/data.pkl", b"N.")))))
write("29/config.json", json.dumps({"model": {"_target_": "builtins.eval", "_args_": ["print('marker')"]}}))
write("30/model.yaml", "a: !!python/object/apply:os.system ['echo marker']\n")
write("31/MLmodel", "flavors:\n  python_function:\n    loader_module: my_module\n    python_version: 3.11.7\n")
write("32/modules.json", json.dumps([{"idx": 0, "name": "0", "path": "", "type": "my_module.Thing"}]))
write("33/model_index.json", json.dumps({"_class_name": "DDPMPipeline", "unet": ["my_module", "Thing"]}))
write("34/adapter_config.json", json.dumps({"auto_mapping": {"base_model_class": "Thing", "parent_library": "my_module"}, "peft_type": "LORA"}))
write("35/tokenizer.json", json.dumps({"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "^(([a-z])+.)+$"}, "behavior": "Isolated"}}))

# skops
for number, (loader, kind) in enumerate([("OperatorFuncNode", "methodcaller"), ("MethodNode", "method"), ("PartialNode", "partial"), ("TypeNode", "type")]):
    state = {"__class__": kind, "__module__": "operator", "__loader__": loader, "content": {"func": "system", "obj": {"__class__": "os", "__module__": "os", "__loader__": "ObjectNode"}}}
    write(f"36-{loader}.skops", zipped(("schema.json", json.dumps({**state, "protocol": 2}))))

# Tensors
double = b'{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"a":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}'
write("37-key-twice.safetensors", struct.pack("<Q", len(double)) + double + b"\0\0\0\0")


def message(*fields):
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += bytes([number << 3, value])
        else:
            value = value if isinstance(value, bytes) else value.encode()
            size = len(value)
            out += bytes([number << 3 | 2]) + (bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])) + value
    return out


outside = message((13, message((1, "location"), (2, "..\\..\\marker"))))
constant = message((4, "Constant"), (5, message((1, "value"), (5, outside))))
inner = message((1, message((4, "Relu"))), (5, outside))
branch = message((4, "If"), (5, message((1, "then_branch"), (6, inner))))
for name, node in {"constant": constant, "branch": branch}.items():
    write(f"38-outside-{name}.onnx", message((1, 8), (7, message((1, node))), (8, message((2, 17)))))
beside = message((1, message((4, "Relu"))), (5, message((13, message((1, "location"), (2, "weights.bin"))))))
write("39/model.onnx", message((1, 8), (7, beside), (8, message((2, 17)))))
(OUT / "39/weights.bin").unlink(missing_ok=True)
(OUT / "39/weights.bin").symlink_to("/etc/passwd")


def lite(code):
    """A TensorFlow Lite model with one operator of its own: a table of tables, as FlatBuffers keep them."""
    name = code.encode() + b"\0" * (4 - len(code) % 4)
    text = struct.pack("<I", len(code)) + name
    operator = struct.pack("<HHHHI", 8, 8, 0, 4, 0)
    out = struct.pack("<I4s", 20, b"TFL3") + struct.pack("<HHHH", 8, 12, 4, 8) + b"\0" * 4
    out += struct.pack("<iII", 12, 3, 4) + struct.pack("<II", 1, 12)
    out += operator[:8] + struct.pack("<iI", 8, 4) + text
    return out


write("40-flex.tflite", lite("FlexPyFunc"))
write("41-own.tflite", lite("MyOperator"))

# HDF5, as PyTables writes it
try:
    import numpy
    import tables

    class Written(tables.ObjectAtom):
        def _tobuffer(self, content):
            return numpy.frombuffer(content, dtype="u1")

    for name, content in {"none": b"N0" + OLD, "number": b"I1\n0" + OLD, "list": b"]0" + OLD, "import": b"cmy_module\nthing\n."}.items():
        with tables.open_file(OUT / f"42-rows-{name}.h5", "w") as file:
            rows = file.create_vlarray("/", "o", tables.ObjectAtom())
            rows.atom = Written()
            rows.append(content)
    with tables.open_file(OUT / "43-attribute.h5", "w") as file:
        file.root._v_attrs.thing = numpy.bytes_(b"cmy_module\nthing\n.")
except ImportError:
    print("left out: tables is not installed", file=sys.stderr)

# States
state = b"}(X\x04\0\0\0nameX\x07\0\0\0/markerX\x04\0\0\0auto\x88u"
write("44-file-resource.pkl", b"\x80\x02csklearn_crfsuite._fileresource\nFileResource\n)\x81" + state + b"b.")
write("45-made-by-another.pkl", b"\x80\x02cnumpy.random._pickle\n__bit_generator_ctor\ncsklearn_crfsuite._fileresource\nFileResource\n\x85R" + state + b"b.")
print(json.dumps({"files": len([it for it in OUT.rglob("*") if it.is_file()])}))
