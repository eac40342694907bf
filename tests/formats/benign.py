"""Makes harmless model files with the real savers: `benign.py FOLDER [LIBRARY…]`.

Each library that is installed writes what it writes, or only those named; those that are not are named on standard
error. `crates/testudo-formats/rules/allow.txt` was reviewed against what the pickles among them name.
"""

import bz2
import collections
import datetime
import decimal
import fractions
import gzip
import io
import json
import os
import pathlib
import pickle
import sys
import traceback
import uuid
import warnings
import zipfile

warnings.filterwarnings("ignore")
OUT = pathlib.Path(sys.argv[1])
WANTED = sys.argv[2:]
COUNT = collections.Counter()


def path(group, name):
    folder = OUT / group
    folder.mkdir(parents=True, exist_ok=True)
    COUNT[group] += 1
    return folder / name


def attempt(what, make):
    """Some estimators do not fit what they are given; they are left out."""
    try:
        make()
    except Exception as error:  # noqa: BLE001
        if os.environ.get("VERBOSE"):
            traceback.print_exc()
        print(f"left out: {what}: {type(error).__name__}: {error}"[:160], file=sys.stderr)


def plain():
    values = {
        "list": [1, 2.5, "three", None, True, b"four", 1 << 80],
        "nested": {"a": {"b": [{"c": (1, 2, (3, 4))}]}, "d": {1, 2}, "e": frozenset("xy")},
        "ordered": collections.OrderedDict(a=1, b=collections.OrderedDict(c=2)),
        "default": collections.defaultdict(list, a=[1]),
        "counter": collections.Counter("abracadabra"),
        "deque": collections.deque([1, 2, 3], maxlen=5),
        "dates": [
            datetime.datetime(2026, 1, 2, 3, 4, 5),
            datetime.date(2026, 1, 2),
            datetime.timedelta(hours=5),
            datetime.time(1, 2),
            datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc),
        ],
        "exact": [decimal.Decimal("1.25"), fractions.Fraction(1, 3), complex(1, 2), range(9), slice(1, 2, 3)],
        "ids": [uuid.UUID(int=5), pathlib.PurePosixPath("a/b")],
        "bytes": [bytes(range(256)), bytearray(b"abc")],
        "same": ["again"] * 20_000,
        "types": [int, float, str, dict, list],
        "text": {"prompt": "import os; os.system('x')", "url": "https://example.org", "code": "eval(1)"},
    }
    for name, value in values.items():
        for protocol in range(6):
            path("plain", f"{name}.{protocol}.pkl").write_bytes(pickle.dumps(value, protocol=protocol))
    with open(path("plain", "several.pkl"), "wb") as file:
        for value in values.values():
            pickle.dump(value, file)
    data = pickle.dumps(values)
    path("plain", "packed.pkl.gz").write_bytes(gzip.compress(data))
    path("plain", "packed.pkl.bz2").write_bytes(bz2.compress(data))
    path("plain", "vocabulary.pkl").write_bytes(pickle.dumps({f"word{n}": n for n in range(50_000)}))


