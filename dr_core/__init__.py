"""Everything that DR Lens computes: data, models, training, analyses and studies. Knows no user interface."""
