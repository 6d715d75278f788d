# Stages to ask for by name that are many jobs each; table1, table2 and others are one.
rule flow:
    """Compute TV-L1 of all videos."""
    input:
        # Shards that are not kept would be made again for this, and all that follows from them.
        shards("flow") if KEEP == "all" else clips(),


rule students:
    """Train and score all streams that have a teacher."""
    input:
        per_stream("model.pt", streams.distilled(experiment)),
        per_stream("scores.h5", streams.distilled(experiment)),
