# `flow` is all of them, in targets.smk: a rule with wildcards cannot be asked for by name.
rule flow_shard:
    """Compute TV-L1 between the consecutive frames of a shard."""
    input:
        frames=rules.frames.output,
    output:
        passing(f"{DATASET}/flow/{{shard}}.h5"),
    log:
        f"{LOGS}/{{dataset}}/flow/{{shard}}.log",
    benchmark:
        f"{COSTS}/{{dataset}}/flow/{{shard}}.tsv"
    conda:
        "../../envs/video.yaml"
    resources:
        gpu=experiment.flow.n_gpus(),
    params:
        **determined_by("flow_shard"),
    shell:
        command("flow_shard")
