"""``python -m dsnet.experiment`` writes ``docs/config.md`` and the JSON schema for editors."""

import json
from pathlib import Path

from dsnet.experiment import Experiment
from dsnet.experiment.schema import document

if __name__ == "__main__":
    root = Path(__file__).parents[2]
    (root / "docs/config.md").write_text(document(), encoding="utf-8")
    written = json.dumps(Experiment.model_json_schema(), indent=1) + "\n"
    (root / "workflow/schemas/config.schema.json").write_text(written, encoding="utf-8")
