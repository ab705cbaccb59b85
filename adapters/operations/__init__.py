"""Operations on LoRA-family files, embeddings and prompts: one file each."""
