# Seconds each, too short for a cluster's queue.
localrules:
    fuse,


rule fuse:
    """Fuse the scores of two or more streams."""
    input:
        fused_scores,
    output:
        f"{RUN}/fusion/{{fused}}.{{kind}}.json",
    log:
        f"{LOGS}/{{dataset}}/split{{split}}/{{length}}f/seed{{seed}}/fusion/{{fused}}.{{kind}}.log",
    benchmark:
        f"{COSTS}/{{dataset}}/split{{split}}/{{length}}f/seed{{seed}}/fusion/{{fused}}.{{kind}}.tsv"
    conda:
        "../../envs/train.yaml"
    params:
        spec=lambda wildcards: canonical(settings.fusion_spec(cfg, wildcards.kind)),
        code=lambda wildcards: settings.fusion_code(cfg, wildcards.kind),
    shell:
        "python -m dsnet fuse"
        " --spec {params.spec:q}"
        " --kind {wildcards.kind}"
        " --scores {input:q}"
        " --output {output:q}"
        " 2> {log:q}"
