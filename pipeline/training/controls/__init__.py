"""Training of ControlNets: whole, or as Control-LoRAs."""
