"""The commands, one line each: what `mcnet --help` shows, and the module that is imported when one is called."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Command:
    """`module` holds a typer application `app`; `panel` is the heading in the help."""

    name: str
    module: str
    help: str
    panel: str


SETUP = "Set up"
SERVICES = "Services across clusters"
LOOK = "Look"
LAB = "Try and test"

COMMANDS: Final = (
    Command("deploy-broker", "mcnet.cli.deploy_broker", "Make a cluster the broker of a clusterset.", SETUP),
    Command("token", "mcnet.cli.token", "Make, list and revoke the tokens that let clusters join.", SETUP),
    Command("join", "mcnet.cli.join", "Join a cluster to the clusterset.", SETUP),
    Command("config", "mcnet.cli.config", "Show and change the settings given at join.", SETUP),
    Command("member", "mcnet.cli.member", "Show, approve, renew and remove members, as the broker's admin.", SETUP),
    Command(
        "gateway", "mcnet.cli.gateway", "List, add, drain, weigh and remove gateways; set what holds for one.", SETUP
    ),
    Command("rotate", "mcnet.cli.rotate", "Give gateways new keys, without losing a packet.", SETUP),
    Command("leave", "mcnet.cli.leave", "Take a cluster out of the clusterset, without a trace.", SETUP),
    Command("export", "mcnet.cli.export", "Make a service usable from the other clusters.", SERVICES),
    Command("unexport", "mcnet.cli.unexport", "Take an exported service back.", SERVICES),
    Command("show", "mcnet.cli.show", "Show the state of the clusterset, and what is wrong with it.", LOOK),
    Command("diagnose", "mcnet.cli.diagnose", "Find out what is wrong, and the command that mends it.", LOOK),
    Command("benchmark", "mcnet.cli.benchmark", "Measure what the way through mcnet costs.", LOOK),
    Command("version", "mcnet.cli.version", "Print the version of this command.", LOOK),
    Command("completion", "mcnet.cli.completion_command", "Print the completion script for a shell.", LOOK),
    Command("lab", "mcnet.cli.lab", "Real clusters on this machine, to try mcnet and to test it.", LAB),
)

BY_NAME: Final = {command.name: command for command in COMMANDS}
