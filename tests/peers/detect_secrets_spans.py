"""detect-secrets' findings with its default plugins and filters, by line."""

import os
import tempfile

from detect_secrets import SecretsCollection
from detect_secrets.settings import default_settings

from rows import run

folder = tempfile.mkdtemp()
path = os.path.join(folder, "text.txt")


def spans(text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    secrets = SecretsCollection()
    with default_settings():
        secrets.scan_file(path)
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    found = []
    for _, secret in secrets:
        line = secret.line_number - 1
        found.append([starts[line], starts[line + 1] - 1, secret.type, "secret"])
    return found


run(spans)
