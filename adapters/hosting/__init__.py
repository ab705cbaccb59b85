"""For hosts that apply LoRAs and embeddings by themselves: what their own readers miss."""
