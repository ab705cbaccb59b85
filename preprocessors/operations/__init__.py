"""Operations on weights files: one file each."""
