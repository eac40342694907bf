"""Puts requests that people write, and orders of generated rows, into texts that models read, and as often a harmless sentence of another one."""

import json
import re

from rows import ASKED, ELSEWHERE, PLAIN, crop, group, read_weight

OPENINGS = ["", "", "", "", "please ", "also, ", "then ", "now ", "next, ", "one more thing: ", "before you answer, ", "could you ", "you must ", "make sure to "]
TWINS = ["generated/" + it for it in ("twin_field", "twin_errand", "twin_voice", "twin_scene", "result_whole", "result_more", "result_voice", "twin_human", "twin_plain")]
LENGTH = range(16, 201)
PLACE = re.compile(r'(?<=[.!?。।؟])\s+|\n+')
IN_JSON = re.compile(r'"(?=\s*[,}\]])')


def sentences(text):
    """The sentences of a text that could stand alone."""
    return [part.strip() for part in re.split(r"(?<=[.!?])\s+|\n+", text) if len(part.strip()) in LENGTH]


def request(row):
    """The request of a row of one or two lines."""
    text = " ".join(row["text"].split())
    return text if len(text) in LENGTH else None


def put(host, sentence, choose):
    """The host with the sentence between two of its own, or at the end of a JSON value."""
    quoted = host.lstrip().startswith(("{", "["))
    places = [match.end() if not quoted else match.start() for match in (IN_JSON if quoted else PLACE).finditer(host)]
    if not places:
        return None
    at = choose.choice(places)
    sentence = json.dumps(sentence, ensure_ascii=False)[1:-1] if quoted else sentence
    start = max(0, at - choose.choice([60, 120, 180, 260]))
    end = at + choose.choice([0, 60, 120, 180])
    return f"{host[start:at]} {sentence} {host[at:end]}".strip()


def order(row):
    """What a row of the plain orders hides, if it is short."""
    attack = row["meta"].get("attack") if row["label"] != "benign" and group(row) in PLAIN else None
    return " ".join(attack.split()) if attack and len(attack) in LENGTH else None


def is_result(row):
    """Whether a row is what a tool gave back, not a document."""
    family = row["meta"].get("family")
    return family in ("tool_json", "bipia_ctx") or family in TWINS


def planted(rows, count, choose):
    """`count` windows with a request or an order, and as many with a harmless sentence of another host."""
    benign = [row for row in rows if row["label"] == "benign"]
    hosts = [row for row in benign if read_weight(row) == 1.0 and len(row["text"]) >= 160]
    results = [row for row in hosts if is_result(row)]
    twins = [row for row in benign if row["meta"].get("family") in TWINS]
    requests = [found for row in benign if row["meta"].get("family") in ASKED and (found := request(row))]
    orders = [found for row in rows if (found := order(row))]
    made = []
    while len(made) < 2 * count:
        asked = len(made) % 2 == 0
        host = choose.choice(results if choose.random() < 0.5 and results else hosts)
        if asked and choose.random() < 0.5 and orders:
            sentence = choose.choice(orders)
        elif asked:
            sentence = choose.choice(requests)
            opening = choose.choice(OPENINGS)
            sentence = opening[:1].upper() + opening[1:] + sentence[:1].lower() + sentence[1:] if opening else sentence
        else:
            others = sentences(crop(choose.choice(twins if choose.random() < 0.5 and twins else hosts)["text"], choose))
            if not others:
                continue
            sentence = choose.choice(others)
        text = put(host["text"], sentence, choose)
        if text:
            target = 1.0 if asked else 0.0
            made.append((text, (0.0, target, target), (0.0 if asked else 1.0, 0.7, 0.7 * ELSEWHERE)))
    return made
