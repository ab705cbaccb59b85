"""From prompts to what steers the UNet: texts over the steps, embeddings, text encoders, LoRAs, sizes."""
