"""Labelled windows for training and whole segments for measuring, from JSON Lines in the format of the corpora."""

import json
import random

ATTACK_FAMILIES = {
    "bipia": "bipia", "cyberseceval": "cyberseceval", "spikee": "spikee", "spikee_instr": "spikee", "deepset": "deepset",
    "inthewild": "jailbreak", "pyrit_wild": "jailbreak", "pyrit": "jailbreak", "dan": "jailbreak", "gptfuzz": "jailbreak",
    "autodan": "jailbreak", "garak": "extraction", "giskard": "extraction", "oai_guardrails": "jailbreak",
}

# Orders that are an attack only where a stranger's text gives them; alone they are what users write.
PLAIN = {
    "bipia", "generated/stray", "generated/planted_plain", "generated/planted_field",
    "generated/planted_errand", "generated/planted_output", "generated/planted_voice",
    "generated/planted_scene",
}
# What people write to a model. Where a model reads it, it may be an order that nobody gave, or part of a ticket.
ASKED = {
    "alpaca_eval", "code_request", "deepset", "mitre_frr", "oai_guardrails", "p3", "persona_prompts", "self_instruct",
    "user_scenario", "writingbench", "generated/coaxed_fine", "generated/framed", "generated/persona_fine",
    "generated/request", "generated/roleplay", "generated/turn_fine",
}
SAID = {"banking77", "chat_multilingual", "generated/hard_negative", "generated/lang_benign"}


# Rows that are learned in the windows of the program: short texts in which the place of a sentence tells whom it speaks to.
AS_CUT = {
    "generated/" + it
    for it in (
        "planted_field", "planted_errand", "planted_marked", "planted_voice", "twin_field", "twin_errand", "twin_voice",
        "result_whole", "result_more", "result_voice", "tool_secret", "tool_described", "twin_secret", "twin_described",
        "planted_scene", "twin_scene", "tool_written", "twin_written",
    )
}
# Descriptions of tools, which may tell a model what to do.
DESCRIBED = {
    "generated/" + it
    for it in ("tool_poisoning", "tool_secret", "tool_described", "twin_tool", "twin_secret", "twin_described", "tool_written", "twin_written")
}
# What other texts say about descriptions, and harmless descriptions about other texts, where the same words are orders.
ELSEWHERE = 0.3
# How many of the other planted rows are cut that way too, and what an order alone counts.
CUT, ALONE = 0.4, 0.5
# As in the program, in letters for bytes.
WINDOW_MAX, STRIDE, PIECE_MIN = 600, 400, 16


def read_weight(row):
    """How much a harmless row says about what a model reads."""
    family = row["meta"].get("family")
    return 0.15 if family in ASKED else 0.5 if family in SAID else 1.0


