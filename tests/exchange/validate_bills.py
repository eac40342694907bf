"""Holds bills of materials against CycloneDX's own schema, strictly, and reads them with its library.

Usage: validate_bills.py FILE...
"""

import json
import sys

from cyclonedx.model.bom import Bom
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation import make_schemabased_validator
from cyclonedx.validation.json import JsonStrictValidator


def main(paths):
    failed = 0
    components = 0
    for path in paths:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        document = json.loads(text)
        version = {"1.5": SchemaVersion.V1_5, "1.6": SchemaVersion.V1_6, "1.7": SchemaVersion.V1_7}[document["specVersion"]]
        errors = []
        for validator in (make_schemabased_validator(OutputFormat.JSON, version), JsonStrictValidator(version)):
            error = validator.validate_str(text)
            if error is not None:
                errors.append(str(error)[:2000])
        references = []
        for component in document["components"]:
            references.append(component["bom-ref"])
        if len(references) != len(set(references)):
            errors.append("a bom-ref stands twice")
        if not errors:
            # The library knows no model cards yet, and says nothing about them.
            bom = Bom.from_json(document)
            if len(bom.components) != len(document["components"]):
                errors.append(f"the library read {len(bom.components)} of {len(document['components'])} components")
        components += len(document["components"])
        for error in errors:
            failed += 1
            print(f"{path}: {error}")
    print(f"{len(paths)} bills with {components} components, {failed} faults")
    return 1 if failed or not paths else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