def numpy():
    import numpy as np

    arrays = {
        "floats": np.arange(12.0).reshape(3, 4),
        "fortran": np.asfortranarray(np.ones((3, 4), dtype="f4")),
        "ints": np.arange(5, dtype="i2"),
        "bools": np.array([True, False]),
        "texts": np.array(["a", "bcd"]),
        "bytes": np.array([b"a", b"bcd"]),
        "complex": np.array([1 + 2j]),
        "times": np.array(["2026-01-01", "2026-01-02"], dtype="datetime64[ns]"),
        "spans": np.array([1, 2], dtype="timedelta64[s]"),
        "records": np.array([(1, 2.0, "x")], dtype=[("a", "i4"), ("b", "f8"), ("c", "U5")]),
        "empty": np.zeros((0, 3)),
        "scalar": np.array(5.0),
        "big": np.zeros((300, 300)),
    }
    for name, array in arrays.items():
        np.save(path("numpy", f"{name}.npy"), array)
        for protocol in range(6):
            path("numpy", f"{name}.{protocol}.pkl").write_bytes(pickle.dumps(array, protocol=protocol))
    np.save(path("numpy", "objects.npy"), np.array([1, "a", None, {"k": [1]}], dtype=object), allow_pickle=True)
    np.savez(path("numpy", "arrays.npz"), **arrays)
    np.savez_compressed(path("numpy", "packed.npz"), **arrays)
    np.savez(path("numpy", "objects.npz"), a=np.array([1, "a", None], dtype=object))
    with open(path("numpy", "several.npy"), "wb") as file:
        for array in arrays.values():
            np.save(file, array)
    others = {
        "scalars": [np.float64(1.5), np.int32(3), np.bool_(True), np.str_("a"), np.datetime64("2026-01-01")],
        "types": [np.float32, np.int64, np.dtype("f8"), np.ndarray],
        "functions": [np.log1p, np.exp, np.sqrt, np.mean, np.sum],
        "states": [np.random.RandomState(3), np.random.default_rng(3), np.random.PCG64(1)],
        "matrix": np.matrix([[1, 2]]),
        "masked": np.ma.masked_array([1, 2], [True, False]),
        "objects": np.array([1, "a", None], dtype=object),
        "records": np.rec.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
    }
    for name, value in others.items():
        for protocol in (2, 3, 4, 5):
            attempt(name, lambda: path("numpy", f"{name}.{protocol}.pkl").write_bytes(pickle.dumps(value, protocol=protocol)))


def joblib():
    import joblib as jl
    import numpy as np

    value = {"a": np.arange(2000.0), "b": np.array(["x", "yz"]), "o": np.array([1, "k"], dtype=object), "n": [1, 2]}
    value["f"] = np.asfortranarray(np.ones((40, 50)))
    value["r"] = np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")])
    for compress in (0, 3, ("zlib", 3), ("gzip", 3), ("bz2", 3), ("lzma", 3), ("xz", 3), ("lz4", 3)):
        name = compress if isinstance(compress, int) else compress[0]
        attempt(f"joblib {name}", lambda: jl.dump(value, path("joblib", f"{name}.joblib"), compress=compress))
    for protocol in (2, 3, 4, 5):
        jl.dump(value, path("joblib", f"protocol{protocol}.joblib"), protocol=protocol)
    jl.dump([np.arange(5)] * 3, path("joblib", "same.pkl"))


def sklearn():
    import joblib as jl
    import numpy as np
    import sklearn.datasets as sets
    from sklearn.utils import all_estimators

    rng = np.random.RandomState(0)
    iris = sets.load_iris(return_X_y=True)
    numbers = sets.make_regression(80, 5, random_state=0)
    texts = ["a first text", "a second one", "and a third text", "of four texts"] * 5
    dumped = 0
    for name, estimator in all_estimators():
        def make():
            nonlocal dumped
            try:
                model = estimator()
            except TypeError:
                model = composed(name, estimator)
            for x, y in (iris, numbers, (texts, [0, 1] * 10), (np.abs(rng.rand(30, 3)), np.abs(rng.rand(30)))):
                try:
                    model.fit(x, y)
                    break
                except Exception:  # noqa: BLE001
                    continue
            jl.dump(model, path("sklearn", f"{name}.joblib"), compress=3 if dumped % 5 == 0 else 0)
            protocol = 2 + dumped % 4
            path("sklearn", f"{name}.{protocol}.pkl").write_bytes(pickle.dumps(model, protocol=protocol))
            dumped += 1

        attempt(name, make)
    attempt("pipelines", lambda: pipelines(iris, texts))


def composed(name, estimator):
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.preprocessing import StandardScaler

    if name == "ColumnTransformer":
        return estimator([("s", StandardScaler(), [0, 1])])
    if name == "FeatureUnion":
        return estimator([("s", StandardScaler())])
    if name == "Pipeline":
        return estimator([("s", StandardScaler()), ("m", LogisticRegression())])
    if name.startswith(("Voting", "Stacking")):
        inner = Ridge() if "Regressor" in name else LogisticRegression()
        return estimator([("a", inner), ("b", inner)])
    if "SearchCV" in name:
        return estimator(RandomForestClassifier(n_estimators=3), {"max_depth": [2, 3]})
    if name == "SparseCoder":
        import numpy as np

        return estimator(np.eye(4))
    try:
        return estimator(LogisticRegression())
    except Exception:  # noqa: BLE001
        return estimator(estimator=Ridge())


