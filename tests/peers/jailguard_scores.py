"""jailguard's score; its encoder is found at $JAILGUARD_MODEL_DIR."""

import jailguard

from rows import run

run(lambda text: float(jailguard.score(text)))
