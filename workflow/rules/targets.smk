# Targets for stages of many jobs. Stages of one job, such as table1, are targets themselves.
rule flow:
    """Compute the flow of all videos."""
    input:
        # If shards are not kept, asking for them would make them and everything after them again.
        shards("flow") if KEEP == "all" else clips(),


rule students:
    """Train and score all streams that have a teacher."""
    input:
        per_stream("model.pt", streams.distilled(experiment)),
        per_stream("scores.h5", streams.distilled(experiment)),