def pipelines(iris, texts):
    import joblib as jl
    import numpy as np
    from sklearn.compose import make_column_transformer
    from sklearn.decomposition import PCA
    from sklearn.ensemble import GradientBoostingClassifier
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.naive_bayes import MultinomialNB
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

    made = {
        "scaled": make_pipeline(StandardScaler(), PCA(2), LogisticRegression()),
        "boosted": make_pipeline(StandardScaler(), GradientBoostingClassifier(n_estimators=5)),
        "columns": make_pipeline(
            make_column_transformer((StandardScaler(), [0, 1]), (OneHotEncoder(handle_unknown="ignore"), [2, 3])),
            LogisticRegression(),
        ),
        "function": make_pipeline(FunctionTransformer(np.log1p), LogisticRegression()),
        "search": GridSearchCV(LogisticRegression(), {"C": [0.1, 1]}, cv=3),
    }
    for name, model in made.items():
        model.fit(*iris)
        jl.dump(model, path("sklearn", f"pipeline-{name}.joblib"))
    labels = [0, 1] * (len(texts) // 2)
    for name, model in {
        "tfidf": make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression()),
        "counts": make_pipeline(CountVectorizer(dtype=np.float32), MultinomialNB()),
    }.items():
        model.fit(texts, labels)
        jl.dump(model, path("sklearn", f"text-{name}.joblib"))
        for protocol in (2, 4, 5):
            path("sklearn", f"text-{name}.{protocol}.pkl").write_bytes(pickle.dumps(model, protocol=protocol))


def pandas():
    import numpy as np
    import pandas as pd

    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"], "c": [1.5, None], "d": pd.to_datetime(["2026-01-01", "2026-01-02"])})
    frame["e"] = pd.Categorical(["u", "v"])
    values = {
        "frame": frame,
        "series": frame["a"],
        "index": frame.set_index(["a", "b"]),
        "ranged": pd.DataFrame({"x": range(5)}),
        "dates": pd.date_range("2026-01-01", periods=4, freq="D"),
        "zoned": pd.date_range("2026-01-01", periods=4, tz="UTC"),
        "periods": pd.period_range("2026-01", periods=3, freq="M"),
        "spans": pd.to_timedelta(["1h", "2h"]),
        "intervals": pd.cut(pd.Series([1, 2, 3]), 2),
        "nullable": pd.DataFrame({"i": pd.array([1, None], dtype="Int64"), "s": pd.array(["a", None], dtype="string")}),
        "stamps": [pd.Timestamp("2026-01-01"), pd.Timedelta("1h"), pd.NaT, pd.NA],
        "sparse": pd.Series(pd.arrays.SparseArray([0, 0, 1])),
    }
    for name, value in values.items():
        for protocol in (2, 3, 4, 5):
            def make():
                pd.to_pickle(value, path("pandas", f"{name}.{protocol}.pkl"), protocol=protocol)

            attempt(f"pandas {name}", make)
    for packing in ("gzip", "bz2", "xz", "zip", "zstd", "tar"):
        attempt(packing, lambda: frame.to_pickle(path("pandas", f"frame.pkl.{packing}"), compression=packing))
    np.save(path("pandas", "values.npy"), frame["a"].to_numpy())


def xgboost():
    import joblib as jl
    import numpy as np
    import xgboost as xgb

    x, y = np.random.RandomState(0).rand(60, 4), np.array([0, 1] * 30)
    for name, model in {
        "classifier": xgb.XGBClassifier(n_estimators=3),
        "regressor": xgb.XGBRegressor(n_estimators=3),
        "forest": xgb.XGBRFClassifier(n_estimators=3),
        "ranker": xgb.XGBRanker(n_estimators=3),
    }.items():
        def make():
            model.fit(x, y, **({"qid": np.zeros(60, dtype=int)} if name == "ranker" else {}))
            jl.dump(model, path("xgboost", f"{name}.joblib"))
            for protocol in (2, 4, 5):
                path("xgboost", f"{name}.{protocol}.pkl").write_bytes(pickle.dumps(model, protocol=protocol))
            for end in ("json", "ubj"):
                model.save_model(path("xgboost", f"{name}.{end}"))
            path("xgboost", f"{name}-booster.pkl").write_bytes(pickle.dumps(model.get_booster()))

        attempt(f"xgboost {name}", make)


