"""Low-rank networks beside the frozen layers of a base model, as they are trained."""
