"""Shell completion: from a table of commands and options that is made ahead (`reference`), so that a press of TAB
does not wait for typer.

`mcnet completion bash` prints a script; it calls `mcnet __complete WORD…`, which answers one candidate a line.
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

TABLE: Final = Path(__file__).with_name("completion.json")
CONTEXT_OPTIONS: Final = ("--context", "--broker-context")
ANYWHERE: Final = ("--debug", "--no-color")

SCRIPTS: Final = {
    "bash": """\
_mcnet() {
    local IFS=$'\\n'
    COMPREPLY=($(mcnet __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _mcnet mcnet kubectl-mcnet
""",
    "zsh": """\
#compdef mcnet kubectl-mcnet
_mcnet() {
    local -a found
    found=("${(@f)$(mcnet __complete "${words[@]:1:$((CURRENT-1))}" 2>/dev/null)}")
    compadd -a found || _files
}
compdef _mcnet mcnet kubectl-mcnet
""",
    "fish": """\
function __mcnet_complete
    set -l words (commandline -opc) (commandline -ct)
    mcnet __complete $words[2..-1] 2>/dev/null
end
complete -c mcnet -f -a '(__mcnet_complete)'
""",
}


def complete(words: Sequence[str]) -> list[str]:
    """Candidates for the last of `words` (what was typed after `mcnet`, the last one perhaps empty)."""
    *before, last = words or [""]
    node: dict[str, Any] = json.loads(TABLE.read_text())
    previous = ""
    for word in before:
        if word in node.get("commands", {}):
            node = node["commands"][word]
        previous = word
    if previous in CONTEXT_OPTIONS:
        return _matching(_contexts(before), last)
    option = node.get("options", {}).get(previous)
    if option is not None and option["value"]:
        return _matching(option["choices"], last)
    if last.startswith("-"):
        return _matching([*node.get("options", {}), *ANYWHERE], last)
    return _matching([*node.get("commands", {}), *node.get("choices", [])], last)


def _matching(candidates: Sequence[str], beginning: str) -> list[str]:
    return sorted(candidate for candidate in candidates if candidate.startswith(beginning))


def _contexts(words: Sequence[str]) -> list[str]:
    """Names of the kubeconfig's contexts; none if it can't be read. (Reading them by mcnet.kube takes too long.)"""
    import yaml

    named = words[words.index("--kubeconfig") + 1] if "--kubeconfig" in words[:-1] else os.environ.get("KUBECONFIG")
    names: list[str] = []
    for path in (named or str(Path("~/.kube/config").expanduser())).split(os.pathsep):
        try:
            content = yaml.load(Path(path).read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
            names += [str(context["name"]) for context in content["contexts"]]
        except (OSError, yaml.YAMLError, KeyError, TypeError):
            continue
    return names


def script(shell: str) -> str:
    """The completion script for `shell`. Raises UsageError for a shell that has none."""
    from mcnet.model.errors import UsageError

    if shell not in SCRIPTS:
        raise UsageError(f"there is no completion for {shell!r}", f"choose one of: {', '.join(SCRIPTS)}")
    return SCRIPTS[shell]


def write_script(shell: str) -> None:
    """Prints it."""
    sys.stdout.write(script(shell))
