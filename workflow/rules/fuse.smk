rule fuse:
    # Fuse two streams from their scores alone.
    input:
        a=f"{RUN}/{{a}}/scores.h5",
        b=f"{RUN}/{{b}}/scores.h5",
    output:
        f"{RUN}/fusion/{{a}}+{{b}}.{{kind}}.json",
    log:
        f"{LOGS}/{{dataset}}/split{{split}}/{{length}}f/seed{{seed}}/fusion/{{a}}+{{b}}.{{kind}}.log",
    benchmark:
        f"{COSTS}/{{dataset}}/split{{split}}/{{length}}f/seed{{seed}}/fusion/{{a}}+{{b}}.{{kind}}.tsv"
    conda:
        "../../envs/train.yaml"
    params:
        spec=canonical(cfg["fusion"]),
        code=code_digest("dsnet.fusion"),
    shell:
        "python -m dsnet fuse"
        " --spec {params.spec:q}"
        " --kind {wildcards.kind}"
        " --scores {input.a:q} {input.b:q}"
        " --output {output:q}"
        " 2> {log:q}"
