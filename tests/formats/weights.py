"""Checks `testudo model weights` against numpy on files by the real savers: `weights.py TESTUDO FOLDER`.

Needs numpy and safetensors; PyTorch's files are left out without torch. Every number that Testudo prints about each
tensor is computed again by numpy from the values as the saver was given them. Prints what it compared; fails on the
first number that differs.
"""

import hashlib
import json
import math
import pathlib
import subprocess
import sys

import numpy as np
import safetensors.numpy

TESTUDO, OUT = sys.argv[1], pathlib.Path(sys.argv[2])
OUT.mkdir(parents=True, exist_ok=True)


def run(*words):
    done = subprocess.run([TESTUDO, "model", "weights", *map(str, words), "--format", "json"], capture_output=True)
    return done.returncode, [json.loads(line) for line in done.stdout.decode().splitlines()]


def near(what, said, wanted, tolerance=1e-9):
    if said is None or not math.isclose(said, wanted, rel_tol=tolerance, abs_tol=1e-12):
        sys.exit(f"{what}: {said} and not {wanted}")


def equal(what, said, wanted):
    if said != wanted:
        sys.exit(f"{what}: {said} and not {wanted}")


def check(name, said, array):
    """One tensor's numbers."""
    equal(f"{name} shape", said["shape"], list(array.shape))
    by_columns = array.flags.f_contiguous and not array.flags.c_contiguous
    stored = array.tobytes("F" if by_columns else "C")
    equal(f"{name} sha256", said["sha256"], hashlib.sha256(stored).hexdigest())
    if array.dtype.kind == "c":
        array = array.view(array.real.dtype)
    wide = array.astype("f8")
    finite = np.isfinite(wide)
    kept = wide[finite]
    values = said["values"]
    equal(f"{name} count", values["count"], wide.size)
    equal(f"{name} nan", values["nan"], int(np.isnan(wide).sum()))
    equal(f"{name} infinite", values["infinite"], int(np.isinf(wide).sum()))
    equal(f"{name} zero", values["zero"], int((kept == 0).sum()))
    if kept.size:
        near(f"{name} min", values["min"], kept.min())
        near(f"{name} max", values["max"], kept.max())
        near(f"{name} l2", values["l2"], math.sqrt((kept**2).sum()))
        near(f"{name} mean", values["mean"], kept.mean(), 1e-6)
    if said["rows"]:
        flat = np.where(finite, wide, 0)
        flat = flat.T if by_columns else flat
        norms = np.sqrt((flat.reshape(len(flat), -1) ** 2).sum(1))
        median = np.median(norms)
        near(f"{name} median", said["rows"]["median"], median)
        near(f"{name} mad", said["rows"]["mad"], np.median(abs(norms - median)), 1e-6)
    if said["low_bits"]:
        width, kind, mantissa = {"f8": (8, "u8", 52), "f4": (8, "u4", 23), "f2": (4, "u2", 10)}[array.dtype.str[1:]]
        bits = array.astype(array.dtype.newbyteorder("=")).view(kind)[finite & (wide != 0)]
        counts = np.bincount((bits & bits.dtype.type(2**width - 1)).astype("i8").ravel(), minlength=2**width)
        share = counts[counts > 0] / max(counts.sum(), 1)
        entropy = -(share * np.log2(share)).sum() if share.size else 0.0
        near(f"{name} entropy", said["low_bits"]["entropy"], entropy)
        used = int(np.bitwise_or.reduce(bits & bits.dtype.type(2**mantissa - 1))) if bits.size else 0
        unused = (used & -used).bit_length() - 1 if used else mantissa if bits.size else 0
        equal(f"{name} unused", said["low_bits"]["unused"], unused)


def arrays():
    rng = np.random.default_rng(7)
    out = {
        "model.layers.0.w": rng.normal(size=(64, 96)).astype("f4"),
        "model.layers.1.w": rng.normal(size=(300, 257)).astype("f4"),
        "model.layers.10.w": rng.normal(size=(40, 40)).astype("f2"),
        "model.layers.2.w": rng.normal(size=(9, 3, 5, 5)).astype("f8"),
        "model.widened": (rng.normal(size=(99, 50)).astype("f4").view("u4") & np.uint32(0xFFFF0000)).view("f4"),
        "model.from_f16": rng.normal(size=5000).astype("f2").astype("f4"),
        "model.counts": rng.integers(-100, 100, size=(20, 7), dtype="i8"),
        "model.bytes": rng.integers(0, 255, size=1000, dtype="u1"),
        "model.flags": rng.integers(0, 2, size=50).astype("?"),
        "model.scalar": np.array(1.5, "f4"),
        "model.nothing": np.zeros((0, 3), "f4"),
        "model.zeros": np.zeros((10, 10), "f4"),
        "model.big": rng.normal(size=(1000, 700)).astype("f4"),
    }
    out["model.layers.1.w"][5] *= 40
    out["model.layers.1.w"][7, 3] = np.nan
    out["model.layers.1.w"][8, 3:6] = np.inf
    return out


def check_all(what, path, wanted, code=0):
    said_code, lines = run(path)
    equal(f"{what}: exit code", said_code, code)
    said = {it["tensor"]: it for it in lines if "tensor" in it}
    equal(f"{what}: names", sorted(said), sorted(wanted))
    for name, array in wanted.items():
        check(f"{what}: {name}", said[name], array)
    print(f"{what}: {len(wanted)} tensors as numpy says")


