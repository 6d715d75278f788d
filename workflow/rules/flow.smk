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
        gpu=settings.flow_gpus(cfg),
    params:
        spec=canonical(settings.flow_spec(cfg)),
        version=store.VERSION,
    shell:
        "python -m dsnet flow"
        " --spec {params.spec:q}"
        " --frames {input.frames:q}"
        " --output {output:q}"
        " 2> {log:q}"
