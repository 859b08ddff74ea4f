"""`mcnet gateway set`: what is typed wrongly, and help that names an example."""

from typer.testing import CliRunner

from mcnet.cli.gateway import app


def test_help_has_an_example_and_says_how_to_take_back() -> None:
    shown = CliRunner().invoke(app, ["set", "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    assert "Example: mcnet gateway set west-n1 --public-address 198.51.100.7" in shown.output
    assert "default" in shown.output


def test_without_a_node_it_says_so() -> None:
    shown = CliRunner().invoke(app, ["set"])
    assert shown.exit_code == 2
    assert "NODE" in shown.output
