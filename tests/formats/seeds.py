"""Puts small model files into the corpora of the fuzz targets: `seeds.py CORPORA FOLDER…`.

CORPORA is `fuzz/corpus` in the target folder. The targets take a byte in front that chooses a beginning and a name;
zero chooses none of both, so that the file stands as it is.
"""

import hashlib
import pathlib
import sys

# What `cargo xtask fuzz` gives a target at most, less the byte in front.
LONGEST = 4095
TARGETS = {
    "archive": ("zip", "npz", "keras", "skops", "pt", "pt2", "pth", "mar", "tar", "7z", "gz", "bz2", "xz", "zst", "lzma", "lz4"),
    "document": ("json", "jinja", "txt", "md", "yaml"),
    "graph": ("onnx", "pb"),
    "pickle": ("pkl", "joblib", "npy", "pickle", "bin", "dill"),
    "tensors": ("safetensors", "gguf", "h5", "hdf5"),
}


def main(corpora, folders):
    counts = dict.fromkeys(TARGETS, 0)
    for folder in folders:
        for file in sorted(pathlib.Path(folder).rglob("*")):
            if not file.is_file() or file.stat().st_size > LONGEST:
                continue
            for target, ends in TARGETS.items():
                if file.name.lower().endswith(tuple(f".{end}" for end in ends)):
                    data = b"\0" + file.read_bytes()
                    into = pathlib.Path(corpora) / f"formats_{target}"
                    into.mkdir(parents=True, exist_ok=True)
                    (into / hashlib.sha1(data).hexdigest()).write_bytes(data)
                    counts[target] += 1
    print(counts)


main(sys.argv[1], sys.argv[2:])
