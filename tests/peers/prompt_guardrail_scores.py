"""prompt-guardrail's (guardify's) probability of an injection."""

import warnings

warnings.filterwarnings("ignore")

from guardify import LogisticRegressionGuardrail  # noqa: E402
from rows import run  # noqa: E402

guardrail = LogisticRegressionGuardrail()


def score(text):
    found = guardrail.predict(text)
    return found["score"] if found["label"] == "injection" else 1 - found["score"]


run(score)
