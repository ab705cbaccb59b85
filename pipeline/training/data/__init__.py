"""Pictures and captions of a training set: found, sorted into buckets, cached."""
