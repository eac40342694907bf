"""Texts to distil from: windows of the corpora, and Django's translated messages for a hundred languages."""

import glob
import json
import random
import re


def messages(folder):
    """The translated messages of every language, without placeholders, from Django's catalogues."""
    found = set()
    for path in sorted(glob.glob(f"{folder}/**/*.po", recursive=True)):
        with open(path, encoding="utf-8") as file:
            entries = file.read().split("\n\n")
        for entry in entries:
            joined = re.sub(r'"\s*\n\s*"', "", entry)
            for text in re.findall(r'^(?:msgstr(?:\[\d\])?|msgid) "(.*)"$', joined, re.MULTILINE):
                text = re.sub(r"%\(\w+\)[sd]|%[sd]|\{\w*\}", " ", text).replace("\\n", " ").replace('\\"', '"').strip()
                if len(text) >= 12:
                    found.add(text[:400])
    return sorted(found)


def windows(path, seed, size=240, most=1):
    """Random stretches of the texts of a JSON Lines file."""
    choose = random.Random(seed)
    with open(path, encoding="utf-8") as file:
        for line in file:
            text = json.loads(line)["text"]
            for _ in range(min(most, 1 + len(text) // (2 * size))):
                start = choose.randrange(max(1, len(text) - size // 2))
                yield text[start : start + size]
