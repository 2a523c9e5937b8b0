from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from udplb.cli import main


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_each_shell(
    shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for word in ("drain", "--at-deadline", "explain", "--without"):
        assert word.lstrip("-") in script
    if shutil.which(shell) is None:
        return
    file = tmp_path / "script"
    file.write_text(script)
    done = subprocess.run([shell, "-n", str(file)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["udplb", "dr"], "drain"),
        (["udplb", "drain", "dns/a", "--at-d"], "--at-deadline"),
        (["udplb", "drain", "dns/a", "--at-deadline", "m"], "move"),
        (["udplb", "flows", "--sort", "r"], "rate"),
    ],
)
def test_bash_completes(
    typed: list[str], offered: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if shutil.which("bash") is None:
        pytest.skip("no bash here")
    assert main(["completion", "bash"]) == 0
    file = tmp_path / "script"
    file.write_text(capsys.readouterr().out)
    words = " ".join(f"'{word}'" for word in typed)
    asked = (
        f"source {file}; COMP_WORDS=({words}); COMP_CWORD={len(typed) - 1};"
        ' $(complete -p udplb | sed "s/.*-F \\([^ ]*\\).*/\\1/") udplb;'
        ' printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, check=False)
    assert offered in [each.strip() for each in done.stdout.splitlines()], done
