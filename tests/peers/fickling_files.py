"""Writes the pickles of fickling's own tests as files: `fickling_files.py CHECKOUT OUT`.

fickling keeps no files; its tests make pickles in memory and say what `check_safety` has to answer. They are run with
the checkout's fickling, every pickle that is judged is kept, and the answer, which the test has just asserted, is its
truth: OUT/harmful and OUT/harmless. Pickles of tests that fail are left out.
"""

import hashlib
import json
import pathlib
import sys
import unittest

CHECKOUT, OUT = map(pathlib.Path, sys.argv[1:3])
sys.path.insert(0, str(CHECKOUT))

import fickling.analysis as analysis  # noqa: E402
from fickling.fickle import Pickled  # noqa: E402

MODULES = ("test_bypasses", "test_analysis", "test_expansion_attack_analysis", "test_scanner_deactivation_analysis")
judge = analysis.check_safety
read = Pickled.load
judged = []
raw = {}


def load(pickled, *arguments, **options):
    """Remembers the bytes that were read: what `dumps` writes has its frames in order again."""
    data = pickled if isinstance(pickled, (bytes, bytearray)) else None
    result = read(pickled, *arguments, **options)
    if data is not None:
        raw[id(result)] = (result, bytes(data))
    return result


def check_safety(pickled, *arguments, **options):
    result = judge(pickled, *arguments, **options)
    judged.append((pickled, result.severity > analysis.Severity.LIKELY_SAFE))
    return result


analysis.check_safety = check_safety
Pickled.load = staticmethod(load)
counts = {"harmful": 0, "harmless": 0, "left out": 0}
for name in MODULES:
    module = __import__(f"test.{name}", fromlist=["x"])
    if hasattr(module, "check_safety"):
        module.check_safety = check_safety
    suite = unittest.defaultTestLoader.loadTestsFromModule(module)
    for test in (it for group in suite for it in group):
        judged.clear()
        raw.clear()
        result = unittest.TestResult()
        test.run(result)
        if not result.wasSuccessful() or result.skipped:
            counts["left out"] += 1
            continue
        for pickled, is_harmful in judged:
            try:
                data = raw[id(pickled)][1] if id(pickled) in raw else pickled.dumps()
            except Exception:  # noqa: BLE001
                counts["left out"] += 1
                continue
            kind = "harmful" if is_harmful else "harmless"
            folder = OUT / kind
            folder.mkdir(parents=True, exist_ok=True)
            file = folder / f"{test.id().split('.')[-1]}-{hashlib.sha256(data).hexdigest()[:8]}.pkl"
            counts[kind] += not file.exists()
            file.write_bytes(data)
print(json.dumps(counts))
