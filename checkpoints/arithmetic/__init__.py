"""What merge methods compute with: chance, sums, filters, thresholds."""
