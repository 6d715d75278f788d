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
    threads: lambda wildcards: settings.busy_cores(training_of(wildcards))
    resources:
        gpu=lambda wildcards: training_of(wildcards)["gpus"],
        arithmetic=lambda wildcards: training_of(wildcards)["threads"],
        workers=lambda wildcards: training_of(wildcards)["workers"],
        processes=lambda wildcards: settings.processes(training_of(wildcards)),
        device=lambda wildcards: training_of(wildcards)["device"],
    params:
        spec=train_spec,
        code=lambda wildcards: train_code(wildcards.stream),
        init=lambda wildcards, input: ["--init", input.init] if input.init else [],
        teacher=lambda wildcards, input: ["--teacher", input.teacher] if input.teacher else [],
        folder=subpath(output.model, parent=True),
    shell:
        "python -m dsnet train"
        " --spec {params.spec:q}"
        " --code {params.code}"
        " --clips {input.clips:q}"
        " {params.init:q}"
        " {params.teacher:q}"
        " --device {resources.device}"
        " --threads {resources.arithmetic}"
        " --workers {resources.workers}"
        " --processes {resources.processes}"
        " --output {params.folder:q}"
        " 2> {log:q}"
