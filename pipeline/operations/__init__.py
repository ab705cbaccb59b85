"""Operations of the pipeline: one file each."""
