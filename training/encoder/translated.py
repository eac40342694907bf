"""Sentences with their translations, from the catalogues of messages that packages carry."""

import glob
import re


LENGTH = range(12, 301)
STRING = r'((?:"(?:[^"\\]|\\.)*"\s*)+)'
ENTRY = re.compile(rf"^msgid {STRING}(?:msgid_plural {STRING})?msgstr(?:\[0\])? {STRING}", re.MULTILINE)


def plain(quoted):
    """The text of the strings of an entry, without its placeholders."""
    text = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', quoted))
    text = re.sub(r"%\(\w+\)[sd]|%[sd]|\{[\w.!:]*\}|<[^>]*>|[`*&]", " ", text.replace("\\n", " ").replace('\\"', '"'))
    return " ".join(text.split())


def pairs(folders):
    """(language, English, translation) of every catalogue below the folders, each once, sorted."""
    found = set()
    for folder in folders:
        for path in glob.glob(f"{folder}/**/*.po", recursive=True):
            language = re.search(r"/([A-Za-z_@]+)/LC_MESSAGES/", path)
            if not language or language[1].startswith("en"):
                continue
            with open(path, encoding="utf-8", errors="replace") as file:
                text = re.sub(r"^#.*\n", "", file.read(), flags=re.MULTILINE)
            for entry in ENTRY.finditer(text):
                source, target = plain(entry[1]), plain(entry[3])
                if len(source) in LENGTH and len(target) > 4 and source != target:
                    found.add((language[1], source, target))
    return sorted(found)
