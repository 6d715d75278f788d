rule train:
    """Train one stream, after the stream it starts from and its teacher."""
    input:
        clips=rules.pack.output.clips,
        init=lambda wildcards: model_of(wildcards, "init"),
        teacher=lambda wildcards: model_of(wildcards, "teacher"),
    output:
        model=f"{RUN}/{{stream}}/model.pt",
        history=f"{RUN}/{{stream}}/history.csv",
        tensorboard=directory(f"{RUN}/{{stream}}/tensorboard"),
    log:
        f"{LOGS}/{{dataset}}/split{{split}}/{{length}}f/seed{{seed}}/{{stream}}/train.log",
    benchmark:
        f"{COSTS}/{{dataset}}/split{{split}}/{{length}}f/seed{{seed}}/{{stream}}/train.tsv"
    conda:
        "../../envs/train.yaml"
    threads: lambda wildcards: training_of(wildcards).busy_cores()
    resources:
        gpu=lambda wildcards: training_of(wildcards).gpus,
        arithmetic=lambda wildcards: training_of(wildcards).threads,
        workers=lambda wildcards: training_of(wildcards).workers,
        processes=lambda wildcards: training_of(wildcards).n_processes(),
        device=lambda wildcards: training_of(wildcards).device,
    params:
        **determined_by("train"),
        folder=subpath(output.model, parent=True),
    shell:
        command("train")
