"""Backbone, flow algorithm and kinds of data sets that are a user's own."""

from __future__ import annotations

from collections.abc import Iterator

from dsnet import registry
from dsnet.config.schema import Config, suggestion


def use_plugins(config: Config) -> Iterator[str]:
    """Put the places of a user's classes for their names, in place; tell of names unknown.

    Where a class is dsnet's own, the keys ``backbone``, ``algorithm`` and ``options`` are left out,
    so that specs are as they were without a choice.
    """
    named = [("model", config["model"], "backbone", "BACKBONES")]
    named += [("flow", config["flow"], "algorithm", "FLOWS")]
    named += [(f"catalogue.{n}", e, "kind", "DATASETS") for n, e in config["catalogue"].items()]
    for where, entry, key, kind in named:
        own: dict[str, str] = getattr(registry, kind)
        name, known = entry[key], registry.places(kind, own, config["plugins"])
        if name not in known:
            yield f"{where}.{key}: unknown name {name!r}; {suggestion(name, known)}"
        elif name not in own:
            entry[key] = known[name]
        elif entry["options"]:
            yield f"{where}.options: {name} is no class of plugins; it has keys of its own"
        else:
            del entry["options"]
            if key != "kind":
                del entry[key]
    if "backbone" in config["model"]:
        chosen = config["model"]
        config["model"] = {"backbone": chosen["backbone"], **chosen["options"]}


def backbone(config: Config) -> str:
    """The place of the backbone."""
    return config["model"].get("backbone", registry.BACKBONES["resnext3d"])
