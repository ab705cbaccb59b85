"""ControlNets, Control-LoRAs and T2I-adapters: found, read, built."""
