"""The stages of the tiny experiment as the commands that its rules run, to run one by itself."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from project import Project

from dsnet.stages import STAGES

COMMAND = re.compile(r"python -m dsnet (.*)$", re.MULTILINE)


class Stage:
    """One rule's command: its verb and arguments, and the files it makes."""

    def __init__(self, words: list[str]) -> None:
        self.words = words
        self.verb = words[0]
        self.log = Path(words[words.index("2>") + 1])
        self.arguments = words[: words.index("2>")]
        if self.verb == "train":  # the rule names the folder
            (folder,) = self._values("--output")
            self.outputs = [Path(folder) / name for name in ("model.pt", "history.csv")]
        else:
            made = [each.name for each in STAGES[self.verb].parameters() if each.is_output]
            self.outputs = [Path(path) for name in made for path in self._values(f"--{name}")]

    def _values(self, option: str) -> list[str]:
        """What follows an option, up to the next one."""
        if option not in self.arguments:
            return []
        rest = self.arguments[self.arguments.index(option) + 1 :]
        ends = [place for place, word in enumerate(rest) if word.startswith("--")]
        return rest[: ends[0]] if ends else rest

    @property
    def name(self) -> str:
        return f"{self.verb} {self.outputs[0]}"


def stages(project: Project) -> list[Stage]:
    """All stages of a project, in the order in which Snakemake would run them."""
    text = project.finish("-n", "-p", "--forceall").text
    return [Stage(shlex.split(command)) for command in COMMAND.findall(text)]


def one(found: list[Stage], verb: str, part: str = "") -> Stage:
    """The first stage of a verb whose output's path has ``part``."""
    return next(s for s in found if s.verb == verb and part in str(s.outputs[0]))
