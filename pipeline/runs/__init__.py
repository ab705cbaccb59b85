"""One run of the pipeline: what is asked for is checked, read and brought to size, sampled, and put together."""