def read(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def group(row):
    """Which attack collection a row draws from, or its family when it is benign."""
    meta = row["meta"]
    if meta.get("family", "").startswith("generated/lang"):
        return ("benign:" if row["label"] == "benign" else "") + "lang:" + meta["lang"]
    if row["label"] == "benign":
        return "benign:" + meta.get("family", "none")
    family = meta.get("subtype", "") if meta.get("family") == "planted" else meta.get("family", "")
    return ATTACK_FAMILIES.get(family, family)


def crop(text, choose, low=120, high=560):
    """A random stretch that begins and ends between words where there are spaces."""
    size = choose.randint(low, high)
    if len(text) <= size * 1.2:
        return text
    start = choose.randrange(len(text) - size)
    if choose.random() < 0.35:
        start = 0
    cut = text[start : start + size]
    if start > 0 and " " in cut[:24]:
        cut = cut[cut.index(" ") + 1 :]
    return cut


def pieces(text):
    """Where sentences, lines, values of JSON and nodes of HTML begin and end, as the program cuts them."""
    start, found = 0, []
    for at, letter in enumerate(text):
        following = text[at + 1 : at + 2]
        ends = letter in "\n。！？।؟۔|>" or following == "<" or (letter.isspace() and following == "\n")
        ends = ends or letter in ".!?;:" and (not following or following.isspace() or following in '"\\<')
        ends = ends or letter == '"' and following in tuple(",:}]")
        if ends and at + 1 - start >= PIECE_MIN or at + 1 - start >= WINDOW_MAX:
            found.append((start, at + 1))
            start = at + 1
    return found + [(start, len(text))] * (start < len(text))


def cut(text, choose, start=0, end=0):
    """One of the windows that the program scores, of those that hold `start` to `end` if there is something to hold, and
    whether it is a sentence alone, which may say little without what stands before it."""
    parts = pieces(text)
    pairs = [(a[0], b[1]) for a, b in zip(parts, parts[1:])]
    stretches = [(at, at + WINDOW_MAX) for at in range(0, max(1, len(text) - STRIDE // 2), STRIDE)]
    kinds = [stretches, pairs, parts]
    if end:
        # A long order fills more than a pair; then two sentences of it are one. A single one of them may be chatter.
        kinds = [[w for w in kind if w[0] <= start and w[1] >= end or kind is pairs and inside(w, start, end)] for kind in kinds]
    kinds = [kind for kind in kinds if kind]
    if not kinds:
        return text[max(0, start - 160) : end + 160], False
    first, last = choose.choice(choose.choice(kinds))
    return text[first:last], (first, last) in parts


def inside(window, start, end):
    """Whether at least two thirds of a window are between `start` and `end`."""
    return 3 * (min(window[1], end) - max(window[0], start)) >= 2 * (window[1] - window[0])


def around(text, attack, choose, context):
    """A stretch that holds the attack, with as much of its surroundings as chance gives it; `context` asks for some."""
    for written in (attack, json.dumps(attack)[1:-1], json.dumps(attack, ensure_ascii=False)[1:-1], attack[:40]):
        at = text.find(written)
        if at >= 0:
            attack = written
            break
    else:
        return None
    length = min(len(attack), 480)
    offset = choose.randrange(len(attack) - length + 1) if choose.random() < 0.3 else 0
    before, after = (choose.choice([0, 0, 30, 80, 160, 240]) for _ in range(2))
    if context and before + after < 160:
        before, after = 120, 120
    return text[max(0, at + offset - before) : at + offset + length + after]


def window(row, choose):
    """One text of a row, and targets and weights for what users ask, what a model reads, and descriptions of tools."""
    text, (asked, read), (of_asked, of_read) = shown(row, choose)
    described = row["meta"].get("family") in DESCRIBED
    if described and row["label"] == "benign":
        of_read *= ELSEWHERE
    return text, (asked, read, read), (of_asked, of_read, 1.0 if described else ELSEWHERE * of_read)


def shown(row, choose):
    """One text of a row and its targets; benign stretches of attack rows are used now and then."""
    text, attack = row["text"], row["meta"].get("attack")
    as_cut = row["meta"].get("family") in AS_CUT
    if row["label"] == "benign":
        if as_cut:
            return cut(text, choose)[0], (0.0, 0.0), (1.0, read_weight(row))
        # The program scores sentences alone as well.
        part = crop(text, choose, 24, 120) if choose.random() < 0.3 else crop(text, choose)
        return part, (0.0, 0.0), (1.0, read_weight(row))
    if not attack or row["kind"] == "direct":
        # The frame of a long jailbreak is at its start; what stands far behind may be harmless.
        if len(text) > 620 and choose.random() < 0.6:
            return text[: choose.randint(240, 620)], (1.0, 1.0), (1.0, 1.0)
        target = 1.0 if len(text) < 900 else 0.85
        return crop(text, choose, 320, 620), (target, target), (1.0, 1.0)
    if choose.random() < 0.2:
        at = text.find(attack)
        if at >= 0:
            rest = [part for part in (text[:at].strip(), text[at + len(attack) :].strip()) if len(part) > 150]
            if rest:
                return crop(choose.choice(rest)[20:-20], choose), (0.0, 0.0), (1.0, 1.0)
    plain = group(row) in PLAIN
    if (as_cut or choose.random() < CUT) and (at := text.find(attack)) >= 0:
        part, alone = cut(text, choose, at, at + len(attack))
        return part, (1.0, 1.0), (0.0 if plain else 0.7, ALONE if alone else 1.0)
    found = around(text, attack, choose, plain)
    target = 1.0 if found else 0.6
    return found or crop(text, choose, 400, 620), (target, target), (0.0 if plain else 0.7, 1.0)


def segments(text, size=480, step=320):
    """Overlapping windows that cover a text, as the program cuts it for the encoder."""
    if len(text) <= size:
        return [text]
    return [text[start : start + size] for start in range(0, max(1, len(text) - size + step), step)]


def weights(rows, twice, half, fourfold):
    """How often a row is drawn in an epoch, so that no collection outweighs the others; the groups in `twice` count double,
    those in `fourfold` four times, those whose names begin with one of `half` half."""
    counts = {}
    for row in rows:
        counts[group(row)] = counts.get(group(row), 0) + 1
    return [(1 + (group(row) in twice) + 3 * (group(row) in fourfold)) * (0.5 if group(row).startswith(tuple(half)) else 1) * min(2.0, max(0.25, (900 / counts[group(row)]) ** 0.5)) for row in rows]


def drawn(rows, seed, twice=(), half=(), fourfold=()):
    """The rows of one epoch in random order."""
    choose = random.Random(seed)
    out = []
    for row, weight in zip(rows, weights(rows, twice, half, fourfold)):
        times = int(weight) + (choose.random() < weight - int(weight))
        out.extend([row] * times)
    choose.shuffle(out)
    return out