def lightgbm():
    import joblib as jl
    import lightgbm as lgb
    import numpy as np

    x, y = np.random.RandomState(0).rand(60, 4), np.array([0, 1] * 30)
    for name, model in {
        "classifier": lgb.LGBMClassifier(n_estimators=3, verbose=-1),
        "regressor": lgb.LGBMRegressor(n_estimators=3, verbose=-1),
    }.items():
        model.fit(x, y)
        jl.dump(model, path("lightgbm", f"{name}.joblib"))
        for protocol in (2, 4, 5):
            path("lightgbm", f"{name}.{protocol}.pkl").write_bytes(pickle.dumps(model, protocol=protocol))
        model.booster_.save_model(str(path("lightgbm", f"{name}.txt")))
        path("lightgbm", f"{name}-booster.pkl").write_bytes(pickle.dumps(model.booster_))


def torch():
    import torch as t

    layers = t.nn.Sequential(
        t.nn.Linear(4, 8), t.nn.ReLU(), t.nn.BatchNorm1d(8), t.nn.Dropout(0.1), t.nn.Linear(8, 2), t.nn.Softmax(dim=1)
    )
    deep = t.nn.Sequential(
        t.nn.Conv2d(1, 4, 3), t.nn.GELU(), t.nn.MaxPool2d(2), t.nn.Flatten(), t.nn.LayerNorm(4), t.nn.Embedding(9, 3)
    )
    deep.append(t.nn.LSTM(3, 4)).append(t.nn.GRU(3, 4)).append(t.nn.TransformerEncoderLayer(4, 2))
    deep.append(t.nn.MultiheadAttention(4, 2)).append(t.nn.ModuleList([t.nn.Identity()])).append(t.nn.Conv1d(1, 1, 1))
    optimizer = t.optim.AdamW(layers.parameters())
    layers(t.rand(3, 4)).sum().backward()
    optimizer.step()
    tensors = {str(kind).split(".")[-1]: t.ones(3).to(kind) for kind in (
        t.float32, t.float64, t.float16, t.bfloat16, t.int8, t.uint8, t.int16, t.int32, t.int64, t.bool, t.complex64)}
    for name in ("float8_e4m3fn", "float8_e5m2", "uint16", "uint32"):
        if hasattr(t, name):
            attempt(name, lambda: tensors.update({name: t.ones(3).to(getattr(t, name))}))
    values = {
        "state": layers.state_dict(),
        "deep": deep.state_dict(),
        "tensors": tensors,
        "optimizer": optimizer.state_dict(),
        "checkpoint": {
            "epoch": 3, "model": layers.state_dict(), "optimizer": optimizer.state_dict(), "loss": 0.5,
            "config": {"lr": 1e-3, "size": t.Size([1, 2]), "device": t.device("cpu"), "dtype": t.float16},
            "rng": t.get_rng_state(), "scheduler": t.optim.lr_scheduler.StepLR(optimizer, 2).state_dict(),
        },
        "parameter": t.nn.Parameter(t.ones(2, 2)),
        "buffer": t.nn.Buffer(t.ones(2)) if hasattr(t.nn, "Buffer") else t.ones(1),
        "sparse": t.sparse_coo_tensor([[0, 1]], [1.0, 2.0], (3,)),
        "view": t.arange(20).reshape(4, 5)[1:3, ::2],
        "quantized": t.quantize_per_tensor(t.ones(3), 0.1, 0, t.qint8),
        "module": layers,
        "deep-module": deep,
        "scalar": t.tensor(1.5),
    }
    for name, value in values.items():
        for new in (True, False):
            kind = "zip" if new else "old"
            attempt(
                f"torch {name} {kind}",
                lambda: t.save(value, path("torch", f"{name}.{kind}.pt"), _use_new_zipfile_serialization=new),
            )
        attempt(name, lambda: path("torch", f"{name}.pkl").write_bytes(pickle.dumps(value)))
    attempt("scripted", lambda: t.jit.script(layers).save(str(path("torch", "scripted.pt"))))
    attempt("traced", lambda: t.jit.trace(layers.eval(), t.rand(2, 4)).save(str(path("torch", "traced.pt"))))
    class Grows(t.nn.Module):
        def forward(self, x, y):
            return t.cat([x, y]) * x.shape[0] + (x.shape[0] // 2)

    def grows():
        axes = {"x": {0: t.export.Dim("b", min=2, max=64)}}
        program = t.export.export(Grows(), (t.rand(4, 2), t.rand(4, 2)), dynamic_shapes={**axes, "y": axes["x"]})
        t.export.save(program, str(path("torch", "grows.pt2")))

    attempt("dynamic shapes", grows)
    attempt("transformer", lambda: t.jit.script(t.nn.Transformer(8, 2, 1, 1, 16)).save(str(path("torch", "transformer.pt"))))
    attempt("frozen", lambda: t.jit.freeze(t.jit.script(layers.eval())).save(str(path("torch", "frozen.pt"))))
    attempt("small devices", lambda: t.jit.script(layers)._save_for_lite_interpreter(str(path("torch", "lite.ptl"))))
    attempt("exported", lambda: t.export.save(t.export.export(layers, (t.rand(2, 4),)), str(path("torch", "exported.pt2"))))
    attempt("onnx", lambda: t.onnx.export(layers, (t.rand(2, 4),), str(path("torch", "exported.onnx")), dynamo=False))


def safetensors():
    import numpy as np
    from safetensors.numpy import save_file

    for kind in ("f4", "f2", "i8", "u1", "?"):
        save_file({"a": np.ones((3, 4), kind), "b": np.zeros(5, kind)}, path("safetensors", f"{ord(kind[0])}{kind[1:]}.safetensors"))
    save_file({"a": np.ones(3)}, path("safetensors", "facts.safetensors"), metadata={"format": "pt", "note": "a text"})
    save_file({}, path("safetensors", "nothing.safetensors"))


def skops():
    import skops.io as sio
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.tree import DecisionTreeClassifier

    for name, model in {
        "logistic": LogisticRegression(),
        "pipeline": make_pipeline(StandardScaler(), LogisticRegression()),
        "tree": DecisionTreeClassifier(),
    }.items():
        sio.dump(model.fit(*load_iris(return_X_y=True)), path("skops", f"{name}.skops"))


def h5py():
    import h5py as h5
    import numpy as np

    with h5.File(path("h5py", "weights.h5"), "w") as file:
        group = file.create_group("model_weights/dense")
        group.create_dataset("kernel", data=np.ones((3, 4), "f4"))
        group.attrs["weight_names"] = [b"kernel", b"bias"]
        file.attrs["keras_version"] = "2.15.0"
        config = {"class_name": "Sequential", "config": {"layers": [{"class_name": "Dense", "config": {"units": 4}}]}}
        file.attrs["model_config"] = json.dumps(config)
    with h5.File(path("h5py", "latest.h5"), "w", libver="latest") as file:
        file.create_dataset("x", data=np.arange(10), chunks=(5,), compression="gzip")
        file.attrs["note"] = "a text"


    for version in ("earliest", "v108", "v110", "latest"):
        with h5.File(path("h5py", f"all.{version}.h5"), "w", libver=version) as file:
            group = file.create_group("a/b/c")
            file["soft"] = h5.SoftLink("/a/b")
            group.attrs["model_config"] = json.dumps(config)
            group.attrs["layer_names"] = [b"layer%05d" % n for n in range(3000)]
            group.attrs.create("texts", ["a", "bb"], dtype=h5.string_dtype())
            file.create_dataset("z", data=np.zeros((99, 99)), chunks=(9, 9), compression="gzip", shuffle=True, fletcher32=True)
            file.create_dataset("lzf", data=np.zeros((99, 99)), compression="lzf")
            file.create_dataset("reference", data=np.array([group.ref], dtype=h5.ref_dtype), dtype=h5.ref_dtype)
            file.create_dataset("opaque", data=np.array([b"abc"], dtype="V3"))
            file.create_dataset("lists", (3,), dtype=h5.vlen_dtype(np.int32))
            file.create_dataset("texts", data=["a", "bb"], dtype=h5.string_dtype())
            file.create_dataset("records", data=np.array([(1, 2.0, b"x")], dtype=[("a", "i4"), ("b", "f8"), ("c", "S4")]))
            file.create_dataset("grows", data=np.arange(10), maxshape=(None,), chunks=(4,))
            file.create_dataset("nothing", data=h5.Empty("f4"))
            file["type"] = np.dtype("f4")
            many = file.create_group("many", track_order=True)
            for n in range(300):
                many.attrs[f"a{n}"] = n
                many[f"d{n}"] = n


def pytables():
    import pandas as pd
    import tables

    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"], "c": [1.5, None]})
    frame.to_hdf(path("pytables", "fixed.h5"), key="k")
    frame.to_hdf(path("pytables", "table.h5"), key="k", format="table")
    with tables.open_file(path("pytables", "objects.h5"), "w") as file:
        file.create_vlarray("/", "o", tables.ObjectAtom()).append({"a": [1, 2]})
        file.root._v_attrs.thing = {"k": (1, 2)}


def keras():
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "numpy")
    import keras as k

    layers = k.layers
    image = k.Input((16, 16, 3))
    words = k.Input((12,), dtype="int32")
    a, b = k.Input((4,), name="a"), k.Input((4,), name="b")
    models = {
        "sequential": k.Sequential([k.Input((8,)), layers.Dense(4, activation="relu"), layers.BatchNormalization(), layers.Dense(2)]),
        "functional": k.Model(image, layers.Dense(3)(layers.Flatten()(layers.Conv2D(4, 3, activation="relu")(image)))),
        "recurrent": k.Model(words, layers.Dense(1)(layers.Bidirectional(layers.LSTM(4))(layers.Embedding(30, 8)(words)))),
        "two-inputs": k.Model([a, b], layers.Dense(1, kernel_regularizer="l2")(layers.Concatenate()([a, layers.Dropout(0.1)(b)]))),
        "operations": k.Model([a, b], k.ops.add(k.ops.relu(a), k.ops.reshape(b, (-1, 4)))),
        "nested": k.Sequential([k.Input((8,)), k.Sequential([layers.Dense(4)]), layers.Dense(2)]),
        "attention": k.Model(image, layers.MultiHeadAttention(2, 4)(layers.Reshape((64, 12))(image), layers.Reshape((64, 12))(image))),
        "preprocessing": k.Sequential([k.Input((8,)), layers.Rescaling(1 / 255), layers.Normalization(mean=0.0, variance=1.0)]),
    }
    models["sequential"].compile("adam", "mse", metrics=["mae"])
    schedule = k.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
    models["functional"].compile(k.optimizers.SGD(schedule), k.losses.CategoricalCrossentropy(from_logits=True))
    for name, model in models.items():
        for end in ("h5", "keras"):
            attempt(f"{name}.{end}", lambda: model.save(str(path("keras", f"{name}.{end}"))))
        attempt(name, lambda: model.save_weights(str(path("keras", f"{name}.weights.h5"))))
        attempt(name, lambda: path("keras", f"{name}.json").write_text(model.to_json()))


