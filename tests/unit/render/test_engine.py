"""The engine: strict about names, safe about values, sorted for applying."""

from dataclasses import dataclass

import pytest
import yaml
from jinja2 import UndefinedError

from mcnet.kube.kinds import kind_of
from mcnet.render.engine import environment, render, render_file, sort_objects, to_yaml
from mcnet.render.values import BrokerValues


@dataclass(frozen=True)
class Nothing:
    """No values at all."""


def test_a_missing_value_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="namespace"):
        render_file("broker/namespace.yaml", Nothing())


def test_a_missing_folder_is_an_error() -> None:
    with pytest.raises(LookupError, match="templates/nowhere holds no manifests"):
        render("nowhere")


@pytest.mark.parametrize("text", ['a"b', "a: b", "- x", "{{ x }}", "line\nbreak", "true", "0x10", "ü", "'"])
def test_quote_keeps_any_text_a_text(text: str) -> None:
    rendered = environment().from_string("value: {{ text | quote }}").render(text=text)
    assert yaml.safe_load(rendered) == {"value": text}


def test_folders_do_not_include_what_is_below_them() -> None:
    kinds = {obj["kind"] for obj in render("broker", BrokerValues())}
    assert "RoleBinding" not in kinds  # these belong to broker/account


def test_applying_order() -> None:
    objects = [
        {"kind": "Deployment", "metadata": {"name": "d", "namespace": "n"}},
        {"kind": "Unheard", "metadata": {"name": "u"}},
        {"kind": "CustomResourceDefinition", "metadata": {"name": "b"}},
        {"kind": "Namespace", "metadata": {"name": "n"}},
        {"kind": "CustomResourceDefinition", "metadata": {"name": "a"}},
    ]
    assert [obj["metadata"]["name"] for obj in sort_objects(objects)] == ["n", "a", "b", "d", "u"]


def test_yaml_reads_back() -> None:
    objects = render("broker", BrokerValues()) + render("crds")
    assert tuple(yaml.safe_load_all(to_yaml(objects))) == objects


def test_every_rendered_kind_is_known() -> None:
    for obj in render("broker", BrokerValues()) + render("crds"):
        assert kind_of(obj).kind == obj["kind"]
