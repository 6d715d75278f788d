# Seconds each, too short for a cluster's queue.
localrules:
    fuse,


rule fuse:
    """Fuse the scores of two or more streams."""
    input:
        scores=fused_scores,
    output:
        f"{RUN}/fusion/{{fused}}.{{kind}}.json",
    log:
        f"{LOGS}/{{dataset}}/split{{split}}/{{length}}f/seed{{seed}}/fusion/{{fused}}.{{kind}}.log",
    benchmark:
        f"{COSTS}/{{dataset}}/split{{split}}/{{length}}f/seed{{seed}}/fusion/{{fused}}.{{kind}}.tsv"
    conda:
        "../../envs/train.yaml"
    params:
        **determined_by("fuse"),
    shell:
        command("fuse")
