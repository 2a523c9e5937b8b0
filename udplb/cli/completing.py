"""`udplb completion`: what a shell needs to complete the commands."""

from __future__ import annotations

from typing import Literal

from udplb.cli.endings import DONE
from udplb.cli.entrance import app

Shell = Literal["bash", "zsh", "fish"]


def completion(shell: Shell, /) -> int:
    """Print a script with which a shell completes the commands and options of udplb.

    For example:

        udplb completion bash > ~/.local/share/bash-completion/completions/udplb
        udplb completion zsh > ~/.zfunc/_udplb
        udplb completion fish > ~/.config/fish/completions/udplb.fish

    Parameters
    ----------
    shell
        Which shell it is for.
    """
    print(app.generate_completion(prog_name="udplb", shell=shell))
    return DONE
