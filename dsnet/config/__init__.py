"""The configuration: checked against its schema, filled with defaults, cut into specs.

A spec is the part of the configuration that determines one artifact's bytes; the workflow hands
it to the verbs as JSON and Snakemake reruns what has a changed one.
"""

from dsnet.config.code import fusion_code, stage_code, train_code
from dsnet.config.compute import busy_cores, flow_gpus, gpu_devices, processes
from dsnet.config.reference import document
from dsnet.config.resolving import ConfigError, resolve
from dsnet.config.schema import Config, load_schema
from dsnet.config.specs import (
    attention_spec,
    flow_spec,
    frames_spec,
    fusion_spec,
    latency_spec,
    manifest_spec,
    maps_spec,
    ordered_json,
    similarity_spec,
    tables_spec,
    train_spec,
    videos_spec,
)
from dsnet.config.streams import (
    ablation_fusions,
    attention_fusions,
    distilled,
    featured,
    fused,
    fusion_kinds,
    fusions,
    kinds,
    latency_rows,
    shown,
    similarity_streams,
    students,
    titles,
)

__all__ = [
    "Config",
    "ConfigError",
    "ablation_fusions",
    "attention_fusions",
    "attention_spec",
    "busy_cores",
    "distilled",
    "document",
    "featured",
    "flow_gpus",
    "flow_spec",
    "frames_spec",
    "fused",
    "fusion_code",
    "fusion_kinds",
    "fusion_spec",
    "fusions",
    "gpu_devices",
    "kinds",
    "latency_rows",
    "latency_spec",
    "load_schema",
    "manifest_spec",
    "maps_spec",
    "ordered_json",
    "processes",
    "resolve",
    "shown",
    "similarity_spec",
    "similarity_streams",
    "stage_code",
    "students",
    "tables_spec",
    "titles",
    "train_code",
    "train_spec",
    "videos_spec",
]
