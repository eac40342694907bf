"""Cuts the vocabulary down to lower-case pieces that the corpus uses or that are common everywhere."""

import collections
import json
import unicodedata

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

PIECES = 56_000
# Pieces for scripts and languages of which the corpora have little.
MORE = 7_500
SCRIPT_LEAST = 330
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]


def tokenizer(pieces):
    """A unigram tokenizer over (piece, score) pairs whose first four are the special ones."""
    made = Tokenizer(models.Unigram(pieces, unk_id=3, byte_fallback=False))
    made.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Lowercase(), normalizers.Replace(Regex(r"\s+"), " ")]
    )
    made.pre_tokenizer = pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="always")
    made.decoder = decoders.Metaspace()
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return made


def choose(base, texts, size=PIECES):
    """The ids of the base vocabulary to keep, special ones first."""
    lower = [i for i, piece in enumerate(base.pieces) if i >= 4 and piece == piece.lower() and piece != "<mask>"]
    full = tokenizer([(piece, 0.0) for piece in SPECIAL] + [(base.pieces[i], float(base.scores[i])) for i in lower])
    counts = collections.Counter()
    for start in range(0, len(texts), 512):
        for encoded in full.encode_batch(texts[start : start + 512], add_special_tokens=False):
            counts.update(encoded.ids)
    used = {lower[i - 4] for i, count in counts.items() if i >= 4 and count >= 3}
    single = {i for i in lower if len(base.pieces[i]) == 1}
    keep = used | single
    for i in sorted(lower, key=lambda i: -base.scores[i]):
        if len(keep) >= size:
            break
        keep.add(i)
    print(f"vocabulary: {len(used)} used, {len(single)} single characters, {len(keep)} kept of {len(base.pieces)}")
    return [0, 1, 2, 3] + sorted(keep)


def texts_of(paths):
    """The texts of JSON Lines files."""
    for path in paths:
        with open(path, encoding="utf-8") as file:
            for line in file:
                yield json.loads(line)["text"]


def script(piece):
    """The script of the first letter, as Unicode names it."""
    letter = next((c for c in piece if c.isalpha()), None)
    return unicodedata.name(letter, "?").split()[0] if letter else None


def extend(base, keep, texts, most=MORE, least=SCRIPT_LEAST):
    """More pieces after the kept ones: first the commonest of each script that has few, then what the texts use most."""
    lower = [i for i, piece in enumerate(base.pieces) if i >= 4 and piece == piece.lower() and piece != "<mask>"]
    kept, more = set(keep), []
    words = {i: script(base.pieces[i]) for i in lower if len(base.pieces[i].strip("\u2581")) > 1}
    common = collections.Counter(words.values())
    has = collections.Counter(found for i, found in words.items() if i in kept)
    for i in sorted(words, key=lambda i: -base.scores[i]):
        found = words[i]
        if i not in kept and found and common[found] >= 1000 and has[found] < least and len(more) < most:
            more.append(i)
            has[found] += 1
    kept.update(more)
    full = tokenizer([(piece, 0.0) for piece in SPECIAL] + [(base.pieces[i], float(base.scores[i])) for i in lower])
    counts = collections.Counter()
    for start in range(0, len(texts), 512):
        for encoded in full.encode_batch(texts[start : start + 512], add_special_tokens=False):
            counts.update(encoded.ids)
    used = [lower[i - 4] for i, count in sorted(counts.items(), key=lambda it: (-it[1], it[0])) if i >= 4 and count >= 3]
    more += [i for i in used if i not in kept][: max(0, most - len(more))]
    print(f"vocabulary: {len(more)} pieces more")
    return list(keep) + more
