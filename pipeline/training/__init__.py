"""Training of LoRAs, embeddings and ControlNets on the pictures of a folder; every run can be stopped and goes on."""
