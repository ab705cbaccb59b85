"""Steps of a training run: order, noise, loss, optimiser, states from which a run goes on."""
