"""``python -m dsnet.config`` writes ``docs/config.md``."""

from pathlib import Path

from dsnet.config import document, load_schema

if __name__ == "__main__":
    root = Path(__file__).parents[2]
    described = document(load_schema(root / "workflow/schemas/config.schema.yaml"))
    (root / "docs/config.md").write_text(described, encoding="utf-8")
