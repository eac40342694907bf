"""Puts requests that people write into texts that models read, and as often a sentence of another such text."""

import json
import re

from rows import ASKED, ELSEWHERE, crop, read_weight

OPENINGS = ["", "", "", "", "please ", "also, ", "then ", "now ", "next, ", "one more thing: ", "before you answer, ", "could you ", "you must ", "make sure to "]
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


def planted(rows, count, choose):
    """`count` windows with a request of a user, and as many with a sentence of another host."""
    benign = [row for row in rows if row["label"] == "benign"]
    hosts = [row for row in benign if read_weight(row) == 1.0 and len(row["text"]) >= 160]
    requests = [found for row in benign if row["meta"].get("family") in ASKED and (found := request(row))]
    made = []
    while len(made) < 2 * count:
        asked = len(made) % 2 == 0
        host = choose.choice(hosts)
        if asked:
            sentence = choose.choice(requests)
            opening = choose.choice(OPENINGS)
            sentence = opening[:1].upper() + opening[1:] + sentence[:1].lower() + sentence[1:] if opening else sentence
        else:
            others = sentences(crop(choose.choice(hosts)["text"], choose))
            if not others:
                continue
            sentence = choose.choice(others)
        text = put(host["text"], sentence, choose)
        if text:
            target = 1.0 if asked else 0.0
            made.append((text, (0.0, target, target), (0.0 if asked else 1.0, 0.7, 0.7 * ELSEWHERE)))
    return made
