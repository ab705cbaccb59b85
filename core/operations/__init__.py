"""Operations on poses: one file each."""
