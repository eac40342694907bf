"""aicordon's Picket: how severe and how many its findings are."""

import aicordon.picket as picket

from rows import run

RANKS = {"info": 1.0, "low": 2.0, "medium": 3.0, "high": 4.0, "critical": 5.0}
detector = picket.load()


def score(text):
    findings = list(detector.scan([picket.Document("row", text)]))
    severities = [RANKS.get(str(getattr(finding.severity, "value", finding.severity)).lower(), 1.0) for finding in findings]
    return max(severities, default=0.0) + min(len(findings), 99) / 100


run(score)
