rule train:
    # Train one stream, after the stream it starts from and its teacher.
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
    threads: lambda wildcards: busy(wildcards.stream)
    resources:
        gpu=lambda wildcards: training("gpus", wildcards.stream),
        arithmetic=lambda wildcards: training("threads", wildcards.stream),
        workers=lambda wildcards: training("workers", wildcards.stream),
        processes=lambda wildcards: processes(wildcards.stream),
        device=lambda wildcards: training("device", wildcards.stream),
    params:
        spec=train_spec,
        code=train_code,
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