def savers():
    rng = np.random.default_rng(8)
    given = arrays()
    safetensors.numpy.save_file(given, OUT / "one.safetensors")
    check_all("safetensors", OUT / "one.safetensors", given)
    shards = OUT / "shards"
    shards.mkdir(exist_ok=True)
    names = sorted(given)
    for at in range(3):
        part = {name: given[name] for name in names[at::3]}
        safetensors.numpy.save_file(part, shards / f"model-0000{at + 1}-of-00003.safetensors")
    (shards / "config.json").write_text("{}")
    check_all("sharded folder", shards, given)
    equal("folder and file", run(OUT / "one.safetensors")[1][-1]["summary"]["manifest_sha256"],
          run(shards)[1][-1]["summary"]["manifest_sha256"])
    with_more = {**given, "column": np.asfortranarray(rng.normal(size=(30, 20))), "complex": rng.normal(size=(8, 9)) + 1j,
                 "swapped": rng.normal(size=(12, 12)).astype(">f4")}
    np.savez(OUT / "plain.npz", **with_more)
    check_all("npz", OUT / "plain.npz", with_more)
    np.savez_compressed(OUT / "packed.npz", **with_more)
    check_all("packed npz", OUT / "packed.npz", with_more)
    for name in ("column", "swapped", "model.layers.1.w"):
        np.save(OUT / "one.npy", with_more[name])
        check_all(f"npy {name}", OUT / "one.npy", {"array": with_more[name]})


def pytorch():
    try:
        import torch
    except ImportError:
        print("left out: torch is not installed")
        return
    given = {name: torch.from_numpy(array.copy()) for name, array in arrays().items()}
    whole = torch.arange(60.0).reshape(6, 10)
    checkpoint = {"epoch": 3, "model": given, "list": [whole, torch.nn.Parameter(whole[2:4])]}
    torch.save(checkpoint, OUT / "checkpoint.pt")
    wanted = {f"model.{name}": tensor.numpy() for name, tensor in given.items()}
    wanted |= {"list.0": whole.numpy(), "list.1": whole[2:4].numpy()}
    check_all("torch checkpoint", OUT / "checkpoint.pt", wanted)
    layers = torch.nn.Sequential(torch.nn.Linear(40, 30), torch.nn.ReLU(), torch.nn.LSTM(30, 8))
    torch.save(layers.state_dict(), OUT / "state.pt")
    state = {name: value.numpy() for name, value in layers.state_dict().items()}
    check_all("torch state", OUT / "state.pt", state)
    torch.save(layers, OUT / "module.pt")
    check_all("torch module", OUT / "module.pt", state)
    safetensors.numpy.save_file(state, OUT / "state.safetensors")
    code, lines = run(OUT / "state.pt", "--against", OUT / "state.safetensors")
    changed = {(it["change"], it["difference"]["changed"]) for it in lines if "tensor" in it}
    # The types are called otherwise; the values are the same.
    equal("torch against safetensors", (code, changed), (1, {("retyped", 0)}))
    torch.save({"t": whole.t()}, OUT / "view.pt")
    equal("a view is left out", run(OUT / "view.pt")[0], 3)
    for dtype in ("bfloat16", "float8_e4m3fn", "float8_e5m2", "complex64"):
        if hasattr(torch, dtype):
            tensor = torch.rand(40, 50).to(getattr(torch, dtype))
            torch.save({"t": tensor}, OUT / "typed.pt")
            said = run(OUT / "typed.pt")[1][0]
            wide = torch.view_as_real(tensor) if tensor.is_complex() else tensor
            near(f"torch {dtype}", said["values"]["l2"], wide.double().norm().item())
    print("torch: views, bfloat16, float8 and complex as torch says")


def differences():
    old, new = arrays(), arrays()
    new["model.layers.0.w"][3, :5] += 0.5
    new["model.layers.10.w"] = (new["model.layers.10.w"].astype("f4") * 1.01).astype("f2")
    new["model.layers.1.w"] = new["model.layers.1.w"].reshape(257, 300)
    new["model.big"] = new["model.big"].astype("f2")
    new["model.layers.20.w"] = new.pop("model.layers.2.w")
    new["model.added"] = np.ones(3, "f4")
    del new["model.flags"]
    safetensors.numpy.save_file(old, OUT / "old.safetensors")
    safetensors.numpy.save_file(new, OUT / "new.safetensors")
    code, lines = run(OUT / "new.safetensors", "--against", OUT / "old.safetensors")
    equal("exit code", code, 1)
    said = {it["tensor"]: it for it in lines if "tensor" in it}
    changes = {name: it["change"] for name, it in said.items() if it["change"] != "same"}
    equal("changes", changes, {
        "model.layers.0.w": "changed", "model.layers.10.w": "changed", "model.layers.1.w": "reshaped",
        "model.big": "retyped", "model.layers.20.w": "renamed", "model.added": "added", "model.flags": "removed"})
    layers = {it["layer"]: it for it in lines if "layer" in it}
    for name in ("model.layers.0.w", "model.layers.10.w", "model.big"):
        a, b = old[name].astype("f8"), new[name].astype("f8")
        it = said[name]["difference"]
        equal(f"{name} changed", it["changed"], int((a != b).sum()))
        near(f"{name} l2", it["l2"], np.linalg.norm(b - a))
        near(f"{name} relative", it["relative_l2"], np.linalg.norm(b - a) / np.linalg.norm(a))
        near(f"{name} cosine", it["cosine"], float((a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b)))
        near(f"{name} largest", it["max_abs"], abs(b - a).max())
        equal(f"{name} where", it["max_abs_at"], int(abs(b - a).argmax()))
    near("layer", layers["model.layers.0"]["relative_l2"], said["model.layers.0.w"]["difference"]["relative_l2"])
    equal("the same", run(OUT / "old.safetensors", "--against", OUT / "old.safetensors")[0], 0)
    equal("no weights", run(__file__)[0], 3)
    equal("no file", run(OUT / "absent")[0], 2)
    print(f"differences: {len(said)} tensors as numpy says")


savers()
pytorch()
differences()
