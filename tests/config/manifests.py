"""Checks Kubernetes and Istio manifests against their schemas; unknown fields are mistakes. Prints what is wrong.

Runs in the environment of tests/requirements-schemas.txt: `manifests.py FILE ...`
"""

import sys
from importlib import import_module

import jsonschema
import kubernetes_validate
import yaml

KUBERNETES = "1.37"

# Groups of Istio and the modules with the models of their resources, made from Istio's own CustomResourceDefinitions.
ISTIO = {
    "networking.istio.io": "cloudcoil.models.istio.networking",
    "security.istio.io": "cloudcoil.models.istio.security",
    "extensions.istio.io": "cloudcoil.models.istio.extensions",
}


def main(paths):
    failed = False
    for path in paths:
        with open(path, encoding="utf-8") as file:
            documents = list(yaml.safe_load_all(file))
        for document in documents:
            for problem in problems(document):
                failed = True
                print(f"{path}: {document.get('kind')}: {problem}")
    return 1 if failed else 0


def problems(document):
    """What is wrong with one resource, as lines of text."""
    group, _, version = document.get("apiVersion", "").rpartition("/")
    if group in ISTIO:
        return list(istio_problems(document, ISTIO[group], version))
    try:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [f"{'/'.join(map(str, error.path))}: {error.message}"]
    return []


def istio_problems(document, module, version):
    model = getattr(import_module(f"{module}.{version}"), document["kind"])
    schema = model.model_json_schema(by_alias=True)
    validator = jsonschema.Draft202012Validator(closed(schema))
    for error in sorted(validator.iter_errors(document), key=lambda error: error.json_path):
        deepest = jsonschema.exceptions.best_match([error])
        yield f"{deepest.json_path}: {deepest.message}"


def closed(schema):
    """`schema` with unknown fields refused wherever it lists the known ones. The models would drop them silently."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        schema.setdefault("additionalProperties", False)
    return schema


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