def onnx():
    import onnx as ox
    from onnx import TensorProto, helper

    nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["y"]), helper.make_node("Relu", ["y"], ["z"])]
    graph = helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 4])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor("w", TensorProto.FLOAT, [4, 2], [1.0] * 8), helper.make_tensor("b", TensorProto.FLOAT, [2], [0.0] * 2)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    ox.save(model, path("onnx", "plain.onnx"))
    ox.save(model, path("onnx", "external.onnx"), save_as_external_data=True, location="external.bin", size_threshold=0)


def sevenz():
    import shutil
    import subprocess
    import tempfile

    import py7zr as sz

    content = {f"folder/{n}.pkl": pickle.dumps({"words": [f"word{i}" for i in range(n * 400)]}) for n in range(4)}
    content["empty.txt"] = b""
    content["README.md"] = b"# A model\n" * 50
    chains = {
        "lzma": [{"id": sz.FILTER_LZMA}],
        "lzma2": [{"id": sz.FILTER_LZMA2, "preset": 3}],
        "bzip2": [{"id": sz.FILTER_BZIP2}],
        "deflate": [{"id": sz.FILTER_DEFLATE}],
        "copy": [{"id": sz.FILTER_COPY}],
        "zstd": [{"id": sz.FILTER_ZSTD, "level": 3}],
        "ppmd": [{"id": sz.FILTER_PPMD, "order": 6, "mem": 24}],
        "delta": [{"id": sz.FILTER_DELTA, "dist": 4}, {"id": sz.FILTER_LZMA2, "preset": 1}],
        "x86": [{"id": sz.FILTER_X86}, {"id": sz.FILTER_LZMA2, "preset": 1}],
        "arm": [{"id": sz.FILTER_ARM}, {"id": sz.FILTER_LZMA2, "preset": 1}],
        "ppc-bzip2": [{"id": sz.FILTER_POWERPC}, {"id": sz.FILTER_BZIP2}],
    }

    def write(file, filters, encoded):
        with sz.SevenZipFile(file, "w", filters=filters) as archive:
            archive.set_encoded_header_mode(encoded)
            for name, data in content.items():
                archive.writestr(data, name)

    for name, filters in chains.items():
        for encoded in (True, False):
            file = path("sevenz", f"py-{name}{'' if encoded else '-plain'}.7z")
            attempt(f"py7zr {name}", lambda: write(file, filters, encoded))
    program = shutil.which("7z") or shutil.which("7zz")
    if not program:
        return print("left out: 7z is not installed", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        for name, data in content.items():
            target = pathlib.Path(folder) / name
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(data)
        for options in ("-m0=lzma", "-m0=lzma2", "-m0=bzip2", "-m0=deflate", "-m0=deflate64", "-m0=ppmd", "-m0=ppmd:o16:mem=64m", "-m0=copy", "-mx9", "-ms=off", "-mhc=off",
                        "-m0=bcj -m1=lzma", "-m0=bcj2 -m1=lzma:d20 -m2=lzma:d16 -m3=lzma:d16 -mb0:1 -mb0s1:2 -mb0s2:3",
                        "-m0=delta:4 -m1=lzma2", "-m0=arm64 -m1=lzma2", "-m0=riscv -m1=lzma2"):
            file = path("sevenz", f"7z{options.replace(' ', '').replace('=', '').replace(':', '')}.7z").resolve()
            attempt(f"7z {options}", lambda: subprocess.run(
                [program, "a", *options.split(), str(file), "."], cwd=folder, check=True, capture_output=True))


def configs():
    folder = {
        "config.json": {"architectures": ["BertModel"], "hidden_size": 384, "model_type": "bert", "vocab_size": 30522},
        "tokenizer_config.json": {
            "tokenizer_class": "LlamaTokenizer",
            "chat_template": "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] "
            "+ '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
        },
        "special_tokens_map.json": {"bos_token": "<s>", "eos_token": "</s>"},
        "generation_config.json": {"temperature": 0.7},
        "adapter_config.json": {"peft_type": "LORA", "base_model_name_or_path": "a/b", "target_modules": ["q_proj"]},
        "model.safetensors.index.json": {"metadata": {"total_size": 1}, "weight_map": {"a": "model-00001-of-00001.safetensors"}},
    }
    for name, value in folder.items():
        path("configs", name).write_text(json.dumps(value, indent=2))
    with zipfile.ZipFile(path("configs", "model.zip"), "w", zipfile.ZIP_DEFLATED) as file:
        for name, value in folder.items():
            file.writestr(name, json.dumps(value))
    path("configs", "README.md").write_text("# A model\n\nRun `import os`.\n")
    path("configs", "vocab.txt").write_text("\n".join(["[PAD]", "[CLS]", "a", "b"]))


for library in (plain, numpy, joblib, sklearn, pandas, xgboost, lightgbm, torch, safetensors, skops, h5py, pytables, keras, onnx, sevenz, configs):
    if not WANTED or library.__name__ in WANTED:
        attempt(library.__name__, library)
print(json.dumps({"files": sum(COUNT.values()), **COUNT}))
