"""Turns `templates/` into Kubernetes objects: one environment, strict, sorted so that what others need comes first.

What the values are is decided by the callers; applying objects is mcnet.install's. Nothing here talks to a
cluster.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, Final

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined, Undefined

JsonObject = dict[str, Any]

ORDER: Final = (
    "Namespace",
    "CustomResourceDefinition",
    "ServiceAccount",
    "ClusterRole",
    "Role",
    "ClusterRoleBinding",
    "RoleBinding",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "Secret",
    "ConfigMap",
    "ClusterSet",
    "Member",
    "Service",
    "DaemonSet",
    "Deployment",
)
"""Kinds in the order in which they are applied; kinds that are not listed come last. Removal goes backwards."""


@cache
def environment() -> Environment:
    """The one Jinja environment: an undefined name is an error, `quote` writes any value as a YAML scalar or
    flow collection (JSON is YAML)."""
    made = Environment(
        loader=PackageLoader("mcnet", "templates"),
        undefined=StrictUndefined,
        autoescape=False,  # YAML, not HTML: `quote` does the escaping
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.globals.clear()  # Jinja's own `namespace` would stand in for a value that is missing
    made.filters["quote"] = _quote
    return made


def render(folder: str, values: Any = None) -> tuple[JsonObject, ...]:
    """All objects of `templates/FOLDER/*.yaml` with the fields of the dataclass `values`, in applying order."""
    names = environment().list_templates(filter_func=lambda name: _is_in(folder, name))
    if not names:
        raise LookupError(f"templates/{folder} holds no manifests: the installation of mcnet is incomplete")
    return sort_objects(made for name in names for made in render_file(name, values))


def render_file(name: str, values: Any = None) -> tuple[JsonObject, ...]:
    """The objects of one template file, in the file's order."""
    text = environment().get_template(name).render(_mapping(values))
    return tuple(document for document in yaml.load_all(text, Loader=_LOADER) if document)


def sort_objects(objects: Iterable[JsonObject]) -> tuple[JsonObject, ...]:
    """Objects in the order of ORDER, then by namespace and name."""
    return tuple(sorted(objects, key=_rank))


def to_yaml(objects: Iterable[JsonObject]) -> str:
    """The objects as one YAML stream, as `kubectl apply -f -` takes it."""
    return "".join(
        "---\n" + yaml.dump(made, Dumper=_DUMPER, sort_keys=False, default_flow_style=False, width=120)
        for made in objects
    )


def _quote(value: Any) -> str:
    if isinstance(value, Undefined):
        str(value)  # a strict one raises UndefinedError with its name, which JSON's error would not say
    return json.dumps(value)


def _is_in(folder: str, name: str) -> bool:
    parent, _, file = name.rpartition("/")
    return parent == folder and file.endswith(".yaml")


def _mapping(values: Any) -> Mapping[str, Any]:
    if values is None:
        return {}
    assert is_dataclass(values)
    return {part.name: getattr(values, part.name) for part in fields(values)}


def _rank(made: JsonObject) -> tuple[int, str, str, str]:
    kind = made["kind"]
    place = ORDER.index(kind) if kind in ORDER else len(ORDER)
    metadata = made["metadata"]
    return place, kind, metadata.get("namespace", ""), metadata["name"]


_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
