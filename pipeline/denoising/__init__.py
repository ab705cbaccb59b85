"""From noise to a picture: guidance, ControlNets, masks, and the way between latents and pictures."""
