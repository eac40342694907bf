"""Validates OCSF events, one on each line of a file, against the schema of the version they name."""

import collections
import json
import sys

import jsonschema
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

VERSION = "1.8.0"


def blind(validator, of_class: dict, event: dict) -> int:
    """Counts what is broken in an event and goes unseen: a validator that sees nothing proves nothing."""
    broken = [{k: v for k, v in event.items() if k != name} for name in of_class["required"]]
    broken.append({**event, "no_such_attribute": 1})
    broken.append({**event, "severity_id": 42})
    broken.append({**event, "time": "yesterday"})
    broken.append({**event, "metadata": {**event["metadata"], "product": {}}})
    unseen = [it for it in broken if validator.is_valid(it)]
    for it in unseen:
        print(f"class {event['class_uid']}: unseen by the validator: {json.dumps(it)[:300]}")
    return len(unseen)


def main(path: str) -> int:
    schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=VERSION))
    validators = {}
    counted = collections.Counter()
    problems = 0
    with open(path, encoding="utf-8") as events:
        for number, line in enumerate(events, 1):
            event = json.loads(line)
            metadata = event["metadata"]
            if metadata["version"] != VERSION:
                print(f"{path}:{number}: version {metadata['version']}")
                problems += 1
                continue
            kind = (event["class_uid"], tuple(sorted(metadata.get("profiles", []))))
            if kind not in validators:
                name = schema.lookup_class_name_from_uid(class_uid=kind[0])
                of_class = schema.get_class_schema(class_name=name, profiles=list(kind[1]))
                validators[kind] = jsonschema.Draft202012Validator(of_class)
                problems += blind(validators[kind], of_class, event)
            for error in validators[kind].iter_errors(event):
                print(f"{path}:{number}: {error.json_path}: {error.message[:300]}")
                problems += 1
            counted[kind] += 1
    for (class_uid, profiles), count in sorted(counted.items()):
        print(f"class {class_uid}: {count} events, profiles {', '.join(profiles) or 'none'}")
    print(f"{sum(counted.values())} events against OCSF {VERSION}: {problems} problems")
    return 1 if problems or not counted else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
